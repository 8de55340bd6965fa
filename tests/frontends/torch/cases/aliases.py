"""Other names, and operations that stand beside common ones."""

import numpy as np

from tests.frontends.torch.case import bools, case, floats, ints

X, Y, P = floats(3, 4), floats(3, 4, seed=1), floats(3, 4, low=0.1, high=0.9)
case("alias-arithmetic", "torch.true_divide(torch.multiply(torch.subtract(x, y), x), 3)", x=X, y=Y)
case("alias-divide", "torch.divide(x, 3), torch.negative(x), torch.absolute(x), x.sgn(), +x", x=X)
case("alias-fix", "torch.fix(x), torch.clip(x, 0, 1), F.tanhshrink(x), F.softsign(x)", x=X)
case("alias-angles", "torch.arcsin(x), torch.arccos(x), torch.arctan(x), torch.arctanh(x)", x=P)
case("alias-hyperbolic", "torch.arcsinh(x), torch.arccosh(x + 1), torch.arctan2(x, x + 1)", x=P)
case(
    "alias-compare", "torch.greater(x, y), torch.less_equal(x, y), torch.not_equal(x, y)", x=X, y=Y
)
case("alias-compare-2", "torch.greater_equal(x, y), torch.less(x, y)", x=X, y=Y)
case("alias-extremes", "torch.max(x, y), torch.min(x, y)", x=X, y=Y)
case(
    "alias-special",
    "torch.special.expit(x), torch.special.erf(x), torch.special.log_softmax(x, 1)",
    x=X,
)
case(
    "alias-special-2",
    "torch.special.softmax(x, 1), torch.special.gammaln(x), torch.special.logit(x)",
    x=P,
)
case(
    "alias-bits",
    "torch.bitwise_and(x, 3), torch.bitwise_or(x, 3), torch.bitwise_xor(x, 3)",
    x=ints(3, 4, dtype="int32"),
)
case(
    "alias-shifts",
    "torch.bitwise_left_shift(x, 1), torch.bitwise_right_shift(x, 1)",
    x=ints(3, 4, dtype="int32"),
)
case("alias-or", "torch.logical_or(x, y), x | y", x=bools(3, 4), y=bools(3, 4, seed=1))
case(
    "alias-axes",
    "torch.swapaxes(x, 0, 1), torch.moveaxis(x, 0, 1), x.swapdims(0, 1), x.adjoint()",
    x=X,
)
case(
    "alias-shapes",
    "torch.ravel(x), x.reshape_as(y), torch.broadcast_to(x, (2, 3, 4))",
    x=X,
    y=floats(4, 3),
)
case("alias-joins", "torch.concat([x, x]), torch.concatenate([x, x], 1)", x=X)
case(
    "alias-same",
    "x.contiguous().detach().clone().requires_grad_(False) * 1, x.type_as(y)",
    x=X,
    y=ints(2),
)
case("alias-new", "x.new_ones(2, 3), torch.empty_like(x).fill_(2.0), torch.empty(3).zero_()", x=X)
case("alias-order", "torch.msort(x), torch.flipud(x), torch.argsort(x, dim=1, stable=True)", x=X)
case("alias-std", "s, m = torch.std_mean(x, 1)\nreturn s + m", x=X)
case(
    "alias-products",
    "torch.dot(x, y), torch.inner(x, y), torch.ger(x, y)",
    x=floats(4),
    y=floats(4, seed=1),
)
case("alias-inner", "torch.inner(x, y), torch.addmv(z, x, x[0])", x=X, y=Y, z=floats(3))
case(
    "alias-norms",
    "torch.linalg.norm(x), torch.linalg.norm(x, dim=1), torch.linalg.matrix_norm(x)",
    x=X,
)
case("alias-splits", "torch.tensor_split(x, 3, 1)", x=floats(2, 8))
case(
    "alias-matrix",
    "torch.trace(x), torch.heaviside(x, y), torch.float_power(x + 3, 1.5).float()",
    x=X,
    y=Y,
)
case("alias-autocast", "with torch.autocast('cpu', enabled=False):\n    y = x @ x.T\nreturn y", x=X)
case("alias-numel", "x.sum() / x.numel() * (x.shape[0] % 4 - 1 + x.shape[0] ** 2)", x=X)
case(
    "alias-convolution",
    "torch.convolution(x, w, None, [1, 1], [1, 1], [1, 1], False, [0, 0], 1)",
    x=floats(1, 2, 5, 5),
    weights={"w": floats(3, 2, 3, 3)},
)
case(
    "alias-pool3d",
    "F.adaptive_avg_pool3d(x, 2), F.adaptive_max_pool3d(x, 1)",
    x=floats(1, 2, 4, 4, 6),
)
case("alias-pool-indices", "F.max_pool2d(x, 2, return_indices=True)[0]", x=floats(1, 2, 4, 6))
case("alias-dropouts", "F.alpha_dropout(x, 0.5), F.dropout2d(x[:, :, None, None], 0.5, False)", x=X)
case(
    "alias-pads",
    "torch.nn.ReflectionPad1d(2)(x), torch.nn.ReplicationPad1d(2)(x)",
    x=X,
)
case("alias-scalar", "x + torch.scalar_tensor(2.0) + torch.asarray(3.0)", x=X)
case("alias-index-2", "x[i.long()][:, None]", x=X, i=np.array([2, 0], np.int32))
