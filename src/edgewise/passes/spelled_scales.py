"""What scales mean, in the words of operators that have kernels: QUANTIZE and DEQUANTIZE of
channels and of 4 bits, int16 operands of CONCATENATION in scales of their own, products of floats
by integers that the model computes. Integers keep their bits."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from edgewise.dtypes import DType
from edgewise.ir.build import Builder
from edgewise.ir.enums import Activation
from edgewise.ir.evaluate import evaluate_op
from edgewise.ir.graph import Node, Value
from edgewise.ops.requant import activation_range
from edgewise.passes.pattern import Match
from edgewise.passes.rewrite import Rule, Verdict

NONE = Activation.NONE
_BYTES = (DType.INT8, DType.UINT8)
_STORED = (*_BYTES, DType.INT16)
_PRODUCTS = (  # by name: most models have none of them
    *("batch_matmul", "fully_connected", "conv_2d", "depthwise_conv_2d", "transpose_conv", "svdf"),
    *("lstm", "lstm_layer", "unidirectional_sequence_lstm", "bidirectional_sequence_lstm"),
    *("rnn", "unidirectional_sequence_rnn", "bidirectional_sequence_rnn", "embedding_lookup"),
)
_NARROW = (DType.INT4, DType.UINT4, DType.INT2)


def _has_scales(value: Value) -> bool:
    """One scale for each of its channels."""
    quant = value.quant
    return quant is not None and quant.per_channel and quant.fits(value.shape) is True


# -- dequantize -----------------------------------------------------------------------------------


def _has_channels(match: Match) -> Verdict:
    x = match.root.input
    if x.quant is None or x.dtype.bits > 16:
        return "there is no scale, or one of wide numbers"
    if x.is_constant:
        return "it is computed while planning"
    return x.quant.scale.size > 1 or x.dtype in _NARROW or "a kernel knows one scale"


def _meaning(b: Builder, match: Match) -> Value:
    x = match.root.input
    assert x.quant is not None
    if x.quant.block_size is None:
        scale, point = x.quant.broadcast(x.shape)
    else:
        numbers = x.quant.scale, x.quant.zero_point
        scale, point = (np.repeat(n, x.quant.block_size, x.quant.axis) for n in numbers)
    y = b.cast(x, in_data_type=x.dtype, out_data_type=DType.FLOAT32)
    if point.any():
        y = b.sub(y, b.constant(point.astype(np.float32)), fused_activation_function=NONE)
    return b.mul(y, b.constant(scale.astype(np.float32)), fused_activation_function=NONE)


# -- quantize -------------------------------------------------------------------------------------


def _becomes_channels(match: Match) -> Verdict:
    x, y = match.root.input, match.root.output
    if not _has_scales(y) or y.dtype not in _STORED:
        return "the result has one scale, or is no integer of 8 or 16 bits"
    return x.dtype is DType.FLOAT32 or f"x is {x.dtype.text}"


def _steps(b: Builder, match: Match) -> Value:
    # rne(clamp(x * (1 / s), low - z, high - z)) + z: the bounds are whole, so they may come last
    x, y = match.root.input, match.root.output
    assert y.quant is not None
    scale, point = y.quant.broadcast(y.shape)
    low, high = ((n - point).astype(np.float32) for n in y.dtype.range)
    real = b.mul(x, b.constant(np.float32(1) / scale), fused_activation_function=NONE)
    at_least = b.maximum(b.round(real), b.constant(low))  # its second operand for a NaN
    steps = b.minimum(at_least, b.constant(high))
    if point.any():
        steps = b.add(steps, b.constant(point.astype(np.float32)), fused_activation_function=NONE)
    return b.cast(steps, dtype=y.dtype, quant=y.quant, out_data_type=y.dtype)


def _has_256_of_each(match: Match) -> Verdict:
    x, y = match.root.input, match.root.output
    scaled = _scaled(x, y)
    if not scaled:
        return "both have one scale"
    axes = {v.quant.axis for v in scaled if v.quant is not None}
    if len(axes) > 1 or not all(map(_has_scales, scaled)):
        return "the scales are not those of one kind of channel"
    known = x.dtype in _BYTES and y.dtype in _STORED and y.quant is not None
    return known or f"there is no table from {x.dtype.text} to {y.dtype.text}"


def _scaled(*values: Value) -> list[Value]:
    """Those with several scales."""
    return [v for v in values if v.quant is not None and v.quant.scale.size > 1]


def _looked_up(b: Builder, match: Match) -> Value:
    # table[channel, x]: what the reference makes of every integer in every channel
    x, y = match.root.input, match.root.output
    quant = _scaled(x, y)[0].quant
    assert quant is not None
    assert quant.axis is not None
    rank, axis = len(x.shape), quant.axis
    low = x.dtype.range[0]
    every = np.arange(256) + low
    shape = [1] * (rank + 1)
    shape[axis], shape[-1] = quant.scale.size, 256
    grid = np.broadcast_to(every.astype(x.dtype.numpy), shape)
    types = [x.type.with_shape(shape)], [y.type.with_shape(shape)]
    table = evaluate_op(match.root.op, [grid], *types)[0].reshape(-1)
    first = 256 * np.arange(quant.scale.size, dtype=np.int32) - low
    place = b.cast(x, dtype=DType.INT32, out_data_type=DType.INT32)
    place = b.add(place, b.constant(first.reshape(shape[:-1])), fused_activation_function=NONE)
    return b.gather(b.constant(table), place, quant=y.quant)


# -- concatenation --------------------------------------------------------------------------------


def _has_other_scales(match: Match) -> Verdict:
    from edgewise.ops.join import Concatenation

    op, y = match.root.op, match.root.output
    assert isinstance(op, Concatenation)
    if y.dtype is not DType.INT16 or y.quant is None:
        return f"the result is {y.dtype.text}, which tables rescale"
    if any(v is not None and v.quant is None for v in match.root.inputs):
        return "an operand has no scale"
    is_same = all(v is None or v.quant == y.quant for v in match.root.inputs)
    is_plain = op.fused_activation_function is NONE
    return not (is_same and is_plain) or "all have one scale"


def _rescaled(b: Builder, match: Match) -> Value:
    # concatenation(x, y, act) -> act(concatenation(quantize(x), quantize(y)))
    from edgewise.ops.join import Concatenation

    op, y = match.root.op, match.root.output
    assert isinstance(op, Concatenation)
    parts = [
        v if v is None or v.quant == y.quant else b.quantize(v, quant=y.quant)
        for v in match.root.inputs
    ]
    plain = op.replace(fused_activation_function=NONE)
    joined = b.node(plain, *parts, results=[y.type]).output
    low, high = activation_range(op.fused_activation_function, y.type)
    least, most = y.dtype.range
    if low > least:
        joined = b.maximum(joined, b.constant(np.int16(low), quant=y.quant), quant=y.quant)
    if high < most:
        joined = b.minimum(joined, b.constant(np.int16(high), quant=y.quant), quant=y.quant)
    return joined


# -- products of floats by integers ---------------------------------------------------------------


def _integers_of(node: Node) -> list[Value]:
    return [v for v in node.inputs if v is not None and v.type.is_quantized]


def _has_computed_weights(match: Match) -> Verdict:
    root, stored = match.root, _integers_of(match.root)
    if not root.outputs[0].dtype.is_float or not stored:
        return "there are no integers between floats"
    if any(v.data is None for v in stored):
        return True
    op = root.op
    if op.name == "batch_matmul":
        from edgewise.ops.batch_matmul import BatchMatMul

        assert isinstance(op, BatchMatMul)
        batch = math.prod(d if isinstance(d, int) else 1 for d in root.operand(1).shape[:-2])
        if op.adj_x or batch != 1 or root.operand(0) in stored:
            return True
    return "kernels take constant weights as they are stored"


def _by_floats(b: Builder, match: Match) -> Sequence[Value]:
    # product(x, w) -> product(x, dequantize(w))
    root, stored = match.root, _integers_of(match.root)
    operands = [b.dequantize(v) if v is not None and v in stored else v for v in root.inputs]
    return b.node(root.op, *operands, results=[v.type for v in root.outputs]).outputs


def _has_computed_nibbles(match: Match) -> Verdict:
    w = match.root.operand(1)
    if w.dtype is not DType.INT4 or match.root.output.dtype.is_float:
        return "the weights have 8 bits, or stand between floats"
    return w.data is None or "kernels take constant weights as they are stored"


def _by_bytes(b: Builder, match: Match) -> Value:
    # product(x, w) -> product(x, cast(w)): the same integers
    root, w = match.root, match.root.operand(1)
    wide = b.cast(w, dtype=DType.INT8, quant=w.quant, out_data_type=DType.INT8)
    operands = [wide if v is w else v for v in root.inputs]
    return b.node(root.op, *operands, results=[root.output.type]).output


SCALES = [
    # dequantize(x) -> (cast(x) - zero_point) * scale
    Rule(
        "dequantize channels",
        lambda p: p.any("dequantize"),
        _has_channels,
        _meaning,
        phrase="DEQUANTIZE[s] of channels or 4 bits written as arithmetic",
    ),
    # quantize(x) -> cast(clamp(round(x / scale)) + zero_point)
    Rule(
        "quantize to channels",
        lambda p: p.any("quantize"),
        _becomes_channels,
        _steps,
        phrase="QUANTIZE[s] to channels written as arithmetic",
    ),
    # quantize(x) -> table[channel, x]
    Rule(
        "requantize channels",
        lambda p: p.any("quantize"),
        _has_256_of_each,
        _looked_up,
        phrase="QUANTIZE[s] from channels made tables",
    ),
    # concatenation(xs, act) -> act(concatenation(quantize(xs)))
    Rule(
        "rescaled concatenation",
        lambda p: p.any("concatenation"),
        _has_other_scales,
        _rescaled,
        phrase="int16 concatenation[s] behind QUANTIZE",
    ),
    # product(x, w) -> product(x, dequantize(w))
    Rule(
        "product by computed integers",
        lambda p: p.any(*_PRODUCTS),
        _has_computed_weights,
        _by_floats,
        phrase="product[s] of floats by computed integers on what those mean",
    ),
    # product(x, w) -> product(x, cast(w))
    Rule(
        "product by computed integers of 4 bits",
        lambda p: p.any("fully_connected", "conv_2d", "depthwise_conv_2d"),
        _has_computed_nibbles,
        _by_bytes,
        phrase="product[s] by computed integers of 4 bits on 8 bits",
    ),
]
