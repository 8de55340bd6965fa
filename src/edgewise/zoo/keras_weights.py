"""Weights of Keras files, `.h5` and `.keras`, as the layers of a network.

In: the weights that Keras Applications publishes (`.h5` with groups by layer name), a saved model
(`.h5`, `.keras`). Out: `Layer`s in the layouts of `.tflite`, by layer name, or, for a network that
does not know the names, the first ones that fit.
**Source:** keras/src/legacy/saving/legacy_h5_format.py, Keras 3.15 (attributes layer_names,
weight_names); keras/src/applications for names.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from edgewise.errors import FormatError, InputError, LimitError
from edgewise.frontends.keras import read_keras
from edgewise.frontends.keras.description import KerasLayer
from edgewise.frontends.keras.hdf5 import Hdf5
from edgewise.zoo.layers import Array, Layer, fits, missing_layer
from edgewise.zoo.network import UNNAMED, Names

SUFFIXES = (".h5", ".hdf5", ".keras")
# the classifier of MobileNetV2 was called so before Keras 2.4
_ALSO = {"predictions": "logits"}


def read_keras_weights(path: Path, *, max_bytes: int) -> dict[str, list[Array]]:
    """The arrays of each layer that has some, in the file's order.

    Raises:
        InputError: no such file. FormatError: damaged, or not a Keras file. LimitError: too large.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file of weights")
    if path.stat().st_size > max_bytes:
        size = path.stat().st_size
        raise LimitError(f"{path}: max_bytes is {max_bytes}, and the file has {size} bytes")
    if path.suffix == ".keras":
        nodes = read_keras(path).model.layers
        return {
            node.name: list(node.weights.values())
            for node in nodes
            if isinstance(node, KerasLayer) and node.weights
        }
    try:
        return dict(_groups(path.read_bytes()))
    except FormatError as error:
        raise FormatError(error.rule, file=str(path), offset=error.offset) from None


def _groups(data: bytes) -> Iterator[tuple[str, list[Array]]]:
    store = Hdf5(data)
    try:
        root = "model_weights" if store.is_group("model_weights") else ""
        names = store.texts(root, "layer_names")
        if not names:
            raise FormatError("no layer_names: save the model whole, as .h5 or .keras")
        for name in names:
            group = f"{root}/{name}" if root else name
            if not store.is_group(group):
                continue
            arrays = [store.array(f"{group}/{w}") for w in store.texts(group, "weight_names")]
            if arrays:
                yield name, [np.asarray(a, np.float32) for a in arrays]
    finally:
        store.close()


class KerasLayers:
    """The layers of a Keras file, taken by name, or the first that fits."""

    def __init__(self, arrays: Mapping[str, list[Array]], file: str) -> None:
        self._file = file
        self._left = {_plain(name): (name, own) for name, own in arrays.items()}

    def take(
        self,
        shape: tuple[int | None, ...],
        *,
        has_norm: bool = True,
        names: Names = UNNAMED,
        is_depthwise: bool = False,
    ) -> Layer:
        """The layer of this name whose kernel has this shape. Raises FormatError."""
        if names[0]:
            name, (kernel, *rest) = self._named(names[0], shape)
            turned = _layout(kernel, is_depthwise=is_depthwise)
            if not fits(turned, shape) or len(rest) > 1:
                wanted = ", ".join("any" if size is None else str(size) for size in shape)
                raise FormatError(
                    f"{name!r} must be a kernel [{wanted}]; got {list(turned.shape)}. Are the "
                    "weights of another network, or of another width?",
                    file=self._file,
                )
        else:
            name, turned, rest = self._fitting(shape, is_depthwise=is_depthwise)
        bias = rest[0] if rest else None
        norm = self._norm(turned.shape[0], names[1], name) if has_norm else None
        return Layer(name, turned, bias, norm)

    @property
    def is_empty(self) -> bool:
        """Every layer was taken."""
        return not self._left

    def _named(self, wanted: str, shape: tuple[int | None, ...]) -> tuple[str, list[Array]]:
        for key in (_plain(wanted), _ALSO.get(wanted, "")):
            if key in self._left:
                return self._left.pop(key)
        raise missing_layer(wanted, shape, self._file)

    def _fitting(
        self, shape: tuple[int | None, ...], *, is_depthwise: bool
    ) -> tuple[str, Array, list[Array]]:
        for key, (name, (kernel, *rest)) in self._left.items():
            turned = _layout(kernel, is_depthwise=is_depthwise)
            if kernel.ndim > 1 and len(rest) <= 1 and fits(turned, shape):
                del self._left[key]
                return name, turned, rest
        raise missing_layer("", shape, self._file)

    def _norm(self, count: int, wanted: str, kernel: str) -> tuple[Array, Array, Array, Array]:
        keys = [_plain(wanted)] if wanted else list(self._left)
        for key in keys:
            _, arrays = self._left.get(key, ("", []))
            if len(arrays) == 4 and all(a.shape == (count,) for a in arrays):
                del self._left[key]
                gamma, beta, mean, variance = arrays
                return gamma, beta, mean, variance
        raise FormatError(
            f"the batch norm {wanted + ' ' if wanted else ''}of {kernel!r} must be 4 vectors of "
            f"{count}, and there is none. Are the weights of another network, or of another width?",
            file=self._file,
        )


def _plain(name: str) -> str:
    """`expanded_conv/expand/BatchNorm` (published files of MobileNetV3) is
    `expanded_conv_expand_bn` (Keras 3)."""
    return name.lower().replace("/", "_").replace("batchnorm", "bn")


def _layout(kernel: Array, *, is_depthwise: bool) -> Array:
    """[KH, KW, I, O] -> [O, KH, KW, I]; [KH, KW, C, 1] of depthwise -> [C, KH, KW, 1]; [I, O] ->
    [O, I]."""
    if kernel.ndim == 4:
        return kernel.transpose(2, 0, 1, 3) if is_depthwise else kernel.transpose(3, 0, 1, 2)
    return kernel.T if kernel.ndim == 2 else kernel
