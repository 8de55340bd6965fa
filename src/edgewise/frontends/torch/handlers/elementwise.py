"""Operations of one tensor, element by element: functions, activations, casts, tests.

Source: aten/src/ATen/native/{UnaryOps,Activation}.cpp, PyTorch 2.13.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from edgewise.dtypes import FLOATS, DType
from edgewise.frontends.context import computed, known_sizes
from edgewise.frontends.decompose import activations as act
from edgewise.frontends.decompose import functions as fn
from edgewise.frontends.decompose import special
from edgewise.frontends.decompose.integers import absolute, by_type, negated, wide
from edgewise.frontends.torch.context import Context, Handler, Operand, Unsupported
from edgewise.frontends.torch.handlers.binary import div, truth
from edgewise.frontends.torch.refusal import RANDOM
from edgewise.ir.graph import Value
from edgewise.ir.op import operator

Function = Callable[[Context, Value], Value]


def _plain(name: str) -> Handler:
    """The operator of that name, on floats."""

    def handler(c: Context, x: Value) -> Value:
        y = getattr(c.b, name)(c.real(x))
        assert isinstance(y, Value)
        return y

    return handler


def _function(function: Callable[..., Value]) -> Handler:
    """A function of floats, with its parameters."""
    return lambda c, x, *args, **kwargs: function(c, c.real(x), *args, **kwargs)


def _whole(on_floats: str, on_integers: Function) -> Handler:
    """The operator on floats, something else on whole numbers."""
    return lambda c, x: by_type(c, x, on_floats, on_integers)


def relu(c: Context, x: Value) -> Value:
    """max(x, 0)."""
    return c.b.relu(x) if x.dtype in FLOATS else clamp(c, x, 0)


_CLIPPED: dict[tuple[float, float], str] = {
    (0, 6): "relu6",
    (-1, 1): "relu_n1_to_1",
    (0, 1): "relu_0_to_1",
}


def clamp(c: Context, x: Value, min: Operand | None = None, max: Operand | None = None) -> Value:
    """x limited from below and above; either end may be left out, or be a tensor."""
    if x.dtype in FLOATS and isinstance(min, int | float) and isinstance(max, int | float):
        name = _CLIPPED.get((min, max))
        if name is not None:
            return c.b.node(operator(name)(), x).output
    whole = [x, *(e for e in (min, max) if e is not None)]
    first, *_ = c.promoted(*whole)
    y, dtype = wide(c, first), first.dtype
    if min is not None:
        y = c.b.maximum(y, wide(c, c.operand(min, dtype)))
    if max is not None:
        y = c.b.minimum(y, wide(c, c.operand(max, dtype)))
    return c.cast(y, dtype)


def gelu(c: Context, x: Value, approximate: str = "none") -> Value:
    """x times the normal distribution function; `tanh` approximates it."""
    return c.b.gelu(c.real(x), approximate=approximate == "tanh")


def _elu(c: Context, x: Value, alpha: float = 1, scale: float = 1, input_scale: float = 1) -> Value:
    return fn.scaled(c, act.elu(c, fn.scaled(c, x, input_scale), alpha), scale)


def _softplus(c: Context, x: Value, beta: float = 1, threshold: float = 20) -> Value:
    """log(1 + exp(beta x)) / beta; beyond the threshold it is x to 2e-9."""
    return fn.scaled(c, act.softplus(c, fn.scaled(c, x, beta)), 1 / beta)


def _prelu(c: Context, x: Value, weight: Value) -> Value:
    """x, or weight * x below 0; the weight is one number or one per channel."""
    if len(x.shape) > 2:
        return c.on_channels_last(x, lambda x: _prelu_last(c, x, weight))
    return _prelu_last(c, x, weight)


def _prelu_last(c: Context, x: Value, weight: Value) -> Value:
    channels = x.shape[-1:] if len(x.shape) > 1 else (1,)
    if weight.data is None or weight.shape == channels:
        alpha = c.spread(weight, channels)
    else:
        shape = known_sizes(channels, "channels")
        alpha = c.b.constant(np.broadcast_to(weight.data, shape).copy(), name=weight.name)
    inner = [1] * max(len(x.shape) - 2, 0)
    return c.b.prelu(x, c.reshape(alpha, (*inner, *channels)))


def _threshold(c: Context, x: Value, threshold: float, value: float) -> Value:
    return act.keep_above(c, x, threshold, value)


def _leaky_relu(c: Context, x: Value, negative_slope: float = 0.01) -> Value:
    return c.b.leaky_relu(x, alpha=float(negative_slope))


def _hard_sigmoid(c: Context, x: Value) -> Value:
    """relu6(x + 3) / 6."""
    return fn.scaled(c, c.b.relu6(fn.plus(c, x, 3)), 1 / 6)


def dropout(c: Context, x: Value, p: float = 0.5, train: bool = False) -> Value:
    """x: nothing is left out at inference."""
    if train and p:
        raise Unsupported(RANDOM)
    return x


def to(c: Context, x: Value, *args: object, dtype: object = None) -> Value:
    """x in another element type; floats of every width are computed in float32."""
    given = next((a for a in (*args, dtype) if isinstance(a, DType | Value)), None)
    wanted = given.dtype if isinstance(given, Value) else given
    if wanted is None:
        return x
    assert isinstance(wanted, DType)
    return truth(c, x) if wanted is DType.BOOL else c.converted(x, computed(wanted))


def identity(c: Context, x: Value, *args: object, **kwargs: object) -> Value:
    """The tensor as it is."""
    return x


def _to_scalar_type(name: str) -> Handler:
    return lambda c, x: to(c, x, DType.of(name))


def _erfc(c: Context, x: Value) -> Value:
    return c.b.sub(c.scalar(1, x), fn.erf(c, x))


def _log(base: float) -> Function:
    return lambda c, x: fn.scaled(c, c.b.log(x), 1 / float(np.log(base)))


def _is(what: str) -> Function:
    def test(c: Context, x: Value) -> Value:
        if x.dtype not in FLOATS:
            return c.full(x.shape, what == "finite", DType.BOOL)
        if what == "nan":
            return c.b.not_equal(x, x)
        infinity = c.scalar(np.inf, x)
        sizes = c.b.abs(x)
        return c.b.less(sizes, infinity) if what == "finite" else c.b.equal(sizes, infinity)

    return test


def _round(c: Context, x: Value, decimals: int = 0) -> Value:
    if x.dtype not in FLOATS:
        return x
    return fn.scaled(c, c.b.round(fn.scaled(c, x, 10.0**decimals)), 10.0**-decimals)


def _where(c: Context, condition: Value, *choices: Operand) -> Value:
    """Elements of one tensor or the other."""
    if not choices:
        raise Unsupported(
            "the places where it is true are as many as the elements say; use torch.where with"
            " three arguments"
        )
    a, b = c.promoted(*choices)
    return c.b.select_v2(truth(c, condition), a, b)


def _masked_fill(c: Context, x: Value, mask: Value, value: Operand) -> Value:
    return c.b.select_v2(truth(c, mask), c.operand(value, x.dtype), x)


def _nan_to_num(
    c: Context,
    x: Value,
    nan: float | None = None,
    posinf: float | None = None,
    neginf: float | None = None,
) -> Value:
    top = float(np.finfo(np.float32).max)
    low, high = -top if neginf is None else neginf, top if posinf is None else posinf
    y = c.b.select_v2(c.b.not_equal(x, x), c.scalar(nan or 0.0, x), x)
    y = c.b.select_v2(c.b.equal(y, c.scalar(np.inf, x)), c.scalar(high, x), y)
    return c.b.select_v2(c.b.equal(y, c.scalar(-np.inf, x)), c.scalar(low, x), y)


def _logit(c: Context, x: Value, eps: float | None = None) -> Value:
    x = x if eps is None else fn.clip(c, x, eps, 1 - eps)
    return c.b.log(c.b.div(x, c.b.sub(c.scalar(1, x), x)))


def _softshrink(c: Context, x: Value, lambd: float = 0.5) -> Value:
    return act.soft_shrink(c, x, lambd)


def _hardshrink(c: Context, x: Value, lambd: float = 0.5) -> Value:
    return act.hard_shrink(c, x, lambd)


def _reciprocal(c: Context, x: Value) -> Value:
    return div(c, 1.0, x)


def _frac(c: Context, x: Value) -> Value:
    return c.b.sub(x, fn.truncated(c, x))


HANDLERS: dict[str, Handler] = {
    **{name: _plain(name) for name in ("exp", "log", "sqrt", "rsqrt", "sin", "cos", "tanh")},
    **{name: _plain(name) for name in ("relu6", "erf")},
    "sigmoid": _plain("logistic"),
    "special_expit": _plain("logistic"),
    "hardswish": _plain("hard_swish"),
    "ceil": _whole("ceil", lambda c, x: x),
    "floor": _whole("floor", lambda c, x: x),
    **dict.fromkeys(("trunc", "fix"), _function(fn.truncated)),
    "frac": _function(_frac),
    "round": _round,
    **dict.fromkeys(("abs", "absolute"), _whole("abs", absolute)),
    **dict.fromkeys(("neg", "negative"), _whole("neg", negated)),
    "square": _whole("square", lambda c, x: c.b.mul(x, x)),
    **dict.fromkeys(("sign", "sgn"), _whole("sign", lambda c, x: fn.clip(c, x, -1, 1))),
    "reciprocal": _reciprocal,
    "log2": _function(_log(2)),
    "log10": _function(_log(10)),
    "log1p": _function(fn.log1p),
    "exp2": _function(lambda c, x: c.b.exp(fn.scaled(c, x, float(np.log(2))))),
    "expm1": _function(lambda c, x: fn.plus(c, c.b.exp(x), -1)),
    "erfc": _function(_erfc),
    "special_erf": _plain("erf"),
    "tan": _function(lambda c, x: c.b.div(c.b.sin(x), c.b.cos(x))),
    **dict.fromkeys(("asin", "arcsin"), _function(lambda c, x: c.b.atan2(x, fn.root(c, x)))),
    **dict.fromkeys(("acos", "arccos"), _function(lambda c, x: c.b.atan2(fn.root(c, x), x))),
    **dict.fromkeys(
        ("atan", "arctan"), _function(lambda c, x: fn.arctan2(c, x, c.scalar(1, x)))
    ),
    "sinh": _function(fn.hyperbolic(-1)),
    "cosh": _function(fn.hyperbolic(1)),
    **dict.fromkeys(("asinh", "arcsinh"), _function(fn.arcsinh)),
    **dict.fromkeys(("acosh", "arccosh"), _function(fn.arccosh)),
    **dict.fromkeys(("atanh", "arctanh"), _function(fn.arctanh)),
    **dict.fromkeys(("lgamma", "special_gammaln"), _function(special.lgamma)),
    **dict.fromkeys(("digamma", "special_digamma"), _function(special.digamma)),
    "erfinv": _function(special.erfinv),
    **dict.fromkeys(("logit", "special_logit"), _function(_logit)),
    "deg2rad": _function(lambda c, x: fn.scaled(c, x, float(np.pi / 180))),
    "rad2deg": _function(lambda c, x: fn.scaled(c, x, float(180 / np.pi))),
    "relu": relu,
    "hardtanh": lambda c, x, min_val=-1, max_val=1: clamp(c, x, min_val, max_val),
    **dict.fromkeys(("clamp", "clip"), clamp),
    "clamp_min": clamp,
    "clamp_max": lambda c, x, max: clamp(c, x, None, max),
    "leaky_relu": _leaky_relu,
    "prelu": _prelu,
    "elu": _function(_elu),
    "celu": _function(act.celu),
    "selu": _function(act.selu),
    "gelu": gelu,
    "silu": _function(act.silu),
    "mish": _function(act.mish),
    "softplus": _function(_softplus),
    "log_sigmoid": _function(act.log_sigmoid),
    "hardsigmoid": _function(_hard_sigmoid),
    "softshrink": _softshrink,
    "hardshrink": _hardshrink,
    "tanhshrink": lambda c, x: c.b.sub(x, c.b.tanh(x)),
    "threshold": _threshold,
    "softsign": _function(act.softsign),
    "glu": lambda c, x, dim=-1: act.glu(c, x, dim),
    **dict.fromkeys(("dropout", "alpha_dropout", "feature_dropout"), dropout),
    "native_dropout": lambda c, x, p, train: [dropout(c, x, p, bool(train)), None],
    **dict.fromkeys(("to", "_to_copy", "type_as"), to),
    **dict.fromkeys(
        ("contiguous", "clone", "detach", "detach_", "alias", "lift_fresh_copy", "lift",
         "positive", "view_as_real_copy", "resolve_conj", "resolve_neg", "lift_fresh"),
        identity,
    ),
    "isnan": _is("nan"),
    "isinf": _is("inf"),
    "isfinite": _is("finite"),
    "nan_to_num": _nan_to_num,
    "where": _where,
    "masked_fill": _masked_fill,
    "_assert_tensor_metadata": lambda c, *args, **kwargs: None,
    "_assert_scalar": lambda c, *args: None,
    "_assert_async": lambda c, *args: None,
    "sym_constrain_range": lambda c, *args, **kwargs: None,
    "sym_constrain_range_for_size": lambda c, *args, **kwargs: None,
}  # fmt: skip
