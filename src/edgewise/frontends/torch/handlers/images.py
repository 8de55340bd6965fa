"""Margins, resizing, pixel shuffles.

Source: aten/src/ATen/native/{PadNd,UpSample,PixelShuffle}.cpp, PyTorch 2.13.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgewise.frontends.context import known_sizes
from edgewise.frontends.decompose import resize
from edgewise.frontends.torch.context import Context, Handler, Operand, Unsupported
from edgewise.frontends.torch.handlers.indexing import sliced
from edgewise.ir.enums import MirrorPadMode
from edgewise.ir.graph import Value


def _pairs(x: Value, pad: Sequence[int]) -> list[tuple[int, int]]:
    """Margins per axis: PyTorch gives those of the last axis first."""
    given = [(pad[i], pad[i + 1]) for i in range(0, len(pad), 2)]
    return [(0, 0)] * (len(x.shape) - len(given)) + given[::-1]


def pad(
    c: Context, x: Value, pad: Sequence[int], mode: str = "constant", value: Operand | None = None
) -> Value:
    """Margins of a number, of what is mirrored, repeated or wrapped around; below 0 they crop."""
    pairs = _pairs(x, pad)
    if mode != "constant":
        return _continued(c, x, pairs, mode)
    for axis, (before, after) in enumerate(pairs):
        if before < 0 or after < 0:
            x = sliced(c, x, axis, max(-before, 0), -max(-after, 0) or None)
    margins = [(max(a, 0), max(b, 0)) for a, b in pairs]
    if not any(a or b for a, b in margins):
        return x
    around = c.b.constant(np.array(margins, np.int32))
    if value is None or value == 0:
        return c.b.pad(x, around)
    return c.b.padv2(x, around, c.operand(value, x.dtype))


def _continued(c: Context, x: Value, pairs: Sequence[tuple[int, int]], mode: str) -> Value:
    if mode == "reflect" and all(a >= 0 and b >= 0 for a, b in pairs):
        return c.b.mirror_pad(
            x, c.b.constant(np.array(pairs, np.int32)), mode=MirrorPadMode.REFLECT
        )
    modes = {"replicate": "edge", "circular": "wrap", "reflect": "reflect"}
    for axis, (before, after) in enumerate(pairs):
        if before == after == 0:
            continue
        if before < 0 or after < 0:
            raise Unsupported(f"margins below 0 with mode '{mode}'; slice instead")
        (size,) = known_sizes([x.shape[axis]], "an axis that is continued")
        order = np.pad(np.arange(size), (before, after), modes[mode])  # type: ignore[call-overload]
        x = c.b.gather(x, c.ints([int(i) for i in order]), axis=axis)
    return x


def _mode(name: str) -> Handler:
    return lambda c, x, padding: pad(c, x, padding, name)


# -- resizing -------------------------------------------------------------------------------


def _resized(kind: str, rank: int) -> Handler:
    def handler(c: Context, x: Value, *args: object, **kwargs: object) -> Value:
        wanted, align, scales = _arguments(args, kwargs)
        spatial = known_sizes(x.shape[2:], "an image")
        if wanted is None:
            assert scales is not None
            wanted = [int(n * s) for n, s in zip(spatial, scales, strict=True)]
        ratios = _ratios(spatial, wanted, scales)
        if rank > 2 and kind != "nearest":
            raise Unsupported("volumes are resized to the nearest elements only")
        is_plain = all(r == n / m for r, n, m in zip(ratios, spatial, wanted, strict=True))

        def image(x: Value) -> Value:
            if kind in ("nearest", "exact") and is_plain:
                half = kind == "exact"
                return c.b.resize_nearest_neighbor(x, c.ints(whole), half_pixel_centers=half)
            if kind == "linear" and (is_plain or align):
                return c.b.resize_bilinear(
                    x, c.ints(whole), align_corners=align, half_pixel_centers=not align
                )
            rows, columns = (
                _matrix(kind, n, m, r, align)
                for n, m, r in zip((*extra, *spatial), whole, (*extra, *ratios), strict=True)
            )
            return resize.resized(c, x, rows, columns)

        extra = [1] * (2 - rank)
        whole = [*extra, *wanted]
        if rank == 3:
            return _nearest(c, x, spatial, wanted, ratios)
        if rank == 1:
            y = c.on_channels_last(c.reshape(x, (*x.shape[:2], 1, x.shape[2])), image)
            return c.reshape(y, (*x.shape[:2], wanted[0]))
        return c.on_channels_last(x, image)

    return handler


def _arguments(
    args: Sequence[object], kwargs: dict[str, object]
) -> tuple[list[int] | None, bool, list[float] | None]:
    """The size, `align_corners` and the factors, which overloads have in different places."""
    lists = [list(a) for a in args if isinstance(a, list | tuple)]
    align = any(a is True for a in args) or kwargs.get("align_corners") is True
    sizes: list[int] | None = None
    scales: list[float] | None = None
    for found in lists:
        if all(isinstance(n, int) for n in found) and sizes is None and scales is None:
            sizes = found
        else:
            scales = [float(n) for n in found]
    numbers = [a for a in args if isinstance(a, float)]
    if scales is None and numbers:
        scales = numbers
    return sizes, align, scales


def _ratios(
    spatial: Sequence[int], wanted: Sequence[int], scales: Sequence[float] | None
) -> list[float]:
    """Input elements per output element: by the factor that was given, else by the sizes."""
    if scales is None:
        return [n / m for n, m in zip(spatial, wanted, strict=True)]
    return [
        n / m if abs(n * s - m) < 1e-9 else 1 / s
        for n, m, s in zip(spatial, wanted, scales, strict=True)
    ]


def _places(kind: str, wanted: int, ratio: float, size: int, align: bool) -> np.ndarray:
    """Where in the input each output is sampled."""
    i = np.arange(wanted)
    if align:
        return i * ((size - 1) / (wanted - 1) if wanted > 1 else 0.0)
    return i * ratio if kind == "nearest" else (i + 0.5) * ratio - 0.5


def _matrix(kind: str, size: int, wanted: int, ratio: float, align: bool) -> np.ndarray:
    """One axis of a resize, [wanted, size]; taps outside are those at the edge."""
    at = _places(kind, wanted, ratio, size, align)
    if kind in ("nearest", "exact"):
        first = np.floor(at + (0.5 if kind == "exact" else 0)).astype(int)
        taps, weights = first[:, None], np.ones((wanted, 1))
    elif kind == "linear":
        at = np.maximum(at, 0)
        first = np.floor(at).astype(int)
        part = at - first
        taps, weights = first[:, None] + np.arange(2), np.stack([1 - part, part], 1)
    else:
        first = np.floor(at).astype(int)
        part = at - first
        taps = first[:, None] + np.arange(-1, 3)
        distances = np.stack([1 + part, part, 1 - part, 2 - part], 1)
        weights = np.vectorize(lambda d: resize.cubic(d, -0.75))(distances)
    matrix = np.zeros((wanted, size))
    rows = np.broadcast_to(np.arange(wanted)[:, None], taps.shape)
    np.add.at(matrix, (rows, np.clip(taps, 0, size - 1)), weights)
    return matrix


def _nearest(
    c: Context, x: Value, spatial: Sequence[int], wanted: Sequence[int], ratios: Sequence[float]
) -> Value:
    for axis, (n, m, r) in enumerate(zip(spatial, wanted, ratios, strict=True), 2):
        order = np.minimum(np.floor(_places("nearest", m, r, n, False)).astype(int), n - 1)
        x = c.b.gather(x, c.ints([int(i) for i in order]), axis=axis)
    return x


# -- channels and blocks --------------------------------------------------------------------


def _pixel_shuffle(c: Context, x: Value, upscale_factor: int) -> Value:
    """[N, C r r, H, W] to [N, C, H r, W r]."""
    r = upscale_factor

    def body(x: Value) -> Value:
        n, h, w, channels = x.shape
        blocks = c.reshape(x, (n, h, w, channels // (r * r), r * r))
        x = c.reshape(c.transpose(blocks, [0, 1, 2, 4, 3]), (n, h, w, channels))
        return c.b.depth_to_space(x, block_size=r)

    return c.on_channels_last(x, body)


def _pixel_unshuffle(c: Context, x: Value, downscale_factor: int) -> Value:
    """[N, C, H r, W r] to [N, C r r, H, W]."""
    r = downscale_factor

    def body(x: Value) -> Value:
        y = c.b.space_to_depth(x, block_size=r)
        n, h, w, channels = y.shape
        blocks = c.reshape(y, (n, h, w, r * r, channels // (r * r)))
        return c.reshape(c.transpose(blocks, [0, 1, 2, 4, 3]), (n, h, w, channels))

    return c.on_channels_last(x, body)


def _channel_shuffle(c: Context, x: Value, groups: int) -> Value:
    n, channels, *spatial = x.shape
    parts = c.reshape(x, (n, groups, channels // groups, *spatial))
    return c.reshape(c.transpose(parts, [0, 2, 1, *range(3, len(parts.shape))]), x.shape)


HANDLERS: dict[str, Handler] = {
    "pad": pad,
    "constant_pad_nd": lambda c, x, padding, value=0: pad(c, x, padding, "constant", value),
    **{f"reflection_pad{n}d": _mode("reflect") for n in (1, 2, 3)},
    **{f"replication_pad{n}d": _mode("replicate") for n in (1, 2, 3)},
    **{f"upsample_nearest{n}d": _resized("nearest", n) for n in (1, 2, 3)},
    **{f"_upsample_nearest_exact{n}d": _resized("exact", n) for n in (1, 2)},
    "upsample_linear1d": _resized("linear", 1),
    "upsample_bilinear2d": _resized("linear", 2),
    "upsample_bicubic2d": _resized("cubic", 2),
    "pixel_shuffle": _pixel_shuffle,
    "pixel_unshuffle": _pixel_unshuffle,
    "channel_shuffle": _channel_shuffle,
}
