"""The rule of passes/resizing.py."""

import pytest

from edgewise.ir import Sym
from edgewise.passes.resizing import RESIZES
from tests.passes.example import Example, Twin, declines, ints, shows

NAME = "nearest pixels of nearest pixels"


def twice(x, middle, last, inner=None, **outer):
    """Nearest pixels of nearest pixels; `inner`: other attributes of the first."""

    def build(b):
        resize = b.resize_nearest_neighbor
        first = resize(b.input("x", x), b.constant(ints(*middle)), **(inner or outer))
        return resize(first, b.constant(ints(*last)), **outer)

    return build


PIXELS = {"half_pixel_centers": True}
TEXT = "resize_nearest_neighbor({}, {{{}}}, half_pixel_centers=True)"
EXAMPLES = [
    # two UpSampling2D(2); rows and columns may grow unlike
    Example(
        twice((1, 3, 5, 2), (6, 10), (12, 40), **PIXELS),
        TEXT.format(TEXT.format("x", "6, 10"), "12, 40"),
        TEXT.format("x", "12, 40"),
        (NAME,),
    ),
    # up and back again
    Example(
        twice((1, 3, 5, 2), (9, 15), (3, 5)),
        "resize_nearest_neighbor(resize_nearest_neighbor(x, {9, 15}), {3, 5})",
        "resize_nearest_neighbor(x, {3, 5})",
        (NAME,),
    ),
]
TWINS = [
    Twin(twice((1, 3, 5, 2), (7, 11), (12, 40)), NAME, "other ones are picked than by 7"),
    Twin(twice((1, 4, 4, 2), (2, 2), (4, 4), **PIXELS), NAME, "other ones are picked than by 2"),
    Twin(
        twice((1, 3, 5, 2), (4, 10), (12, 20), inner={"align_corners": True}),
        NAME,
        "from 3 to 12 pixels other ones are picked than by 4",
    ),
    Twin(
        twice((1, Sym("h", 1), 5, 2), (6, 10), (12, 20)), NAME, "the size of the image is unknown"
    ),
]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda e: e.before)
def test_rewrites(example):
    shows(example, RESIZES)


@pytest.mark.parametrize("twin", TWINS, ids=lambda t: t.reason)
def test_must_not_match(twin):
    declines(twin, RESIZES)
