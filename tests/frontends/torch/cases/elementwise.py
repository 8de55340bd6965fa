"""Functions and activations of one tensor, arithmetic of two, comparisons."""

from tests.frontends.torch.case import bools, case, floats, ints

X, P = floats(3, 5), floats(3, 5, low=0.1, high=3)
Y, U = floats(3, 5, seed=1), floats(3, 5, low=-0.9, high=0.9)

for name in [
    "exp",
    "sin",
    "cos",
    "tanh",
    "sigmoid",
    "ceil",
    "floor",
    "trunc",
    "frac",
    "round",
    "abs",
    "neg",
    "square",
    "sign",
    "exp2",
    "expm1",
    "erf",
    "erfc",
    "tan",
    "atan",
    "sinh",
    "cosh",
    "asinh",
    "deg2rad",
    "rad2deg",
    "relu",
    "selu",
    "isnan",
    "isinf",
    "isfinite",
    "nan_to_num",
]:
    case(f"unary-{name}", f"torch.{name}(x)", x=X)
for name in ["log", "log2", "log10", "log1p", "sqrt", "rsqrt", "reciprocal", "lgamma", "digamma"]:
    case(f"unary-{name}", f"torch.{name}(x)", x=P)
for name in ["asin", "acos", "atanh", "erfinv"]:
    case(f"unary-{name}", f"torch.{name}(x)", x=U)
case("unary-acosh", "torch.acosh(x + 1)", x=P)
case("unary-logit", "torch.logit(x, eps=0.2)", x=P / 3.5)
case("unary-round-decimals", "torch.round(x, decimals=1)", x=X)
for name in [
    "relu6",
    "hardswish",
    "hardsigmoid",
    "hardtanh",
    "silu",
    "mish",
    "softplus",
    "logsigmoid",
    "softsign",
    "tanhshrink",
    "softshrink",
    "hardshrink",
    "elu",
    "celu",
    "gelu",
    "leaky_relu",
]:
    case(f"activation-{name}", f"F.{name}(x * 3)", x=X)
case("activation-gelu-tanh", "F.gelu(x, approximate='tanh')", x=X)
case("activation-elu-alpha", "F.elu(x, alpha=0.5)", x=X)
case("activation-celu-alpha", "F.celu(x, alpha=0.5)", x=X)
case("activation-leaky", "F.leaky_relu(x, 0.3)", x=X)
case("activation-softplus-beta", "F.softplus(x * 9, beta=2, threshold=15)", x=X)
case("activation-threshold", "F.threshold(x, 0.1, 20.0)", x=X)
case("activation-prelu", "F.prelu(x, w)", x=floats(2, 3, 4, 5), weights={"w": floats(3)})
case("activation-prelu-one", "F.prelu(x, w)", x=floats(2, 3, 4), weights={"w": floats(1)})
case("activation-prelu-rows", "F.prelu(x, w)", x=floats(2, 3), weights={"w": floats(3)})
case("activation-glu", "F.glu(x, 1)", x=floats(2, 6, 3))
case("activation-relu-inplace", "F.relu(x * 2, inplace=True) + 1", x=X)
case("activation-dropout", "F.dropout(x, 0.3, training=False)", x=X)

case("clamp", "x.clamp(-0.5, 1.2)", x=X)
case("clamp-min", "x.clamp(min=0.3)", x=X)
case("clamp-max", "torch.clamp_max(x, 0.3)", x=X)
case("clamp-unit", "x.clamp(0, 1)", x=X)
case("clamp-tensors", "torch.clamp(x, y, y + 1)", x=X, y=Y)
case("clamp-ints", "x.clamp(-2, 3)", x=ints(3, 4))

for name in [
    "add",
    "sub",
    "mul",
    "div",
    "maximum",
    "minimum",
    "fmax",
    "fmin",
    "atan2",
    "hypot",
    "logaddexp",
]:
    case(f"binary-{name}", f"torch.{name}(x, y)", x=X, y=Y)
for name in ["eq", "ne", "lt", "le", "gt", "ge"]:
    case(f"compare-{name}", f"torch.{name}(x, y)", x=ints(3, 4), y=ints(3, 4, seed=1))
