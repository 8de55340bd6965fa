"""Kernels of CONV_2D and FULLY_CONNECTED: products of patches and weights, by dtype.

What multiplies a type is imported where a model has it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgewise.dtypes import DType
from edgewise.ir.enums import Activation, Padding
from edgewise.ops.conv import Convolution
from edgewise.ops.window import Axis
from edgewise.runtime.calls import Call, Site, is_float, is_real, require, shape_of
from edgewise.runtime.select.weights import dense, window


def conv_2d(site: Site) -> Sequence[Call]:
    """Any kernel, stride, dilation and number of groups."""
    op, x, w = site.node.op, site.node.operand(0), site.node.operand(1)
    assert isinstance(op, Convolution)
    shape, out, (_, kh, kw, per_group) = shape_of(x), shape_of(site.node.output), shape_of(w)
    rows = Axis(kh, op.stride_h, op.dilation_h_factor)
    cols = Axis(kw, op.stride_w, op.dilation_w_factor)
    fields = window(shape, out, rows, cols, op.padding)
    require(shape[3] > 0, "x has no channels")
    return _product(site, fields, shape[3] // per_group, op.fused_activation_function)


def fully_connected(site: Site) -> Sequence[Call]:
    """x as [M, K]: a 1x1 convolution over M pixels."""
    o, k = shape_of(site.node.operand(1))
    require(k > 0 and o > 0, "the weights are empty")
    m = int(np.prod(shape_of(site.node.operand(0)), dtype=np.int64)) // k
    fields = window((m, 1, 1, k), (m, 1, 1, o), Axis(1), Axis(1), Padding.VALID)
    act = site.node.op.activation
    x = site.node.operand(0)
    if site.known(site.node.operand(1)) is None and x.dtype is not DType.INT16:
        if is_float(x):
            from edgewise.runtime.select import matmul_f32

            return matmul_f32.fully_connected(site, act)
        from edgewise.runtime.select import matmul_b8

        return matmul_b8.fully_connected(site, act)
    return _product(site, fields, 1, act)


def _product(site: Site, fields: dict[str, int], groups: int, act: Activation) -> Sequence[Call]:
    require(0 not in shape_of(site.node.operand(1)), "the weights are empty")
    if is_real(site.node.operand(0), site.node.output):
        from edgewise.runtime.select import conv_f32, conv_h8
        from edgewise.runtime.select.computed import weights_of

        run = fields["kernel_w"] * fields["c"] // groups
        weights = conv_h8.of_site(site, run, fields["o"] // groups)
        if not isinstance(weights, str):
            require(is_float(site.node.operand(0), site.node.output), "no kernel for bfloat16")
            from edgewise.runtime.select import few_rows

            if groups == 1 and few_rows.takes(weights, fields):
                return few_rows.hybrid(site, weights, fields["n"], act)
            from edgewise.runtime.select import conv_lines_h8

            if conv_lines_h8.takes(weights, fields):
                return conv_lines_h8.product(site, weights, fields, groups, act)
            return conv_h8.product(site, weights, fields, groups, act)
        floats = weights_of(site, channel_axis=0)
        return conv_f32.product(site, floats, fields, groups, act, why=weights)
    x, places = site.node.operand(0), dense(fields)
    if x.dtype is DType.INT16:
        from edgewise.runtime.select import conv_s16
        from edgewise.runtime.select.weights_s16 import Stored16

        wide = Stored16.of(site, channel_axis=0)
        return conv_s16.calls(site, x, wide, fields, groups, act, places)
    from edgewise.runtime.select import conv_b8
    from edgewise.runtime.select.weights_b8 import Stored

    return conv_b8.calls(site, x, Stored.of(site, channel_axis=0), fields, groups, act, places)
