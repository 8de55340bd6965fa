"""Pictures to input tensors: open, crop, scale, normalise, quantize."""

from __future__ import annotations

import os
import struct
import warnings
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from edgewise.dtypes import DType
from edgewise.errors import FormatError, InputError
from edgewise.ir.model import Model
from edgewise.ir.types import TensorType
from edgewise.log import log
from edgewise.metadata import normalization

# Pixels of the largest picture; decoded it takes 3 bytes each, on every core. As Pillow, which
# warns above it.
MAX_PIXELS = 89_478_485

# ImageNet practice: the crop is 7/8 of the shorter side (224 of 256)
CROP = 0.875


@dataclass(frozen=True, slots=True)
class Normalization:
    """`(pixel - mean) / std` on pixels 0..255; one number, or one per channel."""

    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __str__(self) -> str:
        mean, std = (", ".join(f"{x:g}" for x in part) for part in (self.mean, self.std))
        return f"(pixel - {mean}) / {std}"

    def __call__(self, pixels: np.ndarray) -> np.ndarray:
        """uint8 [..., C] to float32 of the same shape."""
        mean, std = np.array(self.mean, np.float32), np.array(self.std, np.float32)
        return (pixels.astype(np.float32) - mean) / std


@dataclass(frozen=True, slots=True)
class Pixels:
    """How pictures become inputs: what pixels become, and how much of a picture is seen.

    `said` tells where that is from; `is_given` that somebody asked for it.
    """

    normalization: Normalization
    crop: float = CROP
    said: str = ""
    is_given: bool = False

    def told(self, *, are_met: bool) -> str:
        """What was done to inputs, of which some were pictures or bytes (`are_met`), or none."""
        return self.said if are_met else "numbers as they are: only pixels are normalized"


NORMALIZATIONS = {
    "0..255": Normalization((0.0,), (1.0,)),
    "0..1": Normalization((0.0,), (255.0,)),
    "-1..1": Normalization((127.5,), (127.5,)),
    "efficientnet-lite": Normalization((127.0,), (128.0,)),
    "imagenet": Normalization((123.675, 116.28, 103.53), (58.395, 57.12, 57.375)),
}


# what Pillow's decoders raise of damaged files
_DAMAGED = (OSError, ValueError, SyntaxError, EOFError, IndexError, struct.error, zlib.error)

# MAX_PIXELS is an error of ours, with the name of the file; a warning says no more
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)


def open_picture(path: str | os.PathLike[str]) -> Image.Image:
    """The picture as RGB, turned as its EXIF orientation says.

    Raises:
        InputError: missing, not a picture Pillow reads, damaged, or more than MAX_PIXELS.
    """
    try:
        with Image.open(Path(path)) as image:
            if image.width * image.height > MAX_PIXELS:
                raise InputError(
                    f"{path}: a picture has {MAX_PIXELS // 10**6} million pixels at most; got "
                    f"{image.width} x {image.height}. Scale it down"
                )
            return ImageOps.exif_transpose(image).convert("RGB")
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such picture") from error
    except IsADirectoryError as error:
        raise InputError(f"{path}: is a directory; give the picture in it") from error
    except UnidentifiedImageError as error:
        rule = "cannot be read as a picture: not a format that Pillow knows; give a JPEG or PNG"
        raise InputError(f"{path}: {rule}") from error
    except InputError:
        raise
    except PermissionError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        rule = f"it has more than {MAX_PIXELS // 10**6} million pixels. Scale it down"
        raise InputError(f"{path}: cannot be read as a picture: {rule}") from error
    except _DAMAGED as error:
        raise InputError(f"{path}: cannot be read as a picture: {error}") from error


def centre(image: Image.Image, height: int, width: int, crop: float = CROP) -> np.ndarray:
    """uint8 [height, width, 3]: the largest centred window of that aspect, times `crop`,
    scaled with antialiased bilinear interpolation. The window lies on whole pixels, so that one
    that has the size already is cut out and not blurred."""
    scale = crop * min(image.width / width, image.height / height)
    w, h = max(1, round(width * scale)), max(1, round(height * scale))
    left, top = (image.width - w) // 2, (image.height - h) // 2
    box = (left, top, left + w, top + h)
    return np.asarray(image.resize((width, height), Image.Resampling.BILINEAR, box))


def stretched(image: Image.Image, height: int, width: int) -> np.ndarray:
    """uint8 [height, width, 3]: the whole picture, whatever its aspect."""
    return np.asarray(image.resize((width, height), Image.Resampling.BILINEAR))


