"""Rules that fold scales, offsets and normalisations into the linear operator after them.

A scale always can go; an offset meets zeros of padding that it does not reach, so there it stays,
and only the scale behind it goes.
"""

from __future__ import annotations

import numpy as np

from edgewise.ir.build import Builder
from edgewise.ir.enums import Activation
from edgewise.ir.graph import Value
from edgewise.ops.conv import Conv2D, DepthwiseConv2D
from edgewise.ops.conv3d import Conv3D
from edgewise.ops.fully_connected import FullyConnected
from edgewise.passes.affine import batch_norm_affine, norm_of, normalises_channels
from edgewise.passes.conditions import floats, per_channel, same_shape
from edgewise.passes.linear import channels_in, constant_weights, meets_every_tap, scale_input
from edgewise.passes.pattern import Match, Pattern, PatternBuilder, Result
from edgewise.passes.rewrite import Rule, Verdict, every

NONE = Activation.NONE
DIRECT = (Conv2D, DepthwiseConv2D, Conv3D, FullyConnected)  # their data is operand 0
LARGE = 1e30  # far from where float32 ends


# -- scale and offset ---------------------------------------------------------------------------


def _scaled(p: PatternBuilder) -> Result:
    return p.mul(p.value("x"), p.constant("c"), name="scaled", fused_activation_function=NONE)


def _offset(p: PatternBuilder) -> Result:
    return p.add(p.value("x"), p.constant("c"), name="scaled", fused_activation_function=NONE)


def direct(p: PatternBuilder, x: Pattern) -> Result:
    """A linear operator with its data first, on `x`."""
    return p.any(*DIRECT, operands=(x, p.value(), p.optional()))


def _fits_input(match: Match) -> Verdict:
    node = match.root
    verdict = constant_weights(node)
    if verdict is not True:
        return verdict
    vector = _input_vector(match)
    return vector if isinstance(vector, str) else True


def _input_vector(match: Match, name: str = "c") -> np.ndarray | str:
    """A constant as float64 vector over the input channels of the root."""
    c, channels = match.array(name), channels_in(match.root)
    scaled = match["scaled"]
    if not same_shape(match["x"].type.shape, scaled.type.shape):
        return f"{scaled.name!r} broadcasts {match['x'].name!r}"
    if channels is None:
        return f"{match.root} does not read vectors of its input channels"
    vector = per_channel(c, scaled.shape)
    if isinstance(vector, str):
        return vector
    if c.size > 1 and vector.size != channels:
        return f"{vector.size} numbers do not fit {channels} input channels"
    return np.broadcast_to(vector[:1], (channels,)) if c.size == 1 else vector


def _constant_vector(match: Match, name: str = "c") -> np.ndarray:
    vector = _input_vector(match, name)
    assert not isinstance(vector, str)
    return vector


def _sees_everything(match: Match) -> Verdict:
    return meets_every_tap(match.root)


def _through_pad(b: Builder, match: Match) -> Value:
    padded = b.pad(match["x"], match["paddings"])
    return scale_input(b, match.root, padded, _constant_vector(match), None)


def takes_channels(match: Match) -> Verdict:
    """The root reads vectors of its input channels, and has weights to compute with."""
    channels = channels_in(match.root)
    if channels is None:
        return f"{match.root} does not read vectors of its input channels"
    return constant_weights(match.root)


def _norm_before(b: Builder, match: Match) -> Value:
    affine = batch_norm_affine(match.node("norm"))
    assert not isinstance(affine, str)
    return scale_input(b, match.root, match.node("norm").input, *affine)


def _scalar(match: Match) -> Verdict:
    size = match.array("c").size
    return size == 1 or f"the factor has {size} elements; only a scalar moves freely"


def _gate_scale(b: Builder, match: Match) -> Value:
    gated = b.mul(match["x"], match["gate"])
    channels = channels_in(match.root)
    assert channels is not None
    scale = np.full(channels, float(match.array("c").reshape(-1)[0]))
    return scale_input(b, match.root, gated, scale, None)


# -- the scale alone: x*s + t = (x + t/s) * s ---------------------------------------------------


def _moved(p: PatternBuilder) -> Result:
    return p.add(_scaled(p), p.constant("t"), name="moved", fused_activation_function=NONE)


