"""Normalizations and softmax.

Source: aten/src/ATen/native/{Normalization,layer_norm,group_norm,SoftMax}.cpp, PyTorch 2.13.
"""

from __future__ import annotations

from collections.abc import Sequence

from edgewise.dtypes import DType
from edgewise.frontends.decompose import activations as act
from edgewise.frontends.torch.context import Context, Handler, Unsupported
from edgewise.ir.dim import Dim, elements
from edgewise.ir.graph import Value

_EPSILON = 1.1920928955078125e-07  # torch.finfo(torch.float32).eps


def _batch_norm(
    c: Context,
    x: Value,
    weight: Value | None,
    bias: Value | None,
    running_mean: Value | None,
    running_var: Value | None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
    cudnn_enabled: bool = True,
) -> Value:
    """Per channel, by the running mean and variance."""
    if training or running_mean is None or running_var is None:
        raise Unsupported(
            "batch normalization in training mode; export the model for inference: model.eval()"
        )
    return _by_statistics(c, x, weight, bias, running_mean, running_var, eps)


def _by_statistics(
    c: Context,
    x: Value,
    weight: Value | None,
    bias: Value | None,
    mean: Value | None,
    variance: Value | None,
    eps: float,
) -> Value:
    """With the channels last, as convolutions are written, into which it is folded."""

    def body(x: Value) -> Value:
        return c.b.batch_norm(x, weight, bias, mean, variance, epsilon=eps)

    return c.on_channels_last(x, body) if len(x.shape) > 2 else body(x)


def layer_norm(
    c: Context,
    x: Value,
    normalized_shape: Sequence[int],
    weight: Value | None = None,
    bias: Value | None = None,
    eps: float = 1e-5,
    cudnn_enable: bool = True,
) -> Value:
    """By the mean and variance over the last axes."""
    axes = tuple(range(len(x.shape) - len(normalized_shape), len(x.shape)))
    return c.b.layer_norm(x, weight, bias, axes=axes, epsilon=eps)


def _group_norm(
    c: Context,
    x: Value,
    num_groups: int,
    weight: Value | None = None,
    bias: Value | None = None,
    eps: float = 1e-5,
    cudnn_enabled: bool = True,
) -> Value:
    """By the mean and variance of groups of channels."""
    n, channels, *spatial = x.shape
    rows = c.reshape(x, (n, num_groups, elements((channels, *spatial)) // num_groups))
    y = c.reshape(c.b.layer_norm(rows, axes=(2,), epsilon=eps), x.shape)
    return _affine(c, y, weight, bias)


def _affine(c: Context, x: Value, weight: Value | None, bias: Value | None) -> Value:
    """x * weight + bias, one number per channel."""
    shape: tuple[Dim, ...] = (x.shape[1], *(1 for _ in x.shape[2:]))
    x = x if weight is None else c.b.mul(x, c.reshape(weight, shape))
    return x if bias is None else c.b.add(x, c.reshape(bias, shape))


def _instance_norm(
    c: Context,
    x: Value,
    weight: Value | None,
    bias: Value | None,
    running_mean: Value | None,
    running_var: Value | None,
    use_input_stats: bool,
    momentum: float = 0.1,
    eps: float = 1e-5,
    cudnn_enabled: bool = True,
) -> Value:
    """Each channel of each image by its own mean and variance."""
    if not use_input_stats:
        return _by_statistics(c, x, weight, bias, running_mean, running_var, eps)
    axes = tuple(range(2, len(x.shape)))
    return _affine(c, c.b.layer_norm(x, axes=axes, epsilon=eps), weight, bias)


def _rms_norm(
    c: Context,
    x: Value,
    normalized_shape: Sequence[int],
    weight: Value | None = None,
    eps: float | None = None,
) -> Value:
    """x / sqrt(mean(x**2) + eps) * weight."""
    axes = c.ints(range(len(x.shape) - len(normalized_shape), len(x.shape)))
    mean = c.b.mean(c.b.square(x), axes, keep_dims=True)
    least = c.scalar(_EPSILON if eps is None else eps, x)
    y = c.b.mul(x, c.b.rsqrt(c.b.add(mean, least)))
    return y if weight is None else c.b.mul(y, weight)


def _softmax(c: Context, x: Value, dim: int, dtype: DType | bool | None = None) -> Value:
    return act.softmax(c, c.real(x), dim)


def _log_softmax(c: Context, x: Value, dim: int, dtype: DType | bool | None = None) -> Value:
    return act.log_softmax(c, c.real(x), dim)


HANDLERS: dict[str, Handler] = {
    "batch_norm": _batch_norm,
    # the statistics of a batch have no size in evaluation mode
    "_native_batch_norm_legit_no_training": lambda c, x, w, b, mean, variance, momentum, eps: [
        _by_statistics(c, x, w, b, mean, variance, eps),
        None,
        None,
    ],
    "layer_norm": layer_norm,
    "native_layer_norm": lambda c, *args: [layer_norm(c, *args), None, None],
    "group_norm": _group_norm,
    "instance_norm": _instance_norm,
    "rms_norm": _rms_norm,
    **dict.fromkeys(("softmax", "_softmax", "special_softmax"), _softmax),
    **dict.fromkeys(("log_softmax", "_log_softmax", "special_log_softmax"), _log_softmax),
}
