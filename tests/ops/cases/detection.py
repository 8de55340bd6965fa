"""Cases of ops/detection.py."""

import numpy as np

from edgewise.ir import Quant
from edgewise.ops.detection import DetectionPostProcess
from tests.ops.case import Case, arg, const

SCALES = {"y_scale": 10.0, "x_scale": 10.0, "h_scale": 5.0, "w_scale": 5.0}


def anchors(rows, columns, *, sides=((0.3, 0.3),)):
    """[rows * columns * sides, 4]: centres on a grid."""
    grid = [
        [(i + 0.5) / rows, (j + 0.5) / columns, h, w]
        for i in range(rows)
        for j in range(columns)
        for h, w in sides
    ]
    return np.array(grid, np.float32)


def detections(rows, columns, classes, *, facts=None, background=1, width=4, **options):
    boxes = anchors(rows, columns)
    count = len(boxes)
    values = {
        "max_detections": 5,
        "max_classes_per_detection": 1,
        "num_classes": classes,
        "nms_iou_threshold": 0.5,
        **SCALES,
        **options,
    }
    operands = (
        arg((1, count, width)),
        arg((1, count, classes + background), low=0.0, high=1.0),
        const(boxes),
    )
    return Case(DetectionPostProcess(**values), operands, **(facts or {}))


def quantized(rows, columns, classes, *, label, **options):
    """All operands uint8."""
    boxes = anchors(rows, columns)
    stored = np.rint(boxes / np.float32(1 / 255)).astype(np.uint8)
    x = detections(rows, columns, classes, **options)
    count = len(boxes)
    operands = (
        arg((1, count, 4), "uint8", quant=Quant(0.05, 128)),
        arg((1, count, classes + 1), "uint8", quant=Quant(1 / 256, 0)),
        const(stored, quant=Quant(1 / 255)),
    )
    return Case(x.op, operands, label=label)


def mixed(*, label):
    """Only the scores are uint8."""
    x = detections(4, 4, 3)
    scores = arg((1, 16, 4), "uint8", quant=Quant(1 / 256, 0))
    return Case(x.op, (x.args[0], scores, x.args[2]), label=label)


def refused(error, *, shapes=((1, 4, 4), (1, 4, 4), (4, 4)), **options):
    x = detections(2, 2, 3, **options)
    return Case(x.op, tuple(arg(s) for s in shapes), error=error)


CASES = [
    detections(4, 4, 3),
    detections(13, 7, 90, facts={"label": "many"}, max_detections=10),
    detections(4, 4, 3, background=0, facts={"label": "no-background"}),
    detections(5, 3, 2, width=7, facts={"label": "keypoints"}),
    detections(5, 5, 6, max_classes_per_detection=3, facts={"label": "three-classes"}),
    detections(
        4,
        4,
        2,
        max_classes_per_detection=3,
        max_detections=3,
        facts={
            "label": "more-classes-than-there-are",
            "no_litert": "LiteRT leaves what is not filled as it was",
        },
    ),
    detections(
        4,
        4,
        3,
        nms_score_threshold=0.9,
        facts={
            "label": "few",
            "no_litert": "LiteRT leaves what is not filled as it was",
        },
    ),
    detections(6, 6, 4, nms_iou_threshold=1.0, facts={"label": "no-overlap-is-too-much"}),
    detections(1, 1, 1, max_detections=1, facts={"label": "one"}),
    detections(5, 5, 4, use_regular_nms=True, facts={"label": "regular"}),
    detections(
        5,
        5,
        4,
        use_regular_nms=True,
        detections_per_class=2,
        nms_score_threshold=0.3,
        max_detections=20,
        facts={"label": "regular-few"},
    ),
    detections(
        11,
        9,
        20,
        use_regular_nms=True,
        max_detections=30,
        nms_score_threshold=0.5,
        facts={"label": "regular-many"},
    ),
    quantized(4, 4, 1, max_detections=3, label="quantized"),
    quantized(5, 5, 1, max_detections=4, use_regular_nms=True, label="quantized-regular"),
    mixed(label="quantized-scores"),
    refused("must have rank 3, 3, 2", shapes=((4, 4), (1, 4, 4), (4, 4))),
    refused("there must be one image", shapes=((2, 4, 4), (2, 4, 4), (4, 4))),
    refused("each box must have its scores", shapes=((1, 4, 4), (1, 5, 4), (4, 4))),
    refused("encodings must have 4 numbers; got 3", shapes=((1, 4, 3), (1, 4, 4), (4, 4))),
    refused(
        "scores must be of 3 classes, or one more; got 5", shapes=((1, 4, 4), (1, 4, 5), (4, 4))
    ),
    refused("max_detections must be in [1, 65535]; got 0", max_detections=0),
    refused("nms_iou_threshold must be in (0, 1]; got 0.0", nms_iou_threshold=0.0),
    refused(
        "detections_per_class must be at least 1; got 0",
        use_regular_nms=True,
        detections_per_class=0,
    ),
]
