"""Cases of ops/space.py."""

import numpy as np

from edgewise.ops.space import BatchToSpaceND, DepthToSpace, SpaceToBatchND, SpaceToDepth
from tests.ops.case import Case, arg, const

ALL = ("int8", "uint8", "int16")


def depth(cls, x, block, *, quantize=(), label="", error=""):
    return Case(cls(block_size=block), (arg(x),), quantize=quantize, label=label, error=error)


def batch(cls, x, block, border, *, quantize=(), label="", error=""):
    return Case(
        cls(),
        (
            arg(x),
            const(np.array(block, np.int32)),
            const(np.array(border, np.int32).reshape(-1, 2)),
        ),
        quantize=quantize,
        label=label,
        error=error,
    )


CASES = [
    depth(SpaceToDepth, (2, 4, 6, 3), 2, quantize=("int8", "uint8")),
    depth(SpaceToDepth, (1, 3, 3, 1), 3, label="whole"),
    depth(SpaceToDepth, (2, 26, 34, 5), 2, quantize=("int8", "uint8"), label="tiles"),
    depth(SpaceToDepth, (1, 3, 4, 1), 1, label="one"),
    depth(SpaceToDepth, (1, 3, 4, 1), 2, error="must divide height and width; got 2 for 3 and 4"),
    depth(SpaceToDepth, (1, 3, 4, 1), 0, error="block_size must be at least 1; got 0"),
    depth(SpaceToDepth, (3, 4, 1), 1, error="x must be [N, H, W, C]; got rank 3"),
    depth(DepthToSpace, (2, 2, 3, 12), 2, quantize=("int8", "uint8")),
    depth(DepthToSpace, (1, 1, 1, 9), 3, label="whole"),
    depth(DepthToSpace, (1, 2, 3, 6), 2, error="must divide the channels; got 2 for 6"),
    batch(SpaceToBatchND, (2, 4, 6, 3), (2, 3), ((0, 0), (0, 0)), quantize=ALL),
    batch(SpaceToBatchND, (1, 3, 5, 2), (2, 2), ((1, 0), (2, 1)), quantize=("int8",), label="pads"),
    batch(SpaceToBatchND, (2, 5, 3), (3,), ((0, 1),), label="rank3"),
    batch(
        SpaceToBatchND, (1, 3, 5, 2), (2, 2), ((0, 0), (0, 1)), error="must divide the padded size"
    ),
    batch(SpaceToBatchND, (1, 4, 4, 2), (0, 2), ((0, 0), (0, 0)), error="at least 1; got [0, 2]"),
    batch(SpaceToBatchND, (1, 4, 4, 2), (2, 2), ((-1, 1), (0, 0)), error="not be negative"),
    batch(SpaceToBatchND, (1, 4), (2, 2), ((0, 0), (0, 0)), error="with M below the rank 2"),
    batch(BatchToSpaceND, (12, 2, 3, 3), (2, 3), ((0, 0), (0, 0)), quantize=ALL),
    batch(BatchToSpaceND, (4, 2, 3, 2), (2, 2), ((1, 0), (0, 2)), label="crops"),
    batch(BatchToSpaceND, (6, 2, 3), (3,), ((0, 1),), label="rank3"),
    batch(BatchToSpaceND, (6, 2, 3), (3,), ((4, 1),), quantize=ALL, label="crops-rank3"),
    batch(BatchToSpaceND, (3, 2, 3, 1), (2, 2), ((0, 0), (0, 0)), error="must divide the batch"),
    batch(BatchToSpaceND, (4, 1, 1, 1), (2, 2), ((2, 1), (0, 0)), error="crops leave -1 elements"),
]
