"""Conditions that several rules need. Each returns True or the sentence that says why not."""

from __future__ import annotations

import numpy as np

from edgewise.dtypes import DType
from edgewise.ir.dim import Shape, same_dim
from edgewise.ir.graph import Value
from edgewise.passes.pattern import Match
from edgewise.passes.rewrite import Verdict

# Operators whose results are elements of their first operand, whatever it holds.
MOVING = ("reshape", "expand_dims", "squeeze", "transpose", "slice", "strided_slice", "tile")


def floats(match: Match) -> Verdict:
    """Everything the matched nodes compute, and its operands of that kind, are floats (what they
    compare them for aside)."""
    for node in match.nodes:
        for value in (*node.outputs, *node.inputs):
            if value is not None and value.quant is not None and value.dtype.is_integer:
                return f"{value.name!r} is quantized; the rule is for floats"
        if not node.output.dtype.is_float and node.output.dtype is not DType.BOOL:
            return f"the result of {node} is {node.output.dtype.text}; the rule is for floats"
    return True


def keeps_type(match: Match) -> Verdict:
    """The value captured as `x` has the type of the root's result."""
    return same_type(match["x"], match.root.output)


def same_type(a: Value, b: Value) -> Verdict:
    """Equal dtypes and quantization, shapes proven equal: one may stand for the other."""
    if a.dtype is not b.dtype:
        return f"the dtype changes from {a.dtype.text} to {b.dtype.text}"
    if a.dtype.is_integer and a.quant != b.quant:
        return f"the quantization changes from {a.quant} to {b.quant}"
    if not same_shape(a.type.shape, b.type.shape):
        return f"the shape changes, or may change, from {a.type} to {b.type}"
    return True


def same_shape(a: Shape | None, b: Shape | None) -> bool:
    """The shapes are known to be equal."""
    if a is None or b is None or len(a) != len(b):
        return False
    return all(same_dim(x, y) is True for x, y in zip(a, b, strict=True))


def same_bits(a: Value, b: Value) -> Verdict:
    """Equal dtypes and quantization: integers mean the same in both."""
    if a.dtype is not b.dtype or (a.dtype.is_integer and a.quant != b.quant):
        return f"{a.name!r} is {a.dtype.text} {a.quant}; {b.name!r} is {b.dtype.text} {b.quant}"
    return True


def per_channel(constant: np.ndarray, shape: Shape) -> np.ndarray | str:
    """A constant that broadcasts along the last axis of `shape`, as a float64 vector [C]."""
    channels = shape[-1] if shape else None
    if not isinstance(channels, int):
        return "the number of channels is unknown"
    if constant.ndim > len(shape) or constant.size not in (1, channels):
        return f"the constant {list(constant.shape)} is not one number per channel [{channels}]"
    if constant.size > 1 and constant.shape[-1] != channels:
        return f"the constant {list(constant.shape)} varies along another axis than the last"
    return np.broadcast_to(constant.astype(np.float64).reshape(-1), (channels,))
