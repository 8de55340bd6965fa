"""Rules of passes/swishes.py."""

import pytest

from edgewise.dtypes import DType
from edgewise.ir import Quant
from edgewise.ir.enums import Activation
from edgewise.passes.rewrite import rewrite
from edgewise.passes.swishes import SWISHES
from tests.passes.example import INT8, Twin, declines, graph_of, same_numbers

RULE = "product of a float and its sigmoid"


def gated(first=True, act=Activation.NONE, shape=(3, 97), shared=False):
    """x * sigmoid(x)."""

    def build(b):
        x = b.input("x", shape)
        y = b.logistic(x)
        z = b.mul(*((x, y) if first else (y, x)), fused_activation_function=act)
        return (z, y) if shared else z

    return build


@pytest.mark.parametrize("first", [True, False], ids=["x-gate", "gate-x"])
def test_a_gated_float_is_one_operator(first):
    """The same bits."""
    graph = graph_of(gated(first))
    changed = graph.copy()
    assert rewrite(changed, SWISHES).counts == {RULE: 1}
    assert [n.op.name for n in changed.nodes] == ["swish"]
    same_numbers(graph, changed, 0.0)


def of_others(b):
    x, y = b.input("x", (3, 5)), b.input("y", (3, 5))
    return b.mul(x, b.logistic(y))


def integers(b):
    x = b.input("x", (3, 5), INT8, Quant(0.06, -7))
    return b.mul(x, b.logistic(x, quant=Quant(1 / 256, -128)), quant=Quant(0.031, -119))


def halves(b):
    x = b.input("x", (3, 5), DType.FLOAT16)
    return b.mul(x, b.logistic(x))


@pytest.mark.parametrize(
    "twin",
    [
        Twin(integers, RULE, "is int8; the kernel is for float32"),
        Twin(halves, RULE, "is float16; the kernel is for float32"),
        Twin(gated(shared=True), RULE, "is also read by the graph's outputs"),
    ],
    ids=["int8", "float16", "shared"],
)
def test_what_is_left_alone(twin):
    declines(twin, SWISHES)


@pytest.mark.parametrize("build", [of_others, gated(act=Activation.RELU)], ids=["others", "relu"])
def test_other_products_are_none(build):
    assert not rewrite(graph_of(build), SWISHES).counts
