"""Layers that Keras quantized: their weights as integers with one scale per row or column, which is
what a `.tflite` file has.

int8 per channel: w = q / scale. int4, two in a byte, the even one in the low half: per channel as
int8; per group (as GPTQ and AWQ, of 4 or 8 bits, whose matrices are transposed) w = (q - zero) *
scale with the zero and scale of its group. One group per row is exact; several are rounded to the
nearest int8 (at most 1/254 of the largest weight of the row, where int4 itself is off by 1/15).
Keras rounds the inputs of a layer to 8 bits as well, unless its activation quantizer is None; here
they stay as they are, and kernels that multiply integer weights with floats do as they do.
Source: `quantize` and `_int8_call`, `_int4_call`, `_gptq_call`, `_awq_call` in
keras/src/layers/core/{dense,einsum_dense,embedding,reversible_embedding}.py and
quantizers/quantizers.py, Keras 3.15.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from edgewise.frontends.context import Unsupported
from edgewise.frontends.keras.description import DTypePolicy, Integers, KerasLayer
from edgewise.log import log

_WEIGHTS = {
    "Dense": "kernel",
    "Embedding": "embeddings",
    "ReversibleEmbedding": "embeddings",
    "EinsumDense": "kernel",
}
_MODES = {
    "Dense": ("int8", "int4", "gptq", "awq"),
    "Embedding": ("int8", "int4"),
    "ReversibleEmbedding": ("int8", "int4"),
    "EinsumDense": ("int8", "int4"),
}
_HEADS = ("MultiHeadAttention", "GroupQueryAttention")
_WAY_OUT = "convert the float model and quantize the result"


def readable(layer: KerasLayer) -> KerasLayer:
    """The layer with weights that handlers can read; itself where it is not quantized.

    Raises:
        Unsupported: of another layer, or in another way than those above.
    """
    scales = [name for name in layer.weights if name.endswith(("kernel_scale", "embeddings_scale"))]
    mode = layer.policy.quantization
    if not layer.is_builtin or layer.is_operation or (mode is None and not scales):
        return layer
    if layer.class_name in _HEADS and mode is None:
        return _heads(layer, scales)
    name = _WEIGHTS.get(layer.class_name)
    is_known = mode in _MODES.get(layer.class_name, ())
    if name is None or not is_known or f"{name}_scale" not in layer.weights:
        raise Unsupported(f"is quantized by Keras ({mode}); {_WAY_OUT}")
    names = [found for found in (name, f"reverse_{name}") if found in layer.weights]
    integers = {found: _matrix(layer, found, str(mode)) for found in names}
    kept = {key: value for key, value in layer.weights.items() if key == "bias"}
    return replace(layer, weights=kept, integers=integers, policy=DTypePolicy())


def tell_rounded(layers: Sequence[KerasLayer], file: str) -> None:
    """Log the layers whose integers are not Keras's own."""
    rounded = [
        f"{layer.name} ({name})"
        for layer in layers
        for name, integers in layer.integers.items()
        if integers.is_rounded
    ]
    if rounded:
        log().warning(
            "%s: %d layers have several scales in a row of weights, which a .tflite file does not "
            "have; their weights are rounded to int8 with one scale per row: %s",
            file,
            len(rounded),
            ", ".join(rounded[:5]) + (", ..." if len(rounded) > 5 else ""),
        )


