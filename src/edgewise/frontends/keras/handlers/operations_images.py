"""`keras.ops.image` nodes: colours, margins, blurs, edges, transforms of places.

Source: keras/src/ops/image.py and backend/tensorflow/image.py, Keras 3.15.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from functools import reduce

import numpy as np

from edgewise.dtypes import FLOATS, DType
from edgewise.frontends.context import Handler, Unsupported, known_sizes
from edgewise.frontends.decompose import colors, warp
from edgewise.frontends.decompose.functions import clip, plus, scaled
from edgewise.frontends.decompose.resize import sampled_matrix
from edgewise.frontends.keras.description import KerasLayer
from edgewise.frontends.keras.handlers.config import flag, integer, number, numbers, text
from edgewise.frontends.keras.handlers.context import Context
from edgewise.frontends.keras.handlers.layout import channels_last
from edgewise.frontends.keras.handlers.operands import Operand, constant, real, tensor
from edgewise.ir.enums import MirrorPadMode, Padding
from edgewise.ir.graph import Value


def on_images(c: Context, layer: KerasLayer, x: Value, body: Callable[[Value], Value]) -> Value:
    """`body`, which works on [N, H, W, C], on a batch of images or on one, in either layout."""
    if len(x.shape) == 4:
        return channels_last(c, layer, x, body)
    y = channels_last(c, layer, c.b.expand_dims(x, c.ints([0])), body)
    return c.reshape(y, y.shape[1:])


def _to_hsv(c: Context, layer: KerasLayer, x: Operand) -> Value:
    return on_images(c, layer, real(c, x), lambda x: colors.joined(c, *colors.hsv_of(c, x)))


def _to_rgb(c: Context, layer: KerasLayer, x: Operand) -> Value:
    return on_images(c, layer, real(c, x), lambda x: colors.rgb_of(c, *colors.channels(c, x)))


def _margins(layer: KerasLayer, kind: str, sizes: Sequence[int], sign: int) -> list[list[int]]:
    """What is added (sign 1) or cut (-1) before and behind each axis; one of the two and the size
    that is wanted say the third."""
    found = []
    for axis, ends in enumerate((("top", "bottom"), ("left", "right"))):
        first, second = (layer.config.get(f"{end}_{kind}") for end in ends)
        target = layer.config.get(f"target_{('height', 'width')[axis]}")
        known = [None if v is None else int(v) for v in (first, second)]  # type: ignore[call-overload]
        if target is not None:
            change = sign * (int(target) - sizes[axis])  # type: ignore[call-overload]
            known = [change - (known[1 - i] or 0) if v is None else v for i, v in enumerate(known)]
        found.append([v or 0 for v in known])
    return found


def _padded(c: Context, layer: KerasLayer, x: Operand) -> Value:
    def body(x: Value) -> Value:
        pads = _margins(layer, "padding", _sizes(layer, x, "target"), 1)
        return c.b.pad(x, c.b.constant(np.array([[0, 0], *pads, [0, 0]], np.int32)))

    return on_images(c, layer, tensor(c, x), body)


def _sizes(layer: KerasLayer, x: Value, key: str) -> list[int]:
    """Height and width; 0 in place of an unknown one that no target needs."""
    names = ("target_height", "target_width")
    return [
        0 if layer.config.get(name) is None and not isinstance(size, int)
        else known_sizes([size], "images")[0]
        for name, size in zip(names, x.shape[1:3], strict=True)
    ]  # fmt: skip


def _cropped(c: Context, layer: KerasLayer, x: Operand) -> Value:
    def body(x: Value) -> Value:
        (top, bottom), (left, right) = _margins(layer, "cropping", _sizes(layer, x, "target"), -1)
        ends = [0, -bottom, -right, 0]
        mask = sum(1 << i for i, end in enumerate(ends) if end == 0)
        return c.b.strided_slice(
            x, c.ints([0, top, left, 0]), c.ints(ends), c.ints([1] * 4), end_mask=mask
        )

    return on_images(c, layer, tensor(c, x), body)


def filtered(c: Context, x: Value, kernel: np.ndarray, padding: Padding) -> Value:
    """Every channel of [N, H, W, C] by kernels [h, w, M]: [N, H', W', C * M]."""
    (channels,) = known_sizes(x.shape[-1:], "the channels")
    count = kernel.shape[-1]
    w = np.tile(kernel.astype(np.float32), (1, 1, channels))[None]
    return c.b.depthwise_conv_2d(
        x, c.b.constant(w), padding=padding, stride_h=1, stride_w=1, depth_multiplier=count
    )


def gaussian(size: Sequence[int], sigma: Sequence[float]) -> np.ndarray:
    """[h, w, 1], with a sum of 1."""
    rows = []
    for count, width in zip(size, sigma, strict=True):
        places = np.arange(count) - (count - 1) / 2
        row = np.exp(-0.5 * (places / width) ** 2)
        rows.append(row / row.sum())
    return np.outer(rows[0], rows[1])[..., None]


def _blurred(c: Context, layer: KerasLayer, x: Operand) -> Value:
    size = numbers(layer, "kernel_size") if "kernel_size" in layer.config else [3, 3]
    sigma = np.broadcast_to(np.asarray(layer.config.get("sigma", 1.0), np.float64), 2)
    size = size * 2 if len(size) == 1 else size
    # Keras makes the kernel's rows of the second entries and lays it out by the first ones
    kernel = gaussian(size[::-1], sigma[::-1].tolist()).reshape(*size, 1)
    return on_images(c, layer, real(c, x), lambda x: filtered(c, x, kernel, Padding.SAME))


def _edges(c: Context, layer: KerasLayer, x: Operand) -> Value:
    """[N, H, W, C, 2]: Sobel's differences downwards and to the right, the images reflected."""
    y = real(c, x)
    is_first = layer.config.get("data_format") == "channels_first"
    y = c.transpose(y, [0, 2, 3, 1]) if is_first else y
    down = np.array([[-1, -2, -1], [0, 0, 0], [1, 2, 1]])
    margins = c.b.constant(np.array([[0, 0], [1, 1], [1, 1], [0, 0]], np.int32))
    wide = c.b.mirror_pad(y, margins, mode=MirrorPadMode.REFLECT)
    found = filtered(c, wide, np.stack([down, down.T], -1), Padding.VALID)
    found = c.reshape(found, (*y.shape, 2))
    return c.transpose(found, [0, 3, 1, 2, 4]) if is_first else found


