"""Padding between elements: DILATE and STABLEHLO_PAD."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgewise.dtypes import DType
from edgewise.ir.contents import integers
from edgewise.ir.dim import Dim, Shape, unknown_dim
from edgewise.ir.op import In, NotQuantized, Op, Operand, Role, require
from edgewise.ops.axes import shown

_MOST = 1 << 31  # elements of a dimension, as LiteRT's


class Dilate(Op, builtin="DILATE", options="DilateOptions"):
    """y[d * i] = x[i] along every axis, `padding` between them.

    Shapes: x [D..] of rank 1 or more, none of them 0; dilations [rank] of 1 or more, padding [],
    y [(D - 1) * dilation + 1, ..]. Any dtype but strings.
    **Source:** TensorFlow Lite kernels/dilate.cc.
    """

    operands = (In("x"), In("dilations", {DType.INT32}, Role.PARAMETER), In("padding"))
    quantization = NotQuantized()

    def infer(self, x: Operand, dilations: Operand, padding: Operand) -> Shape:
        _check(x, padding)
        rank = len(x.shape)
        require(
            dilations.shape == (rank,) and rank > 0,
            f"dilations must be [{rank}], and x no scalar; got {shown(dilations.shape)}",
        )
        require(0 not in x.shape, f"x must have elements; got {shown(x.shape)}")
        steps = integers(dilations)
        if steps is None:
            return tuple(unknown_dim() for _ in x.shape)
        _check_steps(steps)
        return tuple((size - 1) * step + 1 for size, step in zip(x.shape, steps, strict=True))

    def reference(self, x: np.ndarray, dilations: np.ndarray, padding: np.ndarray) -> np.ndarray:
        steps = [int(d) for d in dilations]
        _check_steps(steps)
        return spread(x, padding, steps, [0] * x.ndim, [0] * x.ndim)


class StablehloPad(Op, builtin="STABLEHLO_PAD", options="StablehloPadOptions"):
    """x with `padding` between elements and at the edges; a negative edge cuts off.

    Shapes: x [D..] of rank 1 or more, padding [], y [D + (D - 1) * interior + low + high, ..]. Any
    dtype but strings.
    **Source:** TensorFlow Lite kernels/stablehlo_pad.cc; StableHLO specification, pad.
    """

    edge_padding_low: tuple[int, ...] = ()
    edge_padding_high: tuple[int, ...] = ()
    interior_padding: tuple[int, ...] = ()

    operands = (In("x"), In("padding"))
    quantization = NotQuantized()

    def infer(self, x: Operand, padding: Operand) -> Shape:
        _check(x, padding)
        rank = len(x.shape)
        require(
            all(len(given) == rank for given in self._given()) and rank > 0,
            f"paddings must be as many as the axes of x, {shown(x.shape)}, and one at least; got "
            f"{', '.join(str(len(given)) for given in self._given())}",
        )
        require(
            all(0 <= inner < _MOST for inner in self.interior_padding),
            f"interior_padding must not be negative; got {list(self.interior_padding)}",
        )
        sizes = [
            self._size(size, *pads) for size, *pads in zip(x.shape, *self._given(), strict=True)
        ]
        require(
            all(not isinstance(size, int) or 0 <= size < _MOST for size in sizes),
            f"paddings must leave a size from 0 to {_MOST - 1}; they leave {shown(sizes)}",
        )
        return tuple(sizes)

    def reference(self, x: np.ndarray, padding: np.ndarray) -> np.ndarray:
        steps = [inner + 1 for inner in self.interior_padding]
        return spread(x, padding, steps, self.edge_padding_low, self.edge_padding_high)

    def _given(self) -> tuple[tuple[int, ...], ...]:
        return self.edge_padding_low, self.edge_padding_high, self.interior_padding

    @staticmethod
    def _size(size: Dim, low: int, high: int, inner: int) -> Dim:
        if not inner:
            return size + (low + high)
        if not isinstance(size, int):
            return unknown_dim()  # an empty axis has no gaps
        return size + max(size - 1, 0) * inner + low + high


def _check(x: Operand, padding: Operand) -> None:
    require(
        padding.dtype is x.dtype and padding.shape in ((), (1,)) and x.dtype is not DType.STRING,
        f"padding must be one {x.dtype.text}, and no string; "
        f"got {padding.dtype.text}{shown(padding.shape)}",
    )


def _check_steps(steps: Sequence[int]) -> None:
    require(all(step >= 1 for step in steps), f"dilations must be at least 1; got {list(steps)}")


def spread(
    x: np.ndarray,
    padding: np.ndarray,
    steps: Sequence[int],
    low: Sequence[int],
    high: Sequence[int],
) -> np.ndarray:
    """x with steps between its elements and edges around it, `padding` there."""
    places, taken, shape = [], [], []
    for size, step, before, after in zip(x.shape, steps, low, high, strict=True):
        shape.append(size + max(size - 1, 0) * (step - 1) + before + after)
        place = before + step * np.arange(size, dtype=np.int64)
        inside = (place >= 0) & (place < shape[-1])
        places.append(place[inside])
        taken.append(np.flatnonzero(inside))
    y = np.full(shape, padding.reshape(-1)[0], x.dtype)
    y[np.ix_(*places)] = x[np.ix_(*taken)]
    return y
