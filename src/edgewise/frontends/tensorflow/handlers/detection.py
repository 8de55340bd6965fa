"""Suppression of overlapping boxes of several classes, image by image.

Source: tensorflow/core/kernels/image/non_max_suppression_op.cc, TensorFlow 2.21.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgewise.dtypes import DType
from edgewise.frontends.context import bounded, known_sizes
from edgewise.frontends.tensorflow import attrs
from edgewise.frontends.tensorflow.context import Context, Handler
from edgewise.frontends.tensorflow.program import TFNode
from edgewise.ir.graph import Value
from edgewise.ir.op import operator

MAX_CLASSES = 1024  # of all images of a batch
_LOWEST = float(np.finfo(np.float32).min)


def _combined(
    c: Context,
    node: TFNode,
    boxes: Value,
    scores: Value,
    per_class: Value,
    total: Value,
    overlap: Value,
    least: Value,
) -> Sequence[Value]:
    """a NON_MAX_SUPPRESSION_V4 for every class of every image, the best of all by TOPK_V2"""
    batch, classes = known_sizes((scores.shape[0], scores.shape[2]), "a batch")
    bounded(batch * classes, "its images and classes", MAX_CLASSES)
    most, wanted = c.integer(per_class, "its number per class"), c.integer(total, "its number")
    padded = min(wanted, most * classes) if attrs.flag(node, "pad_per_class", False) else wanted
    bounded(batch * classes * most, "its boxes")
    images = []
    for image in range(batch):
        of_boxes = _at(c, boxes, image)  # [N, 1 or classes, 4]
        of_scores = _at(c, scores, image)  # [N, classes]
        found = [
            _of_class(c, _column(c, of_boxes, k), _column(c, of_scores, k), most, overlap, least)
            for k in range(classes)
        ]
        images.append(_best(c, found, most, wanted, padded))
    box, score, label, count = (
        c.b.pack(*parts, values_count=batch, axis=0) for parts in zip(*images, strict=True)
    )
    if attrs.flag(node, "clip_boxes", True):
        box = c.b.minimum(c.b.maximum(box, c.scalar(0)), c.scalar(1))
    return box, score, label, count


def _at(c: Context, x: Value, image: int) -> Value:
    """x[image]."""
    rank = len(x.shape)
    part = c.b.slice(x, c.ints([image, *[0] * (rank - 1)]), c.ints([1, *[-1] * (rank - 1)]))
    return c.reshape(part, x.shape[1:])


def _column(c: Context, x: Value, k: int) -> Value:
    """x[:, k]; of boxes that all classes share the only one."""
    if x.shape[1] == 1:
        return c.reshape(x, (x.shape[0], *x.shape[2:]))
    rank = len(x.shape)
    part = c.b.slice(x, c.ints([0, k, *[0] * (rank - 2)]), c.ints([-1, 1, *[-1] * (rank - 2)]))
    return c.reshape(part, (x.shape[0], *x.shape[2:]))


def _of_class(
    c: Context, boxes: Value, scores: Value, most: int, overlap: Value, least: Value
) -> tuple[Value, Value]:
    """`most` boxes and scores, the lowest number where there are no more."""
    op = operator("non_max_suppression_v4")()
    size = c.b.constant(np.array(most, np.int32))
    chosen, count = c.b.node(op, boxes, scores, size, overlap, least).outputs
    kept = c.b.less(c.ints(range(most)), count)
    found = c.b.select_v2(kept, c.b.gather(scores, chosen), c.scalar(_LOWEST))
    return c.b.gather(boxes, chosen), found


def _best(
    c: Context, found: Sequence[tuple[Value, Value]], most: int, wanted: int, padded: int
) -> tuple[Value, Value, Value, Value]:
    """The best boxes of all classes, their scores and classes, and how many there are."""
    boxes, scores = (
        parts[0] if len(parts) == 1 else c.b.concatenation(*parts, axis=0)
        for parts in zip(*found, strict=True)
    )
    labels = c.b.constant(np.repeat(np.arange(len(found), dtype=np.float32), most))
    count = min(wanted, most * len(found))
    size = c.b.constant(np.array(count, np.int32))
    score, place = c.b.node(operator("topk_v2")(), scores, size).outputs
    there = c.b.greater(score, c.scalar(_LOWEST))
    zero = c.scalar(0)
    rows = c.reshape(there, (count, 1))
    results = [
        c.b.select_v2(rows, c.b.gather(boxes, place), zero),
        c.b.select_v2(there, score, zero),
        c.b.select_v2(there, c.b.gather(labels, place), zero),
    ]
    if padded > count:
        rest = [[0, padded - count]]
        edges = [c.b.constant(np.array([*rest, [0, 0]][: len(y.shape)], np.int32)) for y in results]
        results = [c.b.pad(y, e) for y, e in zip(results, edges, strict=True)]
    box, best, label = results
    return box, best, label, c.b.sum(c.cast(there, DType.INT32), c.ints([0]))


HANDLERS: dict[str, Handler] = {"CombinedNonMaxSuppression": _combined}
