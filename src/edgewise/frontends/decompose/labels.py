"""Sequences of labels out of scores for every step."""

from __future__ import annotations

import numpy as np

from edgewise.dtypes import DType
from edgewise.frontends.context import Context, known_sizes
from edgewise.ir.graph import Value


def decoded(
    c: Context, scores: Value, lengths: Value, blank: int, *, merges: bool
) -> tuple[Value, Value]:
    """The best label of every step, without repetitions (`merges`) and blanks: scores [B, T, C] and
    lengths [B] to labels [B, T], -1 behind the last, and minus the sum of their scores [B, 1].

    What is kept has a place, the number of kept ones before it; a label is the sum over all steps
    of those with its place, T * T sums of which one counts.
    Source: tensorflow/core/kernels/ctc_decoder_ops.cc, TensorFlow 2.21.
    """
    steps, classes = known_sizes(scores.shape[1:], "scores")
    label = c.b.arg_max(scores, c.ints([2]))
    at = c.b.constant(np.arange(steps, dtype=np.int32))
    inside = c.b.less(at, c.b.expand_dims(c.cast(lengths, DType.INT32), c.ints([1])))
    kept = c.b.logical_and(inside, c.b.not_equal(label, c.scalar(blank % classes, label)))
    if merges:
        pads = c.b.constant(np.array([[0, 0], [1, 0]], np.int32))
        before = c.b.padv2(label, pads, c.scalar(-1, label))
        before = c.b.slice(before, c.ints([0, 0]), c.ints([-1, steps]))
        kept = c.b.logical_and(kept, c.b.not_equal(label, before))
    counts = c.cast(kept, DType.INT32)
    place = c.b.cumsum(counts, c.b.constant(np.array(1, np.int32)), exclusive=True)
    there = c.b.equal(
        c.b.expand_dims(place, c.ints([1])), c.b.constant(np.arange(steps, dtype=np.int32)[:, None])
    )
    marked = c.b.mul(c.b.add(label, c.scalar(1, label)), counts)
    found = c.b.mul(c.cast(there, DType.INT32), c.b.expand_dims(marked, c.ints([1])))
    labels = c.b.sub(c.b.sum(found, c.ints([2])), c.scalar(1, label))
    best = c.b.reduce_max(scores, c.ints([2]))
    best = c.b.select_v2(inside, best, c.scalar(0))
    return labels, c.b.neg(c.b.sum(best, c.ints([1]), keep_dims=True))
