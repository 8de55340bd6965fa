"""Small pictures that can be told apart, in folders."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image


def picture(kind: str, number: int) -> Image.Image:
    """Noise, of `kind` "red" or "blue" (or a mixture)."""
    rng = np.random.default_rng([number, *kind.encode()])
    pixels = rng.integers(0, 120, (40, 48, 3))
    pixels[..., {"red": 0, "blue": 2}.get(kind, 1)] += 110
    return Image.fromarray(pixels.astype(np.uint8))


def fill(
    folder: Path, count: int, kinds: tuple[str, ...] = ("blue", "red"), start: int = 0
) -> None:
    """`count` pictures of each kind, in a folder of its name."""
    for kind in kinds:
        (folder / kind).mkdir(parents=True, exist_ok=True)
        for number in range(start, start + count):
            picture(kind, number).save(folder / kind / f"{number}.png")
