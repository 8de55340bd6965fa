"""Rules of passes/choices.py."""

import numpy as np
import pytest

from edgewise.dtypes import DType
from edgewise.passes.choices import CHOICES
from tests.passes.example import Example, Twin, declines, shows

X = (3, 5)


def choice(condition, op="select_v2", shape=X):
    """The condition is a bool constant, or how to make one of an input `c`."""

    def build(b):
        c = condition(b, b.input("c", X, DType.BOOL)) if callable(condition) else condition
        c = b.constant(c) if isinstance(c, np.ndarray) else c
        return getattr(b, op)(c, b.input("x", shape), b.input("y", X))

    return build


def logic(op, constant=None):
    def build(b):
        c = b.input("c", X, DType.BOOL)
        return getattr(b, op)(c, c if constant is None else b.constant(constant))

    return build


def compared(op, dtype=DType.FLOAT32):
    def build(b):
        return b.logical_not(getattr(b, op)(b.input("x", X, dtype), b.input("y", X, dtype)))

    return build


def between_equals(shape):
    def build(b):
        x = b.input("x", shape)
        return b.select_v2(b.input("c", X, DType.BOOL), x, x)

    return build


def example(build, before, after, rule):
    return Example(build, before, after, (rule,))


ALL, SOME = np.ones(X, np.bool_), np.eye(3, 5, dtype=np.bool_)
OPPOSITES = [
    ("equal", "not_equal"),
    ("less", "greater_equal"),
    ("less_equal", "greater"),
    ("greater", "less_equal"),
    ("greater_equal", "less"),
    ("not_equal", "equal"),
]
EXAMPLES = [
    example(choice(ALL), "select_v2([3,5], x, y)", "x", "choice by a constant"),
    example(choice(~ALL, "select"), "select([3,5], x, y)", "y", "choice by a constant"),
    example(choice(ALL[:1, :1]), "select_v2(1, x, y)", "x", "choice by a constant"),
    example(between_equals(X), "select_v2(c, x, x)", "x", "choice between equals"),
    example(
        choice(lambda b, c: b.logical_not(c)),
        "select_v2(logical_not(c), x, y)",
        "select_v2(c, y, x)",
        "choice by a negation",
    ),
    example(
        lambda b: b.logical_not(b.logical_not(b.input("c", X, DType.BOOL))),
        "logical_not(logical_not(c))",
        "c",
        "not of not",
    ),
    *[
        example(
            compared(op, DType.INT32),
            f"logical_not({op}(x, y))",
            f"{opposite}(x, y)",
            "not of a comparison",
        )
        for op, opposite in OPPOSITES
    ],
    example(
        compared("equal"), "logical_not(equal(x, y))", "not_equal(x, y)", "not of a comparison"
    ),
    example(logic("logical_and", np.True_), "logical_and(c, 1)", "c", "logic with a constant"),
    example(logic("logical_or", ~ALL), "logical_or(c, [3,5])", "c", "logic with a constant"),
    example(logic("logical_or"), "logical_or(c, c)", "c", "logic with itself"),
]


TWINS = [
    Twin(choice(SOME), "choice by a constant", "is true in some places only"),
    Twin(choice(ALL, shape=(1, 5)), "choice by a constant", "the shape changes"),
    Twin(between_equals((1, 5)), "choice between equals", "the shape changes"),
    Twin(compared("less"), "not of a comparison", "is false of NaN, and so would be its opposite"),
    Twin(logic("logical_and", SOME), "logic with a constant", "is not true everywhere"),
    Twin(
        logic("logical_or", np.zeros((2, 1, 1), np.bool_)),
        "logic with a constant",
        "the shape changes",
    ),
]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda e: e.before)
def test_rewrites(example):
    shows(example, CHOICES)


@pytest.mark.parametrize("twin", TWINS, ids=lambda t: f"{t.rule}-{t.reason}")
def test_must_not_match(twin):
    declines(twin, CHOICES)
