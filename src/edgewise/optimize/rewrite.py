"""A graph whose types and scales are decided, rewritten: the last step of `quantize`."""

from __future__ import annotations

from collections.abc import Mapping

from edgewise.dtypes import DType
from edgewise.ir.build import name_values
from edgewise.ir.graph import Graph, Node, Value
from edgewise.ir.op import Role
from edgewise.ir.types import Quant, TensorType
from edgewise.ops.convert import Dequantize, Quantize
from edgewise.optimize.recipe import Mode, Scheme
from edgewise.optimize.regions import Types, home
from edgewise.optimize.rules import (
    FLOAT32,
    Narrow,
    bias_type,
    channel_axis,
    computing_on,
    form_of,
    is_data,
    is_float,
    scale_axis,
)
from edgewise.optimize.scales import Scales
from edgewise.optimize.weights import block_scale, floor_of, stored, weight_scale
from edgewise.values import dataclass


@dataclass(frozen=True, slots=True)
class Choice:
    """What becomes of a node; `narrow` where it goes on computing on floats."""

    scheme: Scheme
    narrow: Narrow | None = None


def rewrite(
    graph: Graph,
    choices: Mapping[Node, Choice],
    types: Types,
    scales: Scales,
    inputs: Mapping[Value, DType],
    outputs: Mapping[Value, DType],
) -> None:
    """Change a graph of `prepare` into what was decided."""
    _Rewrite(graph, types, scales, inputs).run(choices, outputs)
    graph.tensors = []  # positions in a file; no longer true
    name_values(graph)


