"""Random tensors, drawn anew in every run.

Source: tensorflow/core/ops/random_ops.cc, TensorFlow 2.21.
"""

from __future__ import annotations

import math

import numpy as np

from edgewise.dtypes import DType
from edgewise.frontends.context import known_sizes
from edgewise.frontends.decompose import functions as fn
from edgewise.frontends.decompose.special import ndtri
from edgewise.frontends.tensorflow import attrs
from edgewise.frontends.tensorflow.context import Context, Handler
from edgewise.frontends.tensorflow.handlers.shapes import int32
from edgewise.frontends.tensorflow.program import TFNode
from edgewise.ir.graph import Value
from edgewise.ir.op import operator


def _seeds(node: TFNode) -> dict[str, int]:
    return {key: attrs.integer(node, key, 0) for key in ("seed", "seed2")}


def _uniform(c: Context, node: TFNode, shape: Value) -> Value:
    """other numbers than TensorFlow's for the same seed"""
    return c.b.random_uniform(int32(c, shape), **_seeds(node))


def _normal(c: Context, node: TFNode, shape: Value) -> Value:
    """as RandomUniform"""
    return c.b.random_standard_normal(int32(c, shape), **_seeds(node))


def _uniform_int(c: Context, node: TFNode, shape: Value, low: Value, high: Value) -> Value:
    """floor(low + RANDOM_UNIFORM * (high - low)): whole numbers below 2**24"""
    span = c.real(c.b.sub(high, low))
    drawn = c.b.floor(c.b.mul(_uniform(c, node, shape), span))
    return c.b.add(c.cast(drawn, low.dtype), low)


def _multinomial(c: Context, node: TFNode, logits: Value, count: Value) -> Value:
    """as RandomUniform"""
    wanted = attrs.dtype(node, "output_dtype", DType.INT64)
    return c.b.multinomial(logits, int32(c, count), dtype=wanted, **_seeds(node))


def _truncated_normal(c: Context, node: TFNode, shape: Value) -> Value:
    """the quantile (Ndtri) of RANDOM_UNIFORM between those of -2 and 2"""
    tail = 0.5 * math.erfc(2 / math.sqrt(2))
    drawn = _uniform(c, node, shape)
    return ndtri(c, fn.plus(c, fn.scaled(c, drawn, 1 - 2 * tail), tail))


def _shuffled(c: Context, node: TFNode, x: Value) -> Value:
    """GATHER by the order (TOPK_V2) of RANDOM_UNIFORM numbers"""
    (count,) = known_sizes(x.shape[:1], "an axis")
    drawn = _uniform(c, node, c.ints([count]))
    size = c.b.constant(np.array(count, np.int32))
    return c.b.gather(x, c.b.node(operator("topk_v2")(), drawn, size).outputs[1])


HANDLERS: dict[str, Handler] = {
    "RandomUniform": _uniform,
    "RandomStandardNormal": _normal,
    "RandomUniformInt": _uniform_int,
    "Multinomial": _multinomial,
    "TruncatedNormal": _truncated_normal,
    "RandomShuffle": _shuffled,
}
