"""Rules of passes/spelled_out.py: operators without kernels in the words of others."""

import pytest

from edgewise.dtypes import DType
from edgewise.ir import Builder
from edgewise.ir.enums import Activation, Padding
from edgewise.ops.regions import StablehloCase
from edgewise.passes.spelled_out import SPELLED_OUT
from tests.passes.example import Example, Twin, declines, shows

CASE, POOL = "case as IF inside IF", "L2 pool as the root of a mean"


def branch(name, operator):
    b = Builder(name)
    x = b.input("x", (2, 3))
    return b.finish(getattr(b, operator)(x))


def case(b, *operators, shape=()):
    branches = tuple(branch(name, name) for name in operators)
    index, x = b.input("i", shape, DType.INT32), b.input("x", (2, 3))
    return b.node(StablehloCase(branches=branches), index, x).output


def pool(b, act=Activation.NONE, dtype=DType.FLOAT32):
    x = b.input("x", (1, 5, 6, 2), dtype)
    size = {"filter_height": 3, "filter_width": 2, "stride_h": 2, "stride_w": 1}
    return b.l2_pool_2d(x, padding=Padding.SAME, fused_activation_function=act, **size)


def joined(b, act=Activation.NONE):
    x = b.input("x", (2, 3))
    return b.concatenation(x, x, axis=0, fused_activation_function=act)


WINDOW = "stride_h=2, filter_width=2, filter_height=3"
MEAN = f"sqrt(average_pool_2d(mul(x, x), {WINDOW}))"
EXAMPLES = {
    "two branches": Example(
        lambda b: case(b, "abs", "neg"),
        "stablehlo_case(i, x, branches=(@abs, @neg))",
        "if(equal(i, 0), i, x, then=abs, otherwise=neg)",
        (CASE,),
    ),
    "three branches": Example(
        lambda b: case(b, "abs", "neg", "relu", shape=(1,)),
        "stablehlo_case(i, x, branches=(@abs, @neg, @relu))",
        "if(reshape(equal(i, 0), {}), i, x, then=abs, otherwise=abs/others)",
        (CASE,),
    ),
    "inner layer norm": Example(
        lambda b: b.layer_norm(b.input("x", (2, 5, 3)), axes=(1,)),
        "layer_norm(x, axes=(1,))",
        "transpose(layer_norm(transpose(x, {0, 2, 1})), {0, 2, 1})",
        ("layer norm over inner axes",),
        1e-5,
    ),
    "concatenation and RELU6": Example(
        lambda b: joined(b, Activation.RELU6),
        "concatenation(x, x, RELU6)",
        "relu6(concatenation(x, x))",
        ("activation behind a concatenation",),
    ),
    "pool": Example(pool, f"l2_pool_2d(x, {WINDOW})", MEAN, (POOL,), 1e-6),
    "pool and RELU6": Example(
        lambda b: pool(b, Activation.RELU6),
        f"l2_pool_2d(x, {WINDOW}, RELU6)",
        f"minimum({MEAN}, 6)",
        (POOL,),
        1e-6,
    ),
    "pool and TANH": Example(
        lambda b: pool(b, Activation.TANH),
        f"l2_pool_2d(x, {WINDOW}, TANH)",
        f"tanh({MEAN})",
        (POOL,),
        1e-6,
    ),
}
TWINS = {
    "one branch": Twin(lambda b: case(b, "abs"), CASE, "there is one branch"),
    "last axes": Twin(
        lambda b: b.layer_norm(b.input("x", (2, 5, 3)), axes=(1, 2)),
        "layer norm over inner axes",
        "the axes are the last ones",
    ),
    "no activation": Twin(joined, "activation behind a concatenation", "there is no activation"),
    "float64": Twin(lambda b: pool(b, dtype=DType.FLOAT64), POOL, "float64 has no kernels"),
}


@pytest.mark.parametrize("example", EXAMPLES.values(), ids=EXAMPLES.keys())
def test_operators_are_spelled_out(example):
    shows(example, SPELLED_OUT)


@pytest.mark.parametrize("twin", TWINS.values(), ids=TWINS.keys())
def test_operators_stay(twin):
    declines(twin, SPELLED_OUT)