def _affine(c: Context, layer: KerasLayer, x: Operand, transform: Operand) -> Value:
    matrix = real(c, transform)
    rows = c.reshape(matrix, (1, 8)) if len(matrix.shape) == 1 else matrix
    return _projected(c, layer, x, rows, text(layer, "fill_mode", "constant"))


def _projected(
    c: Context, layer: KerasLayer, x: Operand, transforms: Value, fill_mode: str
) -> Value:
    kind = text(layer, "interpolation", "bilinear")
    if kind not in ("bilinear", "nearest") or fill_mode not in warp.MODES:
        raise Unsupported(f"interpolation '{kind}' with fill mode '{fill_mode}'; use bilinear")
    fill = number(layer, "fill_value", 0)

    def body(x: Value) -> Value:
        return warp.projected(
            c, x, transforms, bilinear=kind == "bilinear", fill_mode=fill_mode, fill=fill
        )

    return on_images(c, layer, real(c, x), body)


def _perspective(c: Context, layer: KerasLayer, x: Operand, start: Operand, end: Operand) -> Value:
    """Four points of every image go to four others."""
    given = [p.data if isinstance(p, Value) else np.asarray(p) for p in (start, end)]
    if any(p is None for p in given):
        raise Unsupported("its points are computed; use constant ones, or affine_transform")
    starts, ends = (np.asarray(p, np.float64).reshape(-1, 4, 2) for p in given)
    made = [_homography(a, b) for a, b in zip(starts, ends, strict=True)]
    transforms = c.b.constant(np.stack(made).astype(np.float32))
    return _projected(c, layer, x, transforms, "constant")


