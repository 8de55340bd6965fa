"""Pooling over windows of two and three axes.

Three axes are two poolings one after the other: maxima and sums, and the counts that divide them,
are separable. Source: tensorflow/core/ops/nn_ops.cc, TensorFlow 2.21.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from edgewise.frontends.decompose.windows import pooled
from edgewise.frontends.tensorflow import attrs
from edgewise.frontends.tensorflow.context import Context, Handler
from edgewise.frontends.tensorflow.handlers.layout import Window, channels_last, spatial
from edgewise.frontends.tensorflow.program import TFNode
from edgewise.ir.graph import Value


def _max_pool(c: Context, node: TFNode, x: Value) -> Value:
    """explicit paddings by PADV2 with the lowest number"""
    return _pool(c, node, x, "max_pool_2d", float(np.finfo(np.float32).min))


def _average_pool(c: Context, node: TFNode, x: Value) -> Value:
    """padding does not count"""
    return _pool(c, node, x, "average_pool_2d", 0.0)


def _max_pool_v2(c: Context, node: TFNode, x: Value, size: Value, strides: Value) -> Value:
    """window and strides by constant operands"""
    given = {
        "ksize": c.integers(size, "its window"),
        "strides": c.integers(strides, "its strides"),
    }
    return _max_pool(c, replace(node, attrs={**node.attrs, **given}), x)


def _pool(c: Context, node: TFNode, x: Value, name: str, outside: float) -> Value:
    window = Window.of(node)
    size = spatial(node, attrs.integers(node, "ksize"), "windows")

    def body(x: Value) -> Value:
        x = window.padded(c, x, outside)
        return pooled(name, c, x, size, window.strides, window.padding)

    return channels_last(c, node, x, body)


HANDLERS: dict[str, Handler] = {
    "MaxPool": _max_pool,
    "MaxPoolV2": _max_pool_v2,
    "AvgPool": _average_pool,
    "MaxPool3D": _max_pool,
    "AvgPool3D": _average_pool,
}
