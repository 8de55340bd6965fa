"""Rules of passes/layer_norm.py: what exporters write for a layer norm becomes one operator."""

import numpy as np
import pytest

from edgewise.dtypes import DType
from edgewise.passes.layer_norm import LAYER_NORMS
from tests.passes.example import Example, Twin, declines, ints, normal, quantized, shows

X = (2, 3, 5)
EPSILON = 2.0**-10  # the same in float32 and float64
NORM = ("layer_norm",)


def moments(b, x, axes=(-1,), other=None, epsilon=EPSILON, square="difference"):
    """mean, x - mean or None, variance + epsilon."""
    mean = b.mean(x, b.constant(ints(*axes)), keep_dims=True)
    centred = None if square == "difference" else b.sub(x, mean)
    squares = {
        "difference": lambda: b.squared_difference(x, mean),
        "square": lambda: b.square(centred),
        "product": lambda: b.mul(centred, centred),
        "power": lambda: b.pow(centred, b.constant(np.float32(2))),
    }
    variance = b.mean(squares[square](), b.constant(ints(*(other or axes))), keep_dims=True)
    return mean, centred, b.add(variance, b.constant(np.float32(epsilon)))


def spread(form="neg", gamma=(1, 1, 5), **options):
    """x * s + (beta - mean * s), as TensorFlow's converter has it for Keras."""

    def build(b):
        x = b.input("x", X)
        mean, _, shifted = moments(b, x, **options)
        s = b.rsqrt(shifted)
        if gamma is not None:
            s = b.mul(s, b.constant(normal(*gamma)))
        xs = b.mul(x, s)
        if form == "neg":
            return b.add(xs, b.mul(b.neg(mean), s))
        if form == "sub":
            return b.sub(xs, b.mul(mean, s))
        beta = b.constant(normal(5))
        if form == "beta":
            return b.add(xs, b.sub(beta, b.mul(mean, s)))
        return b.add(b.add(b.mul(b.neg(mean), s), beta), xs)

    return build


def direct(square="square", root="mul", gamma=False, beta=False, **options):
    """(x - mean) / sqrt(variance + epsilon), then gamma and beta."""

    def build(b):
        x = b.input("x", X)
        mean, centred, shifted = moments(b, x, square=square, **options)
        centred = centred or b.sub(x, mean)
        y = b.mul(centred, b.rsqrt(shifted)) if root == "mul" else b.div(centred, b.sqrt(shifted))
        if gamma:
            y = b.mul(b.constant(normal(5)), y)
        return b.add(y, b.constant(normal(5))) if beta else y

    return build


MEAN = "mean(x, -1, keep_dims=True)"
CENTRED = f"sub(x, {MEAN})"


def shifted(square, axes="-1"):
    return f"add(mean({square}, {axes}, keep_dims=True), 0.0009766)"


S = f"rsqrt({shifted(f'squared_difference(x, {MEAN})')})"
SCALED = f"mul({S}, [1,1,5])"
EXAMPLES = [
    Example(
        spread(),
        f"add(mul(x, {SCALED}), mul(neg({MEAN}), {SCALED}))",
        "layer_norm(x, [5], epsilon=0.0009765625)",
        NORM,
        1e-5,
    ),
    Example(
        spread("sub", gamma=None),
        f"sub(mul(x, {S}), mul({MEAN}, {S}))",
        "layer_norm(x, epsilon=0.0009765625)",
        NORM,
        1e-5,
    ),
    Example(
        spread("beta"),
        f"add(mul(x, {SCALED}), sub([5], mul({MEAN}, {SCALED})))",
        "layer_norm(x, [5], [5], epsilon=0.0009765625)",
        NORM,
        1e-5,
    ),
    Example(
        spread("neg beta", gamma=None),
        f"add(add(mul(neg({MEAN}), {S}), [5]), mul(x, {S}))",
        "layer_norm(x, -, [5], epsilon=0.0009765625)",
        NORM,
        1e-5,
    ),
    Example(
        direct("square", "div"),
        f"div({CENTRED}, sqrt({shifted(f'square({CENTRED})')}))",
        "layer_norm(x, epsilon=0.0009765625)",
        NORM,
        1e-5,
    ),
    Example(
        direct("power", gamma=True, beta=True),
        f"add(mul([5], mul({CENTRED}, rsqrt({shifted(f'pow({CENTRED}, 2)')}))), [5])",
        "layer_norm(x, [5], [5], epsilon=0.0009765625)",
        (*NORM, "gamma of a layer_norm", "beta of a layer_norm"),
        1e-5,
    ),
    Example(
        direct("product", beta=True),
        f"add(mul({CENTRED}, rsqrt({shifted(f'mul({CENTRED}, {CENTRED})')})), [5])",
        "layer_norm(x, -, [5], epsilon=0.0009765625)",
        (*NORM, "beta of a layer_norm"),
        1e-5,
    ),
    Example(
        direct("difference"),
        f"mul({CENTRED}, {S})",
        "layer_norm(x, epsilon=0.0009765625)",
        NORM,
        1e-5,
    ),
]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda e: e.before[:60])
def test_pieces_become_a_layer_norm(example):
    shows(example, LAYER_NORMS)


