"""Weights of a checkpoint as layers in their order, which a network takes one after the other.

In: tensors by name in the order of the file, which is the order of the network in every published
checkpoint here. Out: `Layer`s in the layouts of `.tflite`. A network asks for the shapes it has, so
that another network's weights are an error, whatever their names are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from edgewise.errors import FormatError
from edgewise.values import dataclass

Array = np.ndarray
_SKIPPED = "num_batches_tracked"  # torch's batch norm counts; a scalar


@dataclass(frozen=True, slots=True)
class Layer:
    """One linear operator and its batch norm: `kernel` [O, KH, KW, I] or [O, I], float32, `bias`
    [O] or None, `norm` (gamma, beta, mean, variance, each [O]) or None; `name` of the kernel."""

    name: str
    kernel: Array
    bias: Array | None
    norm: tuple[Array, Array, Array, Array] | None


class Layers:
    """The layers of a torch checkpoint (kernels [O, I, KH, KW]), taken in order."""

    def __init__(self, tensors: Mapping[str, Array], file: str) -> None:
        self._file = file
        self._left: Iterator[Layer] = iter(list(_layers(tensors, file)))

    def take(
        self,
        shape: tuple[int | None, ...],
        *,
        has_norm: bool = True,
        names: tuple[str, str] = ("", ""),
        is_depthwise: bool = False,
    ) -> Layer:
        """The next layer, whose kernel has this shape (None: any size). Raises FormatError."""
        layer = next(self._left, None)
        if layer is None:
            raise missing_layer("", shape, self._file)
        if not fits(layer.kernel, shape) or (layer.norm is not None) is not has_norm:
            norm = "a batch norm" if has_norm else "no batch norm"
            raise FormatError(
                f"{layer.name!r} must be a kernel {_shown(shape)} with {norm}; got "
                f"{list(layer.kernel.shape)} with {'one' if layer.norm else 'none'}. Are the "
                "weights of another network, or of another width?",
                file=self._file,
            )
        return layer

    @property
    def is_empty(self) -> bool:
        """Nothing is left. What is left may still be asked for."""
        rest = list(self._left)
        self._left = iter(rest)
        return not rest


def fits(kernel: Array, shape: tuple[int | None, ...]) -> bool:
    """The kernel has this shape (None: any size)."""
    return len(shape) == kernel.ndim and all(
        want in (None, size) for want, size in zip(shape, kernel.shape, strict=True)
    )


def missing_layer(name: str, shape: tuple[int | None, ...], file: str) -> FormatError:
    """What is wrong with a file that has no more layers, or none of a name."""
    what = f"the weights have no {name!r}" if name else "the weights end before the network does"
    return FormatError(
        f"{what}; the next kernel is {_shown(shape)}. Are they of another network?", file=file
    )


def _shown(shape: tuple[int | None, ...]) -> str:
    return f"[{', '.join('any' if size is None else str(size) for size in shape)}]"


def _layers(tensors: Mapping[str, Array], file: str) -> Iterator[Layer]:
    """Kernels with the vectors that follow them: one is a bias, four are a batch norm."""
    names = [name for name in tensors if not name.endswith(_SKIPPED)]
    starts = [i for i, name in enumerate(names) if tensors[name].ndim > 1]
    if not starts or starts[0] != 0:
        raise FormatError("the first tensor of a network must be a kernel", file=file)
    for start, end in zip(starts, [*starts[1:], len(names)], strict=True):
        kernel, vectors = names[start], names[start + 1 : end]
        outputs = tensors[kernel].shape[0]
        if any(tensors[name].shape != (outputs,) for name in vectors):
            raise FormatError(f"what follows {kernel!r} must be [{outputs}] each", file=file)
        if len(vectors) not in (0, 1, 4, 5):
            raise FormatError(
                f"behind {kernel!r} a bias (1), a batch norm (4) or both can stand; got "
                f"{len(vectors)} vectors: {', '.join(vectors)}",
                file=file,
            )
        wide = [tensors[name].astype(np.float32) for name in vectors]
        gamma, beta, mean, variance = wide[-4:] if len(wide) >= 4 else (None,) * 4
        norm = None
        if gamma is not None and beta is not None and mean is not None and variance is not None:
            norm = (gamma, beta, mean, variance)
        bias = wide[0] if len(wide) in (1, 5) else None
        yield Layer(kernel.removesuffix(".weight"), _layout(tensors[kernel]), bias, norm)


def _layout(kernel: Array) -> Array:
    """[O, I, KH, KW] -> [O, KH, KW, I], float32."""
    wide = kernel.astype(np.float32)
    return wide.transpose(0, 2, 3, 1) if wide.ndim == 4 else wide
