"""Cases of ops/l2_normalization.py."""

from edgewise.ir.enums import Activation
from edgewise.ops.l2_normalization import L2Normalization
from tests.ops.case import Case, arg, const

CASES = [
    Case(L2Normalization(), (arg((2, 3, 5, 7)),), label="rank4", quantize=("int8", "uint8")),
    Case(L2Normalization(), (arg((3, 129)),), label="rank2", quantize=("int8", "uint8")),
    Case(L2Normalization(), (arg((5, 1)),), label="one"),
    Case(L2Normalization(), (const([[0.0, 0.0], [1e-9, 0.0]]),), label="zero"),
    Case(L2Normalization(), (arg((0, 4)),), label="empty"),
    Case(L2Normalization(), (arg(()),), error="at least 1 dimension"),
    Case(
        L2Normalization(fused_activation_function=Activation.RELU),
        (arg((3, 4)),),
        error="fused_activation_function must be NONE; got RELU",
    ),
]
