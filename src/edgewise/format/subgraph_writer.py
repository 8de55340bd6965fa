"""One graph to a SubGraph record: its tensors, operators and their order.

What came from a file is written as the file had it while it still is what was read: the type of
a value, the operator of a node. Tensors of a file keep their order, new ones follow; tensors that
nothing read in the file stay, those that a pass made superfluous go.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping
from typing import Protocol

import numpy as np

from edgewise.dtypes import DType
from edgewise.errors import ConversionError
from edgewise.format.constants import encode_elements
from edgewise.format.custom_options import write_custom
from edgewise.format.options import Code, is_options_2, write_options
from edgewise.format.quantization import write_blockwise, write_quant
from edgewise.format.record import Record, record_type
from edgewise.ir.dim import Shape, is_static, substitute, symbols
from edgewise.ir.graph import Graph, Node, Value
from edgewise.ir.model import Signature
from edgewise.ir.types import Quant, TensorType
from edgewise.ir.version import version_of

_HIDDEN = 4  # the intermediate tensor of an LSTM that is int8: the value before projection


class Shared(Protocol):
    """What the subgraphs of a file share."""

    def code(self, code: Code) -> int:
        """The index of an operator code."""

    def buffer(self, data: np.ndarray) -> int:
        """The index of a buffer with these bytes: uint8 [bytes]."""

    def number(self, graph: Graph) -> int:
        """The index of a graph's subgraph."""


class GraphWriter:
    """One subgraph: its tensors in order, and their indices. `shared` has codes and buffers."""

    def __init__(self, shared: Shared, graph: Graph) -> None:
        self.shared, self.graph = shared, graph
        self.values: list[Value] = []
        self.indices: dict[Value, int] = {}
        self.between: dict[Node, list[Value | None]] = {}
        live = dict.fromkeys(self._live())
        for value in [v for v in graph.tensors if v in live or "unread" in v.extras]:
            self._add(value)
        for value in live:
            self._add(value)

    def record(self, name: str | None) -> Record:
        graph = self.graph
        operators = [self._operator(node) for node in graph.nodes]
        fields: dict[str, object] = {
            "tensors": [],
            "inputs": np.array([self.indices[v] for v in graph.inputs], np.int32),
            "outputs": np.array([self.indices[v] for v in graph.outputs], np.int32),
            "operators": operators,
        }
        if name is not None:
            fields["name"] = name
        # Blockwise scales may append tensors while the others are written.
        tensors: list[Record] = []
        while len(tensors) < len(self.values):
            tensors.append(self._tensor(self.values[len(tensors)]))
        fields["tensors"] = tensors
        return record_type("SubGraph")(**fields)

    def signature(self, signature: Signature, index: int, tag: str | None) -> Record:
        def maps(names: Mapping[str, int], values: Iterable[Value]) -> list[Record]:
            listed = list(values)
            return [
                record_type("TensorMap")(name=name, tensor_index=self.indices[listed[place]])
                for name, place in names.items()
            ]

        return record_type("SignatureDef")(
            inputs=maps(signature.inputs, self.graph.inputs),
            outputs=maps(signature.outputs, self.graph.outputs),
            signature_key=signature.key,
            subgraph_index=index,
            **({} if tag is None else {"deprecated_tag": tag}),
        )

    def _live(self) -> Iterator[Value]:
        """Every value the file must have, in the order of its first appearance."""
        yield from self.graph.inputs
        for node in self.graph.nodes:
            yield from (v for v in node.inputs if v is not None)
            self.between[node] = list(_intermediates(node))
            yield from (v for v in self.between[node] if v is not None)
            yield from node.outputs
        yield from self.graph.outputs

    def _add(self, value: Value) -> int:
        if value not in self.indices:
            self.indices[value] = len(self.values)
            self.values.append(value)
        return self.indices[value]

    def _operator(self, node: Node) -> Record:
        def indices(values: Iterable[Value | None]) -> np.ndarray:
            return np.array([-1 if v is None else self.indices[v] for v in values], np.int32)

        kept = node.extras.get("record")
        operands = node.inputs
        if node.op.needs_all_operands:
            operands += (None,) * (len(node.op.operands) - len(operands))
        fields: dict[str, object] = {
            "opcode_index": self.shared.code(
                Code(node.op.builtin, node.op.custom, version_of(node))
            ),
            "inputs": indices(operands),
            "outputs": indices(node.outputs),
        }
        between = self.between[node]
        if between:
            fields["intermediates"] = indices(between)
        options = write_options(node.op, self.shared.number)
        written: dict[str, object] = {}
        if options is not None:
            second = is_options_2(options)
            written["builtin_options_2" if second else "builtin_options"] = options
        if isinstance(kept, Record) and node.op == node.extras.get("as_read"):
            for name in _KEPT_OF_OPERATOR:
                if (value := getattr(kept, name)) is not None:
                    fields[name] = value
            if node.op.graph_fields:  # graphs may have other numbers now
                fields |= written
            return record_type("Operator")(**fields)
        fields |= written
        custom = write_custom(node.op)
        if custom:
            fields["custom_options"] = custom
        if any(v is not None and v.is_variable for v in node.inputs):
            variable = [v is not None and v.is_variable for v in node.inputs]
            fields["mutating_variable_inputs"] = np.array(variable)
        return record_type("Operator")(**fields)

    def _tensor(self, value: Value) -> Record:
        kept, read = value.extras.get("record"), value.extras.get("as_read")
        fields: dict[str, object] = {"type": value.dtype, "is_variable": value.is_variable}
        if not isinstance(kept, Record) or not isinstance(read, TensorType):
            kept, read = None, TensorType((), value.dtype)
        if kept is not None:
            fields.update((name, getattr(kept, name)) for name in _KEPT_OF_TENSOR)
        if value.name or kept is None or kept.name is not None:
            fields["name"] = value.name
        if kept is not None and value.type.shape == read.shape and _is_declared(value, kept):
            fields.update(shape=kept.shape, shape_signature=kept.shape_signature)
        else:
            fields.update(_shape_fields(value.name, value.type.shape))
        if kept is not None and value.quant == read.quant:
            fields["quantization"] = self._kept_quantization(value, kept.quantization)
        elif value.quant is not None:
            fields["quantization"] = self._quantization(value.name, value.quant)
        if value.data is not None:
            fields.update(self._constant(value, kept))
        return record_type("Tensor")(**{k: v for k, v in fields.items() if v is not None})

    def _constant(self, value: Value, kept: Record | None) -> dict[str, object]:
        """Buffer and sparsity; a sparse constant of a file stays as it was stored."""
        stored = value.extras.get("sparse")
        if kept is not None and isinstance(stored, tuple) and stored[0] is value.data:
            return {"buffer": self.shared.buffer(stored[1]), "sparsity": kept.sparsity}
        assert value.data is not None
        return {"buffer": self.shared.buffer(encode_elements(value.data, value.dtype))}

    def _quantization(self, name: str, quant: Quant) -> Record:
        if quant.block_size is None:
            return write_quant(quant)
        scale = quant.scale.astype(np.float16)
        scales = self._add(Value(TensorType.of(scale), f"{name}_scale", scale))
        if not quant.zero_point.any():
            return write_blockwise(quant, scales, -1)
        point = quant.zero_point.astype(np.int32)
        points = self._add(Value(TensorType.of(point), f"{name}_zero_point", point))
        return write_blockwise(quant, scales, points)

    def _kept_quantization(self, value: Value, record: Record | None) -> Record | None:
        """The file's record; blockwise scales may have another tensor index now."""
        tensors = value.extras.get("blockwise")
        if record is None or not isinstance(tensors, tuple):
            return record
        record, (scales, points) = copy.copy(record), tensors
        record.details = copy.copy(record.details)
        record.details.scales = self._add(scales)
        if points is not None:
            record.details.zero_points = self._add(points)
        return record


