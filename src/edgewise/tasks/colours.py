"""Colours of classes in pictures."""

from __future__ import annotations

import colorsys

_TURN = 0.618034  # golden ratio: hues of neighbouring classes are far apart


def colour(index: int) -> tuple[int, int, int]:
    """RGB of a class; every class has its own."""
    red, green, blue = colorsys.hsv_to_rgb(index * _TURN % 1, 0.75, 0.8)
    return round(255 * red), round(255 * green), round(255 * blue)
