"""Rectangular parts of a tensor: SLICE, STRIDED_SLICE, DYNAMIC_UPDATE_SLICE."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from edgewise.dtypes import INDICES, DType
from edgewise.ir.contents import dims, integers
from edgewise.ir.dim import Dim, Shape, dim_max, same_dim, unknown_dim
from edgewise.ir.op import In, Op, Operand, Role, require
from edgewise.ir.types import TensorType
from edgewise.ops.axes import shown


class Slice(Op, builtin="SLICE", options="SliceOptions"):
    """y = x[begin[0] : begin[0] + size[0], begin[1] : begin[1] + size[1], ...].

    Shapes: x of rank R, begin [R], size [R] (-1: to the end), y of rank R. Any dtype.
    The part must lie inside x.
    **Source:** TensorFlow Lite kernels/slice.cc.
    """

    operands = (In("x"), In("begin", INDICES, Role.PARAMETER), In("size", INDICES, Role.PARAMETER))
    carries_dims = True

    def infer(self, x: Operand, begin: Operand, size: Operand) -> Shape:
        rank = len(x.shape)
        for name, operand in (("begin", begin), ("size", size)):
            require(
                len(operand.shape) == 1 and same_dim(operand.shape[0], rank) is not False,
                f"{name} must be [{rank}]; got {shown(operand.shape)}",
            )
        starts, sizes = dims(begin), dims(size)
        return tuple(
            _sliced(
                d,
                None if starts is None else starts[i],
                None if sizes is None else sizes[i],
            )
            for i, d in enumerate(x.shape)
        )

    def reference(self, x: np.ndarray, begin: np.ndarray, size: np.ndarray) -> np.ndarray:
        parts = []
        for d, b, n in zip(x.shape, begin, size, strict=True):
            length = _sliced(d, int(b), int(n))
            assert isinstance(length, int)
            parts.append(slice(int(b), int(b) + length))
        return x[tuple(parts)]

    def version(self, operands: Sequence[TensorType | None], results: Sequence[TensorType]) -> int:
        x = operands[0]
        assert x is not None
        if x.dtype is DType.UINT32:
            return 6
        if x.shape is not None and len(x.shape) > 4:
            return 5
        return {DType.INT16: 4, DType.STRING: 3, DType.INT8: 2}.get(x.dtype, 1)


class StridedSlice(Op, builtin="STRIDED_SLICE", options="StridedSliceOptions"):
    """y = x[begin:end:strides], one entry of the three vectors per item of the index.

    Bit i of a mask speaks of entry i: `ellipsis_mask` makes it `...`, `new_axis_mask` a new
    dimension of 1, `shrink_axis_mask` the single index begin[i] whose dimension goes; `begin_mask`
    and `end_mask` take all there is in that direction. Ellipsis counts before new axis, new axis
    before shrink. With `offset`, end is counted from begin.

    Shapes: x of rank R, begin, end, strides [K], y of the rank that follows. Any dtype.
    Out-of-range bounds are clamped as NumPy clamps them; a single index must be in range.
    **Source:** TensorFlow Lite kernels/strided_slice.cc, internal/reference/strided_slice.h.
    """

    begin_mask: int = 0
    end_mask: int = 0
    ellipsis_mask: int = 0
    new_axis_mask: int = 0
    shrink_axis_mask: int = 0
    offset: bool = False

    operands = (
        In("x"),
        In("begin", INDICES, Role.PARAMETER),
        In("end", INDICES, Role.PARAMETER),
        In("strides", INDICES, Role.PARAMETER),
    )
    carries_dims = True

    def infer(self, x: Operand, begin: Operand, end: Operand, strides: Operand) -> Shape | None:
        for name, operand in (("begin", begin), ("end", end), ("strides", strides)):
            require(len(operand.shape) == 1, f"{name} must be a vector; got {shown(operand.shape)}")
        counts = [o.shape[0] for o in (begin, end, strides)]
        count = next((c for c in counts if isinstance(c, int)), None)
        if count is None:
            return None
        require(
            count <= 31 and all(same_dim(c, count) is not False for c in counts),
            f"begin, end and strides must have one length of at most 31; got {shown(counts)}",
        )
        bounds = [dims(operand) or (None,) * count for operand in (begin, end)]
        steps = integers(strides)
        shape: list[Dim] = []
        for size, i in self._index(len(x.shape), count):
            if size is None:
                shape.append(1)
                continue
            d = x.shape[size]
            if i is None:
                shape.append(d)
            elif self._bit("shrink_axis_mask", i):
                _check_index(d, bounds[0][i])
            else:
                step = None if steps is None else steps[i]
                shape.append(self._length(d, i, bounds[0][i], bounds[1][i], step))
        return tuple(shape)

    def reference(
        self, x: np.ndarray, begin: np.ndarray, end: np.ndarray, strides: np.ndarray
    ) -> np.ndarray:
        return x[self.index(x.shape, begin, end, strides)]

    def index(
        self, shape: Sequence[int], begin: np.ndarray, end: np.ndarray, strides: np.ndarray
    ) -> tuple[Any, ...]:
        """The index, as NumPy takes it: one entry per dimension or new axis, no ellipsis."""
        index: list[Any] = []
        for size, i in self._index(len(shape), len(begin)):
            if size is None:
                index.append(None)
            elif i is None:
                index.append(slice(None))
            elif self._bit("shrink_axis_mask", i):
                _check_index(shape[size], int(begin[i]))
                index.append(int(begin[i]))
            else:
                start, stop, step = self._bounds(i, int(begin[i]), int(end[i]), int(strides[i]))
                index.append(slice(start, stop, step))
        return tuple(index)

    def version(self, operands: Sequence[TensorType | None], results: Sequence[TensorType]) -> int:
        x = operands[0]
        assert x is not None
        if self.offset:
            return 8
        if x.dtype is DType.UINT32:
            return 7
        if self.ellipsis_mask or self.new_axis_mask:
            return 6
        if x.dtype is DType.STRING:
            return 5
        if x.shape is not None and len(x.shape) > 4:
            return 4
        return {DType.BOOL: 3, DType.INT8: 2}.get(x.dtype, 1)

    def _bit(self, mask: str, i: int) -> bool:
        return bool(getattr(self, mask) >> i & 1)

    def _index(self, rank: int, count: int) -> list[tuple[int | None, int | None]]:
        """(dimension of x, entry) pairs in order: no dimension for a new axis, no entry for a
        dimension that is taken whole. Raises ShapeError for an index that does not fit."""
        ellipses = [i for i in range(count) if self._bit("ellipsis_mask", i)]
        require(len(ellipses) <= 1, f"ellipsis_mask must have one bit; got {self.ellipsis_mask:#b}")
        added = [i for i in range(count) if self._bit("new_axis_mask", i) and i not in ellipses]
        taken = count - len(ellipses) - len(added)
        require(taken <= rank, f"the index must fit rank {rank}; got {taken} entries")
        pairs: list[tuple[int | None, int | None]] = []
        dimension = 0
        for i in range(count):
            if i in ellipses:
                whole = rank - taken
                pairs += [(dimension + j, None) for j in range(whole)]
                dimension += whole
            elif i in added:
                pairs.append((None, i))
            else:
                pairs.append((dimension, i))
                dimension += 1
        return pairs + [(j, None) for j in range(dimension, rank)]

    def _bounds(self, i: int, begin: Any, end: Any, step: int) -> tuple[Any, Any, int]:
        """(start, stop, step) of entry i as Python's slice has them."""
        require(step != 0, f"strides must not be 0; got 0 in entry {i}")
        stop = end
        if self.offset:
            # a stop that counts from a negative begin must not wrap around at 0
            stop = begin + end
            if begin < 0 <= stop:
                stop = None
        start = None if self._bit("begin_mask", i) else begin
        return start, None if self._bit("end_mask", i) else stop, step

    def _length(
        self, size: Dim, i: int, begin: Dim | None, end: Dim | None, step: int | None
    ) -> Dim:
        """The number of elements that entry i takes of a dimension."""
        if step is None:
            return unknown_dim()
        masks = self._bit("begin_mask", i), self._bit("end_mask", i)
        known = [
            masked or isinstance(b, int) for masked, b in zip(masks, (begin, end), strict=True)
        ]
        if self.offset:
            known[1] = masks[1] or (isinstance(begin, int) and isinstance(end, int))
        if not all(known):
            whole = step > 0 and (masks[0] or begin == 0) and not self.offset
            if whole and end is not None and same_dim(end, size):
                return -(-size // step)
            return unknown_dim()
        start, stop, step = self._bounds(i, begin, end, step)
        if step > 0:
            first = 0 if start is None else _clamped(start, size, 0, size)
            last = size if stop is None else _clamped(stop, size, 0, size)
            return dim_max((last - first + (step - 1)) // step, 0)
        first = size - 1 if start is None else _clamped(start, size, -1, size - 1)
        last = -1 if stop is None else _clamped(stop, size, -1, size - 1)
        return dim_max((first - last + (-step - 1)) // -step, 0)


class DynamicUpdateSlice(Op, builtin="DYNAMIC_UPDATE_SLICE", options="DynamicUpdateSliceOptions"):
    """x with `update` written over it at `start`, moved so that it lies inside.

    Shapes: x of rank R, update of rank R and no larger, start [R], y as x. Any dtype.
    **Source:** TensorFlow Lite kernels/dynamic_update_slice.cc; XLA DynamicUpdateSlice.
    """

    operands = (In("x"), In("update"), In("start", INDICES, Role.PARAMETER))

    def infer(self, x: Operand, update: Operand, start: Operand) -> Shape:
        rank = len(x.shape)
        require(
            update.dtype is x.dtype and len(update.shape) == rank,
            f"update must be {x.dtype.text} of rank {rank}; "
            f"got {update.dtype.text}{shown(update.shape)}",
        )
        require(
            all(
                not (isinstance(u, int) and isinstance(d, int)) or u <= d
                for u, d in zip(update.shape, x.shape, strict=True)
            ),
            f"update must be no larger than x; got {shown(update.shape)} for {shown(x.shape)}",
        )
        require(
            len(start.shape) == 1 and same_dim(start.shape[0], rank) is not False,
            f"start must be [{rank}]; got {shown(start.shape)}",
        )
        return x.shape

    def reference(self, x: np.ndarray, update: np.ndarray, start: np.ndarray) -> np.ndarray:
        y = x.copy()
        parts = []
        for at, size, total in zip(start, update.shape, x.shape, strict=True):
            first = min(max(int(at), 0), total - size)
            parts.append(slice(first, first + size))
        y[tuple(parts)] = update
        return y

    def version(self, operands: Sequence[TensorType | None], results: Sequence[TensorType]) -> int:
        x, _, start = operands
        assert x is not None
        assert start is not None
        newer = {DType.INT16: 4, DType.FLOAT16: 3}
        return newer.get(x.dtype, 2 if start.dtype is DType.INT64 else 1)


def _sliced(size: Dim, begin: Dim | None, length: Dim | None) -> Dim:
    """The dimension that SLICE makes of one. Raises ShapeError where it lies outside."""
    if length is None:
        return unknown_dim()
    rest = unknown_dim() if begin is None else size - begin
    taken = rest if isinstance(length, int) and length == -1 else length
    inside = (
        (not isinstance(begin, int) or begin >= 0)
        and (not isinstance(taken, int) or taken >= 0)
        and (not (isinstance(rest, int) and isinstance(taken, int)) or taken <= rest)
    )
    require(
        inside, f"the part must lie inside {size} elements; got begin {begin} and size {length}"
    )
    return taken


def _check_index(size: Dim, index: Dim | None) -> None:
    inside = not (isinstance(size, int) and isinstance(index, int)) or -size <= index < size
    require(inside, f"an index must lie inside its dimension; got {index} for {size}")


def _clamped(bound: int, size: Dim, low: int, high: Dim) -> Dim:
    """A bound of a slice (negative: from the end) limited to [low, high], size >= 0."""
    if bound < 0:
        return dim_max(size + bound, low)
    return -dim_max(-high, -bound)  # min(bound, high)
