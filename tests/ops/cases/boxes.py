"""Cases of ops/boxes.py."""

import numpy as np

from edgewise.ops.boxes import NonMaxSuppressionV4, NonMaxSuppressionV5
from tests.ops.case import Case, arg, const

BOXES = np.array(
    [
        [0, 0, 4, 4], [0, 1, 4, 5], [2, 2, 6, 6], [9, 9, 8, 8], [8, 8, 9.2, 9], [1, 5, 3, 7],
    ],
    np.float32,
)  # fmt: skip
SCORES = np.array([0.9, 0.75, 0.6, 0.95, 0.5, 0.3], np.float32)
AREALESS = np.concatenate([BOXES, [[3, 3, 3, 3]]]).astype(np.float32)
TIED = np.array([0.9, 0.75, 0.6, 0.95, 0.5, 0.3, 0.75], np.float32)


def best(size, overlap, least, sigma=None, *, boxes=BOXES, scores=SCORES, **facts):
    op = NonMaxSuppressionV4() if sigma is None else NonMaxSuppressionV5()
    limits = (overlap, least) if sigma is None else (overlap, least, sigma)
    operands = (
        arg(boxes.shape, values=boxes),
        arg(scores.shape, values=scores),
        const(size, "int32"),
        *(const(limit, "float32") for limit in limits),
    )
    return Case(op, operands, **facts)


CASES = [
    best(7, 0.5, 0.0),
    best(2, 0.9, 0.0, label="few"),
    best(9, 0.6, 0.55, label="scores"),
    best(0, 0.6, 0.5, label="none"),
    best(
        7,
        0.5,
        0.0,
        boxes=AREALESS,
        scores=TIED,
        label="no-area",
        no_litert="a box without area is chosen again and again",
    ),
    best(7, 0.5, 0.0, 0.0),
    best(7, 0.5, 0.0, 0.5, label="soft"),
    best(7, 1.0, 0.2, 0.3, label="soft-only"),
    best(3, 0.5, 0.0, boxes=BOXES[:, :3], error="boxes must be [N, 4]; got [6, 3]"),
    best(3, 0.5, 0.0, scores=SCORES[:5], error="scores must be [6], one per box; got [5]"),
    best(-1, 0.5, 0.0, error="max_output_size must not be negative; got -1"),
    best(3, [0.5], 0.0, 0.0, error="sizes and thresholds must be scalars"),
]
