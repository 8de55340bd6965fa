"""Pictures to input tensors."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from edgewise.data.image import (
    NORMALIZATIONS,
    centre,
    guess_normalization,
    open_picture,
    size,
    to_tensor,
)
from edgewise.dtypes import DType
from edgewise.errors import InputError
from edgewise.ir.dim import Sym
from edgewise.ir.types import Quant, TensorType


def picture(*shape: int) -> TensorType:
    return TensorType(shape, DType.FLOAT32)


def test_a_picture_is_turned_as_its_orientation_says(tmp_path):
    image = Image.new("RGB", (4, 2))
    exif = image.getexif()
    exif[0x0112] = 6  # turn by 90 degrees
    image.save(tmp_path / "p.jpg", exif=exif)
    assert open_picture(tmp_path / "p.jpg").size == (2, 4)


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "CMYK", "1"])
def test_every_mode_becomes_rgb(tmp_path, mode):
    path = tmp_path / ("p.tiff" if mode == "CMYK" else "p.png")
    Image.new(mode, (3, 3)).save(path)
    assert open_picture(path).mode == "RGB"


@pytest.mark.parametrize(("width", "height"), [(100, 50), (50, 100), (64, 64)])
def test_the_centre(width, height):
    """A gradient across the longer side: its middle lies in the middle of what is cut out."""
    x, y = np.meshgrid(np.linspace(0, 1, width), np.linspace(0, 1, height))
    ramp = np.stack([x * 255, y * 255, 0 * x], -1).astype(np.uint8)
    cut = centre(Image.fromarray(ramp), 16, 16)
    assert (cut.shape, cut.dtype) == ((16, 16, 3), np.uint8)
    np.testing.assert_allclose(cut[..., :2].mean((0, 1)), 127.5, atol=1.5)
    span = 0.875 * min(width, height) * 255
    ends = cut[8, -1, 0] - int(cut[8, 0, 0]), cut[-1, 8, 1] - int(cut[0, 8, 1])
    np.testing.assert_allclose(ends, [span / width * 15 / 16, span / height * 15 / 16], atol=9)


def test_the_whole_without_a_margin():
    pixels = np.random.default_rng(0).integers(0, 256, (6, 6, 3)).astype(np.uint8)
    np.testing.assert_array_equal(centre(Image.fromarray(pixels), 6, 6, crop=1.0), pixels)


PIXELS = np.array([[[0, 128, 255]]], np.uint8)


@pytest.mark.parametrize(
    ("normalization", "expected"),
    [
        ("0..255", [0, 128, 255]),
        ("0..1", [0, 128 / 255, 1]),
        ("-1..1", [-1, 0.5 / 127.5, 1]),
        ("efficientnet-lite", [-127 / 128, 1 / 128, 1]),
        ("imagenet", [-123.675 / 58.395, (128 - 116.28) / 57.12, (255 - 103.53) / 57.375]),
    ],
)
def test_normalizations(normalization, expected):
    tensor = to_tensor(PIXELS, picture(1, 1, 1, 3), NORMALIZATIONS[normalization])
    assert (tensor.shape, tensor.dtype) == ((1, 1, 1, 3), np.float32)
    np.testing.assert_allclose(tensor.reshape(-1), expected, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize(
    ("type_", "normalization", "expected"),
    [
        (TensorType((1, 1, 1, 3), DType.UINT8, Quant(1 / 127.5, 127)), "-1..1", [0, 127, 254]),
        (TensorType((1, 1, 1, 3), DType.INT8, Quant(1 / 255, -128)), "0..1", [-128, 0, 127]),
        (TensorType((1, 1, 1, 3), DType.INT8, Quant(1 / 512, 0)), "-1..1", [-128, 2, 127]),
        (TensorType((1, 1, 1, 3), DType.UINT8), "0..255", [0, 128, 255]),
        (TensorType((1, 1, 1, 3), DType.INT32), "0..255", [0, 128, 255]),
    ],
)
def test_integers(type_, normalization, expected):
    tensor = to_tensor(PIXELS, type_, NORMALIZATIONS[normalization])
    assert tensor.dtype == type_.dtype.numpy
    np.testing.assert_array_equal(tensor.reshape(-1), expected)


def test_one_channel_takes_the_luminance():
    tensor = to_tensor(PIXELS, picture(1, 1, 1, 1), NORMALIZATIONS["0..255"])
    np.testing.assert_allclose(tensor.reshape(-1), [0.587 * 128 + 0.114 * 255], atol=1)


@pytest.mark.parametrize(
    "type_",
    [
        picture(1, 10),
        picture(1, 8, 8, 4),
        picture(1, Sym("h"), 8, 3),
        TensorType(None, DType.FLOAT32),
    ],
)
def test_inputs_that_are_no_picture(type_):
    with pytest.raises(InputError, match=r"picture|height or width"):
        size(type_)


@pytest.mark.parametrize(
    ("type_", "name"),
    [
        (picture(1, 8, 8, 3), "-1..1"),
        (TensorType((1, 8, 8, 3), DType.UINT8), "0..255"),
        (TensorType((1, 8, 8, 3), DType.UINT8, Quant(1 / 128, 128)), "-1..1"),
        (TensorType((1, 8, 8, 3), DType.INT8, Quant(1 / 255, -128)), "0..1"),
        (TensorType((1, 8, 8, 3), DType.UINT8, Quant(1.0, 0)), "0..255"),
    ],
)
def test_the_normalization_a_type_suggests(type_, name):
    assert guess_normalization(type_) == name
