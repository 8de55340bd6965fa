"""CONV_3D, and CONV_3D_TRANSPOSE as ordinary convolutions, one for every phase of its strides.

Plane Y = s * j + f of a transposed y sums w[p] * x[i] over s * i + d * p = Y + pad. For each phase
f < s the taps p with f + pad - d * p in multiples of s are every q-th, q = s / gcd(s, d); from the
last one back, i = j + (f + pad - d * p) / s moves on by d * q / s. Rows and columns likewise.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import product

import numpy as np

from edgewise.ir.enums import Padding
from edgewise.ir.graph import Value
from edgewise.ops.conv3d import Conv3D
from edgewise.ops.transpose_conv import Conv3DTranspose
from edgewise.ops.window import Axis
from edgewise.runtime.calls import Call, Selection, Site, float_bounds, is_float, require, shape_of
from edgewise.runtime.library import pack
from edgewise.runtime.select import conv_f32
from edgewise.runtime.select.computed import weights_of
from edgewise.runtime.select.weights import Weights, window
from edgewise.values import dataclass, replace

Array = np.ndarray


@dataclass(frozen=True, slots=True)
class _Phase:
    """Outputs of one axis: where the first one lies and how far apart they are in y, how many;
    their window."""

    first: int
    step: int
    count: int
    taps: slice
    axis: Axis
    pad: int  # negative where the first window begins inside x


def conv_3d(site: Site) -> Selection:
    """One product; a line of y is a tile."""
    op, x, y = site.node.op, site.node.operand(0), site.node.output
    assert isinstance(op, Conv3D)
    weights = _weights(site, x=0, bias=2)
    axes, sizes = _axes(op, weights.array), shape_of(x)
    if all(axis.kernel == axis.stride == 1 for axis in axes):
        return _pixels(site, weights)
    phases = [
        _Phase(0, 1, out, slice(None), axis, axis.pads(size, op.padding)[0])
        for axis, size, out in zip(axes, sizes[1:], shape_of(y)[1:], strict=False)
    ]
    return _calls(site, x, weights, phases)


def conv_3d_transpose(site: Site) -> Selection:
    """A product for each phase that has elements of y; one without taps gives the bias."""
    op, x = site.node.op, site.node.operand(2)
    assert isinstance(op, Conv3DTranspose)
    found = _weights(site, x=2, bias=3)
    weights = replace(found, array=found.array.swapaxes(3, 4))
    sizes = zip(_axes(op, weights.array), shape_of(site.node.output)[1:], strict=False)
    axes = [list(_phases(axis, size, axis.pads(size, op.padding)[0])) for axis, size in sizes]
    return [call for phases in product(*axes) for call in _calls(site, x, weights, phases)]


def _pixels(site: Site, weights: Weights) -> Selection:
    """y is made pixel by pixel: a product as in two dimensions."""
    op = site.node.op
    assert isinstance(op, Conv3D)
    c, o = weights.array.shape[3:]
    m = math.prod(shape_of(site.node.operand(0))[:4])
    fields = window((m, 1, 1, c), (m, 1, 1, o), Axis(1), Axis(1), Padding.VALID)
    matrix = replace(weights, array=weights.array.reshape(c, o).T)
    return conv_f32.product(site, matrix, fields, 1, op.fused_activation_function)


def _weights(site: Site, x: int, bias: int) -> Weights:
    """[KD, KH, KW, C, O], or [KD, KH, KW, O, C] of a transposed one."""
    source, y = site.node.operand(x), site.node.output
    require(is_float(source, y), f"no kernel for {source.dtype.text}")
    weights = weights_of(site, 4 if bias == 2 else 3, x=x, w=1, bias=bias)
    require(weights.array.size > 0, "the weights are empty")
    return weights


def _axes(op: Conv3D | Conv3DTranspose, w: Array) -> tuple[Axis, Axis, Axis]:
    return (
        Axis(w.shape[0], op.stride_d, op.dilation_d_factor),
        Axis(w.shape[1], op.stride_h, op.dilation_h_factor),
        Axis(w.shape[2], op.stride_w, op.dilation_w_factor),
    )


def _phases(axis: Axis, size: int, pad: int) -> Iterator[_Phase]:
    stride, dilation = axis.stride, axis.dilation
    every = stride // math.gcd(stride, dilation)
    for first in range(min(stride, size)):
        found = [p for p in range(axis.kernel) if (first + pad - p * dilation) % stride == 0]
        taps, start = slice(0, 0), 0
        if found:
            stop = found[0] - every
            taps = slice(found[-1], stop if stop >= 0 else None, -every)
            start = (first + pad - found[-1] * dilation) // stride
        chosen = Axis(len(found), 1, dilation * every // stride)
        yield _Phase(first, stride, -(-(size - first) // stride), taps, chosen, -start)


def _calls(site: Site, x: Value, weights: Weights, phases: Sequence[_Phase]) -> Sequence[Call]:
    """The outputs of one phase of each axis, weights [KD, KH, KW, C, O] of all of them."""
    op, y = site.node.op, site.node.output
    assert isinstance(op, Conv3D | Conv3DTranspose)
    (n, *sizes, _), (_, _, height, width, o) = shape_of(x), shape_of(y)
    part = weights.array[tuple(phase.taps for phase in phases)]
    matrix, bias, before = conv_f32.packed(
        replace(weights, array=np.moveaxis(part, 4, 0)), 1, site.target.isa.lanes
    )
    for size, phase in zip(sizes, phases, strict=True):
        span = max(size + abs(phase.pad), phase.count * phase.axis.stride) + phase.axis.extent
        require(span < 2**31, "x and its padding have 2**31 planes, lines or columns or more")
    steps = (height * width * o, width * o, o)
    low, high = float_bounds(op.fused_activation_function)
    places = [phase.first * step for phase, step in zip(phases, steps, strict=True)]
    fields = {
        "n": n,
        "c": part.shape[3],
        "o": o,
        "x": sizes,
        "y": [phase.count for phase in phases],
        "kernel": part.shape[:3],
        "stride": [phase.axis.stride for phase in phases],
        "dilation": [phase.axis.dilation for phase in phases],
        "pad": [phase.pad % (1 << 32) for phase in phases],
        "y_first": sum(places),
        "y_image": math.prod(shape_of(y)[1:]),
        "y_stride": [phase.step * step for phase, step in zip(phases, steps, strict=True)],
        "low": low,
        "high": high,
    }
    n_tiles = n * phases[0].count * phases[1].count if math.prod(shape_of(y)) else 0
    operands = (x, matrix, bias, y)
    return [*before, Call("conv_3d_f32", pack("ew_conv_3d_f32", fields), operands, n_tiles)]
