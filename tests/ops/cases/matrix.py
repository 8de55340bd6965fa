"""Cases of ops/matrix.py."""

from edgewise.ops.matrix import MatrixDiag, MatrixSetDiag
from tests.ops.case import Case, arg

CASES = [
    Case(MatrixDiag(), (arg((4,)),)),
    Case(MatrixDiag(), (arg((2, 3), "int32"),), label="batch"),
    Case(MatrixDiag(), (arg((2, 0)),), label="empty"),
    Case(MatrixDiag(), (arg(()),), error="x must have a dimension"),
    Case(MatrixSetDiag(), (arg((3, 3)), arg((3,))), quantize=("int8", "uint8", "int16")),
    Case(MatrixSetDiag(), (arg((2, 3, 5)), arg((2, 3))), label="wide"),
    Case(MatrixSetDiag(), (arg((5, 2), "int32"), arg((2,), "int32")), label="tall"),
    Case(MatrixSetDiag(), (arg((3,)), arg((3,))), error="x must be [.., M, N]; got [3]"),
    Case(MatrixSetDiag(), (arg((3, 2)), arg((3,))), error="diagonal must be [2]; got [3]"),
    Case(MatrixSetDiag(), (arg((2, 2)), arg((2,), "int32")), error="must be float32; got int32"),
]