def _scale_goes(match: Match) -> Verdict:
    vector = _input_vector(match, "t")
    if isinstance(vector, str):
        return vector
    if not same_shape(match["scaled"].type.shape, match["moved"].type.shape):
        return f"{match['moved'].name!r} broadcasts {match['scaled'].name!r}"
    return divides(_constant_vector(match), vector)


def divides(scale: np.ndarray, offset: np.ndarray) -> Verdict:
    """offset / scale is a number of float32."""
    with np.errstate(all="ignore"):
        quotient = np.abs(offset / scale)
    if not (quotient < LARGE).all():
        return "the scale of a channel is 0, or so small that its offset cannot be divided by it"
    return True


def _offset_first(b: Builder, match: Match) -> Value:
    scale, offset = _constant_vector(match), _constant_vector(match, "t")
    y = plus_vector(b, match["x"], offset / scale, match["t"].name, NONE)
    paddings = match.values.get("paddings")
    if paddings is not None:
        y = b.pad(y, paddings)
    return scale_input(b, match.root, y, scale, None)


def plus_vector(b: Builder, x: Value, offset: np.ndarray, name: str, act: Activation) -> Value:
    """x + offset, as one number where all are equal."""
    c = offset[0] if (offset == offset[0]).all() else offset
    constant = b.constant(np.asarray(c, x.dtype.numpy), name=name)
    return b.add(x, constant, fused_activation_function=act)


PRESCALE = [
    # w*bn(x) + b -> (w*s)*x + (w*t + b)
    Rule(
        "batch norm into the operator after",
        lambda p: direct(p, norm_of(p, p.value())),
        every(floats, takes_channels, normalises_channels, _sees_everything),
        _norm_before,
        tolerance=1e-5,
        phrase="batch norm[s] folded into the operator after",
    ),
    # w*(x*c) + b -> (w*c)*x + b
    Rule(
        "scale into the operator after",
        lambda p: direct(p, _scaled(p)),
        every(floats, _fits_input),
        lambda b, match: scale_input(b, match.root, match["x"], _constant_vector(match), None),
        tolerance=1e-5,
        phrase="scale[s] folded into the operator after",
    ),
    # w*pad(x*c) + b -> (w*c)*pad(x) + b: zeros stay zeros
    Rule(
        "scale through the pad into the operator after",
        lambda p: direct(p, p.pad(_scaled(p), p.constant("paddings"))),
        every(floats, _fits_input),
        _through_pad,
        tolerance=1e-5,
        phrase="scale[s] folded into the operator after",
    ),
    # w*(x + c) + b -> w*x + (w*c + b)
    Rule(
        "offset into the bias of the operator after",
        lambda p: direct(p, _offset(p)),
        every(floats, _fits_input, _sees_everything),
        lambda b, match: scale_input(
            b,
            match.root,
            match["x"],
            np.ones_like(_constant_vector(match)),
            _constant_vector(match),
        ),
        tolerance=1e-5,
        phrase="offset[s] folded into the bias after",
    ),
    # w*(x * (g*c)) + b -> (w*c)*(x*g) + b: the 1/6 of a hard sigmoid that gates x
    Rule(
        "scale of a gate into the operator after",
        lambda p: direct(
            p,
            p.mul(
                p.value("x"),
                p.mul(p.value("gate"), p.constant("c"), fused_activation_function=NONE),
                fused_activation_function=NONE,
            ),
        ),
        every(floats, _scalar, takes_channels),
        _gate_scale,
        tolerance=1e-5,
        phrase="scale[s] folded into the operator after",
    ),
    # w*(x*c + t) + b -> (w*c)*(x + t/c) + b, where padding keeps the offset from the bias
    Rule(
        "scale before an offset into the operator after",
        lambda p: direct(p, _moved(p)),
        every(floats, _fits_input, _scale_goes),
        _offset_first,
        tolerance=1e-5,
        phrase="scale[s] folded into the operator after",
    ),
    # w*pad(x*c + t) + b -> (w*c)*pad(x + t/c) + b
    Rule(
        "scale before an offset through the pad",
        lambda p: direct(p, p.pad(_moved(p), p.constant("paddings"))),
        every(floats, _fits_input, _scale_goes),
        _offset_first,
        tolerance=1e-5,
        phrase="scale[s] folded into the operator after",
    ),
]
