"""Cases of ops/batch_matmul.py."""

from edgewise.dtypes import DType
from edgewise.ir import Quant, TensorType
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


def fixed(x, y, zero, *, label, **attributes):
    """int8 with this zero point of y; 0 is scaled in float32, others by a 32-bit multiplier."""
    quants = Quant(0.011, 3), Quant(0.017, zero)
    return Case(
        BatchMatMul(**attributes),
        tuple(arg(s, "int8", quant=q) for s, q in zip((x, y), quants, strict=True)),
        label=label,
        results=(TensorType(None, DType.INT8, Quant(0.023, -11)),),
    )


def sixteen(x, y, y_dtype, *, label, **attributes):
    """int16 of the whole range by int16 or int8."""
    operands = arg(x, "int16", quant=Quant(0.0007)), arg(y, y_dtype, quant=Quant(0.0011))
    z = TensorType(None, DType.INT16, Quant(0.06 if y_dtype == "int16" else 0.0003))
    return Case(BatchMatMul(**attributes), operands, label=label, results=(z,))


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
    fixed((3, 9, 31), (3, 31, 33), 0, label="symmetric"),
    fixed((2, 9, 32), (2, 32, 16), -128, label="least"),
    fixed((2, 1, 8, 3), (1, 5, 3, 8), 127, label="broadcast-most"),
    fixed((30, 7), (30, 18), -7, adj_x=True, label="fixed-adj_x"),
    fixed((29, 31), (17, 31), 5, adj_y=True, label="fixed-adj_y"),
    sixteen((2, 3, 521), (2, 521, 17), "int16", label="16x16-long"),
    sixteen((7, 1030), (18, 1030), "int8", adj_y=True, label="16x8-long"),
    sixteen((2, 9, 5), (9, 33), "int8", adj_x=True, label="16x8"),
    Case(
        BatchMatMul(),
        (arg((2, 5, 16)), weights((2, 16, 3), "int8", quant=Quant(0.02))),
        label="hybrid",
        no_litert="quantizes x on the fly",
    ),
    *(
        Case(
            BatchMatMul(adj_y=adj_y),
            (arg((2, 5, 25)), weights(shape, "int8", quant=Quant(0.02))),
            label=f"hybrid-{label}",
            no_litert="quantizes x on the fly",
        )
        for adj_y, shape, label in ((False, (1, 25, 26), "wide"), (True, (26, 25), "adj_y"))
    ),
    matmul((5, 7), (6, 3), error="agree in the dimension summed over"),
    matmul((2, 5, 7), (3, 7, 3), error="batch dimensions must be equal or 1"),
    matmul((7,), (7, 3), error="x must be of rank 2 or more"),
]