def _matrix(layer: KerasLayer, name: str, mode: str) -> Integers:
    """The weights `name` of a layer that is quantized as a whole."""
    weights, scale = layer.weights, layer.weights[f"{name}_scale"].astype(np.float32)
    if mode in ("gptq", "awq"):
        return _of_rows(layer, mode)
    is_einsum, is_table = layer.class_name == "EinsumDense", name == "embeddings"
    if mode == "int4":
        is_turned = name.startswith("reverse_")  # packed along the first axis
        size = layer.config.get("output_dim") if is_table or is_turned else scale.shape[-1]
        assert isinstance(size, int)
        q = _unpacked(weights[name].T, size).T if is_turned else _unpacked(weights[name], size)
        zero, index = weights.get(f"{name}_zero"), weights.get("g_idx")
        made = _from_int4(q, scale, zero, index, axis=1 if is_table else 0)
        return _shaped(made, _kernel_shape(layer)) if is_einsum else made
    q = weights[name]
    if is_einsum:
        scale = _of_kernel(str(layer.config.get("equation")), scale, q.ndim)
    else:
        scale = scale.reshape((-1, 1) if is_table else (1, -1))
    return Integers(q, np.float32(1) / scale)


def _heads(layer: KerasLayer, scales: list[str]) -> KerasLayer:
    """The projections of an attention layer, each quantized by itself."""
    weights: dict[str, np.ndarray] = dict(layer.weights)
    integers: dict[str, Integers] = {}
    for name in scales:
        kernel_name = name.removesuffix("_scale")
        part = kernel_name.partition("/")[0]
        kernel, scale = weights.pop(kernel_name), weights.pop(name).astype(np.float32)
        zero, index = (weights.pop(f"{part}/{n}", None) for n in ("kernel_zero", "g_idx"))
        if kernel.dtype != np.int8:
            raise Unsupported(f"its projections are not quantized in int8 or int4; {_WAY_OUT}")
        if kernel.ndim == 2 and scale.ndim <= 2:
            made = _from_int4(_unpacked(kernel, scale.shape[-1]), scale, zero, index, axis=0)
            integers[kernel_name] = _shaped(made, _head_shape(layer, part, made.q.shape))
            continue
        # the scale has the axes of the projection's result: (b, t, heads, size) or (b, t, d)
        outputs = scale.shape[2:]
        if kernel.shape[kernel.ndim - len(outputs) :] != outputs:
            raise Unsupported(f"its projections have scales of shape {scale.shape}; {_WAY_OUT}")
        shared = scale.reshape((1,) * (kernel.ndim - len(outputs)) + outputs)
        integers[kernel_name] = Integers(kernel, np.float32(1) / shared)
    return replace(layer, weights=weights, integers=integers)


