"""Rules of passes/transposing_axes.py."""

import numpy as np
import pytest

from edgewise.dtypes import DType
from edgewise.ir import Quant
from edgewise.passes.transposing_axes import TRANSPOSED_AXES
from tests.passes.example import (
    INT8,
    Example,
    Twin,
    declines,
    ints,
    normal,
    quantized,
    shows,
)
from tests.passes.test_transposing import PERM, T, X, turned

SWAP = (1, 0, 2)
LAST, REDUCED, SEARCH, FEW, WEIGHTS = (
    "transpose behind what works along the last axis",
    "transpose behind a reduction",
    "transpose before a search",
    "transpose behind an operand of one axis",
    "transpose into fully connected weights",
)


def last(op, perm=SWAP, **attributes):
    return lambda b: getattr(b, op)(turned(b, b.input("x", X), perm), **attributes)


def norm(axes, *parameters):
    def build(b):
        x = turned(b, b.input("x", X), SWAP)
        return b.layer_norm(x, *(b.constant(p) for p in parameters), axes=axes, epsilon=1e-3)

    return build


def reduced(*axes, keep_dims=True):
    def build(b):
        return b.mean(turned(b, b.input("x", X)), b.constant(ints(*axes)), keep_dims=keep_dims)

    return build


def searched(axis, perm=PERM):
    return lambda b: b.arg_max(turned(b, b.input("x", X), perm), b.constant(ints(axis)[0]))


def gated(shape=(4, 1, 1), first=False):
    """transpose(x) times a gate that a reshape made: [4, 2, 3] times [4, 1, 1]."""

    def build(b):
        x = turned(b, b.input("x", X))
        count = int(np.prod(shape))
        g = b.reshape(b.input("y", (count,)), b.constant(ints(*shape)))
        return b.mul(g, x) if first else b.mul(x, g)

    return build


def flattened(perm=(0, 3, 1, 2), columns=24, rows=2, quant=False):
    def build(b):
        quant_ = quantized() if quant else None
        x = turned(b, b.input("x", (2, 2, 3, 4), INT8 if quant else DType.FLOAT32, quant_), perm)
        flat = b.reshape(x, b.constant(ints(rows, 48 // rows)))
        if not quant:
            return b.fully_connected(flat, b.constant(normal(5, columns)), b.constant(normal(5)))
        w = np.arange(5 * columns).reshape(5, columns).astype(np.int8)
        scales = Quant([0.1, 0.2, 0.3, 0.4, 0.5], axis=0)
        return b.fully_connected(flat, b.constant(w, quant=scales), quant=quantized(4.0))

    return build


S = "transpose({}, {{1, 0, 2}})"
EXAMPLES = [
    Example(last("softmax"), f"softmax({S.format('x')})", S.format("softmax(x)"), (LAST,)),
    Example(
        last("l2_normalization"),
        f"l2_normalization({S.format('x')})",
        S.format("l2_normalization(x)"),
        (LAST,),
    ),
    Example(
        norm((-1,), normal(4), normal(4)),
        f"layer_norm({S.format('x')}, [4], [4])",
        S.format("layer_norm(x, [4], [4])"),
        (LAST,),
        1e-6,
    ),
    Example(
        reduced(1, 2),
        f"mean({T.format('x')}, {{1, 2}}, keep_dims=True)",
        T.format("mean(x, {0, 1}, keep_dims=True)"),
        (REDUCED,),
        1e-6,
    ),
    # classes of a segmentation, channels first
    Example(searched(0), f"arg_max({T.format('x')}, 0)", "arg_max(x, 2)", (SEARCH,)),
    Example(
        gated(),
        f"mul({T.format('x')}, reshape(y, {{4, 1, 1}}))",
        T.format("mul(x, reshape(reshape(y, {4, 1, 1}), {1, 1, 4}))"),
        (FEW,),
    ),
    Example(
        gated(first=True),
        f"mul(reshape(y, {{4, 1, 1}}), {T.format('x')})",
        T.format("mul(reshape(reshape(y, {4, 1, 1}), {1, 1, 4}), x)"),
        (FEW,),
    ),
    Example(
        flattened(),
        "fully_connected(reshape(transpose(x, {0, 3, 1, 2}), {2, 24}), [5,24], [5])",
        "fully_connected(reshape(x, {2, 24}), [5,24], [5])",
        (WEIGHTS,),
        1e-6,
    ),
    Example(
        flattened(quant=True),
        "fully_connected(reshape(transpose(x, {0, 3, 1, 2}), {2, 24}), [5,24])",
        "fully_connected(reshape(x, {2, 24}), [5,24])",
        (WEIGHTS,),
    ),
]
TWINS = [
    Twin(last("softmax", PERM), LAST, "moves the axis that it works along"),
    Twin(norm((-2, -1)), LAST, "moves the axis that it works along"),
    Twin(reduced(1, 2, keep_dims=False), REDUCED, "it drops what it reduces"),
    Twin(searched(1), SEARCH, "the transpose also permutes what is left, [2, 1]"),
    Twin(gated((4, 2, 1)), FEW, "it permutes float32[4,2,1]"),
    Twin(flattened((1, 0, 2, 3)), WEIGHTS, "does not leave the rows"),
    Twin(flattened(rows=4, columns=12), WEIGHTS, "does not flatten all but the first axis"),
]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda e: e.before)
def test_rewrites(example):
    shows(example, TRANSPOSED_AXES)


@pytest.mark.parametrize("twin", TWINS, ids=lambda t: f"{t.rule}-{t.reason}")
def test_must_not_match(twin):
    declines(twin, TRANSPOSED_AXES)
