"""Resizing along an axis as a product with a constant matrix [out, in].

Source: TensorFlow 2.21, core/kernels/image/{resize_bicubic_op,resize_area_op,
scale_and_translate_op,sampling_kernels}.cc and image_resizer_state.h.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from edgewise.errors import LimitError
from edgewise.frontends.context import Context
from edgewise.ir.graph import Value

MAX_ELEMENTS = 1 << 26  # of a matrix, such as 8192 x 8192
MAX_ROWS = 1 << 16
_TABLE = 1024  # fractions of a pixel that TensorFlow's cubic weights are tabulated at


def resized(c: Context, x: Value, rows: np.ndarray, columns: np.ndarray) -> Value:
    """[N, H, W, C] to [N, H', W', C] by matrices [H', H] and [W', W]."""
    for axis, matrix in ((1, rows), (2, columns)):
        if np.array_equal(matrix, np.eye(*matrix.shape)):
            continue
        perm = [0, 1, 2, 3]
        perm[axis], perm[3] = perm[3], perm[axis]
        w = c.b.constant(matrix.astype(np.float32))
        y = c.b.fully_connected(c.transpose(x, perm), w, keep_num_dims=True)
        x = c.transpose(y, perm)
    return x


def scale_of(size: int, wanted: int, align_corners: bool) -> float:
    """Input pixels per output pixel."""
    if align_corners and wanted > 1:
        return float(np.float32(size - 1) / np.float32(wanted - 1))
    return float(np.float32(size) / np.float32(wanted))


def _zeros(wanted: int, size: int) -> np.ndarray:
    """A matrix to fill in. Raises LimitError: a few bytes of a file can ask for any size."""
    if wanted * size > MAX_ELEMENTS or wanted > MAX_ROWS:
        raise LimitError(
            f"MAX_ELEMENTS: resizing {size} to {wanted} takes a matrix of {wanted * size} elements;"
            f" at most {MAX_ELEMENTS}, and {MAX_ROWS} rows"
        )
    return np.zeros((wanted, size))


def area_matrix(size: int, wanted: int, align_corners: bool) -> np.ndarray:
    """Every output is the mean of the input pixels that its interval covers, edges in part."""
    scale = scale_of(size, wanted, align_corners)
    matrix = _zeros(wanted, size)
    for i in range(wanted):
        begin, end = i * scale, (i + 1) * scale
        for k in range(int(np.floor(begin)), int(np.ceil(end))):
            covered = min(k + 1.0, end) - max(float(k), begin)
            matrix[i, min(max(k, 0), size - 1)] += covered / scale
    return matrix


def bicubic_matrix(
    size: int, wanted: int, align_corners: bool, half_pixel_centers: bool
) -> np.ndarray:
    """Four taps of a cubic: Keys' (a = -1/2) with half-pixel centres, where taps outside have no
    weight; else a = -3/4 and taps outside are those at the edge. Fractions are multiples of
    1/1024."""
    scale = scale_of(size, wanted, align_corners)
    a = -0.5 if half_pixel_centers else -0.75
    matrix = _zeros(wanted, size)
    for i in range(wanted):
        place = (i + 0.5) * scale - 0.5 if half_pixel_centers else i * scale
        first = int(np.floor(np.float32(place)))
        fraction = round((np.float32(place) - np.float32(first)) * _TABLE) / _TABLE
        for tap, distance in enumerate((1 + fraction, fraction, 1 - fraction, 2 - fraction), -1):
            k = first + tap
            if half_pixel_centers and not 0 <= k < size:
                continue
            matrix[i, min(max(k, 0), size - 1)] += cubic(distance, a)
        total = matrix[i].sum()
        if half_pixel_centers and abs(total) > 1e-30:
            matrix[i] /= total
    return matrix


def cubic(x: float, a: float) -> float:
    """The weight of a tap at a distance x, Keys' kernel with parameter a."""
    if x <= 1:
        return ((a + 2) * x - (a + 3)) * x * x + 1
    return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a


def sampled_matrix(
    size: int, wanted: int, scale: float, translation: float, kernel: str, antialias: bool
) -> np.ndarray:
    """ScaleAndTranslate: output pixel i samples the input at (i + 1/2 - translation) / scale with
    a kernel, stretched by the scale where the image shrinks and `antialias` is set."""
    radius, weight = KERNELS[kernel]
    half = np.float32(0.5)
    # in float32, because kernels that end abruptly tell places apart by their last bit
    inverse = np.float32(1) / np.float32(scale)
    moved = -inverse * np.float32(translation)
    stretch = max(inverse, np.float32(1)) if antialias else np.float32(1)
    matrix = _zeros(wanted, size)
    for i in range(wanted):
        centre = (np.float32(i) + half) * inverse + moved
        if not 0 <= centre <= size:
            continue
        reach = np.float32(radius) * stretch
        first = max(int(np.ceil(centre - reach - half)), 0)
        last = min(int(np.floor(centre + reach - half)), size - 1)
        for k in range(first, last + 1):
            distance = np.float32(k) + half - centre
            matrix[i, k] = weight(float(abs(distance * (np.float32(1) / stretch))))
        total = matrix[i].sum()
        if abs(total) >= 1000 * np.finfo(np.float32).tiny:
            matrix[i] /= total
    return matrix


def _lanczos(radius: float) -> Callable[[float], float]:
    def weight(x: float) -> float:
        if x > radius:
            return 0.0
        if x <= 1e-3:
            return 1.0
        return float(radius * np.sin(np.pi * x) * np.sin(np.pi * x / radius) / (np.pi * x) ** 2)

    return weight


def _gaussian(x: float) -> float:
    sigma = 1.5 / 3.0  # a radius of three standard deviations
    return 0.0 if x >= 1.5 else float(np.exp(-x * x / (2 * sigma * sigma)))


def _box(x: float) -> float:
    return 1.0 if x < 0.5 else 0.5 if x == 0.5 else 0.0


def _triangle(x: float) -> float:
    return max(1.0 - x, 0.0)


def _keys(x: float) -> float:
    return 0.0 if x >= 2 else cubic(x, -0.5)


def _mitchell(x: float) -> float:
    if x >= 2:
        return 0.0
    if x >= 1:
        return ((-7 / 18 * x + 2) * x - 10 / 3) * x + 16 / 9
    return (7 / 6 * x - 2) * x * x + 8 / 9


KERNELS: dict[str, tuple[float, Callable[[float], float]]] = {
    "lanczos1": (1.0, _lanczos(1.0)),
    "lanczos3": (3.0, _lanczos(3.0)),
    "lanczos5": (5.0, _lanczos(5.0)),
    "gaussian": (1.5, _gaussian),
    "box": (0.5, _box),
    "triangle": (1.0, _triangle),
    "keyscubic": (2.0, _keys),
    "mitchellcubic": (2.0, _mitchell),
}