def _head_shape(layer: KerasLayer, part: str, flat: Sequence[int]) -> tuple[int, ...]:
    """[I, N, H] of what goes into the heads, [N, H, O] of what comes out."""
    grouped = layer.class_name == "GroupQueryAttention"
    own = "num_key_value_heads" if part in ("key", "value") else "num_query_heads"
    heads = layer.config.get(own if grouped else "num_heads")
    size = flat[0] if part == "output" else flat[1]
    if not isinstance(heads, int) or heads < 1 or size % heads:
        raise Unsupported(f"its {part} kernel {list(flat)} is not one of heads; {_WAY_OUT}")
    pair = (heads, size // heads)
    return (*pair, flat[1]) if part == "output" else (flat[0], *pair)


def _kernel_shape(layer: KerasLayer) -> tuple[int, ...]:
    """The shape of an EinsumDense kernel, which int4 keeps as a matrix: by its equation."""
    equation = str(layer.config.get("equation")).replace(" ", "")
    inputs, _, result = equation.partition("->")
    x, _, kernel = inputs.partition(",")
    given, made = layer.build_config.get("input_shape"), layer.config.get("output_shape")
    made = made if isinstance(made, list | tuple) else [made]
    known: dict[str, object] = dict(zip(reversed(result), reversed(made), strict=False))
    if isinstance(given, list | tuple) and "." not in equation:
        known |= dict(zip(x, given, strict=False))
    shape = [known.get(label) for label in kernel]
    if "." in equation or not all(isinstance(size, int) for size in shape):
        raise Unsupported(
            f"is quantized by Keras (int4) with the equation '{equation}'; {_WAY_OUT}"
        )
    return tuple(size for size in shape if isinstance(size, int))


def _shaped(made: Integers, shape: tuple[int, ...]) -> Integers:
    """A matrix of integers as an array whose first axes are its rows."""
    if math.prod(shape) != made.q.size:
        raise Unsupported(f"its kernel {list(made.q.shape)} is none of {list(shape)}; {_WAY_OUT}")
    scale = np.broadcast_to(made.scale, made.q.shape).reshape(shape)
    return replace(made, q=made.q.reshape(shape), scale=scale)


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


def _unpacked(packed: np.ndarray, size: int) -> np.ndarray:
    """Two integers of 4 bits in a byte, along the last axis, which has `size` of them."""
    if packed.shape[-1] != (size + 1) // 2:  # before Keras 3.14 along the first axis
        raise Unsupported(f"is quantized by an older Keras (int4); {_WAY_OUT}")
    low, high = (packed << 4) >> 4, packed >> 4  # of int8: the sign is kept
    return np.stack([low, high], axis=-1).reshape(packed.shape[0], -1)[:, :size]


def _from_int4(
    q: np.ndarray,
    scale: np.ndarray,
    zero: np.ndarray | None,
    index: np.ndarray | None,
    axis: int,
) -> Integers:
    """A matrix of 4 bits; groups, or what shares a scale, are along `axis`."""
    if zero is not None and index is not None:
        return _of_groups(q, scale, zero, index, axis)
    return Integers(q, np.float32(1) / scale.reshape((-1, 1) if axis else (1, -1)), bits=4)


def _of_rows(layer: KerasLayer, mode: str) -> Integers:
    """The kernel [K, O] of GPTQ or AWQ, stored as [O, K] of 8 bits or [O / 2, K] of twice 4."""
    q, units = layer.weights["kernel"], layer.config.get("units")
    assert isinstance(units, int)
    if "kernel_zero" not in layer.weights:
        raise Unsupported(
            f"is quantized by Keras ({mode}), which leaves the zeros of its groups out of files; "
            "give the model itself, or the float model"
        )
    if q.shape[0] == (units + 1) // 2 and q.shape[0] != units:
        q = np.stack([q & 15, q >> 4], axis=1).reshape(-1, q.shape[1])[:units]
    if q.shape[0] != units or q.dtype != np.uint8:
        raise Unsupported(f"is quantized by Keras ({mode}), but not calibrated; {_WAY_OUT}")
    scale, zero = (layer.weights[f"kernel_{name}"].T for name in ("scale", "zero"))
    divisor = layer.weights.get("awq_scales")
    return _of_groups(q.T, scale.astype(np.float32), zero, layer.weights["g_idx"], 0, divisor)


def _of_groups(
    q: np.ndarray,
    scale: np.ndarray,
    zero: np.ndarray,
    index: np.ndarray,
    axis: int,
    divisor: np.ndarray | None = None,
) -> Integers:
    """(q - zero) * scale, both of the group along `axis` that an element belongs to; divided by
    one number per row of a kernel (AWQ)."""
    groups = index.astype(np.int64)
    if groups.size != q.shape[axis] or (groups < 0).any() or (groups >= scale.shape[axis]).any():
        raise Unsupported(f"its groups do not fit its weights {list(q.shape)}; {_WAY_OUT}")
    shifted = q.astype(np.float32) - np.take(zero, groups, axis).astype(np.float32)
    if scale.shape[axis] == 1 and divisor is None and np.abs(shifted).max(initial=0) <= 127:
        return Integers(shifted.astype(np.int8), scale)
    w = shifted * np.take(scale, groups, axis)
    if divisor is not None:
        w = w / divisor.astype(np.float32)[:, None]
    one = np.maximum(np.abs(w).max(axis, keepdims=True) / np.float32(127), np.float32(1e-30))
    return Integers(np.rint(w / one).astype(np.int8), one.astype(np.float32), is_rounded=True)
