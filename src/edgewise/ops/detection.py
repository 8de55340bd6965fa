"""What stands at the end of SSD networks: anchors and scores to boxes that do not overlap."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgewise.dtypes import DType
from edgewise.ir.dim import Shape, same_dim
from edgewise.ir.op import Arithmetic, In, NotQuantized, Op, Operand, Out, Quantized, Role, require
from edgewise.ir.types import TensorType
from edgewise.ops.axes import shown

TURNED = "anchors must have positive sides"
_TYPES = {DType.FLOAT32, DType.UINT8}
Chosen = list[tuple[int, int]]


class DetectionPostProcess(Op, custom="TFLite_Detection_PostProcess"):
    """Boxes decoded from their anchors, and of those the best ones that do not overlap.

    The centre of box i is encodings[i, 0:2] / (y_scale, x_scale) * anchors[i, 2:4] + anchors[i,
    0:2], its sides exp(encodings[i, 2:4] / (h_scale, w_scale)) * anchors[i, 2:4]. Only boxes whose
    score is at least `nms_score_threshold` count; by falling score (of equal ones the first) those
    are left out whose intersection over union with a better one is above `nms_iou_threshold`.

    Fast (`use_regular_nms` false): the best class of a box stands for it, and each of at most
    `max_detections` boxes comes with its `max_classes_per_detection` best classes. Regular: every
    class for itself, at most `detections_per_class` of each; then the best `max_detections`.
    The last `num_classes` columns of the scores are classes; one before them is the background.

    Shapes: encodings [1, N, 4 or more], scores [1, N, C], anchors [N, 4] (y, x, h, w); boxes [1, D,
    4] (ymin, xmin, ymax, xmax), classes and scores [1, D], count [1]; D = max_detections *
    max_classes_per_detection. What is not filled is zero, which LiteRT's fast method leaves as it
    was, and count is the number of boxes, not of their classes.

    Quantized (uint8): dequantized first; results are float32.
    **Source:** TensorFlow Lite kernels/detection_postprocess.cc; measured against LiteRT 2.3.
    """

    max_detections: int = 0
    max_classes_per_detection: int = 0
    detections_per_class: int = 100
    use_regular_nms: bool = False
    nms_score_threshold: float = 0.0
    nms_iou_threshold: float = 0.0
    num_classes: int = 0
    y_scale: float = 0.0
    x_scale: float = 0.0
    h_scale: float = 0.0
    w_scale: float = 0.0

    operands = (
        In("encodings", _TYPES),
        In("scores", _TYPES),
        In("anchors", _TYPES, Role.WEIGHT),
    )
    results = (
        Out("boxes", dtype=DType.FLOAT32),
        Out("classes", dtype=DType.FLOAT32),
        Out("best_scores", dtype=DType.FLOAT32),
        Out("count", dtype=DType.FLOAT32),
    )
    arithmetic = Arithmetic.FLOAT
    quantization = NotQuantized()
    tolerance = 1e-6

    def infer(self, encodings: Operand, scores: Operand, anchors: Operand) -> tuple[Shape, ...]:
        ranks = [len(o.shape) for o in (encodings, scores, anchors)]
        require(ranks == [3, 3, 2], f"encodings, scores, anchors must have rank 3, 3, 2; {ranks}")
        shapes = ", ".join(shown(o.shape) for o in (encodings, scores, anchors))
        require(
            same_dim(encodings.shape[0], 1) is not False
            and same_dim(scores.shape[0], 1) is not False,
            f"there must be one image; got {shapes}",
        )
        boxes = encodings.shape[1]
        require(
            same_dim(scores.shape[1], boxes) is not False
            and same_dim(anchors.shape[0], boxes) is not False
            and same_dim(anchors.shape[1], 4) is not False,
            f"each box must have its scores and an anchor of 4 numbers; got {shapes}",
        )
        width, columns = encodings.shape[2], scores.shape[2]
        require(
            not isinstance(width, int) or width >= 4, f"encodings must have 4 numbers; got {width}"
        )
        require(
            not isinstance(columns, int) or 0 <= columns - self.num_classes <= 1,
            f"scores must be of {self.num_classes} classes, or one more; got {columns}",
        )
        self._check()
        total = self.max_detections * self.max_classes_per_detection
        return (1, total, 4), (1, total), (1, total), (1,)

    def _check(self) -> None:
        for name in ("max_detections", "max_classes_per_detection", "num_classes"):
            count = getattr(self, name)
            require(0 < count < 1 << 16, f"{name} must be in [1, 65535]; got {count}")
        require(
            not self.use_regular_nms or self.detections_per_class > 0,
            f"detections_per_class must be at least 1; got {self.detections_per_class}",
        )
        require(
            0 < self.nms_iou_threshold <= 1,
            f"nms_iou_threshold must be in (0, 1]; got {self.nms_iou_threshold}",
        )

    def reference(
        self, encodings: np.ndarray, scores: np.ndarray, anchors: np.ndarray
    ) -> tuple[np.ndarray, ...]:
        corners = self._decode(encodings[0], anchors)
        require(not bool((corners[:, :2] > corners[:, 2:]).any()), TURNED)
        offset = scores.shape[2] - self.num_classes
        classes = scores[0, :, offset:]
        find = self._regular if self.use_regular_nms else self._fast
        chosen, places, count = find(corners, classes)
        total = self.max_detections * self.max_classes_per_detection
        boxes = np.zeros((1, total, 4), np.float32)
        found, best = np.zeros((2, 1, total), np.float32)
        for place, (row, column) in zip(places, chosen, strict=True):
            boxes[0, place], found[0, place] = corners[row], column
            best[0, place] = classes[row, column]
        return boxes, found, best, np.array([count], np.float32)

    def integer(
        self, operands: Sequence[Quantized | None], results: Sequence[TensorType]
    ) -> tuple[np.ndarray, ...]:
        return self.reference(
            *[o.data if o.quant is None else o.quant.dequantize(o.data) for o in operands if o]
        )

    def _decode(self, encodings: np.ndarray, anchors: np.ndarray) -> np.ndarray:
        """Corners [N, 4]: in double precision, centres and half sides rounded to float32."""
        scales = np.array([self.y_scale, self.x_scale, self.h_scale, self.w_scale], np.float32)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            scaled = encodings[:, :4].astype(np.float64) / scales.astype(np.float64)
            wide = anchors.astype(np.float64)
            centre = (scaled[:, :2] * wide[:, 2:] + wide[:, :2]).astype(np.float32)
            half = (0.5 * np.exp(scaled[:, 2:]) * wide[:, 2:]).astype(np.float32)
            return np.concatenate([centre - half, centre + half], 1)

    def _fast(self, corners: np.ndarray, classes: np.ndarray) -> tuple[Chosen, Sequence[int], int]:
        """(box, class) of the results, where they stand, how many boxes there are."""
        each = min(self.max_classes_per_detection, self.num_classes)
        order = np.argsort(-classes, axis=1, kind="stable")[:, :each]
        top = np.take_along_axis(classes, order[:, :1], 1)[:, 0]
        rows = self._suppress(corners, top, self.max_detections)
        chosen = [(row, int(column)) for row in rows for column in order[row]]
        step = self.max_classes_per_detection
        places = [i * step + k for i in range(len(rows)) for k in range(each)]
        return chosen, places, len(rows)

    def _regular(
        self, corners: np.ndarray, classes: np.ndarray
    ) -> tuple[Chosen, Sequence[int], int]:
        """As `_fast`: after every class, the best so far are kept."""
        kept: Chosen = []
        for column in range(self.num_classes):
            rows = self._suppress(corners, classes[:, column], self.detections_per_class)
            kept += [(row, column) for row in rows]
            kept.sort(key=lambda place: -classes[place])  # stable
            del kept[self.max_detections :]
        return kept, range(len(kept)), len(kept)

    def _suppress(self, corners: np.ndarray, scores: np.ndarray, most: int) -> list[int]:
        """At most so many boxes, by falling score, of which none overlaps a better one."""
        [waiting] = np.nonzero(scores >= np.float32(self.nms_score_threshold))
        waiting = waiting[np.argsort(-scores[waiting], kind="stable")]
        low, high = corners[:, :2], corners[:, 2:]
        area = (high - low).prod(1)
        chosen: list[int] = []
        while waiting.size and len(chosen) < most:
            first, rest = waiting[0], waiting[1:]
            chosen.append(int(first))
            sides = np.minimum(high[first], high[rest]) - np.maximum(low[first], low[rest])
            shared = np.maximum(sides, np.float32(0)).prod(1)
            with np.errstate(divide="ignore", invalid="ignore"):
                overlap = shared / (area[first] + area[rest] - shared)
            has_area = (area[first] > 0) & (area[rest] > 0)
            waiting = rest[~(has_area & (overlap > np.float32(self.nms_iou_threshold)))]
        return chosen
