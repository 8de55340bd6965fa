"""Cases of handlers/binary.py."""

import numpy as np

from tests.frontends.tensorflow.case import case, k, s, x

NARROW = "narrow integers are computed in wider ones; LiteRT has no kernel for TensorFlow's file"
PAIRS = np.array([-7, -7, 7, 7, -6, 6, 0], np.int32), np.array([2, -2, 2, -2, 3, 3, 5], np.int32)

for op in ("Add", "AddV2", "Sub", "Mul", "Maximum", "Minimum", "SquaredDifference"):
    case(op, x(2, 3, 1), x(3, 5))
    case(op, x(2, 1, unknown=[0]), x(3), label="unknown")
    case(op, x(7, dtype="int32"), x(7, dtype="int32"), label="int32")
    case(op, x(7, dtype="int64"), k(7, dtype="int64"), label="int64")
case("AddV2", x(7, dtype="float64"), x(7, dtype="float64"), label="float64")
case("AddV2", x(7, dtype="float16"), x(7, dtype="float16"), label="float16", tolerance=2e-3)
case("AddV2", x(7, dtype="uint8", low=0, high=255), x(7, dtype="uint8", low=0, high=255),
     label="uint8")  # fmt: skip
case("Mul", x(7, dtype="int16"), x(7, dtype="int16"), label="int16", more=NARROW)
case("AddV2", x(3, 1, 1, 2, 1, 2), x(3, 2, 1, 2), label="rank-6")
case("AddN", [x(2, 3), x(2, 3), x(2, 3)])
case("AddN", [x(2, 3)], label="one")
case("RealDiv", x(2, 3), x(2, 3, low=0.5))
case("Div", x(2, 3), x(3, low=0.5))
case("DivNoNan", x(4), x(np.array([0, 1, -2, 0], np.float32)))
case(
    "MulNoNan",
    x(np.array([np.inf, 1, np.nan, 2], np.float32)),
    x(np.array([0, 2, 0, 3.0], np.float32)),
)
case("Xdivy", x(np.array([0, 1, 2], np.float32)), x(np.array([0, 4, 5], np.float32)))
case("Xlogy", x(np.array([0, 1, 2], np.float32)), x(np.array([0, 4, 5], np.float32)))
case("Xlog1py", x(np.array([0, 1, 2], np.float32)), x(np.array([-1, 4, 5], np.float32)))
for op in ("FloorDiv", "FloorMod", "Mod", "TruncateMod", "TruncateDiv", "Div"):
    case(op, x(PAIRS[0]), x(PAIRS[1]), label="int32")
for op in ("FloorDiv", "FloorMod"):
    reason = "LiteRT divides no int64" if op == "FloorDiv" else ""
    case(op, x(9, low=-9, high=9), x(9, low=1, high=3))
    case(op, x(7, dtype="int64"), k(PAIRS[1].astype(np.int64)), label="int64", no_litert=reason)
case("TruncateMod", x(9, low=-9, high=9), x(9, low=1, high=3))
case("Pow", x(2, 3, low=0.1), x(3))
case("Pow", x(4, dtype="int32"), k(np.array([0, 1, 2, 3], np.int32)), label="int32")
case("Atan2", x(2, 5), x(2, 5))
case("Atan2", x(2, 1), x(5), label="broadcast")
for op in ("Equal", "NotEqual", "Less", "LessEqual", "Greater", "GreaterEqual"):
    case(op, x(PAIRS[0].astype(np.float32)), x(np.array([-7, 2, 7, 3, 1, 6, 0], np.float32)))
    case(op, x(2, 1, dtype="int32", low=-2, high=2), x(7, dtype="int32", low=-2, high=2),
         label="int32")  # fmt: skip
    case(op, x(9, dtype="int64", low=-2, high=2), s(1, "int64"), label="int64")
    narrow = NARROW if op == "Equal" else ""
    case(op, x(9, dtype="uint8", low=0, high=3), s(2, "uint8"), label="uint8", more=narrow)
case("Equal", x(6, dtype="bool"), x(6, dtype="bool"), label="bool")
case("LogicalAnd", x(2, 3, dtype="bool"), x(3, dtype="bool"))
case("LogicalOr", x(2, 3, dtype="bool"), x(2, 1, dtype="bool"))
case("ApproximateEqual", x(np.array([1.0, 2.0], np.float32)), k(np.array([1.05, 2.3], np.float32)),
     tolerance=0.1, label="tolerance")  # fmt: skip
BITS = np.array([0, 1, -1, 12345, -98765, 2**31 - 1, -(2**31)], np.int32)
OTHERS = np.array([7, -1, -1, 54321, 777, -(2**31), -(2**31)], np.int32)
for op in ("BitwiseXor", "BitwiseAnd", "BitwiseOr"):
    case(op, x(BITS), x(OTHERS))
case("RightShift", x(BITS), x(np.array([0, 1, 2, 3, 4, 5, 31], np.int32)))
case("LeftShift", x(np.array([1, -3, 5], np.int32)), x(np.array([0, 4, 10], np.int32)))
case("BroadcastArgs", k([2, 1, 3]), k([5, 1]))
case(
    "BroadcastArgs",
    x(np.array([2, 1, 3], np.int32)),
    x(np.array([5, 1], np.int32)),
    label="computed",
)
