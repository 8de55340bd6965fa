"""Views of a picture: what a camera might have seen instead.

View 0 is the picture's middle, as at inference. The others are cut out of it at random (half to all
of its area, aspect 3:4 to 4:3), mirrored or not, and a little brighter, darker, paler. What is
random follows from the picture's contents and the number of the view, so that a view is the same
in every run and need be computed once.
**Source:** the cuts are those of "Going Deeper with Convolutions" (Szegedy et al., 2014), with half
of the area as the least: pictures that are to be told apart by one thing should still show it.
"""

from __future__ import annotations

import hashlib
import math

import numpy as np
from PIL import Image, ImageEnhance

from edgewise.data.image import centre

VERSION = 1  # of what is drawn; part of the names of kept features
_LEAST_AREA = 0.5
_ASPECTS = (math.log(3 / 4), math.log(4 / 3))
_STRENGTH = 0.2  # brightness, contrast, colour: 0.8 to 1.2
_ENHANCERS = (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color)


def view(
    image: Image.Image, digest: bytes, number: int, size: tuple[int, int], crop: float
) -> np.ndarray:
    """uint8 [height, width, 3]: view `number` of a picture whose contents have this digest."""
    height, width = size
    if number == 0:
        return centre(image, height, width, crop)
    seed = hashlib.sha256(digest + number.to_bytes(4, "little")).digest()
    rng = np.random.default_rng(int.from_bytes(seed[:8], "little"))
    window = image.resize((width, height), Image.Resampling.BILINEAR, _box(image, rng))
    if rng.random() < 0.5:
        window = window.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    for enhancer in _ENHANCERS:
        window = enhancer(window).enhance(1 + rng.uniform(-_STRENGTH, _STRENGTH))
    return np.asarray(window)


def _box(image: Image.Image, rng: np.random.Generator) -> tuple[float, float, float, float]:
    """A part of the picture, (left, top, right, bottom)."""
    area = image.width * image.height * rng.uniform(_LEAST_AREA, 1)
    aspect = math.exp(rng.uniform(*_ASPECTS))
    w = min(image.width, math.sqrt(area * aspect))
    h = min(image.height, math.sqrt(area / aspect))
    left, top = rng.uniform(0, image.width - w), rng.uniform(0, image.height - h)
    return left, top, left + w, top + h
