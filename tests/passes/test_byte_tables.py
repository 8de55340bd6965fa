"""Rules of passes/byte_tables.py."""

import numpy as np
import pytest

from edgewise.dtypes import DType
from edgewise.ir import Quant
from edgewise.ir.enums import Activation
from edgewise.passes.byte_tables import BYTE_TABLES
from edgewise.passes.rewrite import rewrite
from tests.passes.example import INT8, Twin, declines, graph_of, same_numbers

RULE = "product of a byte and its gate"


def gated(
    dtype=INT8, gate="logistic", first=True, act=Activation.NONE, shape=(3, 97), shared=False
):
    """x * gate(x) as a quantizer leaves it."""
    move = 128 if dtype is DType.UINT8 else 0

    def build(b):
        x = b.input("x", shape, dtype, Quant(0.06, -7 + move))
        y = getattr(b, gate)(x, quant=Quant(1 / 256, -128 + move))
        pair = (x, y) if first else (y, x)
        z = b.mul(*pair, quant=Quant(0.031, -119 + move), fused_activation_function=act)
        return (z, y) if shared else z

    return build


@pytest.mark.parametrize("dtype", [DType.INT8, DType.UINT8], ids=lambda d: d.text)
@pytest.mark.parametrize("gate", ["logistic", "tanh"])
@pytest.mark.parametrize("first", [True, False], ids=["x-gate", "gate-x"])
@pytest.mark.parametrize("act", [Activation.NONE, Activation.RELU6], ids=lambda a: a.name)
def test_a_gated_byte_is_a_table(dtype, gate, first, act):
    """The same bits with one operator, for every byte."""
    graph = graph_of(gated(dtype, gate, first, act))
    changed = graph.copy()
    assert rewrite(changed, BYTE_TABLES).counts == {RULE: 1}
    nodes = list(changed.nodes)
    assert [n.op.name for n in nodes] == ["byte_table"]
    table = nodes[0].operand(1).data
    assert len(np.unique(table)) > 20
    same_numbers(graph, changed, 0.0)


def words(b):
    x = b.input("x", (3, 5), DType.INT16, Quant(0.01, 0))
    return b.mul(x, b.logistic(x, quant=Quant(1 / 32768, 0)), quant=Quant(0.01, 0))


@pytest.mark.parametrize(
    "twin",
    [
        Twin(words, RULE, "is int16; this rule is for 8 bits"),
        Twin(gated(shared=True), RULE, "is also read by the graph's outputs"),
    ],
    ids=["int16", "shared"],
)
def test_what_is_left_alone(twin):
    declines(twin, BYTE_TABLES)
