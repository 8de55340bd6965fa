"""Layers that Keras quantized, with the weights they stand for: `kernel` in float32 again.

int8 per channel: w = q / scale. int4, two in a byte, the even one in the low half: per channel as
int8, per group w = (q - zero) * scale with the zero and scale of its group. Keras rounds the
inputs of a layer to 8 bits as well, unless its activation quantizer is None; here they stay exact.
Source: `quantize` and `_int8_call`, `_int4_call` in keras/src/layers/core/{dense,einsum_dense,
embedding}.py and quantizers/quantizers.py, Keras 3.15.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from edgewise.frontends.context import Unsupported
from edgewise.frontends.keras.description import DTypePolicy, KerasLayer

_WEIGHTS = {"Dense": "kernel", "Embedding": "embeddings", "EinsumDense": "kernel"}
_HEADS = ("MultiHeadAttention", "GroupQueryAttention")
_WAY_OUT = "convert the float model and quantize the result"


def dequantized(layer: KerasLayer) -> KerasLayer:
    """The layer in float32; itself where it is not quantized.

    Raises:
        Unsupported: of another layer, or in another way than int8 and int4.
    """
    scales = [name for name in layer.weights if name.endswith(("kernel_scale", "embeddings_scale"))]
    mode = layer.policy.quantization
    if not layer.is_builtin or layer.is_operation or (mode is None and not scales):
        return layer
    if layer.class_name in _HEADS and mode is None:
        return _heads(layer, scales)
    name = _WEIGHTS.get(layer.class_name)
    is_known = mode == "int8" or (mode == "int4" and layer.class_name != "EinsumDense")
    if name is None or not is_known or f"{name}_scale" not in layer.weights:
        raise Unsupported(f"is quantized by Keras ({mode}); {_WAY_OUT}")
    q, scale = layer.weights[name], layer.weights[f"{name}_scale"].astype(np.float32)
    if mode == "int4":
        weights = _from_int4(layer, name, q, scale)
    elif layer.class_name == "EinsumDense":
        weights = q / _of_kernel(str(layer.config.get("equation")), scale, q.ndim)
    else:
        weights = q / (scale[:, None] if name == "embeddings" else scale)
    kept = {key: value for key, value in layer.weights.items() if key in (name, "bias")}
    return replace(layer, weights={**kept, name: weights.astype(np.float32)}, policy=DTypePolicy())


def _heads(layer: KerasLayer, scales: list[str]) -> KerasLayer:
    """The projections of an attention layer, each quantized by itself."""
    weights: dict[str, np.ndarray] = dict(layer.weights)
    for name in scales:
        kernel, scale = weights[name.removesuffix("_scale")], weights.pop(name)
        # the scale has the axes of the projection's result: (b, t, heads, size) or (b, t, d)
        outputs = scale.shape[2:]
        is_int8 = kernel.dtype == np.int8 and scale.ndim > 2 and "g_idx" not in str(weights.keys())
        if not is_int8 or kernel.shape[kernel.ndim - len(outputs) :] != outputs:
            raise Unsupported(f"its projections are not quantized in int8; {_WAY_OUT}")
        weights[name.removesuffix("_scale")] = (kernel / scale.reshape(outputs)).astype(np.float32)
    return replace(layer, weights=weights)


def _of_kernel(equation: str, scale: np.ndarray, rank: int) -> np.ndarray:
    """A scale with the axes of the result, [..., 1, d], with those of the kernel."""
    inputs, _, result = equation.replace(" ", "").partition("->")
    kernel = inputs.partition(",")[2]
    head, _, tail = result.partition("...")
    axes = {label: i for i, label in enumerate(head)}
    axes |= {label: scale.ndim - len(tail) + i for i, label in enumerate(tail)}
    if len(kernel) != rank or scale.ndim < len(head) + len(tail):
        raise Unsupported(f"is quantized by Keras with the equation '{equation}'; {_WAY_OUT}")
    shared = [axes[label] for label in kernel if label in axes]
    rest = [axis for axis in range(scale.ndim) if axis not in shared]
    moved = scale.transpose([*rest, *shared]).reshape([scale.shape[axis] for axis in shared])
    sizes = iter(moved.shape)
    return moved.reshape([next(sizes) if label in axes else 1 for label in kernel])


def _from_int4(layer: KerasLayer, name: str, packed: np.ndarray, scale: np.ndarray) -> np.ndarray:
    columns = layer.config.get("units" if name == "kernel" else "output_dim")
    assert isinstance(columns, int)
    if packed.shape[-1] != (columns + 1) // 2:  # before Keras 3.14 along the first axis
        raise Unsupported(f"is quantized by an older Keras (int4); {_WAY_OUT}")
    low, high = (packed << 4) >> 4, packed >> 4  # of int8: the sign is kept
    q = np.stack([low, high], axis=-1).reshape(packed.shape[0], -1)[:, :columns]
    groups: Mapping[str, np.ndarray] = layer.weights
    if "g_idx" not in groups:
        return q / (scale[:, None] if name == "embeddings" else scale)
    index = groups["g_idx"].astype(np.int64)
    zero = groups[f"{name}_zero"].astype(np.float32)
    axis = 1 if name == "embeddings" else 0
    return (q - np.take(zero, index, axis)) * np.take(scale, index, axis)
