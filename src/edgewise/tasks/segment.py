"""What each pixel shows: models whose output is a map of classes, as DeepLab's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Unpack

import numpy as np
from PIL import Image

from edgewise.errors import InputError
from edgewise.ir.types import TensorType
from edgewise.runtime.interpreter import Interpreter
from edgewise.tasks.classify import Guess
from edgewise.tasks.colours import colour
from edgewise.tasks.picture import Options, Picture, PictureTask, as_picture

_HALF = 0.5


@dataclass(frozen=True, slots=True)
class Segmentation:
    """The class of each pixel: int32 [H, W], as large as the picture; and the classes' names."""

    mask: np.ndarray
    labels: tuple[str, ...]

    def shares(self) -> list[Guess]:
        """How much of the picture each class covers, the largest first."""
        indices, counts = np.unique(self.mask, return_counts=True)
        found = [
            Guess(int(i), self._label(int(i)), float(n / self.mask.size))
            for i, n in zip(indices, counts, strict=True)
        ]
        return sorted(found, key=lambda guess: -guess.score)

    def draw(self, picture: Image.Image, opacity: float = 0.6) -> Image.Image:
        """The picture with every class but 0, the background, in a colour."""
        colours = np.array([colour(i) for i in range(int(self.mask.max(initial=0)) + 1)], np.uint8)
        painted = Image.fromarray(colours[np.maximum(self.mask, 0)])
        opaque = Image.fromarray(np.where(self.mask > 0, round(255 * opacity), 0).astype(np.uint8))
        return Image.composite(painted, picture, opaque)

    def _label(self, index: int) -> str:
        return self.labels[index] if 0 <= index < len(self.labels) else f"class {index}"


class ImageSegmenter(PictureTask):
    """Tells of every pixel what it shows. The model's output is a class for each pixel [1, H, W],
    or scores [1, H, W, C]; of a single score (a probability, or a logit where one is outside of 0
    to 1) the pixel is class 1 where it is more likely than not.

    Raises:
        InputError: the model has no such output.
    """

    sees_all = True

    def __init__(self, interpreter: Interpreter, **options: Unpack[Options]) -> None:
        super().__init__(interpreter, **options)
        outputs = interpreter.outputs(self.signature)
        found = [name for name, type_ in outputs.items() if is_map(type_)]
        if not found:
            shown = ", ".join(f"{name} {type_}" for name, type_ in outputs.items())
            raise InputError(
                f"a segmenter has an output [1, H, W] or [1, H, W, classes]; this has {shown}"
            )
        self._output = found[0]
        shape = outputs[found[0]].shape or ()
        if len(shape) == 4 and shape[3] == 1 and self.labels is not None and len(self.labels) == 1:
            self.labels = ["background", *self.labels]

    def segment(self, image: Picture) -> Segmentation:
        """The class of each pixel of a picture."""
        picture = as_picture(image)
        return self.read(self.run(picture), picture)

    def read(self, outputs: Mapping[str, np.ndarray], picture: Image.Image) -> Segmentation:
        """The classes from what `run` gave for this picture."""
        found = outputs[self._output][0]
        quant = self.interpreter.outputs(self.signature)[self._output].quant
        if found.ndim == 3 and found.shape[2] == 1:
            real = found[..., 0] if quant is None else quant.dequantize(found)[..., 0]
            are_logits = real.min() < 0 or real.max() > 1
            found = real > (0 if are_logits else _HALF)
        elif found.ndim == 3:
            found = found.argmax(2)
        scaled = Image.fromarray(found.astype(np.int32)).resize(
            picture.size, Image.Resampling.NEAREST
        )
        return Segmentation(np.asarray(scaled), tuple(self.labels or ()))


def is_map(type_: TensorType) -> bool:
    """Whether an output can be a map of classes."""
    shape = type_.shape or ()
    is_large = len(shape) in (3, 4) and all(not isinstance(n, int) or n > 1 for n in shape[1:3])
    return is_large and (len(shape) == 4 or type_.dtype.is_integer)
