"""Bytes of a model before and after: per layer, of the file, and as archives would hold it."""

from __future__ import annotations

import zlib
from importlib import import_module

from edgewise.ir.graph import Graph, Node, Value
from edgewise.ir.model import Model
from edgewise.ops.convert import Dequantize, Quantize
from edgewise.optimize.prepared import prepare
from edgewise.values import dataclass

_SCALE_BYTES = 12  # a float32 scale and an int64 zero point, as files hold them


@dataclass(frozen=True, slots=True)
class LayerSize:
    """The constants of an operator, in bytes, with their scales; and the types of the largest."""

    name: str
    operator: str
    before: int
    after: int
    dtype_before: str
    dtype_after: str

    @property
    def ratio(self) -> float:
        """How many times smaller it became."""
        return self.before / self.after if self.after else 1.0


@dataclass(frozen=True, slots=True)
class FileSize:
    """A file: its bytes, and those of a zip archive (deflate, level 9) and of zstd (level 19; None:
    this Python has none)."""

    plain: int
    zip: int
    zstd: int | None

    @classmethod
    def of(cls, data: bytes) -> FileSize:
        """The sizes of these bytes."""
        return cls(len(data), len(zlib.compress(data, 9)), _zstd(data))


@dataclass(frozen=True, slots=True)
class Sizes:
    """What became of a model's size."""

    layers: tuple[LayerSize, ...]
    before: FileSize
    after: FileSize

    @property
    def ratio(self) -> float:
        """How many times smaller the file became."""
        return self.before.plain / self.after.plain


def sizes(before: Model, after: Model) -> Sizes:
    """The account of a model and what `quantize` made of it."""
    rows = []
    prepared = prepare(before)
    for name, graph in prepared.graphs.items():
        changed = after.graphs[name]
        seen: tuple[set[int], set[int]] = (set(), set())
        for old, new in zip(_operators(graph), _operators(changed), strict=True):
            first, second = _constants(old, seen[0]), _constants(new, seen[1])
            row = LayerSize(
                old.location.layer if old.location else old.output.name if old.outputs else "",
                old.op.name,
                sum(map(_bytes, first)),
                sum(map(_bytes, second)),
                _largest(first),
                _largest(second),
            )
            if row.before or row.after:
                rows.append(row)
    files = FileSize.of(prepared.to_bytes()), FileSize.of(after.to_bytes())
    return Sizes(tuple(rows), *files)


def _operators(graph: Graph) -> list[Node]:
    """What stands in the graph before and after alike: no conversions."""
    return [node for node in graph.nodes if not isinstance(node.op, Quantize | Dequantize)]


def _constants(node: Node, seen: set[int]) -> list[Value]:
    """What the node reads that none before it read, through a DEQUANTIZE, too."""
    found = []
    for value in node.inputs:
        producer = None if value is None else value.producer
        if producer is not None and isinstance(producer.op, Dequantize):
            value = producer.input
        if value is not None and value.data is not None and id(value) not in seen:
            seen.add(id(value))
            found.append(value)
    return found


def _bytes(value: Value) -> int:
    assert value.data is not None
    scales = 0 if value.quant is None else value.quant.scale.size * _SCALE_BYTES
    if value.dtype.bits == 0:
        return sum(len(item) for item in value.data.reshape(-1)) + scales
    return value.dtype.nbytes(value.data.size) + scales


def _largest(values: list[Value]) -> str:
    return max(values, key=_bytes).dtype.text if values else ""


def _zstd(data: bytes) -> int | None:
    try:
        return len(import_module("compression.zstd").compress(data, level=19))
    except ImportError:
        return None
