"""Tensors made or enlarged: FILL, RANGE, TILE, BROADCAST_TO, BROADCAST_ARGS."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from edgewise.dtypes import INDICES, DType
from edgewise.ir.contents import contents, dims
from edgewise.ir.dim import Dim, Shape, dim_max, same_dim, unknown_dim
from edgewise.ir.op import In, NotQuantized, Op, Operand, Out, Role, require
from edgewise.ir.types import TensorType
from edgewise.ops.axes import require_sizes, shape_in, shown


class Fill(Op, builtin="FILL", options="FillOptions"):
    """A tensor of the given shape, every element `value`.

    Shapes: shape [R], value [], y [shape]. Any dtype.
    **Source:** TensorFlow Lite kernels/fill.cc.
    """

    operands = (In("shape", INDICES, Role.PARAMETER), In("value"))
    results = (Out("y", like="value"),)
    carries_dims = True

    def infer(self, shape: Operand, value: Operand) -> Shape | None:
        require(len(value.shape) == 0, f"value must be a scalar; got {shown(value.shape)}")
        return shape_in(shape, "sizes")

    def reference(self, shape: np.ndarray, value: np.ndarray) -> np.ndarray:
        sizes = [int(d) for d in shape]
        require_sizes(sizes)
        return np.full(sizes, value, value.dtype)

    def version(self, operands: Sequence[TensorType | None], results: Sequence[TensorType]) -> int:
        value = operands[1]
        assert value is not None
        newer = {DType.FLOAT16: 4, DType.INT8: 3, DType.INT16: 3, DType.BOOL: 2, DType.STRING: 2}
        return newer.get(value.dtype, 1)


class Range(Op, builtin="RANGE", options="RangeOptions"):
    """start, start + delta, start + 2*delta, ... up to but without limit.

    Shapes: start, limit, delta [], y [ceil((limit - start) / delta)]. int32, int64 or float32.
    Floats are summed up one delta after the other, as LiteRT does, not multiplied.
    **Source:** TensorFlow Lite kernels/range.cc.
    """

    operands = (
        In("start", {DType.INT32, DType.INT64, DType.FLOAT32}, Role.PARAMETER),
        In("limit", {DType.INT32, DType.INT64, DType.FLOAT32}, Role.PARAMETER),
        In("delta", {DType.INT32, DType.INT64, DType.FLOAT32}, Role.PARAMETER),
    )
    results = (Out("y", like="start"),)
    versions = {DType.INT64: 2}
    quantization = NotQuantized()
    carries_dims = True

    def infer(self, start: Operand, limit: Operand, delta: Operand) -> Shape:
        ends = (start, limit, delta)
        require(
            all(len(o.shape) == 0 for o in ends) and len({o.dtype for o in ends}) == 1,
            "start, limit and delta must be scalars of one dtype; "
            f"got {', '.join(o.dtype.text + shown(o.shape) for o in ends)}",
        )
        if all(o.data is not None for o in ends):
            return (_range_size(*[o.data.item() for o in ends if o.data is not None]),)
        if not start.dtype.is_integer:
            return (unknown_dim(),)
        first, last, step = (scalar_dim(o) for o in ends)
        if first is None or last is None or not isinstance(step, int) or step == 0:
            return (unknown_dim(),)
        span = last - first if step > 0 else first - last
        return (dim_max((span + (abs(step) - 1)) // abs(step), 0),)

    def reference(self, start: np.ndarray, limit: np.ndarray, delta: np.ndarray) -> np.ndarray:
        size = _range_size(start.item(), limit.item(), delta.item())
        y = np.full(size, delta.item(), start.dtype)
        y[:1] = start.item()
        return np.add.accumulate(y, dtype=start.dtype)


class Tile(Op, builtin="TILE", options="TileOptions"):
    """x repeated multiples[d] times along each dimension d.

    Shapes: x of rank R, multiples [R] (not negative), y [D_0 * multiples[0], ...]. Any dtype.
    **Source:** TensorFlow Lite kernels/tile.cc.
    """

    operands = (In("x"), In("multiples", INDICES, Role.PARAMETER))
    versions = {DType.INT8: 3, DType.STRING: 2}

    def infer(self, x: Operand, multiples: Operand) -> Shape:
        rank = len(x.shape)
        require(
            len(multiples.shape) == 1 and same_dim(multiples.shape[0], rank) is not False,
            f"multiples must be [{rank}]; got {shown(multiples.shape)}",
        )
        times = dims(multiples)
        if times is None:
            return tuple(unknown_dim() for _ in range(rank))
        require_sizes(times, "multiples")
        return tuple(d * n for d, n in zip(x.shape, times, strict=True))

    def reference(self, x: np.ndarray, multiples: np.ndarray) -> np.ndarray:
        times = [int(n) for n in multiples]
        require_sizes(times, "multiples")
        if 0 in times or 0 in x.shape:  # else np.tile makes its way there over larger arrays
            return np.empty([d * n for d, n in zip(x.shape, times, strict=True)], x.dtype)
        return np.tile(x, times)


class BroadcastTo(Op, builtin="BROADCAST_TO", options="BroadcastToOptions"):
    """x repeated along its dimensions of 1, and along new leading ones, to the given shape.

    Shapes: x of rank at most R, shape [R], y [shape]. Any dtype.
    **Source:** TensorFlow Lite kernels/broadcast_to.cc.
    """

    operands = (In("x"), In("shape", INDICES, Role.PARAMETER))

    def infer(self, x: Operand, shape: Operand) -> Shape | None:
        wanted = shape_in(shape, "sizes")
        if wanted is None or dims(shape) is None:
            return wanted
        tail = wanted[len(wanted) - len(x.shape) :] if len(x.shape) <= len(wanted) else None
        require(
            tail is not None
            and all(
                same_dim(a, b) is not False or a == 1 for a, b in zip(x.shape, tail, strict=True)
            ),
            f"x must broadcast to the shape; got {shown(x.shape)} for {shown(wanted)}",
        )
        return wanted

    def reference(self, x: np.ndarray, shape: np.ndarray) -> np.ndarray:
        sizes = tuple(int(d) for d in shape)
        require_sizes(sizes)
        fits = x.ndim <= len(sizes) and all(
            a in (1, b) for a, b in zip(x.shape, sizes[len(sizes) - x.ndim :], strict=True)
        )
        require(fits, f"x must broadcast to the shape; got {shown(x.shape)} for {shown(sizes)}")
        return np.broadcast_to(x, sizes).copy()

    def version(self, operands: Sequence[TensorType | None], results: Sequence[TensorType]) -> int:
        x = operands[0]
        assert x is not None
        return 3 if x.dtype in (DType.INT8, DType.INT16) else 2


class BroadcastArgs(Op, builtin="BROADCAST_ARGS"):
    """The shape that tensors of the two given shapes broadcast to.

    Shapes: a [R], b [S], y [max(R, S)]. int32 or int64.
    **Source:** TensorFlow Lite kernels/broadcast_args.cc.
    """

    operands = (In("a", INDICES, Role.PARAMETER), In("b", INDICES, Role.PARAMETER))
    results = (Out("y", like="a"),)
    quantization = NotQuantized()
    carries_dims = True

    def infer(self, a: Operand, b: Operand) -> Shape:
        require(
            len(a.shape) == 1 and len(b.shape) == 1 and a.dtype is b.dtype,
            "a and b must be vectors of one dtype; "
            f"got {a.dtype.text}{shown(a.shape)} and {b.dtype.text}{shown(b.shape)}",
        )
        first, second = a.shape[0], b.shape[0]
        if a.data is not None and b.data is not None:
            self.reference(a.data, b.data)
        if isinstance(first, int) and isinstance(second, int):
            return (max(first, second),)
        return (first,) if same_dim(first, second) else (unknown_dim(),)

    def reference(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        long, short = (a, b) if len(a) >= len(b) else (b, a)
        y = long.copy()
        for i, d in enumerate(short.tolist(), len(long) - len(short)):
            y[i] = _broadcast(y[i : i + 1].tolist()[0], d)
        return y


def scalar_dim(operand: Operand) -> Dim | None:
    """The only element of an integer operand as a Dim, None where unknown."""
    known = contents(operand)
    if known is None or known.size != 1:
        return None
    found: Dim = known.reshape(-1)[0]
    return found


def _range_size(start: Any, limit: Any, delta: Any) -> int:
    require(
        delta != 0 and all(math.isfinite(v) for v in (start, limit, delta)),
        f"delta must not be 0, and all must be finite; got {start}, {limit}, {delta}",
    )
    require(
        (delta > 0) == (limit > start) or limit == start,
        f"delta must lead from start to limit; got {start}, {limit}, {delta}",
    )
    if isinstance(start, int):
        return -(-abs(limit - start) // abs(delta))
    return math.ceil(abs((limit - start) / delta))


def _broadcast(a: Dim, b: Dim) -> Dim:
    """The dimension that two broadcast to; unknown where it depends on which of them is 1."""
    if a == 1 or b == 1:
        return b if a == 1 else a
    same = same_dim(a, b)
    require(same is not False, f"dimensions must be equal or 1 to broadcast; got {a} and {b}")
    if same:
        return a
    return next((d for d in (a, b) if isinstance(d, int)), unknown_dim())
