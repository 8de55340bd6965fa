"""Models that take one picture: how it becomes their input, and the simplest of them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Self, TypedDict, Unpack

import numpy as np
from PIL import Image, ImageOps

from edgewise.data.image import CROP, centre, open_picture, pixels_for, size, stretched, to_tensor
from edgewise.errors import InputError
from edgewise.ir.model import Model
from edgewise.runtime.interpreter import Interpreter
from edgewise.tasks.classify import labels_of, read_labels

Picture = str | os.PathLike[str] | Image.Image | np.ndarray


class Options(TypedDict, total=False):
    """How a task is set up. `labels` are a list, or the path of a text file, by default the
    model's; `normalize` is a name in `data.image.NORMALIZATIONS`, by default as the model says, or
    guessed; `signature` the entry point; `crop` how much of a picture's shorter side is seen, of
    tasks that see its middle."""

    labels: Sequence[str] | str | os.PathLike[str] | None
    normalize: str | None
    signature: str | None
    crop: float


class PictureTask:
    """A model with one input, a picture, and the labels of what it finds.

    `sees_all`: the whole picture is scaled to the input, whatever its aspect; else its middle is
    cut out.

    Raises:
        InputError: the model takes something else than one picture.
    """

    sees_all = False

    def __init__(self, interpreter: Interpreter, **options: Unpack[Options]) -> None:
        self.interpreter, self.signature = interpreter, options.get("signature")
        inputs = interpreter.inputs(self.signature)
        if len(inputs) != 1:
            raise InputError(
                f"a picture feeds one input; the model takes {', '.join(inputs)}. "
                "Give a .npz with one array for each"
            )
        [self.type] = inputs.values()
        self.size = size(self.type)
        self.pixels = pixels_for(
            [interpreter.model],
            [self.type],
            normalize=options.get("normalize"),
            crop=options.get("crop", CROP),
        )
        labels = options.get("labels")
        if isinstance(labels, str | os.PathLike):
            labels = read_labels(labels)
        self.labels = labels_of(interpreter.model) if labels is None else list(labels)

    @classmethod
    def load(
        cls,
        model: Model | str | os.PathLike[str] | bytes,
        *,
        num_threads: int = 1,
        **options: Unpack[Options],
    ) -> Self:
        """The task of a Model or a `.tflite` file."""
        return cls(Interpreter(model, num_threads=num_threads), **options)

    def tensor(self, image: Image.Image) -> np.ndarray:
        """A picture as the model's input."""
        height, width = self.size
        if self.sees_all:
            seen = stretched(image, height, width)
        else:
            seen = centre(image, height, width, self.pixels.crop)
        return to_tensor(seen, self.type, self.pixels.normalization)

    def run(self, image: Image.Image) -> dict[str, np.ndarray]:
        """The model's outputs, as they are."""
        return self.interpreter(self.tensor(image), signature=self.signature)


def as_picture(given: Picture) -> Image.Image:
    """RGB, of a path, a picture, or an array of pixels uint8 [H, W], [H, W, 1], [H, W, 3 or 4].

    Raises:
        InputError: none of these.
    """
    if isinstance(given, np.ndarray):
        pixels = given[..., 0] if given.ndim == 3 and given.shape[2] == 1 else given
        if pixels.dtype != np.uint8 or not (
            pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] in (3, 4))
        ):
            raise InputError(
                f"pixels are uint8 [H, W], or [H, W, 1, 3 or 4]; got {given.dtype}"
                f"{list(given.shape)}"
            )
        return Image.fromarray(np.ascontiguousarray(pixels)).convert("RGB")
    if isinstance(given, Image.Image):
        return ImageOps.exif_transpose(given).convert("RGB")
    return open_picture(given)
