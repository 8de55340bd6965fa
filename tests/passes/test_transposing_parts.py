"""Rules of passes/transposing_parts.py: transposes behind joins, splits and slices."""

import numpy as np
import pytest

from edgewise.ir.op import operator
from edgewise.passes.redundant import eliminate_common
from edgewise.passes.reshaping import RESHAPES
from edgewise.passes.rewrite import rewrite
from edgewise.passes.transposing import TRANSPOSES
from edgewise.passes.transposing_axes import TRANSPOSED_AXES
from edgewise.passes.transposing_parts import TRANSPOSED_PARTS
from tests.passes.example import (
    INT8,
    Example,
    Twin,
    declines,
    expression,
    graph_of,
    ints,
    normal,
    quantized,
    same_numbers,
    shows,
)
from tests.passes.test_transposing import BACK, PERM, T, X, turned

JOIN, PACK, SPLIT, UNPACK, SLICE = (
    "transpose behind a join",
    "transpose behind a pack",
    "transpose behind a split",
    "transpose behind an unpack",
    "transpose behind a slice",
)


def joined(op="concatenation", axis=1, perm=PERM, other=PERM, shape=X, read=False):
    def build(b):
        x = turned(b, b.input("x", X), perm)
        y = turned(b, b.input("y", shape), other)
        z = getattr(b, op)(x, y, axis=axis)
        return (z, x) if read else z

    return build


def requantized(b):
    x = b.input("x", X, INT8, quantized())
    turned_ = b.transpose(x, b.constant(ints(*PERM)), quant=quantized(0.1))
    y = turned(b, b.input("y", X, INT8, quantized(0.1)))
    return b.concatenation(turned_, y, axis=0, quant=quantized(0.1))


def split(kind="split", axis=0, back=True):
    """The parts of a transposed value, turned back or not."""

    def build(b):
        x = turned(b, b.input("x", (2, 3, 4)))
        at = b.constant(ints(axis)[0])
        operands = (at, x) if kind == "split" else (x, b.constant(ints(1, 3)), at)
        parts = b.node(operator(kind)(num_splits=2), *operands).outputs
        return [turned(b, part, BACK) if back else part for part in parts]

    return build


def unpacked(axis, back=()):
    def build(b):
        x = turned(b, b.input("x", (2, 3, 2)))
        parts = b.node(operator("unpack")(num=x.shape[axis], axis=axis), x).outputs
        return [turned(b, part, back) if back else part for part in parts]

    return build


def sliced(b):
    x = turned(b, b.input("x", X))
    return b.slice(x, b.constant(ints(1, 0, 2)), b.constant(ints(2, -1, 1)))


def strided(*, step=2, shrink=0):
    def build(b):
        x = turned(b, b.input("x", X))
        vectors = [b.constant(ints(*v)) for v in ((0, 0, 1), (4, 2, 2), (step, 1, 1))]
        return b.strided_slice(x, *vectors, shrink_axis_mask=shrink)

    return build


