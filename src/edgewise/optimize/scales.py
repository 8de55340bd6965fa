"""The scale and zero point of every quantized tensor, from ranges and the operators' rules.

A tensor is a value in one type. Operators with the rule SameScale join theirs into one group
(union-find), whose range is the union of its members' and which needs no requantization inside;
FixedRange gives a group its scale. Where an operand has a prescribed scale and the others do not
fit into it (softmax beside other data in a CONCATENATION), that operand alone is requantized.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from edgewise.dtypes import QUANTIZED_8, DType
from edgewise.errors import InternalError
from edgewise.ir.graph import Graph, Node, Value
from edgewise.ir.op import FixedRange, SameScale
from edgewise.ir.types import Quant
from edgewise.optimize.ranges import Range, inside_name
from edgewise.optimize.regions import Types
from edgewise.optimize.rules import FLOAT32, is_data, is_float
from edgewise.optimize.weights import affine, shifted

# a value in a type; of one operand alone, where that is requantized for it
Tensor = tuple[Value, DType] | tuple[Node, int]


# How far other inputs than the samples may reach in 16 bits, which have a bit to spare: the KL of
# 16x8 on samples that did not calibrate, without and with it: MNIST with depthwise convolutions
# 6.7e-4 and 1.2e-4; MobileNetV1 0.25, ResNet8 and keyword spotting the same to two digits
_ROOM = 2.0


class _Inside(dict[str, Quant]):
    """By key the parameters; a key without is noted as missing when it is asked for."""

    names: dict[str, str]
    missing: dict[str, None]

    def __missing__(self, key: str) -> Quant:
        self.missing[self.names[key]] = None
        return Quant(1.0, 0)


class Scales:
    """The parameters of a graph's quantized tensors.

    `range_of` gives the range of what has a name and is no constant; None where it is not known,
    which is collected in `missing`."""

    def __init__(self, graph: Graph, types: Types, range_of: Callable[[str], Range | None]) -> None:
        self.missing: dict[str, None] = {}
        self._range_of, self._types = range_of, types
        self._parents: dict[Tensor, Tensor] = {}
        self._ranges: dict[Tensor, Range | None] = {}
        self._fixed: dict[Tensor, Quant] = {}
        self._alone: set[tuple[Node, int]] = set()
        for node in graph.nodes:
            dtype = types.get(node, FLOAT32)
            if dtype is not FLOAT32:
                self._take(node, dtype)

    def of(self, value: Value, dtype: DType) -> Quant:
        """The parameters of a value in a type."""
        other = next((d for d in QUANTIZED_8 if d is not dtype and dtype in QUANTIZED_8), None)
        if (value, dtype) not in self._parents and (value, other) in self._parents:
            # an input or output: the same numbers as in the other 8-bit type
            assert other is not None
            return shifted(self.of(value, other), dtype)
        return self._quant((value, dtype), dtype)

    def of_operand(self, node: Node, index: int) -> Quant:
        """The parameters of an operand of data, as the node reads it."""
        dtype = self._types[node]
        if (node, index) in self._alone:
            return self._quant((node, index), dtype)
        return self.of(node.operand(index), dtype)

    def inside(self, node: Node) -> dict[str, Quant]:
        """The parameters of what a node computes inside, as far as it was measured."""
        found = _Inside()
        found.names = {key: inside_name(node, key) for key in node.op.inside}
        found.missing = self.missing
        for key, dtype in node.op.inside.items():
            range_ = self._range_of(found.names[key])
            if range_ is not None:
                found[key] = affine(range_, dtype)
        return found

    def _take(self, node: Node, dtype: DType) -> None:
        results = [(v, dtype) for v in node.outputs if is_float(v)]
        operands = [i for i, v in enumerate(node.inputs) if is_float(v) and is_data(node, i)]
        for tensor in (*results, *((node.operand(i), dtype) for i in operands)):
            self._root(tensor)
        rule = node.op.quantization
        if isinstance(rule, FixedRange):
            for tensor in results:
                quant = rule.of(dtype)
                if quant is None:
                    raise InternalError(f"{node}: no prescribed scale for {dtype.text}")
                self._fixed[self._root(tensor)] = quant
        elif isinstance(rule, SameScale):
            self._join_all(node, dtype, results, operands)

    def _join_all(
        self, node: Node, dtype: DType, results: list[tuple[Value, DType]], operands: list[int]
    ) -> None:
        tensors: list[tuple[int, Tensor]] = [(i, (node.operand(i), dtype)) for i in operands]
        # those without a prescribed scale first: what the group holds is known then
        tensors.sort(key=lambda pair: self._root(pair[1]) in self._fixed)
        anchor: Tensor | None = results[0] if results else None
        for result in results[1:]:
            assert anchor is not None
            self._join(anchor, result, is_only=True)
        for index, tensor in tensors:
            if anchor is None:
                anchor = tensor
            elif not self._join(anchor, tensor, is_only=len(tensors) == 1):
                self._alone.add((node, index))
                self._join(anchor, (node, index), is_only=True)

    def _join(self, a: Tensor, b: Tensor, *, is_only: bool) -> bool:
        """Make one group of two; False where a prescribed scale forbids it. `is_only`: what b
        holds is all that a can hold."""
        p, q = self._root(a), self._root(b)
        if p == q:
            return True
        first, second = self._fixed.get(p), self._fixed.get(q)
        if first is not None and second is not None and first != second:
            return False
        if (first is None) != (second is None) and not is_only:
            free, quant = (q, first) if first is not None else (p, second)
            assert quant is not None
            if not _fits(self._ranges[free], quant, self._dtype(free)):
                return False
        self._parents[q] = p
        self._ranges[p] = _union(self._ranges[p], self._ranges[q])
        if second is not None:
            self._fixed[p] = second
        return True

    def _root(self, tensor: Tensor) -> Tensor:
        if tensor not in self._parents:
            self._parents[tensor] = tensor
            first = tensor[0]
            self._ranges[tensor] = None if isinstance(first, Node) else self._known(first)
        while self._parents[tensor] != tensor:
            self._parents[tensor] = self._parents[self._parents[tensor]]
            tensor = self._parents[tensor]
        return tensor

    def _known(self, value: Value) -> Range | None:
        if value.data is None:
            return self._range_of(value.name)
        # A lone number (a bound, a mask's -1e9) is clipped into its group, not given room.
        if value.data.size < 2 or not np.isfinite(value.data).all():
            return None
        return Range(float(value.data.min()), float(value.data.max()))

    def _dtype(self, tensor: Tensor) -> DType:
        first, second = tensor
        return self._types[first] if isinstance(first, Node) else second  # type: ignore[return-value]

    def _quant(self, tensor: Tensor, dtype: DType) -> Quant:
        root = self._root(tensor)
        fixed = self._fixed.get(root)
        if fixed is not None:
            return fixed
        range_ = self._ranges[root]
        first = tensor[0]
        if range_ is None and isinstance(first, Value):
            if first.data is not None and first.data.size:
                real = float(first.data.reshape(-1)[0])
                range_ = Range(real, real) if np.isfinite(real) else None
            elif 0 not in (first.type.shape or ()):  # what is empty has any scale
                self.missing[first.name] = None
        range_ = range_ or Range(0.0, 0.0)
        if dtype is DType.INT16:
            range_ = Range(_ROOM * range_.low, _ROOM * range_.high)
        return affine(range_, dtype)


def _union(a: Range | None, b: Range | None) -> Range | None:
    return a if b is None else b if a is None else a.union(b)


def _fits(range_: Range | None, quant: Quant, dtype: DType) -> bool:
    """The numbers of a range lie in what a scale can hold, to a step."""
    if range_ is None:
        return True
    low, high = quant.dequantize(np.array(dtype.range)).tolist()
    step = float(quant.scale.flat[0])
    return low - step <= range_.low and range_.high <= high + step