def shown(
    inputs: Image.Image | tuple[np.ndarray, ...] | Mapping[str, np.ndarray],
) -> Image.Image | None:
    """What an example looks like: the picture, or the only array where it is one of grey or RGB
    values, scaled to 0..255 unless it holds bytes; else None."""
    if isinstance(inputs, Image.Image):
        return inputs
    arrays = list(inputs.values() if isinstance(inputs, Mapping) else inputs)
    array = arrays[0][0] if len(arrays) == 1 and arrays[0].ndim == 4 else arrays[0]
    grey = array[..., 0] if array.ndim == 3 and array.shape[2] == 1 else array
    is_picture = grey.ndim == 2 or (grey.ndim == 3 and grey.shape[2] == 3)
    if len(arrays) != 1 or not is_picture or grey.dtype.kind not in "fiu" or not grey.size:
        return None
    if grey.dtype != np.uint8:
        real = np.nan_to_num(grey.astype(np.float64))
        grey = np.rint((real - real.min()) * (255 / max(np.ptp(real), 1e-30))).astype(np.uint8)
    return Image.fromarray(np.ascontiguousarray(grey)).convert("RGB")


def to_tensor(pixels: np.ndarray, type_: TensorType, normalization: Normalization) -> np.ndarray:
    """uint8 [H, W, 3] to the model's input [1, H, W, C]: normalised, then quantized where the
    input is an integer tensor with a scale; one channel takes the luminance.

    Raises:
        InputError: the input is not a batch of pictures.
    """
    size(type_)
    assert type_.shape is not None
    if type_.shape[3] == 1:
        pixels = np.asarray(Image.fromarray(pixels).convert("L"))[..., None]
    return to_type(normalization(pixels)[None], type_)


def to_type(real: np.ndarray, type_: TensorType) -> np.ndarray:
    """Real numbers as a tensor of this type: quantized where it has a scale, else rounded where it
    holds integers."""
    if type_.dtype.is_float:
        return real.astype(type_.dtype.numpy)
    if type_.quant is None:
        return np.clip(np.rint(real), *type_.dtype.range).astype(type_.dtype.numpy)
    scale, point = type_.quant.broadcast(real.shape)
    return np.clip(np.rint(real / scale) + point, *type_.dtype.range).astype(type_.dtype.numpy)


def size(type_: TensorType) -> tuple[int, int]:
    """(height, width) of a picture input [N, H, W, 1 or 3]. Raises InputError for others."""
    shape = type_.shape
    if shape is None or len(shape) != 4 or shape[3] not in (1, 3):
        raise InputError(f"a picture needs an input [N, H, W, 1 or 3]; the model takes {type_}")
    height, width = shape[1], shape[2]
    if not (isinstance(height, int) and isinstance(width, int)):
        raise InputError(f"the input {type_} leaves its height or width open; give a .npy file")
    return height, width


def normalization_of(model: Model, place: int = 0) -> Normalization | None:
    """What the model's metadata says of its input at this place; None where it says nothing, or
    cannot be read, which is logged."""
    try:
        found = normalization(model, place)
    except FormatError as problem:
        log().warning("the normalization is not taken from the model: %s", problem)
        return None
    return None if found is None else Normalization(found.mean, found.std)


def guess_normalization(type_: TensorType) -> str:
    """The name in NORMALIZATIONS that a model without metadata most likely expects.

    An integer input's scale and zero point give its range; the normalization whose range is
    nearest is taken. Without a scale, integers are raw pixels and floats -1..1.
    """
    if type_.dtype.is_float:
        return "-1..1"
    if type_.quant is None or type_.dtype is DType.INT32:
        return "0..255"
    low, high = type_.quant.dequantize(np.array(type_.dtype.range))
    ends = {"0..255": (0.0, 255.0), "0..1": (0.0, 1.0), "-1..1": (-1.0, 1.0)}
    return min(ends, key=lambda name: abs(ends[name][0] - low) + abs(ends[name][1] - high))


def pixels_for(
    models: Sequence[Model],
    types: Sequence[TensorType],
    *,
    normalize: str | None = None,
    crop: float = CROP,
) -> Pixels:
    """How pictures become inputs of all of these models, whose picture inputs are of `types`: a
    name in NORMALIZATIONS, else what the first model that says it says, else a guess, for which
    quantized inputs come first, because their range tells.

    Raises:
        InputError: no such name.
    """
    if normalize is not None:
        if normalize not in NORMALIZATIONS:
            known = ", ".join(NORMALIZATIONS)
            raise InputError(f"no normalization is named {normalize!r}; there are {known}")
        return Pixels(NORMALIZATIONS[normalize], crop, f"pixels as {normalize}", is_given=True)
    for model in models:
        found = normalization_of(model)
        if found is not None:
            return Pixels(found, crop, f"pixels as the model says: {found}")
    telling = sorted(types, key=lambda t: t.quant is None)
    name = guess_normalization(telling[0]) if telling else "-1..1"
    said = f"pixels as {name} (guessed; --normalize)"
    return Pixels(NORMALIZATIONS[name], crop, said)