_KEPT_OF_OPERATOR = (
    "builtin_options",
    "builtin_options_2",
    "custom_options",
    "custom_options_format",
    "mutating_variable_inputs",
    "debug_metadata_index",
)
_KEPT_OF_TENSOR = ("has_rank", "variant_tensors", "external_buffer")


def _is_declared(value: Value, kept: Record) -> bool:
    """The file's shape may stay: of a result it may be anything, as readers derive it, but not of
    one that has become a constant."""
    declared = [] if kept.shape is None else kept.shape.tolist()
    return value.data is None or declared == list(value.data.shape)


def _shape_fields(name: str, shape: Shape | None) -> dict[str, object]:
    """`shape` with what it is where the unknowns are 1, and `shape_signature` with -1 for them;
    no shape at all where even the rank is unknown, which [] would make a scalar of.

    The state of an LSTM over `batch*3` sequences must have 3 rows: LiteRT does not resize it.
    """
    if shape is None:
        return {}
    fields: dict[str, object] = {"has_rank": True}
    ones = dict.fromkeys(symbols(shape), 1)
    sizes = [d if isinstance(d, int) else substitute(d, ones) for d in shape]
    if any(isinstance(d, int) and d >= 1 << 31 for d in (*sizes, *shape)):
        raise ConversionError(f"tensor '{name}': sizes in .tflite end at 2147483647; found {shape}")
    fields["shape"] = np.array([d if isinstance(d, int) and d >= 0 else 1 for d in sizes], np.int32)
    if not is_static(shape):
        signature = [d if isinstance(d, int) else -1 for d in shape]
        fields["shape_signature"] = np.array(signature, np.int32)
    return fields


def _intermediates(node: Node) -> Iterator[Value | None]:
    """The tensors between the parts of an LSTM, which have a scale and no value."""
    kept = node.extras.get("intermediates")
    read = node.extras.get("as_read")
    scales = getattr(node.op, "intermediate_scales", ())
    points = getattr(node.op, "intermediate_zero_points", ())
    if isinstance(kept, tuple) and (read == node.op or not scales):
        yield from kept
        return
    for index, (scale, point) in enumerate(zip(scales, points, strict=True)):
        dtype = DType.INT8 if index == _HIDDEN else DType.INT16
        yield Value(TensorType((), dtype, Quant(scale, point)), f"{node.output.name}_{index}")
