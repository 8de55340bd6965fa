"""CONV_3D in float32: weights packed by blocks of two vectors of output channels."""

from __future__ import annotations

import math

import numpy as np

from edgewise.dtypes import FLOATS
from edgewise.ops.conv3d import Conv3D
from edgewise.ops.window import Axis
from edgewise.runtime.calls import Call, Selection, Site, float_bounds, is_float, require, shape_of
from edgewise.runtime.library import pack
from edgewise.runtime.select.weights import real


def conv_3d(site: Site) -> Selection:
    """One call; a line of y is a tile."""
    op, node = site.node.op, site.node
    assert isinstance(op, Conv3D)
    x, y = node.operand(0), node.output
    require(is_float(x, y), f"no kernel for {x.dtype.text}")
    require(node.operand(1).dtype in FLOATS, "the weights are not floats")
    w = real(node.operand(1), site.constant(1, "weights"))
    bias = site.optional_constant(2, "biases")
    *kernel, c, o = w.shape
    axes = (
        Axis(kernel[0], op.stride_d, op.dilation_d_factor),
        Axis(kernel[1], op.stride_h, op.dilation_h_factor),
        Axis(kernel[2], op.stride_w, op.dilation_w_factor),
    )
    (n, *sizes, _), (_, *outs, _) = shape_of(x), shape_of(y)
    columns = 2 * site.target.isa.lanes
    padded = np.zeros((math.prod(kernel) * c, -(-o // columns) * columns), np.float32)
    padded[:, :o] = w.reshape(-1, o)
    packed = padded.reshape(len(padded), -1, columns).transpose(1, 0, 2)
    added = np.zeros(padded.shape[1], np.float32)
    if bias is not None:
        added[:o] = real(node.operand(2), bias).reshape(-1)
    low, high = float_bounds(op.fused_activation_function)
    pads = [a.pads(s, op.padding)[0] for a, s in zip(axes, sizes, strict=True)]
    fields = {
        "n": n,
        "c": c,
        "o": o,
        "x": sizes,
        "y": outs,
        "kernel": kernel,
        "stride": [a.stride for a in axes],
        "dilation": [a.dilation for a in axes],
        "pad": pads,
        "low": low,
        "high": high,
    }
    n_tiles = math.prod((n, *outs[:2])) if math.prod(shape_of(y)) else 0
    operands = (x, np.ascontiguousarray(packed), added, y)
    return [Call("conv_3d_f32", pack("ew_conv_3d_f32", fields), operands, n_tiles, 4 * c + 4)]
