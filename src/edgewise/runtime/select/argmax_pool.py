"""MediaPipe's MaxPoolingWithArgmax2D and MaxUnpooling2D."""

from __future__ import annotations

from edgewise.ops.mediapipe import MaxPoolingWithArgmax2D, MaxUnpooling2D
from edgewise.ops.window import Axis
from edgewise.runtime.calls import Call, Selection, Site, float_bounds, require, shape_of
from edgewise.runtime.library import pack
from edgewise.runtime.select.weights import window


def max_pool_argmax(site: Site) -> Selection:
    """A line of y is a tile."""
    op, node = site.node.op, site.node
    assert isinstance(op, MaxPoolingWithArgmax2D)
    x, (y, places) = node.operand(0), node.outputs
    rows, columns = Axis(op.filter_height, op.stride_h), Axis(op.filter_width, op.stride_w)
    fields = window(shape_of(x), shape_of(y), rows, columns, op.padding)
    low, high = float_bounds(op.fused_activation_function)
    none = dict.fromkeys(("y_stride", "is_signed", "low", "high"), 0)
    params = pack("ew_pool_2d", {**none, "window": fields, "low_f32": low, "high_f32": high})
    n_tiles = fields["n"] * fields["oh"]
    return [Call("max_pool_argmax_f32", params, (x, y, places), n_tiles, results=2)]


def max_unpool(site: Site) -> Selection:
    """An image is a tile: of elements that go to one place, the last counts."""
    op, node = site.node.op, site.node
    assert isinstance(op, MaxUnpooling2D)
    x, places, y = node.operand(0), node.operand(1), node.output
    (n, h, w, c), (_, oh, ow, _) = shape_of(x), shape_of(y)
    top, left = op.pads(h, w)
    require(max(h * op.stride_h, w * op.stride_w) < 2**31, "a stride goes beyond 2**31 lines")
    fields = {
        "n": n,
        "h": h,
        "w": w,
        "c": c,
        "oh": oh,
        "ow": ow,
        "o": c,
        "kernel_h": op.filter_height,
        "kernel_w": op.filter_width,
        "stride_h": op.stride_h,
        "stride_w": op.stride_w,
        "dilation_h": 1,
        "dilation_w": 1,
        "pad_top": top,
        "pad_left": left,
    }
    return [Call("max_unpool_f32", pack("ew_window", fields), (x, places, y), n)]
