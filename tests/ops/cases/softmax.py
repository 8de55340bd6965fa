"""Cases of ops/softmax.py."""

import numpy as np

from edgewise.dtypes import DType
from edgewise.ir import Quant, TensorType
from edgewise.ops.softmax import LogSoftmax, Softmax
from tests.ops.case import Case, arg, const

ALL = ("int8", "uint8", "int16")
BYTES = ("int8", "uint8")
FAR = np.array([[0.0, 500.0, -500.0], [-1e30, -1e30, -1e30]], np.float32)

CASES = [
    Case(Softmax(), (arg((3, 17)),), quantize=ALL),
    Case(Softmax(), (arg((1, 1001), low=-8, high=8),), label="wide", quantize=ALL),
    Case(Softmax(beta=0.25), (arg((2, 3, 5), low=-9, high=9),), label="beta", quantize=ALL),
    Case(Softmax(), (arg((2, 3, 4, 1)),), label="single", quantize=ALL),
    Case(Softmax(), (arg((7,)),), label="rank1"),
    Case(Softmax(), (arg((1001, 9)),), label="tiles", quantize=BYTES),
    Case(Softmax(), (arg((5, 67), low=-90, high=0),), label="rest"),
    Case(Softmax(), (arg((0, 4)),), label="empty"),
    Case(Softmax(), (const(FAR),), label="far"),
    Case(Softmax(), (arg(()),), error="at least 1 dimension"),
    Case(LogSoftmax(), (arg((3, 17)),), quantize=BYTES),
    Case(LogSoftmax(), (arg((2, 3, 4, 5), low=-8, high=8),), label="rank4", quantize=BYTES),
    Case(LogSoftmax(), (arg((3, 17)),), label="wide", quantize=("int16",), no_litert="refused"),
    Case(
        LogSoftmax(),
        (arg((9, 261), "int16", quant=Quant(0.0004)),),
        label="wide-spread",
        results=(TensorType(None, DType.INT16, Quant(1 / 2048)),),
        no_litert="refused",
    ),
    Case(LogSoftmax(), (arg((1001, 9)),), label="tiles"),
    Case(LogSoftmax(), (arg((5, 67), low=-90, high=0),), label="rest"),
    Case(LogSoftmax(), (const(FAR),), label="far"),
    Case(LogSoftmax(), (arg((0, 4)),), label="empty"),
    Case(LogSoftmax(), (arg(()),), error="at least 1 dimension"),
]
