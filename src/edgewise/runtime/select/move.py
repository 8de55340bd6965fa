"""Operators that move elements: reshapes (nothing to do), joins, splits (strided copies), PAD."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from edgewise.ir.enums import Activation
from edgewise.ir.graph import Value
from edgewise.ops.join import Concatenation
from edgewise.runtime.calls import Alias, Call, Site, require, shape_of, zero_point
from edgewise.runtime.library import constant, pack


def alias(site: Site) -> Alias:
    """The same bytes under another shape."""
    x, y = site.node.operand(0), site.node.output
    require(x.dtype is y.dtype, "x and y have different dtypes")
    return Alias()


def concatenation(site: Site) -> Sequence[Call]:
    """One copy per operand."""
    op, y = site.node.op, site.node.output
    assert isinstance(op, Concatenation)
    parts = [v for v in site.node.inputs if v is not None]
    require(op.fused_activation_function is Activation.NONE, "a fused activation has no kernel")
    require(
        all(v.dtype is y.dtype and v.quant == y.quant for v in parts),
        "the operands have other scales than the result",
    )
    axis = op.axis % max(len(y.shape), 1)
    return [
        Call("copy_rows", params, (part, y), 1)
        for part, params in zip(parts, _slices(y, parts, axis, True), strict=True)
    ]


def split(site: Site) -> Sequence[Call]:
    """SPLIT and SPLIT_V: one copy per result."""
    node = site.node
    is_v = node.op.name == "split_v"
    x = node.operand(0 if is_v else 1)
    axis = int(site.constant(2 if is_v else 0, "axes").reshape(-1)[0]) % max(len(x.shape), 1)
    results = list(node.outputs)
    return [
        Call("copy_rows", params, (x, part), 1)
        for part, params in zip(results, _slices(x, results, axis, False), strict=True)
    ]


def _slices(whole: Value, parts: Sequence[Value], axis: int, join: bool) -> Iterator[bytes]:
    """Parameters of the copies between the parts along an axis and the whole."""
    shape, size = shape_of(whole), whole.dtype.numpy.itemsize
    inner = math.prod(shape[axis + 1 :]) * size
    stride, offset = shape[axis] * inner, 0
    for part in parts:
        length = shape_of(part)[axis] * inner
        yield pack(
            "ew_copy_rows",
            {
                "rows": math.prod(shape[:axis]) if length else 0,
                "bytes": length,
                "x_stride": length if join else stride,
                "y_stride": stride if join else length,
                "x_offset": 0 if join else offset,
                "y_offset": offset if join else 0,
            },
        )
        offset += length


def pad(site: Site) -> Sequence[Call]:
    """PAD and PADV2: fill, then copy."""
    x, y = site.node.operand(0), site.node.output
    shape, out = shape_of(x), shape_of(y)
    most = constant("EW_MAX_RANK")
    require(1 <= len(shape) <= most, f"rank {len(shape)}; the kernel takes 1 to {most}")
    before = site.constant(1, "paddings").reshape(-1, 2)[:, 0]
    if site.node.optional(2) is not None:
        value = site.constant(2, "values").reshape(-1)[:1].astype(x.dtype.numpy)
    else:
        per_tensor = x.quant is None or x.quant.scale.size == 1
        require(per_tensor, "x is quantized per channel")
        point = zero_point(x.type) if x.type.is_quantized else 0
        value = np.array([point]).astype(x.dtype.numpy)
    size = x.dtype.numpy.itemsize
    unit = (1,) * (len(shape) - 1) + (size,)
    params = pack(
        "ew_pad",
        {
            "rank": len(shape),
            "element_bytes": size,
            "dims": [d * u for d, u in zip(shape, unit, strict=True)],
            "before": [int(d) * u for d, u in zip(before, unit, strict=True)],
            "y_dims": [d * u for d, u in zip(out, unit, strict=True)],
        },
    )
    return [Call("pad", params, (x, value, y), 1 if math.prod(out) else 0)]
