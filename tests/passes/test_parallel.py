"""Rules of passes/parallel.py."""

import pytest

from edgewise.ir.enums import Activation
from edgewise.passes.parallel import PARALLEL
from tests.passes.example import Example, Twin, declines, normal, shows

RULE = ("parallel convolutions that are joined",)
RELU = Activation.RELU


def branches(*branches_, axis=3, others=0, act=Activation.NONE):
    """Convolutions of one x, (filters, kernel, keyword arguments) each, and things in between."""

    def build(b):
        x = b.input("x", (1, 6, 6, 3))
        made = []
        for filters, kernel, bias, *more in branches_:
            w = b.constant(normal(filters, kernel, kernel, 3))
            attributes = dict(*more)
            made.append(
                b.conv_2d(x, w, b.constant(normal(filters)) if bias else None, **attributes)
            )
        made += [b.neg(x) for _ in range(others)]
        return b.concatenation(*made, axis=axis, fused_activation_function=act)

    return build


def dense(b):
    x = b.input("x", (2, 4))
    made = [b.fully_connected(x, b.constant(normal(n, 4)), b.constant(normal(n))) for n in (3, 5)]
    return b.concatenation(*made, axis=-1)


def read_twice(b):
    x = b.input("x", (1, 6, 6, 3))
    a, c = (b.conv_2d(x, b.constant(normal(4, 3, 3, 3))) for _ in range(2))
    return b.concatenation(a, c, axis=3), a, b.neg(c)


def packed(axis=-1, filters=(4, 4), kernels=(3, 3), bias=True):
    """Real and imaginary parts of a transform, by two convolutions."""

    def build(b):
        x = b.input("x", (1, 6, 6, 3))
        made = []
        for n, k in zip(filters, kernels, strict=True):
            c = b.constant(normal(n)) if bias else None
            made.append(b.conv_2d(x, b.constant(normal(n, k, k, 3)), c))
        return b.pack(*made, axis=axis)

    return build


PACKED = ("parallel convolutions that are packed",)
FIRST, SECOND = "conv_2d(x, [4,3,3,3], [4])", "conv_2d(x, [2,3,3,3])"
EXAMPLES = [
    *[
        Example(
            packed(axis),
            f"pack({FIRST}, {FIRST}, axis={axis})",
            f"reshape(conv_2d(x, [8,3,3,3], [8]), {{{shape}}})",
            PACKED,
            1e-6,
        )
        for axis, shape in ((-1, "1, 6, 6, 4, 2"), (3, "1, 6, 6, 2, 4"))
    ],
    Example(
        branches((4, 3, True), (2, 3, False)),
        f"concatenation({FIRST}, {SECOND}, axis=3)",
        "conv_2d(x, [6,3,3,3], [6])",
        RULE,
        1e-6,
    ),
    Example(
        branches((4, 3, True), (2, 3, False), others=1, act=RELU),
        f"concatenation({FIRST}, {SECOND}, neg(x), axis=3, RELU)",
        "concatenation(conv_2d(x, [6,3,3,3], [6]), neg(x), axis=3, RELU)",
        RULE,
        1e-6,
    ),
    Example(
        branches((4, 3, False), (2, 3, False), act=RELU),
        "concatenation(conv_2d(x, [4,3,3,3]), conv_2d(x, [2,3,3,3]), axis=3, RELU)",
        "concatenation(conv_2d(x, [6,3,3,3]), axis=3, RELU)",
        RULE,
        1e-6,
    ),
    Example(
        dense,
        "concatenation(fully_connected(x, [3,4], [3]), fully_connected(x, [5,4], [5]), axis=-1)",
        "fully_connected(x, [8,4], [8])",
        RULE,
        1e-6,
    ),
]
NONE = "no two operands are convolutions of one input that it alone reads"
TWINS = [
    Twin(packed(1), PACKED[0], "it packs axis 1, not next to the channels"),
    Twin(packed(kernels=(3, 5)), PACKED[0], "are convolutions of one input that it alone reads"),
    Twin(branches((4, 3, True), (4, 3, True), axis=1), RULE[0], "joins axis 1, not the channels"),
    Twin(branches((4, 3, True), (2, 1, True)), RULE[0], NONE),
    Twin(branches((4, 3, True), (2, 3, True, {"fused_activation_function": RELU})), RULE[0], NONE),
    Twin(read_twice, RULE[0], NONE),
]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda e: e.before)
def test_rewrites(example):
    shows(example, PARALLEL)


@pytest.mark.parametrize("twin", TWINS, ids=lambda t: t.reason)
def test_must_not_match(twin):
    declines(twin, PARALLEL)
