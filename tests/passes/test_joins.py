"""Rules of passes/joins.py."""

import pytest

from edgewise.ir.op import operator
from edgewise.passes.joins import JOINS
from tests.passes.example import Example, Twin, declines, ints, shows

X = (2, 6)
SPLIT, PACKED, UNPACKED, JOINED, ONE = (
    "join of a split",
    "pack of what is unpacked",
    "unpack of what is packed",
    "join of joined parts",
    "pack or unpack as reshape",
)


def halves(b, x, axis=1, count=2):
    return b.node(operator("split")(num_splits=count), b.constant(ints(axis)[0]), x).outputs


def parts(b, x, axis, *sizes):
    sizes_ = b.constant(ints(*sizes))
    op = operator("split_v")(num_splits=len(sizes))
    return b.node(op, x, sizes_, b.constant(ints(axis)[0])).outputs


def unpacked(b, x, axis=0):
    return b.node(operator("unpack")(num=x.shape[axis], axis=axis), x).outputs


def split_and_join(order=(0, 1), axis=1, join=1, sizes=None):
    def build(b):
        x = b.input("x", X)
        found = halves(b, x, axis) if sizes is None else parts(b, x, axis, *sizes)
        return b.concatenation(*(found[i] for i in order), axis=join)

    return build


def unpack_and_pack(order=(0, 1), axis=0):
    def build(b):
        found = unpacked(b, b.input("x", X))
        return b.pack(*(found[i] for i in order), axis=axis)

    return build


def pack_and_unpack(axis):
    def build(b):
        packed = b.pack(b.input("x", (3, 2)), b.input("y", (3, 2)), axis=-1)
        return unpacked(b, packed, axis)

    return build


def join_twice(*, axis=-1, outer=1, read=False):
    def build(b):
        x, y, z = (b.input(name, (2, 2)) for name in "xyz")
        inner = b.concatenation(x, y, axis=axis)
        y = b.concatenation(inner, z, axis=outer)
        return (y, inner) if read else y

    return build


def unlike(b):
    inner = b.concatenation(b.input("x", (2, 2)), b.input("y", (1, 2)), axis=0)
    return b.concatenation(inner, b.input("z", (3, 2)), axis=1)


HALF = "split(1, x, num_splits=2)"
PARTS = "split_v(x, {4, 2}, -1, num_splits=2)"


def sliced_and_joined(*bounds, axis=1, join=1):
    """concatenation(x[:, a:b], x[:, c:d])"""

    def build(b):
        x = b.input("x", X)
        found = []
        for begin, end in bounds:
            vectors = [[0, 0], list(X), [1, 1]]
            vectors[0][axis], vectors[1][axis] = begin, end
            found.append(b.strided_slice(x, *(b.constant(ints(*v)) for v in vectors)))
        return b.concatenation(*found, axis=join)

    return build


def reshaped_and_joined(op="pack", axis=-1, before=(2, 1, 3), after=(2, 3), read=False):
    def build(b):
        shape = b.constant(ints(*after))
        found = [b.reshape(b.input(name, before), shape) for name in "xy"]
        joined = getattr(b, op)(*found, axis=axis)
        return (joined, found[0]) if read else joined

    return build


SLICES, RESHAPES = "join of all slices", "reshapes behind a join"
R = "reshape({}, {{2, 3}})"
EXAMPLES = [
    Example(
        sliced_and_joined((0, 2), (2, 6)),
        "concatenation(strided_slice(x, {0, 0}, {2, 2}, {1, 1}), "
        "strided_slice(x, {0, 2}, {2, 6}, {1, 1}), axis=1)",
        "x",
        (SLICES,),
    ),
    Example(
        reshaped_and_joined(),
        f"pack({R.format('x')}, {R.format('y')}, axis=-1)",
        "reshape(pack(x, y, axis=3), {2, 3, 2})",
        (RESHAPES,),
    ),
    Example(
        reshaped_and_joined(axis=1),
        f"pack({R.format('x')}, {R.format('y')}, axis=1)",
        "reshape(pack(x, y, axis=2), {2, 2, 3})",
        (RESHAPES,),
    ),
    Example(
        reshaped_and_joined("concatenation", 1),
        f"concatenation({R.format('x')}, {R.format('y')}, axis=1)",
        "reshape(concatenation(x, y, axis=2), {2, 6})",
        (RESHAPES,),
    ),
    Example(split_and_join(), f"concatenation({HALF}[0], {HALF}[1], axis=1)", "x", (SPLIT,)),
    Example(
        split_and_join(sizes=(4, 2), axis=-1),
        f"concatenation({PARTS}[0], {PARTS}[1], axis=1)",
        "x",
        (SPLIT,),
    ),
    Example(unpack_and_pack(), "pack(unpack(x, num=2)[0], unpack(x, num=2)[1])", "x", (PACKED,)),
    Example(
        pack_and_unpack(2),
        "unpack(pack(x, y, axis=-1), num=2, axis=2)[0]; "
        "unpack(pack(x, y, axis=-1), num=2, axis=2)[1]",
        "x; y",
        (UNPACKED,),
    ),
    Example(
        join_twice(),
        "concatenation(concatenation(x, y, axis=-1), z, axis=1)",
        "concatenation(x, y, z, axis=1)",
        (JOINED,),
    ),
    Example(
        lambda b: b.pack(b.input("x", X), axis=1),
        "pack(x, axis=1)",
        "reshape(x, {2, 1, 6})",
        (ONE,),
    ),
    Example(
        lambda b: unpacked(b, b.input("x", (1, 6)))[0],
        "unpack(x, num=1)",
        "reshape(x, 6)",
        (ONE,),
    ),
    Example(
        lambda b: halves(b, b.input("x", X), count=1)[0],
        "split(1, x, num_splits=1)",
        "reshape(x, {2, 6})",
        (ONE,),
    ),
]
TWINS = [
    Twin(sliced_and_joined((0, 2), (3, 6)), SLICES, "does not begin where the slice before it"),
    Twin(sliced_and_joined((0, 2), (2, 5)), SLICES, "the slices end before what they are"),
    Twin(sliced_and_joined((0, 3), (3, 6), join=0), SLICES, "takes more or less than a run"),
    Twin(reshaped_and_joined(before=(3, 2)), RESHAPES, "more than drop or add dimensions of 1"),
    Twin(reshaped_and_joined(read=True), RESHAPES, "is needed elsewhere"),
    Twin(
        reshaped_and_joined("concatenation", 1, (2, 3), (2, 1, 3)),
        RESHAPES,
        "they join along a dimension that is new",
    ),
    Twin(split_and_join((1, 0)), SPLIT, "it does not join all results of split"),
    Twin(split_and_join(join=0), SPLIT, "it joins along another axis than split"),
    Twin(join_twice(), SPLIT, "its operands are not the parts of one value"),
    Twin(unpack_and_pack((1, 0)), PACKED, "it does not join all results of unpack"),
    Twin(unpack_and_pack(axis=1), PACKED, "it joins along another axis than unpack"),
    Twin(pack_and_unpack(0), UNPACKED, "it unpacks another axis than pack"),
    Twin(join_twice(read=True), JOINED, "no operand is a concatenation that it alone reads"),
    Twin(unlike, JOINED, "no operand is a concatenation that it alone reads"),
    Twin(unpack_and_pack(), ONE, "it has 2 parts"),
]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda e: e.before)
def test_rewrites(example):
    shows(example, JOINS)


@pytest.mark.parametrize("twin", TWINS, ids=lambda t: f"{t.rule}-{t.reason}")
def test_must_not_match(twin):
    declines(twin, JOINS)
