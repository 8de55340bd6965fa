"""Operators whose results only the data can size, by kernels: WHERE, UNIQUE, SEGMENT_SUM.

No plan has them, for a plan knows all sizes. In stages (staged.py) their operands are arrays by the
time they run, and the kernel is called by itself.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from edgewise.dtypes import DType
from edgewise.errors import ShapeError
from edgewise.ir.graph import Node
from edgewise.ir.op import Op
from edgewise.ops.gather import SegmentSum, check_segments
from edgewise.ops.select import Unique, Where
from edgewise.runtime.library import (
    Fields,
    constant,
    host_isa,
    kernel_index,
    kernel_table,
    pack,
    structures,
)
from edgewise.runtime.memory import allocate

_MANTISSA = {DType.FLOAT16: 10, DType.BFLOAT16: 7, DType.FLOAT32: 23, DType.FLOAT64: 52}
_MOST = 1 << 24  # elements of x: the table of UNIQUE takes up to 16 bytes for each
_SCATTER = {DType.FLOAT32: "scatter_f32", DType.INT32: "scatter_s32"}


def kernel_of(node: Node) -> str | None:
    """The kernel that gives the results of a node on arrays; None where there is none."""
    found, x = _TABLE.get(type(node.op)), node.inputs[0] if node.inputs else None
    if found is None or x is None or x.dtype is DType.COMPLEX64:
        return None
    if x.dtype.numpy.hasobject:  # strings, and handles that a file calls data
        return None
    return found[0]


def counted(node: Node, operands: Sequence[np.ndarray | None]) -> list[np.ndarray] | None:
    """The results of a node that `kernel_of` knows; None where the reference has to see to these
    arrays."""
    arrays = [np.require(a, requirements="C") for a in operands if a is not None]
    x = arrays[0]
    if not 0 < x.size <= _MOST or not 0 < x.ndim <= constant("EW_COPY_RANK"):
        return None
    try:
        return _TABLE[type(node.op)][1](node, arrays)
    except ShapeError:
        return None  # the reference says it, with the node's name


def _where(node: Node, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
    (x,) = arrays
    found = np.zeros(1, np.uint32)
    y = np.empty((np.count_nonzero(x), x.ndim), np.int64)
    fields: Fields = {
        "count": x.size,
        "rank": x.ndim,
        "dims": x.shape,
        "element_bytes": x.itemsize,
        "is_float": int(DType.of(x.dtype).is_float),
    }
    _call("where", pack("ew_where", fields), (x, y, found), 0)
    return [y]


def _unique(node: Node, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
    (x,), op = arrays, node.op
    assert isinstance(op, Unique)
    found, index = np.zeros(1, np.uint32), np.empty(x.shape, op.idx_out_type.numpy)
    y, bits = np.empty_like(x), (2 * x.size).bit_length()
    fields = {
        "count": x.size,
        "element_bytes": x.itemsize,
        "index_bytes": index.itemsize,
        "mantissa_bits": _MANTISSA.get(DType.of(x.dtype), 0),
        "table_bits": bits,
    }
    _call("unique", pack("ew_unique", fields), (x, y, index, found), 4 << bits)
    return [y[: int(found[0])].copy(), index]


def _segment_sum(node: Node, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
    x, segments = arrays
    check_segments(segments)
    rows = int(segments[-1]) + 1
    y = np.zeros((rows, *x.shape[1:]), x.dtype)
    run = math.prod(x.shape[1:])
    fields: Fields = {
        "count": len(segments),
        "run": run,
        "x_step": run,
        "op": constant("EW_JOIN_add"),
        "may_be_negative": 0,
        "is_ascending": 0,
        "depth": 1,
        "index_bytes": segments.itemsize,
        "dims": (rows,),
    }
    _call(_SCATTER[DType.of(x.dtype)], pack("ew_scatter", fields), (x, segments, y), 4)
    return [y]


def _call(kernel: str, params: bytes, arrays: Sequence[np.ndarray], scratch: int) -> None:
    ffi = structures()
    kernels, _ = kernel_table(host_isa())
    kept = [ffi.from_buffer(a.reshape(-1).view(np.uint8)) if a.size else ffi.NULL for a in arrays]
    kernels[kernel_index()[kernel]](
        ffi.from_buffer(np.frombuffer(params, np.uint8).copy()),
        ffi.new("void *[]", kept),
        0,
        1,
        ffi.from_buffer(allocate(scratch + 8)),
    )


_TABLE: Mapping[type[Op], tuple[str, Callable[[Node, Sequence[np.ndarray]], list[np.ndarray]]]] = {
    Where: ("where", _where),
    Unique: ("unique", _unique),
    SegmentSum: ("scatter", _segment_sum),
}