def of_two_axes(b):
    x = b.input("x", X)
    mean, _, shifted = moments(b, x, axes=(1, 2))
    return b.mul(b.mul(b.sub(x, mean), b.rsqrt(shifted)), b.constant(normal(3, 1)))


def test_axes_and_vectors_that_are_spread():
    axes = "{1, 2}"
    mean = f"mean(x, {axes}, keep_dims=True)"
    root = f"rsqrt({shifted(f'squared_difference(x, {mean})', axes)})"
    example = Example(
        of_two_axes,
        f"mul(mul(sub(x, {mean}), {root}), [3,1])",
        "layer_norm(x, [3,5], axes=(-2, -1), epsilon=0.0009765625)",
        (*NORM, "gamma of a layer_norm"),
        1e-5,
    )
    shows(example, LAYER_NORMS)


def mean_is_read(b):
    x = b.input("x", X)
    mean, _, shifted = moments(b, x)
    return b.mul(b.sub(x, mean), b.rsqrt(shifted)), mean


def half(b):
    x = b.input("x", X, DType.FLOAT16)
    mean = b.mean(x, b.constant(ints(-1)), keep_dims=True)
    variance = b.mean(b.squared_difference(x, mean), b.constant(ints(-1)), keep_dims=True)
    return b.mul(b.sub(x, mean), b.rsqrt(b.add(variance, b.constant(np.float16(1e-3)))))


def stored(b):
    x = b.input("x", X, DType.INT8, quant=quantized())
    axes, epsilon = b.constant(ints(-1)), b.constant(np.int8([1]), quant=quantized())
    mean = b.mean(x, axes, keep_dims=True, quant=quantized())
    square = b.squared_difference(x, mean, quant=quantized())
    variance = b.mean(square, axes, keep_dims=True, quant=quantized())
    root = b.rsqrt(b.add(variance, epsilon, quant=quantized()), quant=quantized())
    return b.mul(b.sub(x, mean, quant=quantized()), root, quant=quantized())


def matrix_after(b):
    x = b.input("x", (1, 3, 5))
    return b.mul(b.layer_norm(x), b.constant(normal(3, 5)))


def matrix_behind(b):
    x = b.input("x", (1, 3, 5))
    return b.add(b.layer_norm(x), b.constant(normal(3, 5)))


TWINS = [
    Twin(direct(axes=(1,)), "layer_norm", "axes [1] of 3 are not the last ones"),
    Twin(direct(axes=(-1,), other=(1, 2)), "layer_norm", "the variance over [1, 2]"),
    Twin(direct(epsilon=-1.0), "layer_norm", "is not one number, 0 or more"),
    Twin(mean_is_read, "layer_norm", "is also read by the graph's outputs"),
    Twin(half, "layer_norm", "the kernel is for float32"),
    Twin(stored, "layer_norm", "is quantized; the rule is for floats"),
    Twin(spread(gamma=(3, 1)), "layer_norm", "is not one number per normalised element [5]"),
    Twin(matrix_behind, "beta of a layer_norm", "[3, 5] is not one number per normalised"),
    Twin(matrix_after, "gamma of a layer_norm", "[3, 5] is not one number per normalised"),
]


@pytest.mark.parametrize("twin", TWINS, ids=lambda t: t.reason)
def test_other_pieces_stay(twin):
    declines(twin, LAYER_NORMS)