def _homography(start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """The eight numbers that take `end` [4, 2] to `start` [4, 2]."""
    rows, values = [], []
    for (sx, sy), (ex, ey) in zip(start, end, strict=True):
        rows += [[ex, ey, 1, 0, 0, 0, -sx * ex, -sx * ey], [0, 0, 0, ex, ey, 1, -sy * ex, -sy * ey]]
        values += [sx, sy]
    return np.linalg.solve(np.array(rows), np.array(values))


def _scaled_and_moved(
    c: Context,
    layer: KerasLayer,
    x: Operand,
    output_shape: Sequence[int],
    scale: Operand,
    translation: Operand,
) -> Value:
    """A product with a matrix of weights along each of the axes."""
    y = tensor(c, x)
    axes = [axis % len(y.shape) for axis in numbers(layer, "spatial_dims")]
    name = _KERNELS.get(text(layer, "method"))
    if name is None or y.dtype not in FLOATS:
        raise Unsupported("its method or dtype; use linear, cubic or lanczos of float32 images")
    wanted = np.asarray(output_shape).tolist()
    for axis, size, factor, moved in zip(
        axes, [wanted[axis] for axis in axes], constant(scale), constant(translation), strict=True
    ):
        (given,) = known_sizes([y.shape[axis]], "an axis that is resized")
        matrix = sampled_matrix(
            given, size, float(factor), float(moved), name, flag(layer, "antialias", True)
        )
        perm = list(range(len(y.shape)))
        perm[axis], perm[-1] = perm[-1], perm[axis]
        w = c.b.constant(matrix.astype(np.float32))
        y = c.transpose(y, perm)
        y = c.transpose(c.b.fully_connected(y, w, keep_num_dims=True), perm)
    return y


_KERNELS = {
    **dict.fromkeys(("linear", "bilinear", "trilinear", "triangle"), "triangle"),
    **dict.fromkeys(("cubic", "bicubic", "tricubic"), "keyscubic"),
    "lanczos3": "lanczos3", "lanczos5": "lanczos5",
}  # fmt: skip


def _at_coordinates(c: Context, layer: KerasLayer, x: Operand, places: Operand) -> Value:
    """x [d_1, ..., d_n] at places [n, ...]: of order 0 the nearest element, of order 1 between its
    neighbours; what is outside by the fill mode."""
    y, at, order = tensor(c, x), real(c, places), integer(layer, "order", 1)
    sizes, mode = known_sizes(y.shape, "a tensor"), text(layer, "fill_mode", "constant")
    if order > 1 or mode not in _OUTSIDE:
        raise Unsupported(f"order {order} with fill mode '{mode}'; use order 0 or 1")
    flat, shape = c.reshape(y, [int(np.prod(sizes))]), at.shape[1:]
    ends = []
    for axis, size in enumerate(sizes):
        begin = [axis, *[0] * len(shape)]
        one = c.b.slice(at, c.ints(begin), c.ints([1, *[-1] * len(shape)]))
        ends.append(_ends(c, c.reshape(one, shape), order, size, mode))
    fill, steps = c.scalar(number(layer, "fill_value", 0)), np.cumprod([1, *sizes[:0:-1]])[::-1]
    parts = []
    for chosen in itertools.product(*ends):
        places, fits, shares = zip(*chosen, strict=True)
        rows = [c.cast(place, DType.INT32) for place in places]
        rows = [scaled(c, row, int(step)) for row, step in zip(rows, steps, strict=True)]
        found = c.real(c.b.gather(flat, reduce(c.b.add, rows)))
        if mode == "constant":
            found = c.b.select_v2(reduce(c.b.logical_and, fits), found, fill)
        parts.append(reduce(c.b.mul, shares, found))
    total = reduce(c.b.add, parts)
    return total if y.dtype in FLOATS else c.cast(c.b.round(total), y.dtype)


_End = tuple[Value, Value, Value]


def _ends(c: Context, at: Value, order: int, size: int, mode: str) -> list[_End]:
    """The elements that a place lies at or between, whether they are there, and their shares."""
    low = c.b.round(at) if order == 0 else c.b.floor(at)
    rest = c.b.sub(at, low)
    pairs = [(low, c.b.sub(c.scalar(1), rest)), (plus(c, low, 1), rest)]
    found = []
    for place, share in [(low, c.scalar(1))] if order == 0 else pairs:
        last = c.scalar(size - 1)
        fits = c.b.logical_and(c.b.greater_equal(place, c.scalar(0)), c.b.less_equal(place, last))
        found.append((_OUTSIDE[mode](c, place, size), fits, share))
    return found


def _mirrored(c: Context, x: Value, size: int) -> Value:
    """... 2 1 0 1 2 1 0 ...: |(x + s) mod 2 s - s| with s = size - 1."""
    s = max(size - 1, 1)
    return c.b.abs(plus(c, c.b.floor_mod(plus(c, x, s), c.scalar(2 * s)), -s))


_OUTSIDE: dict[str, Callable[[Context, Value, int], Value]] = {
    "constant": lambda c, x, size: clip(c, x, 0, size - 1),
    "nearest": lambda c, x, size: clip(c, x, 0, size - 1),
    "wrap": lambda c, x, size: c.b.floor_mod(x, c.scalar(size)),
    "mirror": _mirrored,
    "reflect": warp.MODES["reflect"],
}


OPERATIONS: dict[str, Handler] = {
    "RGBToHSV": _to_hsv,
    "HSVToRGB": _to_rgb,
    "PadImages": _padded,
    "CropImages": _cropped,
    "GaussianBlur": _blurred,
    "SobelEdges": _edges,
    "AffineTransform": _affine,
    "PerspectiveTransform": _perspective,
    "ScaleAndTranslate": _scaled_and_moved,
    "MapCoordinates": _at_coordinates,
}
