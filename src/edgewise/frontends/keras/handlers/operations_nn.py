"""`keras.ops` nodes of neural networks: activations, normalization, attention.

What a layer does as well is done by that layer's handler.
Source: keras/src/ops/nn.py, Keras 3.15.
"""

from __future__ import annotations

from collections.abc import Callable

from edgewise.frontends.context import Handler, Unsupported
from edgewise.frontends.decompose import activations
from edgewise.frontends.decompose.index import repeat
from edgewise.frontends.keras.description import KerasLayer
from edgewise.frontends.keras.handlers import activations as act
from edgewise.frontends.keras.handlers import (
    attention_core,
    normalization,
)
from edgewise.frontends.keras.handlers.config import flag, integer, number
from edgewise.frontends.keras.handlers.context import Context
from edgewise.frontends.keras.handlers.operands import (
    Operand,
    as_layer,
    axes_of,
    constant,
    real,
    tensor,
)
from edgewise.ir.graph import Value


def _activation(function: Callable[..., Value], **parameters: float) -> Handler:
    """A function of x with parameters from the config, here with their defaults."""

    def handler(c: Context, layer: KerasLayer, x: Operand) -> Value:
        given = {key: number(layer, key, value) for key, value in parameters.items()}
        return function(c, real(c, x), **given)

    return handler


def _along(function: Callable[[Context, Value, int], Value]) -> Handler:
    """A function along `axis`."""

    def handler(c: Context, layer: KerasLayer, x: Operand) -> Value:
        y = real(c, x)
        if isinstance(layer.config.get("axis"), list):
            return _softmax_over(c, layer, y)
        return function(c, y, integer(layer, "axis", -1))

    return handler


def _softmax_over(c: Context, layer: KerasLayer, x: Value) -> Value:
    if layer.class_name != "Softmax":
        raise Unsupported("several axes; reshape them into one")
    y = act.HANDLERS["Softmax"](c, as_layer(layer, "Softmax", {}), x)
    assert isinstance(y, Value)
    return y


def _gelu(c: Context, layer: KerasLayer, x: Operand) -> Value:
    return c.b.gelu(real(c, x), approximate=flag(layer, "approximate", True))


def _threshold(c: Context, layer: KerasLayer, x: Operand) -> Value:
    level, other = number(layer, "threshold"), number(layer, "default_value")
    return activations.keep_above(c, real(c, x), level, other)


def _batch_norm(
    c: Context,
    layer: KerasLayer,
    x: Operand,
    mean: Operand,
    variance: Operand,
    offset: Operand | None = None,
    scale: Operand | None = None,
) -> Value:
    given = {"beta": offset, "gamma": scale}
    weights = {"moving_mean": constant(mean), "moving_variance": constant(variance)}
    weights |= {key: constant(value) for key, value in given.items() if value is not None}
    changes = {"center": offset is not None, "scale": scale is not None}
    made = as_layer(layer, "BatchNormalization", changes, weights)
    return normalization.batch_normalization(c, made, real(c, x))


def _layer_norm(
    c: Context,
    layer: KerasLayer,
    x: Operand,
    gamma: Operand | None = None,
    beta: Operand | None = None,
) -> Value:
    given = {"gamma": gamma, "beta": beta}
    weights = {key: constant(value) for key, value in given.items() if value is not None}
    changes = {"center": "beta" in weights, "scale": "gamma" in weights}
    changes["epsilon"] = number(layer, "epsilon", 1e-7)  # type: ignore[assignment]
    made = as_layer(layer, "LayerNormalization", changes, weights)
    return normalization.layer_normalization(c, made, real(c, x))


def _rms_norm(c: Context, layer: KerasLayer, x: Operand, scale: Operand | None = None) -> Value:
    y = real(c, x)
    squares = c.b.mean(c.b.square(y), c.ints(axes_of(layer, len(y.shape))), keep_dims=True)
    y = c.b.mul(y, c.b.rsqrt(c.b.add(squares, c.scalar(number(layer, "epsilon", 1e-7)))))
    return y if scale is None else c.b.mul(y, real(c, scale))


def _dot_product_attention(
    c: Context,
    layer: KerasLayer,
    query: Operand,
    key: Operand,
    value: Operand,
    bias: Operand | None = None,
    mask: Operand | None = None,
    scale: float | None = None,
) -> Value:
    """Tensors [B, T, N, H]; fewer heads of key and value than of the query are shared."""
    q, k, v = (real(c, x) for x in (query, key, value))
    if bias is not None or layer.config.get("attn_logits_soft_cap") is not None:
        raise Unsupported("a bias or soft cap of the scores; write it with matmul and softmax")
    heads, shared, size = q.shape[2], k.shape[2], q.shape[3]
    if not (isinstance(heads, int) and isinstance(shared, int) and isinstance(size, int)):
        raise Unsupported("the number and size of its heads must be known")
    if heads > shared > 1:
        k, v = (repeat(c, x, 2, heads // shared) for x in (k, v))
    kept = attention_core.all_of(c, [
        None if mask is None else tensor(c, mask),
        attention_core.causal(c, q.shape[1], k.shape[1]) if flag(layer, "is_causal") else None,
    ])  # fmt: skip
    q = c.b.mul(q, c.scalar(size**-0.5 if scale is None else scale))
    q, k, v = (c.transpose(x, [0, 2, 1, 3]) for x in (q, k, v))
    y, _ = attention_core.attend(c, q, k, v, kept)
    return c.transpose(y, [0, 2, 1, 3])


_NAMED = {
    "Relu": "relu", "Relu6": "relu6", "Sigmoid": "sigmoid", "Silu": "silu", "Softplus": "softplus",
    "Softsign": "softsign", "HardSigmoid": "hard_sigmoid", "HardSilu": "hard_silu",
    "HardTanh": "hard_tanh", "LogSigmoid": "log_sigmoid", "TanhShrink": "tanh_shrink",
    "SparsePlus": "sparse_plus", "SparseSigmoid": "sparse_sigmoid", "Selu": "selu",
}  # fmt: skip


OPERATIONS: dict[str, Handler] = {
    **{name: _activation(act.ACTIVATIONS[own]) for name, own in _NAMED.items()},
    "Gelu": _gelu,
    "Elu": _activation(activations.elu, alpha=1.0),
    "Celu": _activation(activations.celu, alpha=1.0),
    "LeakyRelu": _activation(
        lambda c, x, negative_slope: c.b.leaky_relu(x, alpha=negative_slope), negative_slope=0.2
    ),
    "SoftShrink": _activation(activations.soft_shrink, threshold=0.5),
    "HardShrink": _activation(activations.hard_shrink, threshold=0.5),
    "Squareplus": _activation(activations.squareplus, b=4.0),
    "Threshold": _threshold,
    "Softmax": _along(activations.softmax),
    "LogSoftmax": _along(activations.log_softmax),
    "Sparsemax": _along(activations.sparsemax),
    "Glu": _along(activations.glu),
    "BatchNorm": _batch_norm,
    "LayerNorm": _layer_norm,
    "RMSNorm": _rms_norm,
    "DotProductAttention": _dot_product_attention,
}
