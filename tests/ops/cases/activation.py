"""Cases of ops/activation.py and ops/sigmoid.py."""

import numpy as np

from edgewise.ops.activation import (
    Elu,
    Gelu,
    HardSwish,
    LeakyRelu,
    Prelu,
    Relu,
    Relu0To1,
    Relu6,
    ReluN1To1,
)
from edgewise.ops.sigmoid import Logistic, Swish, Tanh
from tests.ops.case import Case, arg, const, weights

ALL = ("int8", "uint8", "int16")
BYTES = ("int8", "uint8")
REFUSED = "LiteRT has no kernel for this dtype"
FAR = np.array([-np.inf, -100.0, -20.0, -0.0, 0.0, 20.0, 100.0, np.inf], np.float32)


def each(op, quantize, *, label=""):
    """The operator on several shapes; quantized to what LiteRT takes, and to the rest."""
    x = arg((3, 5, 7), low=-8.0, high=8.0)
    rest = tuple(d for d in ALL if d not in quantize)
    return [
        Case(op, (x,), label=label, quantize=quantize),
        *[Case(op, (x,), label=f"{label}rest", quantize=rest, no_litert=REFUSED)] * bool(rest),
        Case(op, (arg((1, 1), low=-8.0, high=8.0),), label=f"{label}one"),
        Case(op, (arg((0, 3)),), label=f"{label}empty"),
    ]


def prelu(x, alpha, **kwargs):
    return Case(Prelu(), (arg(x), weights(alpha, low=-0.5, high=1.5)), **kwargs)


CASES = [
    *each(Relu(), ALL),
    *each(Relu6(), ALL),
    *each(ReluN1To1(), BYTES),
    *each(Relu0To1(), BYTES),
    *each(HardSwish(), BYTES),
    *each(Gelu(), ALL, label="erf"),
    *each(Gelu(approximate=True), ALL, label="tanh"),
    *each(Elu(), ("int8",)),
    *each(LeakyRelu(alpha=0.2), ALL),
    *each(LeakyRelu(alpha=-0.5), ALL, label="negative"),
    *each(LeakyRelu(alpha=1.5), ALL, label="steep"),
    # the quotients of scales are rounded to float32: shows in one value of 6,000
    Case(LeakyRelu(alpha=0.44), (arg((16, 1021)),), label="many", quantize=("int16",)),
    *each(Logistic(), ALL),
    *each(Tanh(), ALL),
    *[  # a rest after the vectors of all instruction sets
        Case(op, (arg((3, 67), "float16", low=-8.0, high=8.0),), label="half")
        for op in (Relu(), Relu6(), ReluN1To1())
    ],
    Case(Relu6(), (const(FAR, "float16"),), label="far-half"),
    *[
        Case(Swish(), (arg(shape),), label=label)
        for shape, label in (((5, 67), "odd"), ((0, 3), "empty"))
    ],
    *[Case(op, (const(FAR),), label="far") for op in (Logistic(), Tanh(), Elu(), Relu6())],
    prelu((2, 4, 5, 3), (1, 1, 3), label="channel", quantize=BYTES),
    prelu((2, 4, 5, 3), (4, 5, 3), label="element", quantize=BYTES),
    prelu((5, 3), (3,), label="wide", quantize=("int16",), no_litert="its int16 kernel is wrong"),
    prelu((7, 3), (3,), label="rank2"),
    prelu((0, 3), (3,), label="empty"),
    prelu((2, 3), (4, 2, 3), error="alpha must broadcast to the shape of x"),
    prelu((2, 3), (2,), error="shapes must broadcast"),
    Case(Relu(), (arg((3,), "bool"),), error="operand 'x' must be one of"),
]
