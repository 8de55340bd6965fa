"""Cases of ops/batch_matmul.py."""

from edgewise.ir import Quant
from edgewise.ops.batch_matmul import BatchMatMul
from tests.ops.case import Case, arg, weights


def matmul(x, y, *, quantize=("int8", "int16"), label="", error="", **attributes):
    return Case(
        BatchMatMul(**attributes),
        (arg(x), arg(y)),
        label=label,
        quantize=() if error else quantize,
        error=error,
    )


CASES = [
    matmul((5, 7), (7, 3)),
    matmul((2, 5, 7), (2, 7, 3), label="batch"),
    matmul((2, 3, 7, 5), (2, 3, 7, 4), adj_x=True, label="adj_x"),
    matmul((2, 3, 5, 7), (2, 3, 4, 7), adj_y=True, label="adj_y"),
    matmul((3, 7, 5), (3, 4, 7), adj_x=True, adj_y=True, label="both"),
    matmul((4, 1, 5, 7), (3, 7, 2), label="broadcast"),
    matmul((1, 1), (1, 1), label="ones"),
    matmul((2, 64, 33), (2, 33, 17), label="long"),
    matmul((0, 5, 7), (0, 7, 3), quantize=(), label="empty"),
    Case(
        BatchMatMul(),
        (arg((2, 5, 16)), weights((2, 16, 3), "int8", quant=Quant(0.02))),
        label="hybrid",
        no_litert="quantizes x on the fly",
    ),
    matmul((5, 7), (6, 3), error="agree in the dimension summed over"),
    matmul((2, 5, 7), (3, 7, 3), error="batch dimensions must be equal or 1"),
    matmul((7,), (7, 3), error="x must be of rank 2 or more"),
]
