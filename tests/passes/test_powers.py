"""Rules of passes/powers.py."""

import numpy as np
import pytest

from edgewise.passes.powers import FACTORS, OFFSETS, POWERS
from tests.passes.example import (
    INT8,
    Example,
    Twin,
    declines,
    normal,
    quantized,
    says,
    shows,
    spelled,
)

X = (3, 5)
# numbers above 0, where roots are defined
POSITIVE = "exp(x)"


def offsets(*shapes):
    def build(b):
        a, c = (b.constant(normal(*shape)) for shape in shapes)
        return b.add(b.add(b.input("x", X), a), b.add(b.input("y", X), c))

    return build


def normalised(form, mean=(3, 1), shape=X):
    """Parts of group norms as TensorFlow writes them: the scale in both terms."""

    def build(b):
        x, m, s = b.input("x", shape), b.input("m", mean), b.input("s", (3, 1))
        other = b.mul(b.neg(m) if form == "neg" else m, s)
        return (b.sub if form == "sub" else b.add)(b.mul(x, s), other)

    return build


DIFFERENCE, SUM = "common factor of a difference", "common factor of a sum"
EXAMPLES = [
    *[
        spelled(f"square(sqrt({total}))", total, "square of a root")
        for total in (
            "sum(square(x), -1)",
            "sum(mul(x, x), -1)",
            "mean(squared_difference(x, y), -1)",
        )
    ],
    Example(
        normalised("sub"), "sub(mul(x, s), mul(m, s))", "mul(sub(x, m), s)", (DIFFERENCE,), 1e-5
    ),
    Example(
        normalised("neg"),
        "add(mul(x, s), mul(neg(m), s))",
        "mul(sub(x, m), s)",
        (DIFFERENCE,),
        1e-5,
    ),
    Example(normalised("add"), "add(mul(x, s), mul(m, s))", "mul(add(x, m), s)", (SUM,), 1e-5),
    spelled("pow(x, 2.0)", "square(x)", "power as square"),
    spelled(f"pow({POSITIVE}, 0.5)", f"sqrt({POSITIVE})", "power as root"),
    spelled(f"pow({POSITIVE}, -0.5)", f"rsqrt({POSITIVE})", "power as inverse root"),
    spelled(f"div(1.0, sqrt({POSITIVE}))", f"rsqrt({POSITIVE})", "inverse of a root"),
    spelled("div(y, sqrt(exp(x)))", "mul(y, rsqrt(exp(x)))", "division by a root"),
    spelled(
        "div(y, sqrt(exp(x)), RELU6)",
        "mul(y, rsqrt(exp(x)), RELU6)",
        "division by a root",
    ),
    spelled("sqrt(square(x))", "abs(x)", "root of a square"),
    spelled("sqrt(mul(x, x))", "abs(x)", "root of a square"),
    spelled("mul(neg(x), 2.5)", "mul(x, -2.5)", "negation into the scale", tolerance=0),
    spelled("neg(mul(x, 2.5))", "mul(x, -2.5)", "negation of a scale", tolerance=0),
    spelled("add(x, neg(y))", "sub(x, y)", "negation into the sum", tolerance=0),
    spelled("add(neg(y), x)", "sub(x, y)", "negation into the sum", tolerance=0),
    spelled("sub(x, neg(y), RELU)", "add(x, y, RELU)", "negation into the difference", tolerance=0),
    Example(
        offsets((1, 5), (5,)),
        "add(add(x, [1,5]), add(y, [5]))",
        "add(add(x, y), [1,5])",
        ("offsets of a sum",),
        1e-6,
    ),
]


def wide_power(exponent):
    def build(b):
        return b.pow(b.input("x", X), b.constant(np.full((2, 3, 5), exponent, np.float32)))

    return build


def stored(op, *first):
    """Of quantized operands, every operator rounds."""

    def build(b):
        x, y = (b.input(name, X, INT8, quantized()) for name in "xy")
        y = getattr(b, first[0])(y, quant=quantized())
        return getattr(b, op)(x, y, quant=quantized())

    return build


def stored_scale(order):
    def build(b):
        x, c = b.input("x", X, INT8, quantized()), b.constant(np.int8(3), quant=quantized())
        if order == "neg":
            return b.neg(b.mul(x, c, quant=quantized()), quant=quantized())
        return b.mul(b.neg(x, quant=quantized()), c, quant=quantized())

    return build


def wide_one(b):
    one = b.constant(np.ones((2, 3, 5), np.float32))
    return b.div(one, b.sqrt(b.input("x", X)))


def root_is_read(b):
    root = b.sqrt(b.input("x", X))
    return b.div(b.input("y", X), root), root


def square_is_read(b):
    square = b.square(b.input("x", X))
    return b.sqrt(square), square


ROUNDS = "is quantized; the rule is for floats"
TWINS = [
    Twin(says("square(sqrt(x))"), "square of a root", "'x' may be negative"),
    Twin(says("square(sqrt(sum(x, -1)))"), "square of a root", "may be negative"),
    Twin(normalised("sub", shape=(1, 5)), DIFFERENCE, "broadcast each other"),
    Twin(normalised("add", shape=(1, 5)), SUM, "broadcast each other"),
    Twin(wide_power(2.0), "power as square", "the shape changes"),
    Twin(wide_power(0.5), "power as root", "the shape changes"),
    Twin(wide_power(-0.5), "power as inverse root", "the shape changes"),
    Twin(wide_one, "inverse of a root", "the shape changes"),
    Twin(root_is_read, "division by a root", "is also read by the graph's outputs"),
    Twin(says("div(2.0, sqrt(x))"), "division by a root", "a number is divided by the root"),
    Twin(square_is_read, "root of a square", "is also read by the graph's outputs"),
    Twin(stored_scale("scale"), "negation into the scale", ROUNDS),
    Twin(stored_scale("neg"), "negation of a scale", ROUNDS),
    Twin(stored("add", "neg"), "negation into the sum", ROUNDS),
    Twin(stored("sub", "neg"), "negation into the difference", ROUNDS),
    Twin(offsets((3, 1), (5,)), "offsets of a sum", "combine to [3, 5]"),
    Twin(offsets((2, 1, 1), (1,)), "offsets of a sum", "broadcast the sum"),
]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda e: e.before)
def test_rewrites(example):
    shows(example, [*POWERS, *FACTORS, *OFFSETS])


@pytest.mark.parametrize("twin", TWINS, ids=lambda t: f"{t.rule}-{t.reason}")
def test_must_not_match(twin):
    declines(twin, [*POWERS, *FACTORS, *OFFSETS])
