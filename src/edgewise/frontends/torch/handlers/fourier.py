"""Fourier transforms, of real and complex tensors, and of frames of a signal.

Source: aten/src/ATen/native/SpectralOps.cpp, PyTorch 2.13.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from edgewise.frontends.context import known_sizes
from edgewise.frontends.decompose import fourier, spectra
from edgewise.frontends.decompose.fourier import Parts
from edgewise.frontends.torch.context import Context, Handler, Result, Unsupported, axis_of
from edgewise.frontends.torch.handlers.halves import as_real, by_parts, parts_of
from edgewise.frontends.torch.handlers.images import pad
from edgewise.frontends.torch.handlers.indexing import roll
from edgewise.ir.graph import Value


def _norm(norm: str | None, inverse: bool, count: int) -> float:
    """What a transform is multiplied by; the inverse one is divided by the length already."""
    if norm == "ortho":
        return math.sqrt(count) if inverse else 1 / math.sqrt(count)
    if norm == "forward":
        return count if inverse else 1 / count
    return 1.0


def _times(c: Context, x: Parts | Value, factor: float) -> Parts | Value:
    if factor == 1:
        return x
    if isinstance(x, Value):
        return c.b.mul(x, c.scalar(factor))
    return Parts(*(c.b.mul(v, c.scalar(factor)) for v in (x.real, x.imag)))


def _cut(c: Context, x: Parts, axis: int, size: int) -> Parts:
    """Along an axis `size` elements, with zeros behind where there are fewer."""
    (now,) = known_sizes([x.real.shape[axis]], "a transform")
    if now == size:
        return x
    after = [0, 0] * (len(x.real.shape) - 1 - axis) + [0, size - now]
    cut = by_parts(lambda c, v: pad(c, v, after), 0)(c, x)
    assert isinstance(cut, Parts)
    return cut


def _axes(x: Parts, dim: Sequence[int] | int | None, s: Sequence[int] | None) -> list[int]:
    rank = len(x.real.shape)
    if dim is None:
        return list(range(rank))[rank - len(s) if s is not None else 0 :]
    return [axis_of(axis, rank) for axis in ([dim] if isinstance(dim, int) else dim)]


def _transform(kind: str, default: Sequence[int] | None) -> Handler:
    """`fft`, `ifft`, `rfft`, `irfft` over axes, the last of which is the real one's half."""
    inverse, is_real = kind.startswith("i"), "r" in kind

    def handler(
        c: Context,
        x: Result,
        s: int | Sequence[int] | None = None,
        dim: int | Sequence[int] | None = default,
        norm: str | None = None,
    ) -> Parts | Value:
        y = parts_of(c, x)
        wanted = [s] if isinstance(s, int) else s
        axes = _axes(y, dim, wanted)
        sizes = known_sizes([y.real.shape[axis] for axis in axes], "a transform")
        if is_real and inverse:
            sizes[-1] = 2 * (sizes[-1] - 1)
        sizes = [n if m == -1 else m for n, m in zip(sizes, wanted or sizes, strict=True)]
        half = axes[-1] if is_real else None
        for axis, size in zip(axes, sizes, strict=True):
            y = _cut(c, y, axis, size // 2 + 1 if inverse and axis == half else size)
        factor = _norm(norm, inverse, math.prod(sizes))
        if is_real and not inverse:
            y = _on_last(c, y, axes[-1], lambda v: fourier.spectrum(c, v.real, sizes[-1]))
        for axis in axes[:-1] if is_real else axes:
            y = fourier.transformed(c, y, axis, inverse=inverse)
        if is_real and inverse:
            whole = _on_last(
                c, y, axes[-1], lambda v: Parts(fourier.signal(c, v, sizes[-1]), v.imag)
            )
            return _times(c, whole.real, factor)
        return _times(c, y, factor)

    return handler


def _on_last(c: Context, x: Parts, axis: int, body: Callable[[Parts], Parts]) -> Parts:
    """`body`, which works along the last axis."""
    perm = list(range(len(x.real.shape)))
    perm[axis], perm[-1] = perm[-1], perm[axis]
    y = body(Parts(c.transpose(x.real, perm), c.transpose(x.imag, perm)))
    return Parts(c.transpose(y.real, perm), c.transpose(y.imag, perm))


def _shifted(inverse: bool) -> Handler:
    """The middle of each axis to its start, or back."""

    def handler(c: Context, x: Value, dim: int | Sequence[int] | None = None) -> Value:
        axes = list(range(len(x.shape))) if dim is None else [dim] if isinstance(dim, int) else dim
        sizes = known_sizes([x.shape[axis] for axis in axes], "what is shifted")
        steps = [(n + 1) // 2 if inverse else n // 2 for n in sizes]
        return roll(c, x, steps, list(axes))

    return handler


def _frequencies(function: Callable[..., np.ndarray]) -> Handler:
    def handler(c: Context, n: int, d: float = 1.0, **_: object) -> Value:
        return c.b.constant(function(n, d).astype(np.float32))

    return handler


def _stft(
    c: Context,
    x: Value,
    n_fft: int,
    hop_length: int | None = None,
    win_length: int | None = None,
    window: Value | None = None,
    normalized: bool = False,
    onesided: bool | None = None,
    return_complex: bool | None = None,
    **_: object,
) -> Parts | Value:
    """Frames [N, T] of `n_fft` elements, `hop_length` apart, times a window, transformed:
    [N, bins, frames]. PyTorch's own code has put the margins of `center` around x."""
    rows = c.reshape(x, (1, *x.shape)) if len(x.shape) == 1 else x
    frames = spectra.framed(c, rows, n_fft, hop_length or n_fft // 4)
    y = c.reshape(frames, (rows.shape[0], frames.shape[1], n_fft))
    length = win_length or n_fft
    weights = np.ones(length, np.float32) if window is None else window.data
    if weights is None:
        raise Unsupported("its window is computed by the model; make it a buffer")
    before = (n_fft - length) // 2
    weights = np.pad(weights, (before, n_fft - length - before))
    y = c.b.mul(y, c.b.constant(weights))
    if onesided is False:
        found = fourier.transformed(c, parts_of(c, y), 2)
    else:
        found = fourier.spectrum(c, y, n_fft)
    scaled = _times(c, found, 1 / math.sqrt(n_fft) if normalized else 1.0)
    assert isinstance(scaled, Parts)
    turned = by_parts(lambda c, v: c.transpose(v, [0, 2, 1]), 0)(c, scaled)
    if len(x.shape) == 1:
        turned = by_parts(lambda c, v: c.reshape(v, v.shape[1:]), 0)(c, turned)
    return turned if return_complex else as_real(c, turned)  # type: ignore[return-value]


TRANSFORMS: dict[str, Handler] = {
    f"fft_{kind}{suffix}": _transform(kind, default)
    for kind in ("fft", "ifft", "rfft", "irfft")
    for suffix, default in (("", [-1]), ("2", [-2, -1]), ("n", None))
}
SHIFTS: dict[str, Handler] = {
    "fft_fftshift": _shifted(False),
    "fft_ifftshift": _shifted(True),
}

HANDLERS: dict[str, Handler] = {
    **TRANSFORMS,
    **SHIFTS,
    "fft_fftfreq": _frequencies(np.fft.fftfreq),
    "fft_rfftfreq": _frequencies(np.fft.rfftfreq),
    "stft": _stft,
}
