"""Boxes that overlap better ones are left out: NON_MAX_SUPPRESSION_V4, V5."""

from __future__ import annotations

import heapq

import numpy as np

from edgewise.dtypes import DType
from edgewise.ir.contents import dims
from edgewise.ir.dim import Dim, Shape, same_dim, unknown_dim
from edgewise.ir.op import In, NotQuantized, Op, Operand, Out, Role, require
from edgewise.ops.axes import shown

_OPERANDS = (
    In("boxes", {DType.FLOAT32}),
    In("scores", {DType.FLOAT32}),
    In("max_output_size", {DType.INT32}, Role.PARAMETER),
    In("iou_threshold", {DType.FLOAT32}, Role.PARAMETER),
    In("score_threshold", {DType.FLOAT32}, Role.PARAMETER),
)


class NonMaxSuppressionV4(
    Op, builtin="NON_MAX_SUPPRESSION_V4", options="NonMaxSuppressionV4Options"
):
    """Indices of boxes by falling score, without those that overlap a chosen one too much.

    A box is left out if its intersection over union with a chosen one reaches `iou_threshold`, or
    its score is not above `score_threshold`; of equal scores the lower index comes first. The
    result is filled up with 0; `valid` says how many count.
    Shapes: boxes [N, 4] (two opposite corners, y and x), scores [N], the others scalars; indices
    [max_output_size], valid [].
    **Source:** TensorFlow Lite kernels/non_max_suppression.cc, internal/reference.
    """

    operands = _OPERANDS
    results = (Out("indices", dtype=DType.INT32), Out("valid", dtype=DType.INT32))
    quantization = NotQuantized()

    def infer(
        self, boxes: Operand, scores: Operand, size: Operand, *limits: Operand
    ) -> tuple[Shape, ...]:
        return (_chosen(boxes, scores, size, limits),), ()

    def reference(
        self, boxes: np.ndarray, scores: np.ndarray, size: np.ndarray, *limits: np.ndarray
    ) -> tuple[np.ndarray, ...]:
        indices, _, valid = suppressed(boxes, scores, int(size.reshape(-1)[0]), *_numbers(limits))
        return indices, valid


class NonMaxSuppressionV5(
    Op, builtin="NON_MAX_SUPPRESSION_V5", options="NonMaxSuppressionV5Options"
):
    """As NON_MAX_SUPPRESSION_V4, and the scores; with `soft_nms_sigma` s > 0 an overlap o lowers
    the score of a box that stays by exp(-o**2 / (2 s)).

    Shapes: as there, soft_nms_sigma []; selected scores [max_output_size].
    **Source:** TensorFlow Lite kernels/non_max_suppression.cc; Bodla et al. 2017.
    """

    operands = (*_OPERANDS, In("soft_nms_sigma", {DType.FLOAT32}, Role.PARAMETER))
    results = (
        Out("indices", dtype=DType.INT32),
        Out("selected_scores", like="scores"),
        Out("valid", dtype=DType.INT32),
    )
    quantization = NotQuantized()
    tolerance = 1e-6

    def infer(
        self, boxes: Operand, scores: Operand, size: Operand, *limits: Operand
    ) -> tuple[Shape, ...]:
        count = _chosen(boxes, scores, size, limits)
        return (count,), (count,), ()

    def reference(
        self, boxes: np.ndarray, scores: np.ndarray, size: np.ndarray, *limits: np.ndarray
    ) -> tuple[np.ndarray, ...]:
        return suppressed(boxes, scores, int(size.reshape(-1)[0]), *_numbers(limits))


def _chosen(boxes: Operand, scores: Operand, size: Operand, limits: tuple[Operand, ...]) -> Dim:
    require(
        len(boxes.shape) == 2 and same_dim(boxes.shape[1], 4) is not False,
        f"boxes must be [N, 4]; got {shown(boxes.shape)}",
    )
    require(
        len(scores.shape) == 1 and same_dim(scores.shape[0], boxes.shape[0]) is not False,
        f"scores must be [{boxes.shape[0]}], one per box; got {shown(scores.shape)}",
    )
    require(
        all(not limit.shape for limit in (size, *limits)), "sizes and thresholds must be scalars"
    )
    known = dims(size)
    if known is None:
        return unknown_dim()
    count = known[0]
    require(
        not isinstance(count, int) or count >= 0,
        f"max_output_size must not be negative; got {count}",
    )
    return count


def _numbers(limits: tuple[np.ndarray, ...]) -> list[np.float32]:
    return [np.float32(limit.reshape(-1)[0]) for limit in limits]


_HARD = np.float32(0)


def suppressed(
    boxes: np.ndarray,
    scores: np.ndarray,
    size: int,
    overlap: np.float32,
    least: np.float32,
    sigma: np.float32 = _HARD,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(indices [size], scores [size], how many count), boxes [N, 4], scores [N].

    A box whose score was lowered goes back among the candidates, to be compared later only with
    what was chosen since.
    """
    require(size >= 0, f"max_output_size must not be negative; got {size}")
    falloff = np.float32(-0.5) / sigma if sigma > 0 else np.float32(0)
    low, high = np.minimum(boxes[:, :2], boxes[:, 2:]), np.maximum(boxes[:, :2], boxes[:, 2:])
    waiting = [(-s, i, 0) for i, s in enumerate(scores) if s > least]
    heapq.heapify(waiting)
    chosen: list[tuple[int, np.float32]] = []
    while waiting and len(chosen) < size:
        negative, i, begin = heapq.heappop(waiting)
        score, is_out = -negative, False
        for j, _ in reversed(chosen[begin:]):
            shared = _overlap(low, high, i, j)
            is_out = bool(shared >= overlap)
            if is_out:
                break
            score = np.float32(score * np.exp(falloff * shared * shared))
            if score <= least:
                break
        if is_out:
            continue
        if score == -negative:
            chosen.append((i, score))
        elif score > least:
            heapq.heappush(waiting, (-score, i, len(chosen)))
    indices, kept = np.zeros(size, np.int32), np.zeros(size, np.float32)
    for place, (i, score) in enumerate(chosen):
        indices[place], kept[place] = i, score
    return indices, kept, np.array(len(chosen), np.int32)


def _overlap(low: np.ndarray, high: np.ndarray, i: int, j: int) -> np.float32:
    """Intersection over union; 0 where a box has no area."""
    areas = [np.prod(high[k] - low[k]) for k in (i, j)]
    if areas[0] <= 0 or areas[1] <= 0:
        return np.float32(0)
    sides = np.minimum(high[i], high[j]) - np.maximum(low[i], low[j])
    shared = np.prod(np.maximum(sides, np.float32(0)))
    return np.float32(shared / (areas[0] + areas[1] - shared))