case("compare-number", "x > 0.5", x=X)
case("compare-bools", "x == y", x=bools(3, 4), y=bools(3, 4, seed=1))
case("compare-close", "torch.isclose(x, y, atol=1.0)", x=X, y=Y)
case("binary-pow", "torch.pow(x, y)", x=P, y=Y)
for number in (2, 3, 0.5, -0.5, -1, 1, 2.5, -2):
    case(f"binary-pow-{number}", f"x ** {number}", x=P, tolerance=2e-5)
case("binary-pow-base", "2 ** x", x=X)
case("binary-pow-ints", "x ** 2", x=ints(3, 4))
case("binary-floor-divide", "x // 0.7", x=X)
case("binary-floor-divide-ints", "x // 3", x=ints(3, 4), no_litert="no FLOOR_DIV of int64")
case(
    "binary-trunc-divide-ints",
    "torch.div(x, 3, rounding_mode='trunc')",
    x=ints(3, 4),
    no_litert="no FLOOR_DIV of int64",
)
case("binary-trunc-divide", "torch.div(x, y, rounding_mode='trunc')", x=X, y=Y)
case("binary-divide-ints", "x / 3", x=ints(3, 4))
case("binary-remainder", "x % 0.7", x=X)
case("binary-remainder-ints", "torch.remainder(x, 3)", x=ints(3, 4))
case("binary-fmod", "torch.fmod(x, 0.7)", x=X)
case("binary-fmod-ints", "torch.fmod(x, 3)", x=ints(3, 4), no_litert="no FLOOR_DIV of int64")
case("binary-alpha", "torch.add(x, y, alpha=0.3) - torch.sub(y, x, alpha=2)", x=X, y=Y)
case("binary-rsub", "1 - x", x=X)
case("binary-lerp", "torch.lerp(x, y, 0.3)", x=X, y=Y)
case("binary-addcmul", "torch.addcmul(x, y, y, value=0.5)", x=X, y=Y)
case("binary-addcdiv", "torch.addcdiv(x, y, y + 3, value=0.5)", x=X, y=Y)
case("binary-xlogy", "torch.xlogy(x, x + 1)", x=P)
case("binary-broadcast", "x * y[:, None] + 1", x=floats(4, 3), y=floats(4))

case("logic", "(x & y) | ~x, x ^ y, torch.logical_xor(x, y)", x=bools(3, 4), y=bools(3, 4, seed=1))
case(
    "logic-numbers",
    "torch.logical_and(x, y), torch.logical_not(x)",
    x=ints(3, 4),
    y=ints(3, 4, seed=2),
)
case("bits", "x & 6, x | 6, x ^ 6, ~x", x=ints(3, 4, dtype="int32"))
case("bits-shift", "x << 2, x >> 1", x=ints(3, 4, dtype="int32"))

case("promote-int-float", "x * 2.5 + 1", x=ints(3, 4))
case("promote-int-ints", "x + y", x=ints(3, 4, dtype="int32"), y=ints(3, 4))
case("promote-scalar-tensor", "x + torch.tensor(2)", x=X)
case("promote-bool", "x + 1, x * y", x=bools(3, 5), y=Y)
case("promote-half", "x.half() + y", x=floats(3, 5), y=Y, tolerance=1e-3)
case(
    "promote-narrow", "x + y, x * 2", x=ints(3, 4, dtype="int8"), y=ints(3, 4, dtype="int8", seed=1)
)
case("cast", "x.to(torch.int32), x.long(), x.bool(), x.double().float()", x=X)
case("cast-ints", "x.float() / 2, x.to(torch.uint8)", x=ints(3, 4, low=0))
case("where", "torch.where(x > 0, x, y)", x=X, y=Y)
case("where-number", "torch.where(x > 0, x, -1.0)", x=X)
case("masked-fill", "x.masked_fill(y, float('-inf'))", x=X, y=bools(3, 5))
case("dynamic-elementwise", "torch.relu(x) * x.shape[0] + 1", x=floats(4, 3), dynamic=True)