BOTH = "{}({}, {}, axis={})"
TURNED_PART = "transpose(split(0, transpose(x, {{2, 0, 1}}), num_splits=2)[{}], {{1, 2, 0}})"
BOTH_WAYS = "transpose(transpose(split(2, x, num_splits=2)[{}], {{2, 0, 1}}), {{1, 2, 0}})"
EXAMPLES = [
    Example(
        joined(),
        BOTH.format("concatenation", T.format("x"), T.format("y"), 1),
        T.format("concatenation(x, y)"),
        (JOIN,),
    ),
    Example(
        joined(axis=-1, shape=(2, 5, 4)),
        BOTH.format("concatenation", T.format("x"), T.format("y"), -1),
        T.format("concatenation(x, y, axis=1)"),
        (JOIN,),
    ),
    # the channels of CQT: real and imaginary parts, packed last
    Example(
        joined("pack", 3),
        f"pack({T.format('x')}, {T.format('y')}, axis=3)",
        "transpose(pack(x, y, axis=3), {2, 0, 1, 3})",
        (PACK,),
    ),
    Example(
        joined("pack", 0),
        f"pack({T.format('x')}, {T.format('y')})",
        "transpose(pack(x, y), {0, 3, 1, 2})",
        (PACK,),
    ),
    Example(
        joined("pack", 1),
        f"pack({T.format('x')}, {T.format('y')}, axis=1)",
        "transpose(pack(x, y, axis=3), {2, 3, 0, 1})",
        (PACK,),
    ),
    Example(
        split(),
        f"{TURNED_PART.format(0)}; {TURNED_PART.format(1)}",
        f"{BOTH_WAYS.format(0)}; {BOTH_WAYS.format(1)}",
        (SPLIT,),
    ),
    Example(
        unpacked(0),
        f"unpack({T.format('x')}, num=2)[0]; unpack({T.format('x')}, num=2)[1]",
        "unpack(x, num=2, axis=2)[0]; unpack(x, num=2, axis=2)[1]",
        (UNPACK,),
    ),
    Example(
        sliced,
        f"slice({T.format('x')}, {{1, 0, 2}}, {{2, -1, 1}})",
        T.format("slice(x, {0, 2, 1}, {-1, 1, 2})"),
        (SLICE,),
    ),
    Example(
        strided(),
        f"strided_slice({T.format('x')}, {{0, 0, 1}}, {{4, 2, 2}}, {{2, 1, 1}})",
        T.format("strided_slice(x, {0, 1, 0}, {0, 2, 4}, {1, 1, 2}, begin_mask=1, end_mask=1)"),
        (SLICE,),
    ),
    Example(
        strided(shrink=4),
        f"strided_slice({T.format('x')}, {{0, 0, 1}}, {{4, 2, 2}}, {{2, 1, 1}}, "
        "shrink_axis_mask=4)",
        "transpose(strided_slice(x, {0, 1, 0}, {0, 2, 4}, {1, 1, 2}, begin_mask=1, end_mask=1, "
        "shrink_axis_mask=2), {1, 0})",
        (SLICE,),
    ),
]
SPLITS = [(split(), "split"), (split("split_v"), "split_v"), (unpacked(1, (1, 0)), "unpack")]
TWINS = [
    Twin(joined(read=True), JOIN, "or something else reads that as well"),
    Twin(joined(axis=0, other=(0, 1, 2), shape=(4, 2, 3)), JOIN, "in different ways"),
    Twin(joined("pack", 0, other=(1, 0, 2), shape=(2, 4, 3)), PACK, "in different ways"),
    Twin(requantized, JOIN, "is int8"),
    Twin(split(back=False), SPLIT, "not all of its parts are transposed again"),
    Twin(unpacked(1), UNPACK, "not all of its parts are transposed again"),
    Twin(strided(step=-2), SLICE, "it goes backwards"),
]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda e: e.before)
def test_rewrites(example):
    shows(example, TRANSPOSED_PARTS)


@pytest.mark.parametrize("twin", TWINS, ids=lambda t: f"{t.rule}-{t.reason}")
def test_must_not_match(twin):
    declines(twin, TRANSPOSED_PARTS)


@pytest.mark.parametrize(("build", "op"), SPLITS, ids=[s[1] for s in SPLITS])
def test_splits_meet_the_transposes_behind_them(build, op):
    graph = graph_of(build)
    changed = graph.copy()
    outcome = rewrite(changed, [*TRANSPOSED_PARTS, *RESHAPES])
    assert outcome.counts[SPLIT] + outcome.counts[UNPACK] == 1
    names = [node.op.name for node in changed.nodes if any(v.uses for v in node.outputs)]
    assert names == [op]
    same_numbers(graph, changed, 0)


def channels_first(b):
    """A residual block as an exporter writes it that counts channels first."""

    def conv(x, filters, kernel=3):
        w = b.constant(normal(filters, kernel, kernel, x.shape[1]))
        y = b.conv_2d(turned(b, x, (0, 2, 3, 1)), w, b.constant(normal(filters)))
        return turned(b, y, (0, 3, 1, 2))

    def pool(x):
        return b.mean(x, b.constant(ints(2, 3)), keep_dims=True)

    x = b.input("x", (1, 4, 8, 8))
    left, right = b.relu(conv(x, 6)), conv(x, 2)
    y = b.concatenation(left, right, axis=1)
    gate = b.logistic(conv(b.relu(conv(pool(y), 3, 1)), 8, 1))
    y = b.prelu(b.mul(y, gate), b.constant(normal(8, 1, 1)))
    first, second = b.node(operator("split")(num_splits=2), b.constant(ints(1)[0]), y).outputs
    y = b.add(conv(first, 4), conv(second, 4))
    y = b.reshape(y, b.constant(ints(1, 4 * 8 * 8)))
    return b.fully_connected(y, b.constant(normal(5, 4 * 8 * 8)))


def test_a_network_of_channels_first_keeps_the_transpose_of_its_input():
    graph = graph_of(channels_first)
    changed = graph.copy()
    rewrite(changed, [*RESHAPES, *TRANSPOSES, *TRANSPOSED_PARTS, *TRANSPOSED_AXES])
    eliminate_common(changed)
    left = [n for n in changed.nodes if n.op.name == "transpose" and n.output.uses]
    assert [n.input.name for n in left] == ["x"], expression(changed)
    same_numbers(graph, changed, 1e-5)
    assert np.prod(changed.outputs[0].shape) == 5
