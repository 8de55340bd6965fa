"""Cases of `make_function_fixtures.py`: images, comparisons, matrices, and what else there is."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from keras import ops as O

from tests.frontends.keras.make_operation_fixtures import Case

rng = np.random.default_rng(41)


def floats(*shape: int, low: float = -1, high: float = 1) -> np.ndarray:
    return rng.uniform(low, high, shape).astype("float32")


def integers(*shape: int, low: int = 0, high: int = 9) -> np.ndarray:
    return rng.integers(low, high, shape).astype("int32")


def pictures() -> Iterator[Case]:
    x = floats(2, 7, 6, 3, low=0)
    first = {"data_format": "channels_first"}
    yield (
        "colours",
        (
            lambda x: [
                O.image.rgb_to_hsv(x),
                O.image.hsv_to_rgb(x),
                O.image.rgb_to_hsv(O.transpose(x, (0, 3, 1, 2)), **first),
                O.image.pad_images(x, 1, 2, target_height=10, right_padding=3),
                O.image.sobel_edges(x),
                O.image.pad_images(
                    x, target_height=9, target_width=8, bottom_padding=0, right_padding=1
                ),
                O.image.crop_images(x, 1, 2, bottom_cropping=3, right_cropping=1),
                O.image.crop_images(
                    x, target_height=3, target_width=2, top_cropping=2, right_cropping=0
                ),
                O.image.gaussian_blur(x),
                O.image.gaussian_blur(x, (5, 3), (0.7, 1.3)),
                O.image.rgb_to_hsv(x[0]),
                O.image.pad_images(x, 2, 1, 0, 0, **first),
            ]
        ),
        [x],
    )
    turn = np.array([0.8, -0.4, 1.3, 0.5, 0.9, -0.7, 0.01, -0.02], "float32")
    yield (
        "warped",
        (
            lambda x, t: [
                *(
                    O.image.affine_transform(x, turn, fill_mode=m)
                    for m in ("constant", "reflect", "wrap", "nearest")
                ),
                O.image.affine_transform(x, t),
                O.image.affine_transform(x, t, interpolation="nearest", fill_value=0.3),
                O.image.perspective_transform(
                    x,
                    np.array([[0, 0], [5, 0], [0, 6], [5, 6]], "float32"),
                    np.array([[1, 0], [5, 1], [0, 6], [4, 5]], "float32"),
                ),
                O.image.scale_and_translate(
                    x, (2, 5, 9, 3), np.array([0.7, 1.5]), np.array([0.2, -1.0]), (1, 2), "linear"
                ),
                O.image.scale_and_translate(
                    x,
                    (2, 9, 4, 3),
                    np.array([1.3, 0.6]),
                    np.array([0.0, 0.5]),
                    (1, 2),
                    "cubic",
                    False,
                ),
            ]
        ),
        [x, np.stack([turn, turn[[4, 3, 2, 1, 0, 5, 7, 6]] / 1.3])],
    )
    places = floats(2, 4, 3, low=-1.5, high=7.5).astype("float32")
    yield (
        "coordinates",
        (
            lambda x, at: [
                *(
                    O.image.map_coordinates(
                        x[0, ..., 0], O.transpose(at, (2, 0, 1))[:2, ...], order, m
                    )
                    for order in (0, 1)
                    for m in ("constant", "nearest", "wrap")
                ),
                O.image.map_coordinates(x[0], O.transpose(at, (2, 0, 1)), 1, fill_value=0.5),
            ]
        ),
        [x, places],
    )
    yield (
        "folded",
        (
            lambda x: [
                O.unfold(x, 2),
                O.unfold(x, (3, 2), dilation=(1, 2), padding=1, stride=2),
                O.fold(O.unfold(x, 2), (7, 6), 2),
                O.fold(O.unfold(x, (3, 2), 2, 1, (2, 3)), (7, 6), (3, 2), 2, 1, (2, 3)),
            ]
        ),
        [floats(2, 2, 7, 6)],
    )


def compared() -> Iterator[Case]:
    t, y = floats(2, 4, 5, low=0), floats(2, 4, 5, low=0.05, high=0.95)
    logits = {"from_logits": True}
    yield (
        "crossentropies",
        (
            lambda t, y, i: [
                O.binary_crossentropy(t, y),
                O.binary_crossentropy(t, y * 90 - 40, **logits),
                O.categorical_crossentropy(t, y),
                O.categorical_crossentropy(t, y, axis=1),
                O.categorical_crossentropy(t, y * 9, **logits),
                O.sparse_categorical_crossentropy(i, y),
                O.sparse_categorical_crossentropy(i, y * 9, **logits),
                O.psnr(t, y, 2.0),
            ]
        ),
        [t, y, integers(2, 4, high=5)],
    )
    a, b = floats(2, 14, 13, 2, low=0), floats(2, 14, 13, 2, low=0)
    yield (
        "similar",
        (
            lambda a, b: [
                O.image.ssim(a, a * 0.5 + b * 0.5),
                O.image.ssim(a, b, 2.0, 5, 1.0, 0.02, 0.04),
                O.correlate(a[0, :, 0, 0], b[0, :5, 0, 0]),
                *(
                    O.correlate(a[0, :, 0, 0], b[0, :m, 0, 0], mode)
                    for m in (4, 5)
                    for mode in ("full", "same")
                ),
            ]
        ),
        [a, b],
    )


def matrices() -> Iterator[Case]:
    x, b = floats(2, 4, 4), floats(2, 4, 3)
    yield (
        "equations",
        (
            lambda x, b: [
                O.det(x), O.inv(x), O.solve(x, b), *O.slogdet(x), O.solve(x[:, :2, :2], b[:, :2]),
                O.solve_triangular(x, b, lower=True), O.solve_triangular(x, b),
            ]
        ),
        [x, b],
    )  # fmt: skip
    square = x @ x.transpose(0, 2, 1) + 0.1 * np.eye(4, dtype="float32")
    yield (
        "factors",
        (
            lambda x: [
                O.cholesky(x), O.cholesky(x, upper=True), O.logdet(x),
                O.cholesky_inverse(O.cholesky(x)),
            ]
        ),
        [square],
    )  # fmt: skip


def others() -> Iterator[Case]:
    """What the other archives do not have."""
    x, i = floats(2, 4, 8, 4, low=1, high=3), integers(2, 7, low=-9, high=99)
    yield (
        "others",
        (
            lambda x: [
                O.abs(-x),
                O.fabs(-x),
                O.amax(x, axis=1),
                O.amin(x, axis=-1),
                O.arccosh(x),
                *O.array_split(x, 3, axis=2),
                O.cbrt(x - 2),
                O.erfc(x - 2),
                O.copy(x),
                O.count_nonzero(O.floor(x - 1), axis=1),
                O.depth_to_space(x, 2),
                O.dstack([x, x]),
                O.space_to_depth(x, 2),
                O.fliplr(x),
                O.flipud(x),
                O.stop_gradient(x),
                O.outer(x[0, 0, 0], x[1, 0, 1]),
                O.adaptive_max_pool(x, (2, 3)),
                O.slice_update(x, (0, 1, 2, 0), x[:, :2, :3] * 2),
                O.adaptive_average_pool(x, (3, 2)),
            ]
        ),
        [x],
    )
    square, wide = floats(2, 4, 4), floats(2, 3, 5)
    square[1, 1:, 0] = 0
    yield (
        "orthogonal",
        (lambda x, y: [*O.qr(x), *O.qr(y), *O.qr(O.swapaxes(y, 1, 2)), *O.qr(y, mode="complete")]),
        [square, wide],
    )
    scores, lengths = floats(3, 9, 4), np.array([9, 5, 0], "int32")
    yield (
        "labels",
        (
            lambda x, n: [
                *O.ctc_decode(x, n), *O.ctc_decode(x, n, mask_index=-1, merge_repeated=False),
            ]
        ),
        [scores, lengths],
    )  # fmt: skip
    yield (
        "bits",
        (
            lambda i: [
                O.bitwise_xor(i, i * 7 - 5), O.bitwise_right_shift(i, O.abs(i) % 3),
                O.right_shift(i, O.abs(i) % 5),
            ]
        ),
        [i],
    )  # fmt: skip
