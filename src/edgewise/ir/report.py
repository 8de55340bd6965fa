"""What is in a graph, as data: operators, tensors, sizes, work, memory, quantization."""

from __future__ import annotations

from collections.abc import Sequence

from edgewise.errors import EdgewiseError
from edgewise.ir.dim import elements
from edgewise.ir.evaluate import last_uses
from edgewise.ir.graph import Graph, Node, Value
from edgewise.ir.infer import infer_graph, macs_of
from edgewise.values import dataclass, replace


@dataclass(frozen=True, slots=True)
class TensorRow:
    """One tensor. `bytes` is None where a dimension is unknown."""

    name: str
    dtype: str
    shape: list[int | str]
    bytes: int | None
    quantization: str

    @property
    def type(self) -> str:
        """dtype and shape: `float32[batch,12]`."""
        return f"{self.dtype}[{','.join(map(str, self.shape))}]"


@dataclass(frozen=True, slots=True)
class OpRow:
    """One operator. `constant_bytes` counts what it reads that no operator before it read."""

    index: int
    op: str
    layer: str
    attributes: dict[str, str]
    inputs: list[TensorRow]
    outputs: list[TensorRow]
    constant_bytes: int
    macs: int | None


@dataclass(frozen=True, slots=True)
class Report:
    """Totals and rows. Sizes in bytes, work in multiply-accumulates.

    `peak_activation_bytes` is the largest sum of tensors alive at one operator when nothing is
    computed in place: the lower bound of an arena that does not fuse. Work and memory of a graph
    whose inputs have unknown dimensions are those when each of them is 1; None: unknown even then.
    """

    inputs: list[TensorRow]
    outputs: list[TensorRow]
    ops: list[OpRow]
    constant_bytes: int
    peak_activation_bytes: int | None
    macs: int | None

    @property
    def assumes_ones(self) -> bool:
        """Work is that of unknown dimensions taken as 1."""
        unknown = any(not isinstance(d, int) for row in self.inputs for d in row.shape)
        return unknown and self.macs is not None

    def as_json(self) -> dict[str, object]:
        """Plain lists and dictionaries, for `json.dump`."""
        from dataclasses import asdict

        return asdict(self)

    def __str__(self) -> str:
        lines = [f"{'#':>4}  {'operator':<24} {'output':<28} {'MACs':>14} {'constants':>12}"]
        for row in self.ops:
            out = row.outputs[0] if row.outputs else None
            shape = out.type if out else ""
            macs = "?" if row.macs is None else f"{row.macs:,}" if row.macs else ""
            size = f"{row.constant_bytes:,}" if row.constant_bytes else ""
            lines.append(f"{row.index:>4}  {row.op:<24} {shape:<28} {macs:>14} {size:>12}")
        macs = "unknown" if self.macs is None else f"{self.macs:,}"
        peak = self.peak_activation_bytes
        lines.append(
            f"{len(self.ops)} operator{'s'[: len(self.ops) != 1]}, {macs} MACs, "
            f"{self.constant_bytes:,} bytes of constants, "
            f"{'unknown' if peak is None else f'{peak:,}'} bytes of activations at the peak"
            + (" (unknown dimensions as 1)" if self.assumes_ones else "")
        )
        return "\n".join(lines)


def describe(graph: Graph) -> Report:
    """The report of one graph, which is left as it is."""
    report = _describe(graph)
    if all(value.type.is_static for value in graph.inputs):
        return report
    sized = graph.copy()
    for value in sized.inputs:
        if value.type.shape is None:
            return report
        dims = [d if isinstance(d, int) else 1 for d in value.type.shape]
        value.type = value.type.with_shape(dims)
    try:
        infer_graph(sized)
    except EdgewiseError:  # a model that does not take 1, for example a window of a signal
        return report
    small = _describe(sized)
    return replace(
        report,
        ops=[replace(op, macs=at_1.macs) for op, at_1 in zip(report.ops, small.ops, strict=True)],
        macs=small.macs,
        peak_activation_bytes=small.peak_activation_bytes,
    )


def _describe(graph: Graph) -> Report:
    seen: set[int] = set()
    rows = [_op_row(index, node, seen) for index, node in enumerate(graph.nodes)]
    macs = [row.macs for row in rows]
    return Report(
        [tensor_row(v) for v in graph.inputs],
        [tensor_row(v) for v in graph.outputs],
        rows,
        sum(row.constant_bytes for row in rows),
        _peak(graph),
        None if None in macs else sum(m for m in macs if m is not None),
    )


def tensor_row(value: Value) -> TensorRow:
    """One tensor as a row."""
    shape = value.type.shape
    dims: Sequence[object] = ["?"] if shape is None else shape
    return TensorRow(
        value.name,
        value.dtype.text,
        [d if isinstance(d, int) else str(d) for d in dims],
        _bytes(value),
        _quantization(value),
    )


def _op_row(index: int, node: Node, seen: set[int]) -> OpRow:
    constants = 0
    for value in node.inputs:
        if value is not None and value.is_constant and id(value) not in seen:
            seen.add(id(value))
            constants += _bytes(value) or 0
    return OpRow(
        index,
        node.op.name,
        str(node.location) if node.location else "",
        {k: getattr(v, "name", str(v)) for k, v in node.op.items()},
        [tensor_row(v) for v in node.inputs if v is not None],
        [tensor_row(v) for v in node.outputs],
        constants,
        macs_of(node),
    )


def _peak(graph: Graph) -> int | None:
    live = sum(_bytes(v) or 0 for v in graph.inputs)
    peak, last = live, last_uses(graph)
    if any(_bytes(v) is None for v in graph.inputs):
        return None
    for node in graph.nodes:
        sizes = [_bytes(v) for v in node.outputs]
        if None in sizes:
            return None
        live += sum(s for s in sizes if s is not None)
        peak = max(peak, live)
        dead = [v for v in last.get(node, ()) if not v.is_constant and not v.is_variable]
        live -= sum(_bytes(v) or 0 for v in dead)
    return peak


def _bytes(value: Value) -> int | None:
    if value.data is not None and value.dtype.bits == 0:
        return sum(len(item) for item in value.data.reshape(-1))
    if value.type.shape is None:
        return None
    count = elements(value.type.shape)
    return value.dtype.nbytes(count) if isinstance(count, int) else None


def _quantization(value: Value) -> str:
    quant = value.quant
    if quant is None:
        return ""
    if quant.block_size is not None:
        return f"{quant.scale.size} scales in blocks of {quant.block_size}"
    if quant.per_channel:
        return f"{quant.scale.size} scales along axis {quant.axis}"
    scale, point = f"{quant.scale.flat[0]:.6g}", int(quant.zero_point.flat[0])
    return f"{scale} * q" if point == 0 else f"{scale} * (q {'-+'[point < 0]} {abs(point)})"
