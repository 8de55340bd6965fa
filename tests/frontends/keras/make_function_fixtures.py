"""Makes `fixtures/functions.npz`: functions of keras.ops that few layers need, as Keras runs them.

Run with a Python that has Keras 3, TensorFlow and SciPy: `KERAS_BACKEND=tensorflow python -m
tests.frontends.keras.make_function_fixtures`. `names` holds the classes of operations of Keras.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterator

import keras
import numpy as np
from keras import ops as O

from tests.frontends.keras.image_cases import (
    compared,
    floats,
    integers,
    matrices,
    others,
    pictures,
    rng,
)
from tests.frontends.keras.make_operation_fixtures import HERE, Case, write

MODULES = ("core", "image", "linalg", "math", "nn", "numpy")


def functions() -> Iterator[Case]:
    yield from places()
    yield from signals()
    yield from numbers()
    yield from without_numbers()
    yield from ordered()
    yield from grids()
    yield from pictures()
    yield from compared()
    yield from matrices()
    yield from others()


def places() -> Iterator[Case]:
    """Segments, scatters, indices."""
    x, ids = floats(7, 3), np.array([2, 0, 4, 0, 2, 1, 4], "int32")
    segments = (O.segment_sum, O.segment_max, O.segment_min, O.segment_prod)
    yield "segments", (lambda x, i: [f(x, i, num_segments=6) for f in segments]), [x, ids]
    yield (
        "segments_counted",
        (
            lambda x, i: [
                O.segment_sum(x, O.minimum(i, 3), 4), O.segment_max(x, i), O.segment_min(x, i),
                O.segment_sum(x, i - 1, num_segments=5),
            ]
        ),
        [x, ids],
    )  # fmt: skip
    ordered = np.sort(ids) // 2
    yield (
        "segments_sorted",
        (lambda x, i: [f(x, i, sorted=True) for f in segments]),
        [x, ordered],
    )
    boxes, best = floats(2, 6, 4), np.array([[5, 0, -1], [2, 2, 1]], "int32")
    yield (
        "along_broadcast",
        (
            lambda x, i: [
                O.take_along_axis(x, i[..., None], axis=1),
                O.take_along_axis(x, i[:, None] % 4, axis=2),
                O.take_along_axis(x, i[:, :, None] % 4, axis=-2),
                O.take_along_axis(x, np.array([[[1, -1]]]), axis=-1),
                O.take_along_axis(x[:, :1], i[:, :, None] % 4, axis=-1),
            ]
        ),
        [boxes, best],
    )  # fmt: skip
    table, new = floats(5, 3), floats(5, 3)
    rows = np.array([[1], [4], [0], [2], [3]], "int32")
    both = np.array([[1, 2], [4, 0], [1, 2], [0, 1], [4, 0]], "int32")
    for reduction in ("add", "max", "min", "mul"):
        yield (
            f"scatter_{reduction}",
            (
                lambda x, i, u, j, v, r=reduction: [
                    O.scatter_update(O.ones((5, 3)) * x[0], i, u, reduction=r),
                    O.scatter_update(O.zeros((5, 3)) + x[1] * 2, j, v, reduction=r),
                ]
            ),
            [table, rows, new, both, floats(5)],
        )
    yield (
        "scatter",
        (
            lambda x, i, u: [
                O.scatter_update(x, [[0, 1], [1, 0]], [9.0, 8.0]), O.scatter(i, u, (6, 3)),
                O.scatter_update(O.zeros((5, 3)) + x[1], i, u),
            ]
        ),
        [table, rows, new],
    )  # fmt: skip
    whole = integers(3, 6, high=5)
    yield (
        "counted",
        (
            lambda x: [
                O.bincount(x, minlength=8),
                O.bincount(x),
                O.bincount(x, weights=floats(3, 6).tolist()),
            ]
        ),
        [whole],
    )


def signals() -> Iterator[Case]:
    a, b = floats(2, 3, 12), floats(2, 3, 12)
    yield "fft", (lambda a, b: [*O.fft((a, b)), *O.fft2((a, b)), *O.ifft2((a, b))]), [a, b]
    yield (
        "rfft",
        (
            lambda x: [
                *O.rfft(x), *O.rfft(x, 16), *O.rfft(x, 10), O.irfft(O.rfft(x)),
                O.irfft(O.rfft(x, 16), 16), O.irfft(O.rfft(x), 9),
            ]
        ),
        [a],
    )  # fmt: skip
    wave = floats(2, 70)
    yield (
        "sequences",
        (
            lambda x: [
                O.extract_sequences(x, 16, 10), O.extract_sequences(x[:, None, 5:], 20, 33),
            ]
        ),
        [wave],
    )  # fmt: skip
    hamming = {"window": "hamming", "center": False}
    yield (
        "stft",
        (
            lambda x: [
                *O.stft(x, 16, 8, 16), *O.stft(x[:, None], 10, 7, 13, **hamming),
                *O.stft(x, 20, 11, 32, window=None),
            ]
        ),
        [wave],
    )  # fmt: skip
    yield (
        "istft",
        (
            lambda x: [
                O.istft(O.stft(x, 16, 8, 16), 16, 8, 16),
                O.istft(O.stft(x[:, None], 10, 5, 13, **hamming), 10, 5, 13, **hamming),
                O.istft(O.stft(x, 16, 8, 16, window=None), 16, 8, 16, window=None, length=60),
            ]
        ),
        [wave],
    )  # fmt: skip


def numbers() -> Iterator[Case]:
    x, y = floats(2, 5, low=-3, high=3), floats(2, 5, low=-3, high=3)
    x[0, 0], y[1, 1] = 0, x[1, 1]
    yield (
        "numbers",
        (
            lambda x, y: [
                O.heaviside(x, y),
                O.logaddexp2(x, y * 40),
                O.sinc(x),
                O.signbit(x),
                O.fmax(x, y),
                O.fmin(x, 0.5),
                O.isclose(x, y),
                O.isclose(x, y, rtol=0.5, atol=0.3),
                O.i0(x * 4),
                O.isreal(x),
                O.isposinf(x),
                O.nextafter(x, y),
                O.erfinv(x / 3.1),
                O.angle(x),
                O.conj(x),
                O.real(x),
                O.saturate_cast(x * 100, "int8"),
                O.allclose(x, y),
                O.saturate_cast(x * 90, "uint8"),
            ]
        ),
        [x, y],
    )
    odd = np.array([[np.nan, np.inf, -np.inf, 0.0, -0.0], [1, np.nan, np.inf, 2, -3]], "float32")
    other = np.array([[np.nan, 3, 1, -0.0, 0.0], [np.nan, 1, -np.inf, 2, 4]], "float32")
    yield (
        "odd_numbers",
        (
            lambda x, y: [
                O.isclose(x, y, equal_nan=True), O.fmax(x, y), O.fmin(x, y), O.isneginf(x),
                O.isposinf(x), O.heaviside(x, y), O.logaddexp2(x, y), O.signbit(x),
            ]
        ),
        [odd, other],
    )  # fmt: skip
    i, j = integers(2, 6, low=-20, high=20), integers(2, 6, low=0, high=9)
    yield (
        "whole_numbers",
        (
            lambda i, j: [
                O.bitwise_and(i, j),
                O.bitwise_or(i, j),
                O.bitwise_invert(i),
                O.bitwise_not(j),
                O.left_shift(i, j),
                O.bitwise_left_shift(j, 2),
                O.gcd(i, j),
                O.lcm(i, j),
                O.ldexp(O.cast(i, "float32"), j),
                O.isclose(i, j),
                O.signbit(i),
                O.fmax(i, j),
                O.bitwise_or(O.cast(j, "uint8"), O.cast(j + 7, "uint8")),
                O.bitwise_not(O.cast(j, "uint8")),
                O.saturate_cast(i, "uint8"),
                O.gcd(i, j[:, :1]),
                O.heaviside(i, j),
            ]
        ),
        [i, j],
    )


def without_numbers() -> Iterator[Case]:
    x = floats(3, 4, 5)
    x[rng.random(x.shape) < 0.3] = np.nan
    x[1, :, 2] = np.nan
    reductions = (
        O.nansum, O.nanprod, O.nanmax, O.nanmin, O.nanmean, O.nanvar, O.nanstd, O.nanmedian,
    )  # fmt: skip
    yield (
        "nan_reduced",
        (
            lambda x: [
                *(f(x, axis=1) for f in reductions),
                *(f(x, axis=-1, keepdims=True) for f in reductions),
                O.nansum(x),
                O.nanmax(x, axis=(0, 2)),
                O.nanargmax(x, axis=1),
                O.nanargmin(x, axis=1),
                O.nanargmax(x, axis=-1, keepdims=True),
                O.nancumsum(x, axis=-1),
                O.nancumprod(x, axis=1),
                O.nanquantile(x, [0.2, 0.7], axis=-1),
                O.nanpercentile(x, 35.0, axis=(1, 2)),
            ]
        ),
        [x],
    )
    yield "nan_whole", (lambda x: [O.nansum(x, axis=1), O.nanmax(x, axis=1)]), [integers(2, 4)]


def ordered() -> Iterator[Case]:
    x = floats(3, 4, 5)
    yield (
        "quantiles",
        (
            lambda x: [
                O.median(x, axis=-1),
                O.median(x, axis=(1, 2), keepdims=True),
                O.ptp(x, axis=-1),
                *(
                    O.percentile(x, 33.0, axis=2, method=m, keepdims=True)
                    for m in ("linear", "lower", "higher", "nearest", "midpoint")
                ),
                O.percentile(x, 30.0, axis=1),
                O.percentile(x, [0, 25.0, 100], axis=-1),
                O.quantile(x, [[0.1, 0.9]], axis=(2, 1)),
                O.ptp(x, axis=(1, 2), keepdims=True),
                O.quantile(x, 0.33, axis=2, keepdims=True),
                O.median(O.cast(x * 10, "int32"), axis=1),
            ]
        ),
        [x],
    )
    scores, i = floats(4, 6), integers(4, high=6)
    yield "in_top", (lambda i, x: [O.in_top_k(i, x, 1), O.in_top_k(i, x, k=3)]), [i, scores]
    row = np.sort(floats(7))
    yield (
        "searched",
        (
            lambda x: [
                O.searchsorted(row, O.ravel(x)), O.searchsorted(row, x[0], side="right"),
                O.isin(O.cast(x * 3, "int32"), [0, 2, -1]), O.isin(x, row[:2], invert=True),
                O.searchsorted(row, x[0], side="right"),
            ]
        ),
        [floats(3, 6)],
    )  # fmt: skip
    whole = integers(3, 5, high=7)
    every = {"return_index": True, "return_inverse": True, "return_counts": True}
    yield (
        "distinct",
        (
            lambda x: [
                O.unique(x), *O.unique(x, **every), O.unique(x[0] - 2, sorted=False),
                *O.unique(x, size=12, fill_value=-1, **every), O.unique(x, size=2),
                *O.nonzero(x - 3), *O.unravel_index(O.reshape(x, (-1,)), (2, 4)),
            ]
        ),
        [whole],
    )  # fmt: skip


def grids() -> Iterator[Case]:
    x, y = floats(3, 4, low=0.5, high=2), floats(3, 4, low=2, high=5)
    yield (
        "spaced",
        (
            lambda x, y: [
                O.linspace(x, y, 5), O.linspace(x, y, num=4, endpoint=False, axis=-1),
                O.linspace(0.0, O.max(y), 7), O.logspace(x, y, 3, axis=1), O.geomspace(x, y, 4),
                O.linspace(x, 3, 1, axis=1),
                O.logspace(x, y, 3, base=2, endpoint=False),
            ]
        ),
        [x, y],
    )  # fmt: skip
    yield (
        "grids",
        (lambda x: gridded(x[0])),
        [floats(2, 3, 4, low=0.5, high=2)],
    )
    yield (
        "split",
        (
            lambda x: [
                *O.hsplit(x, 2),
                *O.hsplit(x, [1, 3]),
                *O.dsplit(x, 3),
                O.rot90(x, axes=(1, 2)),
                O.diagonal(x, axis1=1, axis2=2),
                O.trace(x, axis1=2, axis2=1),
                *O.vsplit(x[:2, ...], 2),
            ]
        ),
        [floats(3, 4, 6)],
    )
    yield (
        "selected",
        (
            lambda x: [
                O.select([x > 1.5, x > 1], [x, -x], 0.25), O.select([x > 1.5], [O.ones_like(x)]),
                O.view(x, "int32"), O.view(x, "uint8"), O.view(O.view(x, "int16"), "float32"),
            ]
        ),
        [x],
    )  # fmt: skip
    a, b = floats(2, 5, 3), floats(2, 5, 3)
    yield (
        "vectors",
        (
            lambda a, b: [
                O.cross(a, b),
                O.cross(a[..., :2], b[..., :2]),
                O.cross(a[..., :2], b),
                O.cross(O.swapaxes(a, 1, 2), b, axisa=1, axisc=1),
                O.vdot(a, b),
                O.cdist(a, b[:, :4]),
                O.corrcoef(a[0]),
                O.cross(a[:, :1], b),
            ]
        ),
        [a, b],
    )


def gridded(x: object) -> list[object]:
    return [
        *O.meshgrid(x[0], x[1, :2]),
        *O.meshgrid(x[0, :3], x[1], x[2, :2], indexing="ij"),
        O.full((2, 4), x[0]),
        O.vander(x[0]),
        O.vander(x[1], N=3, increasing=True),
        O.ndim(x),
        O.size(x),
        O.diag(x[0]),
        O.diag(x[0], k=-2),
        O.diag(x[1:, :], k=1),
        O.diagflat(x[:2, :2], k=1),
        O.rot90(x, axes=(1, 0)),
        O.rot90(x[:, :3], k=-1),
        O.kron(x[:2, :], x[1:, :]),
        O.kron(x[0], x),
        O.cumprod(x, axis=-1),
        O.cumprod(x[:2, :2]),
        O.cumsum(x, axis=1, dtype="int32"),
        O.diff(x),
        O.diff(x, n=2),
        O.empty_like(x) * 0,
        O.trapezoid(x),
        O.trapezoid(x, dx=0.5, axis=1),
        O.trapezoid(x, x=[0.1, 0.3, 0.35, 2.0]),
        O.diagonal(x, offset=1),
        O.diff(x > 1),
        O.array(x),
    ]


def names() -> list[str]:
    """The classes of operations, without the one that others derive from."""
    found = set()
    for name in MODULES:
        module = importlib.import_module(f"keras.src.ops.{name}")
        for _, cls in inspect.getmembers(module, inspect.isclass):
            if issubclass(cls, keras.Operation) and cls.__module__ == module.__name__:
                found.add(cls.__name__)
    return sorted(found - {"SegmentReduction"})


def main() -> None:
    """Writes the archive."""
    write("functions", functions())
    path = HERE / "fixtures" / "functions.npz"
    with np.load(path) as archive:
        arrays = {key: archive[key] for key in archive.files}
    np.savez_compressed(path, names=np.array(names()), **arrays)


if __name__ == "__main__":
    main()
