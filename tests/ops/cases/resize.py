"""Cases of ops/resize.py."""

from edgewise.ops.resize import ResizeBilinear, ResizeNearestNeighbor
from tests.ops.case import Case, arg, const

ALL = ("int8", "uint8", "int16")


def resize(op, shape, size, *, quantize=ALL, label="", error="", **attributes):
    return Case(
        op(**attributes),
        (arg(shape), const(size, "int32")),
        label=label,
        quantize=() if error else quantize,
        error=error,
    )


CASES = [
    case
    for op in (ResizeBilinear, ResizeNearestNeighbor)
    for case in (
        resize(op, (1, 5, 7, 3), [11, 13]),
        resize(op, (2, 8, 6, 5), [3, 4], label="down"),
        resize(op, (1, 4, 4, 2), [8, 8], label="double"),
        resize(op, (1, 5, 7, 3), [11, 13], half_pixel_centers=True, label="centres"),
        resize(op, (2, 9, 6, 5), [4, 5], half_pixel_centers=True, label="centres-down"),
        resize(op, (1, 4, 4, 2), [8, 8], half_pixel_centers=True, label="centres-double"),
        resize(op, (1, 5, 7, 3), [11, 13], align_corners=True, label="corners"),
        resize(op, (1, 5, 7, 3), [1, 3], align_corners=True, label="corners-one"),
        resize(op, (1, 1, 1, 1), [3, 2], label="from-one"),
        resize(op, (1, 31, 29, 1), [224, 200], half_pixel_centers=True, label="large"),
        resize(op, (1, 5, 7, 3), [0, 3], error="size must be at least 1"),
        resize(op, (1, 5, 7, 3), [3], error="size must be [OH, OW]"),
        resize(op, (1, 0, 7, 3), [3, 3], error="at least one pixel"),
        resize(op, (5, 7, 3), [3, 3], error="x must be [N, H, W, C]"),
    )
]
CASES += [
    resize(
        ResizeBilinear,
        (1, 5, 7, 3),
        [3, 3],
        align_corners=True,
        half_pixel_centers=True,
        error="exclude each other",
    ),
    resize(
        ResizeNearestNeighbor,
        (1, 5, 7, 3),
        [9, 12],
        align_corners=True,
        half_pixel_centers=True,
        label="both",
    ),
]
