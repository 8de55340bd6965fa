"""What an operator can become under a scheme: asked from its class and from the target's table.

A class says which types its operands take, what each is for, and the rule of its scales. What
LiteRT then runs was measured (`passes/targets`), so the question is put to that table with the
node as it would be.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from edgewise.dtypes import DType
from edgewise.errors import EdgewiseError
from edgewise.ir.dim import same_dim
from edgewise.ir.enums import Activation
from edgewise.ir.graph import Node, Value
from edgewise.ir.infer import result_declaration, result_types
from edgewise.ir.op import FixedRange, In, IntegerForm, NotQuantized, Op, Role, SameScale
from edgewise.ir.types import Quant, TensorType
from edgewise.ops.convert import Dequantize
from edgewise.optimize.recipe import Mode, Scheme
from edgewise.passes.target import Target, kind_of
from edgewise.values import dataclass

FLOAT32 = DType.FLOAT32
# Weights under one scale below which 4 bits cost more accuracy than the little size they save is
# worth: a depthwise filter has 9 (keyword spotting: KL 3e-2 with, 3e-3 without them)
_LEAST_PER_SCALE = 32
# Elements from which a matrix stays int8 in an operator that takes one scale for all of it: below,
# a scale for each row costs no time (LSTM of 20 units: LiteRT 0.024 and 0.023 ms, here the same; of
# 64: 0.086 and 0.073, here twice), and takes three quarters of the KL
_LEAST_BY_ONE = 1024
_FUSED = (Activation.NONE, Activation.RELU, Activation.RELU6, Activation.RELU_N1_TO_1)


def is_float(value: Value | None) -> bool:
    """A tensor of the type that quantization starts from."""
    return value is not None and value.dtype is FLOAT32


def is_data(node: Node, index: int) -> bool:
    """The operand has a scale like data: it is data, or a table whose rows are moved."""
    role = node.op.declared(index).role
    return role is Role.DATA or (
        role is Role.WEIGHT and isinstance(node.op.quantization, SameScale)
    )


def is_weight(node: Node, index: int) -> bool:
    """The operand is stored symmetrically, with scales of its own."""
    return node.op.declared(index).role is Role.WEIGHT and not is_data(node, index)


def bias_type(data: DType) -> DType:
    """What a bias is stored as, beside data of this type."""
    return DType.INT64 if data is DType.INT16 else DType.INT32


def channel_axis(declared: In, dtype: DType) -> int | None:
    """Along which axis weights of this type have a scale each."""
    axis = declared.channel_axis
    return None if dtype is DType.UINT8 or axis is None or axis < 0 else axis


def scale_axis(declared: In, scheme: Scheme) -> int | None:
    """The same under a scheme: what a DEQUANTIZE makes float32 has a scale for each row, also where
    its reader could take no more than one."""
    if scheme.mode is Mode.WEIGHT_ONLY and declared.role is Role.WEIGHT:
        return declared.channel_axis or 0
    return channel_axis(declared, scheme.weight)


def is_quantized(node: Node) -> bool:
    """Some operand or result has a scale already."""
    values = (*node.inputs, *node.outputs)
    return any(v is not None and v.type.is_quantized for v in values)


def has_floats(node: Node) -> bool:
    """Some operand or result that could be quantized is float32."""
    data = [v for i, v in enumerate(node.inputs) if node.op.declared(i).role is not Role.PARAMETER]
    return any(map(is_float, (*data, *node.outputs)))


# -- integers -----------------------------------------------------------------------------------


def static_scheme(node: Node, scheme: Scheme, target: Target | None) -> Scheme | str:
    """The scheme under which the operator computes on integers, with wider weights where it takes
    no narrower ones; or why it does not, as a sentence."""
    reason = _reason(node, scheme.data)
    if reason:
        return reason
    weights = [i for i, v in enumerate(node.inputs) if is_float(v) and is_weight(node, i)]
    refusal = ""
    for tried in _from_narrow_to_wide(node, weights, scheme):
        problem = _refusal(node, tried, target)
        if problem is None:
            return tried
        refusal = refusal or problem
    return refusal


def _from_narrow_to_wide(node: Node, weights: Sequence[int], scheme: Scheme) -> list[Scheme]:
    """The schemes to try: as asked, without blocks, with int8 weights."""
    if scheme.data is DType.UINT8:
        return [Scheme(scheme.mode, DType.UINT8, scheme.data)]
    wide = Scheme(scheme.mode, DType.INT8, scheme.data)
    if scheme.mode is Mode.STATIC and node.op.updates:
        return [wide]  # its class says how weights are stored
    if scheme.weight is DType.INT8 and not scheme.block:
        return [scheme]
    if scheme.weight is not DType.INT8 and not can_narrow(node, weights, scheme):
        return [wide]
    whole = Scheme(scheme.mode, scheme.weight, scheme.data)
    shapes = [node.operand(i).shape for i in weights]
    divide = all(len(s) == 2 and same_dim(s[1] % scheme.block, 0) for s in shapes if scheme.block)
    return list(dict.fromkeys([scheme, whole, wide] if divide else [whole, wide]))


def can_narrow(node: Node, weights: Sequence[int], scheme: Scheme) -> bool:
    """Enough weights share a scale, of all these constant operands, for fewer than 8 bits."""
    return not weights or per_scale(node, weights, scheme) >= _LEAST_PER_SCALE


def per_scale(node: Node, weights: Sequence[int], scheme: Scheme) -> int:
    """How many weights share a scale, of the constant operand where they are fewest; 0 of none."""
    sizes = []
    for index in weights:
        data = node.operand(index).data
        assert data is not None
        axis = scale_axis(node.op.declared(index), scheme)
        sizes.append(data.size // max(1 if axis is None else data.shape[axis], 1))
    return min(sizes, default=0)


def _reason(node: Node, data: DType) -> str:
    """Why the operator has no form on integers, whichever; empty where it may have one."""
    op, name = node.op, node.op.builtin or node.op.name
    if isinstance(op.quantization, NotQuantized):
        return f"{name} has no quantized form"
    others = {v.dtype for v in node.inputs if v is not None and v.dtype.is_float} - {FLOAT32}
    if others:
        return f"its operands are {', '.join(sorted(d.text for d in others))}, not float32"
    if isinstance(op.quantization, FixedRange) and op.quantization.of(data) is None:
        return f"{name} has no prescribed scale for {data.text}"
    if op.activation not in _FUSED and not op.inside:
        return f"its fused activation {op.activation.name} has no quantized form"
    for index, value in enumerate(node.inputs):
        declared = op.declared(index)
        if value is None or not is_float(value) or is_data(node, index):
            continue
        if declared.role in (Role.WEIGHT, Role.BIAS) and value.data is None:
            return f"its {declared.name!r} is computed; a constant is needed"
    if op.updates and form_of(node) is None:
        return f"{name} keeps state, whose scales are not chosen here"
    if op.updates and data is not DType.INT8:
        return f"{name} keeps state and computes on int8 data alone, not on {data.text}"
    if any(len(v.uses) > 1 for v in states_of(node)):
        return f"{name} shares its state with other operators"
    return ""


def states_of(node: Node) -> list[Value]:
    """The variables that a node reads and updates."""
    return [v for v in node.inputs if v is not None and v.is_variable]


def form_of(node: Node, quants: Mapping[str, Quant] | None = None) -> tuple[Op, IntegerForm] | None:
    """`Op.integer_form` of a node; without `quants` all of these are 1."""
    if quants is None:
        quants = dict.fromkeys(("x", "y", *node.op.inside), Quant(1.0, 0))
    absent = [None] * (len(node.op.operands) - len(node.inputs))
    return node.op.integer_form(quants, [*node.inputs, *absent])


def _refusal(node: Node, scheme: Scheme, target: Target | None) -> str | None:
    """What keeps the node from running under the scheme; None where nothing does."""
    return _problem(tentative(node, scheme), target)


def _problem(node: Node, target: Target | None) -> str | None:
    """What the class, or the target, has against a node; None: nothing."""
    try:
        result_types(node.op, node.inputs, [v.type for v in node.outputs])
    except EdgewiseError as refusal:
        return f"{node.op.builtin or node.op.name}: {refusal}"
    return None if target is None else target.problem(node)


def _stored_as(node: Node, index: int, scheme: Scheme) -> DType | None:
    """What a float operand becomes; None: it stays."""
    if is_data(node, index):
        return scheme.data
    role = node.op.declared(index).role
    if role is Role.WEIGHT:
        return scheme.weight
    return bias_type(scheme.data) if role is Role.BIAS else None


def tentative(node: Node, scheme: Scheme) -> Node:
    """The node with the types that it would have under a static scheme, and scales of 1; it
    belongs to no graph."""
    form = form_of(node)
    op, types = (node.op, {}) if form is None else form
    inputs: list[Value | None] = []
    for index, value in enumerate(node.inputs):
        dtype = types[index][0] if index in types else _stored_as(node, index, scheme)
        if value is None or not is_float(value) or dtype is None:
            inputs.append(value)
            continue
        axis = channel_axis(node.op.declared(index), dtype) if is_weight(node, index) else None
        inputs.append(_typed(value, dtype, axis))
    outputs = [
        _typed(v, scheme.data, None) if is_float(v) and _follows(node.op, i) else v
        for i, v in enumerate(node.outputs)
    ]
    return Node(computing_on(op, scheme), inputs, outputs, node.name)


def _follows(op: Op, index: int) -> bool:
    """The result has the type of the data, not one of its own."""
    declared = result_declaration(op, index)
    return declared.dtype is None


def _typed(value: Value, dtype: DType, axis: int | None) -> Value:
    shape = value.type.shape
    count = 1 if axis is None or shape is None or not isinstance(shape[axis], int) else shape[axis]
    assert isinstance(count, int)
    quant = Quant(np.ones(count, np.float32), 0, axis if count > 1 else None)
    return Value(TensorType(shape, dtype, quant), value.name)


def computing_on(op: Op, scheme: Scheme) -> Op:
    """The operator with the attributes that say how it computes on such types."""
    if scheme.data is DType.INT16 and "pot_scale_int16" in op.names:
        return op.replace(pot_scale_int16=False)
    if scheme.mode is Mode.DYNAMIC and "asymmetric_quantize_inputs" in op.names:
        return op.replace(asymmetric_quantize_inputs=True)
    return op


# -- floats -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Narrow:
    """Operands that are stored in a narrow type while the operator computes on floats.

    `is_direct`: the operator reads them as they are; else a DEQUANTIZE stands before it."""

    operands: tuple[int, ...]
    scheme: Scheme
    is_direct: bool


def narrow(node: Node, scheme: Scheme, target: Target | None, least: int) -> Narrow | str:
    """Which constants become narrow under a scheme of float data, and how; or why none does.

    Args:
        least: where no constant has as many elements, all stay.
    """
    weights = _narrow_operands(node, scheme, target)
    if not weights:
        return ""
    sizes = [data.size for i in weights if (data := node.operand(i).data) is not None]
    if max(sizes) < least:
        return f"its weights have {max(sizes)} elements; from {least} on they are quantized"
    if scheme.mode is Mode.FLOAT16:
        return Narrow(weights, scheme, is_direct=False)
    if scheme.mode is Mode.DYNAMIC and (max(sizes) >= _LEAST_BY_ONE or _has_rows(node, weights)):
        for tried in _from_narrow_to_wide(node, weights, scheme):
            if _problem(_narrowed(node, weights, tried), target) is None:
                return Narrow(weights, tried, is_direct=True)
    wide = Scheme(Mode.WEIGHT_ONLY, scheme.weight)
    for tried in _from_narrow_to_wide(node, weights, wide):
        if all(_widens(node, i, tried, target) for i in weights):
            return Narrow(weights, tried, is_direct=False)
    return f"{target.name if target else 'Edgewise'} makes no float32 of {scheme.weight.text}"


def _has_rows(node: Node, weights: Sequence[int]) -> bool:
    """The operator takes these operands with as many scales as a DEQUANTIZE does."""
    declared = [node.op.declared(i) for i in weights]
    return all(d.role is not Role.WEIGHT or d.channel_axis is not None for d in declared)


def _narrow_operands(node: Node, scheme: Scheme, target: Target | None) -> tuple[int, ...]:
    constants = [
        i for i, v in enumerate(node.inputs) if is_float(v) and node.operand(i).is_constant
    ]
    if scheme.mode is Mode.FLOAT16:
        return tuple(i for i in constants if _is_number(node, i))
    matrices = [i for i in constants if len(node.operand(i).shape) >= 2]
    weights = [i for i in matrices if node.op.declared(i).role is Role.WEIGHT]
    others = [i for i in matrices if _runs_on(node, i, target)]
    return tuple(weights or others)


def _is_number(node: Node, index: int) -> bool:
    """Weights, and other constants where they are large."""
    data = node.operand(index).data
    role = node.op.declared(index).role
    return role is Role.WEIGHT or (
        role is not Role.PARAMETER and data is not None and data.size >= 1024
    )


def _runs_on(node: Node, index: int, target: Target | None) -> bool:
    """The target was seen running the operator where this operand of data alone is int8."""
    if node.op.declared(index).role is not Role.DATA or target is None:
        return False
    kind = kind_of(_narrowed(node, [index], Scheme(Mode.DYNAMIC, DType.INT8)))
    return target.kinds.get(node.op.builtin, {}).get(kind) == ""


def _widens(node: Node, index: int, scheme: Scheme, target: Target | None) -> bool:
    """A DEQUANTIZE of the operand runs."""
    value = node.operand(index)
    small = _narrowed(node, [index], scheme).operand(index)
    wide = Value(value.type, value.name)
    return _problem(Node(Dequantize(), [small], [wide]), target) is None


def _narrowed(node: Node, weights: Sequence[int], scheme: Scheme) -> Node:
    """The node with these operands in the scheme's type, and scales of 1; in no graph."""
    inputs = list(node.inputs)
    for index in weights:
        value = node.operand(index)
        axis = scale_axis(node.op.declared(index), scheme)
        inputs[index] = _typed(value, scheme.weight, axis)
        if scheme.block:
            rows, columns = value.shape
            assert isinstance(rows, int)
            assert isinstance(columns, int)
            quant = Quant(np.ones((rows, columns // scheme.block), np.float32), 0, 1, scheme.block)
            inputs[index] = Value(TensorType(value.shape, scheme.weight, quant), value.name)
    return Node(computing_on(node.op, scheme), inputs, node.outputs, node.name)