class _Rewrite:
    """The graph, and what was made for it so far: by value, type and scale."""

    def __init__(
        self, graph: Graph, types: Types, scales: Scales, inputs: Mapping[Value, DType]
    ) -> None:
        self.graph, self.types, self.scales, self.inputs = graph, types, scales, inputs
        self.made: dict[tuple[Value, DType, Quant | None], Value] = {}
        self.homes = {v: home(v, types, inputs) for v in graph.values() if is_float(v)}

    def run(self, choices: Mapping[Node, Choice], outputs: Mapping[Value, DType]) -> None:
        nodes = list(self.graph.nodes)
        self._type_values()
        for node in nodes:
            choice = choices.get(node)
            if self.types.get(node, FLOAT32) is not FLOAT32:
                assert choice is not None
                self._integers(node, choice.scheme)
                continue
            self._floats(node)
            if choice is not None and choice.narrow is not None:
                self._narrow(node, choice.narrow)
        self._outputs(outputs)

    def _type_values(self) -> None:
        """Every value has the type in which it is made. Which of its names it keeps is settled
        where it is converted."""
        self.quants = {
            v: self.scales.of(v, dtype)
            for v, dtype in self.homes.items()
            if dtype is not FLOAT32 and v.data is None
        }
        # the scales of all operands are asked before types change
        self.operands = {
            (node, i): self.scales.of_operand(node, i)
            for node, dtype in self.types.items()
            if dtype is not FLOAT32
            for i, v in enumerate(node.inputs)
            if is_float(v) and is_data(node, i)
        }
        self.floats = set(self.homes)
        for value, quant in self.quants.items():
            value.type = TensorType(value.type.shape, self.homes[value], quant)
            value.extras = {}

    # -- operators ------------------------------------------------------------------------------

    def _integers(self, node: Node, scheme: Scheme) -> None:
        node.op = computing_on(node.op, scheme)
        data: Quant | None = None
        for index, value in enumerate(node.inputs):
            if value is not None and value in self.floats and is_data(node, index):
                quant = self.operands[node, index]
                data = data or quant
                self.graph.set_input(node, index, self._as(value, scheme.data, quant, node))
        if node.op.updates:
            self._remembering(node, data)
            return
        weight: Quant | None = None
        bias = self._of_role(node, Role.BIAS)
        for index, value in enumerate(node.inputs):
            if value is None or value not in self.floats or is_data(node, index):
                continue
            if node.op.declared(index).role is Role.WEIGHT:
                assert data is not None
                weight = self._weight(node, index, scheme, data, bias)
        if bias is not None:
            assert data is not None
            assert weight is not None
            self._bias(node, bias, data, weight, bias_type(scheme.data))

    def _remembering(self, node: Node, data: Quant | None) -> None:
        """An operator with state, whose class says how its operands are stored."""
        assert data is not None
        assert node.output.quant is not None
        quants = self.scales.inside(node)
        quants |= {"x": data, "y": node.output.quant}
        form = form_of(node, quants)
        assert form is not None
        node.op, types = form
        for index, (dtype, quant) in types.items():
            value = node.operand(index)
            if value.is_variable:
                value.type = TensorType(value.type.shape, dtype, quant)
            else:
                self.graph.set_input(node, index, self._stored(value, dtype, quant))

    def _of_role(self, node: Node, role: Role) -> int | None:
        found = (
            i
            for i, v in enumerate(node.inputs)
            if v in self.floats and node.op.declared(i).role is role
        )
        return next(found, None)

    def _weight(
        self, node: Node, index: int, scheme: Scheme, data: Quant, bias: int | None
    ) -> Quant:
        value = node.operand(index)
        assert value.data is not None
        declared = node.op.declared(index)
        dtype = DType.UINT8 if scheme.data is DType.UINT8 else scheme.weight
        axis = channel_axis(declared, dtype)
        channels = 1 if axis is None else value.data.shape[axis]
        result = node.output.quant or data
        numbers = None if bias is None else node.operand(bias).data
        floor = floor_of(numbers, data, result, channels)
        quant = weight_scale(value.data, dtype, axis, floor)
        self.graph.set_input(node, index, self._stored(value, dtype, quant))
        return quant

    def _bias(self, node: Node, index: int, data: Quant, weight: Quant, dtype: DType) -> None:
        scale = data.scale.reshape(-1)[0] * weight.scale
        quant = Quant(scale, 0, 0 if scale.size > 1 else None)
        self.graph.set_input(node, index, self._stored(node.operand(index), dtype, quant))

    def _floats(self, node: Node) -> None:
        for index, value in enumerate(node.inputs):
            if value is not None and value in self.floats and value.data is None:
                self.graph.set_input(node, index, self._as(value, FLOAT32, None, node))

    def _narrow(self, node: Node, narrow: Narrow) -> None:
        scheme = narrow.scheme
        if narrow.is_direct:
            node.op = computing_on(node.op, scheme)
        for index in narrow.operands:
            value = node.operand(index)
            small = self._small(node, index, value, scheme)
            if narrow.is_direct:
                self.graph.set_input(node, index, small)
                continue
            self.graph.set_input(node, index, self._widened(value, small, node))

    def _small(self, node: Node, index: int, value: Value, scheme: Scheme) -> Value:
        assert value.data is not None
        if scheme.mode is Mode.FLOAT16:
            key = (value, DType.FLOAT16, None)
            if key not in self.made:
                half = value.data.clip(-65504, 65504).astype(DType.FLOAT16.numpy)
                self.made[key] = Value(TensorType.of(half), f"{value.name}_float16", half)
            return self.made[key]
        if scheme.block:
            quant = block_scale(value.data, scheme.weight, scheme.block)
        else:
            axis = scale_axis(node.op.declared(index), scheme)
            quant = weight_scale(value.data, scheme.weight, axis)
        return self._stored(value, scheme.weight, quant)

    def _widened(self, value: Value, small: Value, before: Node) -> Value:
        key = (small, FLOAT32, None)
        if key not in self.made:
            wide = Value(value.type, value.name)
            self.made[key] = wide
            self.graph.insert(
                Dequantize(), [small], [wide], before=before, location=before.location
            )
        return self.made[key]

    # -- values ---------------------------------------------------------------------------------

    def _stored(self, value: Value, dtype: DType, quant: Quant) -> Value:
        key = (value, dtype, quant)
        if key not in self.made:
            self.made[key] = stored(value, dtype, quant, f"{value.name}_{dtype.text}")
        return self.made[key]

    def _as(self, value: Value, dtype: DType, quant: Quant | None, before: Node | None) -> Value:
        """The value in a type and scale, for a reader and those behind it."""
        if value.data is not None:
            assert quant is not None
            return self._stored(value, dtype, quant)
        if self.homes[value] is dtype and value.quant == quant:
            return value
        key = (value, dtype, quant)
        if key not in self.made:
            self.made[key] = self._convert(
                value, TensorType(value.type.shape, dtype, quant), before
            )
        return self.made[key]

    def _convert(self, value: Value, type_: TensorType, before: Node | None) -> Value:
        """A QUANTIZE directly behind the producer, so that few bytes live long; a DEQUANTIZE
        directly before its first reader, for the same reason."""
        converted = Value(type_, f"{value.name}_{type_.dtype.text}")
        is_wide = type_.dtype is FLOAT32
        place = before if is_wide else self._behind(value)
        op = Dequantize() if is_wide else Quantize()
        location = value.producer.location if value.producer is not None else None
        self.graph.insert(op, [value], [converted], before=place, location=location)
        return converted

    def _behind(self, value: Value) -> Node | None:
        if value.producer is not None:
            return value.producer.next
        return next(self.graph.nodes, None)

    def _outputs(self, outputs: Mapping[Value, DType]) -> None:
        """The graph's outputs in their types, under the names that they had."""
        ends: dict[Value, Value] = {}
        for value in dict.fromkeys(self.graph.outputs):
            dtype = outputs.get(value)
            if dtype is None or value.data is not None:
                ends[value] = value
                continue
            quant = None if dtype is FLOAT32 else self.scales.of(value, dtype)
            end = ends[value] = self._as(value, dtype, quant, None)
            if end is not value and value not in self.graph.inputs:
                end.name, value.name = value.name, f"{value.name}_{self.homes[value].text}"
        self.graph.set_outputs([ends[value] for value in self.graph.outputs])
