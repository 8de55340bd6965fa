"""Cases of handlers/elementwise.py."""

import numpy as np

from tests.frontends.tensorflow.case import case, k, s, x

SPECIAL = np.array([[0.0, -0.0, 1.0, -1.0, 0.5, -3.5, 2.5, 1e-3, -20.0, 20.0]], np.float32)
BAD = np.array([np.nan, np.inf, -np.inf, 0.0, 3e38], np.float32)

for op in ("Ceil", "Floor", "Round", "Rint"):
    case(op, x(np.array([[-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 0.1, -0.9]], np.float32)))
for op in ("Exp", "Sin", "Cos", "Tanh", "Sigmoid", "Relu6", "Elu", "Relu", "Selu"):
    case(op, x(SPECIAL))
    case(op, x(3, 5, unknown=[0]), label="unknown")
for label, given in (("special", x(SPECIAL)), ("unknown", x(3, 5, unknown=[0]))):
    case("Softplus", given, label=label, more="TensorFlow's log(exp(x) + 1) overflows above 88")
for op in ("Softsign", "Expm1", "Erf", "Erfc", "Asinh", "Tan", "Atan"):
    case(op, x(2, 7))
    case(op, x(SPECIAL), label="special", tolerance=3e-5)
case("Sinh", x(2, 7))
case("Cosh", x(2, 7))
for op in ("Log", "Sqrt", "Rsqrt", "Log1p", "Reciprocal", "Inv"):
    case(op, x(3, 1, 5, low=0.01, high=9))
case("Asin", x(11, low=-1, high=1))
case("Acos", x(11, low=-1, high=1))
case("Atanh", x(11, low=-0.9, high=0.9))
case("Acosh", x(11, low=1.1, high=5))
for op in ("IsNan", "IsInf", "IsFinite"):
    case(op, x(BAD))
for op in ("Abs", "Neg", "Sign", "Square"):
    case(op, x(SPECIAL))
    case(op, x(7, dtype="int32"), label="int32")
    case(op, x(7, dtype="int64"), label="int64")
    case(op, x(3, dtype="float64"), label="float64")
case("Relu", x(5, dtype="int32"), label="int32")
case("Exp", x(5, dtype="float16"), label="float16", tolerance=2e-3)
case("Exp", x(5, dtype="bfloat16"), label="bfloat16", tolerance=2e-2)
case("LeakyRelu", x(SPECIAL))
case("LeakyRelu", x(SPECIAL), alpha=0.01, label="alpha")
case("LogicalNot", x(2, 3, dtype="bool"))
case("ClipByValue", x(2, 3), s(-0.5), s(1.0))
case("Cast", x(np.array([-2.7, -0.5, 0.0, 0.5, 2.7], np.float32)), DstT="int32")
case("Cast", x(np.array([-2.7, 0.0, 2.7], np.float32)), DstT="bool", label="bool")
case("Cast", x(4, dtype="bool"), DstT="float32", label="from-bool")
case("Cast", x(4, dtype="int32"), DstT="float32", label="from-int")
case("Cast", x(4, dtype="int32"), DstT="int64", label="int64")
case("Cast", x(4, dtype="int32"), DstT="uint8", label="uint8")
case("Cast", x(4), DstT="float64", label="wider")
case("Cast", x(4, dtype="float16"), DstT="float32", label="from-half", tolerance=1e-3)
case("Bitcast", k(2, 3), type="int32")
case("Bitcast", k(2, 3, dtype="int32"), type="float32", label="float")
case("Bitcast", x(2, 3), type="int32", label="computed", refused="bits of a computed tensor")
case("Bitcast", x(2, 3, dtype="int64"), type="float64", label="float64",
     refused="computed in float32")  # fmt: skip
case("Invert", x(5, dtype="int32"))
case("Invert", x(5, dtype="uint8", low=0), label="uint8")
case("ZerosLike", x(2, 3))
case("ZerosLike", x(2, 3, dtype="int64", unknown=[0]), label="unknown")
case("OnesLike", x(2, 3, unknown=[0]))
case("OnesLike", x(4, dtype="int32"), label="int32")
