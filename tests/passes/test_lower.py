"""passes/lower.py: the higher operators in builtin ones, and what a target lacks."""

import numpy as np
import pytest

from edgewise.ir import Quant, Sym
from edgewise.passes import to_tflite
from edgewise.passes.lower import LOWER
from tests.passes.example import (
    INT8,
    Example,
    Twin,
    declines,
    expression,
    model_of,
    normal,
    quantized,
    same_numbers,
    shows,
)


def batch_norm(shape, channels, gamma=True, beta=True, **attributes):
    return lambda b: b.batch_norm(
        b.input("x", shape),
        b.constant(normal(channels)) if gamma else None,
        b.constant(normal(channels)) if beta else None,
        b.constant(normal(channels)),
        b.constant(np.abs(normal(channels)) + 0.1),
        **attributes,
    )


def computed_norm(axis, gamma=True):
    def build(b):
        x = b.input("x", (2, 3, 4))
        p = [b.input(name, (x.shape[axis],)) for name in ("gamma", "beta", "mean")]
        variance = b.abs(b.input("variance", (x.shape[axis],)))
        return b.batch_norm(x, p[0] if gamma else None, p[1], p[2], variance, axis=axis)

    return build


def layer_norm(shape, parameter=None, **attributes):
    return lambda b: b.layer_norm(
        b.input("x", shape),
        *[b.constant(normal(*parameter)) for _ in range(2)] if parameter else (),
        **attributes,
    )


BATCH = ("batch norm as scale and offset",)
BIAS = ("bias of zeros",)
LAYER = ("layer norm in builtin operators",)
CENTRED = "sub(x, mean(x, 1, keep_dims=True))"
VARIANCE = "mean(squared_difference(x, mean(x, 1, keep_dims=True)), 1, keep_dims=True)"
NORMED = f"mul({CENTRED}, rsqrt(add({VARIANCE}, 0.001)))"
Z, IS_ZERO = "mul(x, 1.414)", "equal(mul(x, 1.414), 0)"
ERF = f"add(mul(div(gelu({Z}), select_v2({IS_ZERO}, 1, {Z})), 2), -1)"
EXAMPLES = [
    Example(
        lambda b: b.erf(b.input("x", (2, 5))),
        "erf(x)",
        f"select_v2({IS_ZERO}, 0, {ERF})",
        ("erf in builtin operators",),
        1e-6,
    ),
    Example(
        batch_norm((2, 3, 4), 4),
        "batch_norm(x, [4], [4], [4], [4])",
        "add(mul(x, [4]), [4])",
        BATCH,
        1e-5,
    ),
    Example(
        batch_norm((2, 3, 4), 3, gamma=False, axis=1),
        "batch_norm(x, -, [3], [3], [3], axis=1)",
        "add(mul(x, [3,1]), [3,1])",
        BATCH,
        1e-5,
    ),
    Example(
        computed_norm(-1),
        "batch_norm(x, gamma, beta, mean, abs(variance))",
        "add(mul(sub(x, mean), mul(rsqrt(add(abs(variance), 0.001)), gamma)), beta)",
        BATCH,
        1e-5,
    ),
    Example(
        computed_norm(1, gamma=False),
        "batch_norm(x, -, beta, mean, abs(variance), axis=1)",
        "add(mul(sub(x, reshape(mean, {-1, 1})), rsqrt(add(reshape(abs(variance), {-1, 1}), "
        "0.001))), reshape(beta, {-1, 1}))",
        BATCH,
        1e-5,
    ),
    Example(
        layer_norm((3, 5), (5,)),
        "layer_norm(x, [5], [5])",
        f"add(mul({NORMED}, [5]), [5])",
        LAYER,
        1e-5,
    ),
    Example(layer_norm((3, 5)), "layer_norm(x)", NORMED, LAYER, 1e-5),
    Example(
        lambda b: b.conv_2d(b.input("x", (1, 4, 4, 2)), b.constant(normal(3, 1, 1, 2))),
        "conv_2d(x, [3,1,1,2])",
        "conv_2d(x, [3,1,1,2], [3])",
        BIAS,
    ),
    # weights that are computed, and a depth multiplier
    Example(
        lambda b: b.depthwise_conv_2d(
            b.input("x", (1, 4, 4, 2)), b.abs(b.input("w", (1, 3, 3, 4))), depth_multiplier=2
        ),
        "depthwise_conv_2d(x, abs(w), depth_multiplier=2)",
        "depthwise_conv_2d(x, abs(w), [4], depth_multiplier=2)",
        BIAS,
    ),
    Example(
        layer_norm((2, 5, 3), (5,), axes=(1,)),
        "layer_norm(x, [5], [5], axes=(1,))",
        f"add(mul({NORMED}, reshape([5], {{5, 1}})), reshape([5], {{5, 1}}))",
        LAYER,
        1e-5,
    ),
]


def quantized_conv(b):
    x = b.input("x", (1, 4, 4, 2), INT8, quantized())
    w = b.constant(np.ones((3, 1, 1, 2), np.int8), quant=Quant([0.1] * 3, axis=0))
    return b.conv_2d(x, w, quant=quantized(0.5))


def conv_of_unknown_channels(b):
    return b.conv_2d(b.input("x", (1, 4, 4, 2)), b.input("w", (Sym("n"), 1, 1, 2)))


TWINS = [
    Twin(quantized_conv, BIAS[0], "'x' is quantized"),
    Twin(conv_of_unknown_channels, BIAS[0], "the number of channels is unknown"),
]


@pytest.mark.parametrize("twin", TWINS, ids=lambda t: t.reason)
def test_must_not_match(twin):
    declines(twin, LOWER)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda e: e.before)
def test_lowers(example):
    shows(example, LOWER)


def test_parameters_are_folded_and_activations_fused():
    """The reshaped parameters are constants in the file, the RELU is part of the last ADD."""
    model = model_of(lambda b: b.relu(layer_norm((2, 5, 3), (5,), axes=(1,))(b)))
    lowered = to_tflite(model, check_each=True)
    assert expression(lowered.main) == f"add(mul({NORMED}, [5,1]), [5,1], RELU)"
    assert len(lowered.main) == 9
    same_numbers(model.main, lowered.main, 1e-5)


def test_a_model_of_builtin_operators_is_left_as_it_is():
    def build(b):
        x = b.input("x", (4,))
        return b.relu(b.mul(x, b.constant(1.0)))

    model = model_of(build)
    assert expression(to_tflite(model).main) == "relu(mul(x, 1))"
