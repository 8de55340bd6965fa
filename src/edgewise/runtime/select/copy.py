"""Strided copies: from a pair of array views to calls of the kernels `copy` and `transpose`.

A view is a NumPy array over memory that nobody fills: only its shape, strides and first address
count. Slicing, transposing, reversing and broadcasting it say which elements an operator moves.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from edgewise.ir.graph import Value
from edgewise.runtime.calls import Call, require, shape_of
from edgewise.runtime.library import constant, pack
from edgewise.values import dataclass

TILE_BYTES = 32768  # of y: a part of the L1 and L2 caches, and many tiles where much is moved
BLOCKED = 4  # elements: planes with a shorter side are not worth the kernel `transpose`


@dataclass(frozen=True, slots=True)
class View:
    """Some elements of a value or constant, in some order."""

    value: Value | np.ndarray
    elements: np.ndarray
    first: int  # address of the value's first element

    @property
    def offset(self) -> int:
        """Bytes before the view's first element."""
        return int(self.elements.__array_interface__["data"][0]) - self.first

    def of(self, elements: np.ndarray) -> View:
        """Other elements of the same value: what NumPy made of `self.elements`."""
        return View(self.value, elements, self.first)


def view(value: Value) -> View:
    """All elements of a value. Elements of 16 bytes are two of 8, in a dimension of their own."""
    size, shape = value.dtype.numpy.itemsize, shape_of(value)
    if size == 16:
        size, shape = 8, (*shape, 2)
    elements = np.empty(shape, f"u{size}")
    return View(value, elements, int(elements.__array_interface__["data"][0]))


def constant_view(array: np.ndarray) -> View:
    """All elements of a constant."""
    return View(array, array, int(array.__array_interface__["data"][0]))


def copies(pairs: Sequence[tuple[View, View]]) -> Sequence[Call]:
    """One call per pair (x, y) of views of the same shape."""
    return [call for x, y in pairs for call in copy(x, y)]


def filled(y: View, element: View) -> Sequence[Call]:
    """y is one element everywhere."""
    return copy(element.of(np.broadcast_to(element.elements, y.elements.shape)), y)


def copy(x: View, y: View, table: np.ndarray | None = None) -> Sequence[Call]:
    """y = x, or y = table[x] for 8 bits; no call where there is nothing to move."""
    operands = (x.value, y.value) if table is None else (x.value, table, y.value)
    if x.elements.size == 0:
        return []
    dims, size = _collapsed(x.elements, y.elements, may_join=table is None)
    kernel = "copy" if table is None else "copy_table_b8"
    inner = len(dims) - 1
    if table is None and _make_plane(dims, size):
        kernel, inner = "transpose", len(dims) - 2
    elif dims[-1][0] < BLOCKED and dims[-1][1:] != (size, size):
        # a long inner loop: 3 channels of an image, planes of which are joined, 8 times as fast
        dims.append(dims.pop(max(range(len(dims)), key=lambda i: dims[i][0])))
    most = constant("EW_COPY_RANK")
    require(len(dims) <= most, f"a copy over {len(dims)} dimensions; the kernel takes {most}")
    if table is None and dims == [(dims[0][0], size, size)]:
        return [run(x.value, x.offset, y.value, y.offset, dims[0][0], size)]
    lengths, x_strides, y_strides = zip(*dims, strict=True)
    rows = math.prod(lengths[:inner])
    length = size * math.prod(lengths[inner + 1 :])  # bytes of an inner element
    inner_per_tile = min(lengths[inner], max(TILE_BYTES // length, 64))
    rows_per_tile = max(TILE_BYTES // (length * lengths[inner]), 1)
    params = pack(
        "ew_strided_copy",
        {
            "rank": len(dims),
            "element_bytes": size,
            "rows_per_tile": rows_per_tile,
            "inner_per_tile": inner_per_tile,
            "dims": lengths,
            "x_stride": x_strides,
            "y_stride": y_strides,
            "x_offset": x.offset,
            "y_offset": y.offset,
        },
    )
    n_tiles = -(-rows // rows_per_tile) * -(-lengths[inner] // inner_per_tile)
    per_tile = 0
    if x.elements.nbytes == _bytes(y.value) and _is_dense(lengths, y_strides, size):
        if inner_per_tile == lengths[inner]:
            per_tile = rows_per_tile * inner_per_tile * length // _itemsize(y.value)
        elif rows == 1 or lengths[inner] % inner_per_tile == 0:
            per_tile = inner_per_tile * length // _itemsize(y.value)
    return [Call(kernel, params, operands, n_tiles, tile_elements=per_tile or None)]


def run(
    x: Value | np.ndarray, first: int, y: Value | np.ndarray, to: int, count: int, size: int
) -> Call:
    """The copy of `count` elements of `size` bytes, 1 to 8, from byte `first` of x on to byte `to`
    of y: a run of bytes, which the planner may do without."""
    per_tile = min(count, TILE_BYTES // size)
    params = pack(
        "ew_strided_copy",
        {
            "rank": 1,
            "element_bytes": size,
            "rows_per_tile": max(TILE_BYTES // (size * count), 1),
            "inner_per_tile": per_tile,
            "dims": (count,),
            "x_stride": (size,),
            "y_stride": (size,),
            "x_offset": first,
            "y_offset": to,
        },
    )
    return Call("copy", params, (x, y), -(-count // per_tile), moves=(first, to, size * count))


def _itemsize(what: Value | np.ndarray) -> int:
    return what.dtype.numpy.itemsize if isinstance(what, Value) else what.itemsize


def _bytes(what: Value | np.ndarray) -> int:
    return (
        what.nbytes if isinstance(what, np.ndarray) else math.prod(shape_of(what)) * _itemsize(what)
    )


def _is_dense(lengths: Sequence[int], strides: Sequence[int], size: int) -> bool:
    """Elements of `size` bytes follow one another in the order of the dimensions."""
    for n, stride in zip(reversed(lengths), reversed(strides), strict=True):
        if stride != size:
            return False
        size *= n
    return True


def _collapsed(
    x: np.ndarray, y: np.ndarray, *, may_join: bool
) -> tuple[list[tuple[int, int, int]], int]:
    """[(size, stride in x, stride in y)] in bytes, and the bytes of an element.

    Neighbouring dimensions that both arrays run through as one are merged; elements that lie next
    to each other in both become one where a register holds them and they may be joined.
    """
    dims: list[tuple[int, int, int]] = []
    for n, a, b in zip(x.shape, x.strides, y.strides, strict=True):
        if n == 1:
            continue
        if dims and dims[-1][1:] == (a * n, b * n):
            n *= dims.pop()[0]
        dims.append((n, a, b))
    size = x.itemsize
    is_run = len(dims) > 1 and dims[-1][1:] == (size, size)
    if may_join and is_run and dims[-1][0] * size in (2, 4, 8):
        size *= dims.pop()[0]
    return dims or [(1, size, size)], size


def _make_plane(dims: list[tuple[int, int, int]], size: int) -> bool:
    """Whether the copy is one of transposed planes, whose two dimensions then come last."""
    if dims[-1][2] != size or dims[-1][1] in (0, size, -size) or dims[-1][0] < BLOCKED:
        return False
    dense = [i for i, (n, a, b) in enumerate(dims) if a == size and n >= BLOCKED and b > 0]
    if not dense:
        return False
    dims.insert(-1, dims.pop(dense[-1]))
    return True
