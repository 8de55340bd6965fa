"""Tensors joined and taken apart along one axis: CONCATENATION, PACK, UNPACK, SPLIT, SPLIT_V."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgewise.dtypes import FLOATS, INDICES, DType
from edgewise.ir.contents import integers
from edgewise.ir.dim import Dim, Shape, same_dim, unknown_dim
from edgewise.ir.enums import Activation
from edgewise.ir.op import Arithmetic, In, Op, Operand, Out, Quantized, Role, require
from edgewise.ir.types import Quant, TensorType
from edgewise.ops.axes import axis_in, scalar, shown
from edgewise.ops.convert import Quantize
from edgewise.ops.requant import activate, activation_range

MAX_PARTS = 1 << 16  # results of one operator; a file may claim any number


class Concatenation(Op, builtin="CONCATENATION", options="ConcatenationOptions"):
    """The operands one after the other along `axis`, then the fused activation.

    Shapes: xs of one rank, equal except along `axis`; y has the sum there. Any dtype; an
    activation needs numbers.

    Quantized: an operand with the scale and zero point of y is copied. LiteRT refuses others,
    except for uint8, where it computes `half_away(q * r + (-z * r)) + z_y` with the float32 ratio
    r = s * (1 / s_y), and so do we; int8 and int16 are requantized as QUANTIZE does, so that
    fusing a QUANTIZE into its concatenation changes no bits.
    **Source:** TensorFlow Lite kernels/concatenation.cc, ConcatenationWithScaling.
    """

    axis: int = 0
    fused_activation_function: Activation = Activation.NONE

    operands = (In("xs", variadic=True),)
    results = (Out("y", like="xs"),)
    arithmetic = {
        DType.INT8: Arithmetic.FIXED,
        DType.UINT8: Arithmetic.F32,
        DType.INT16: Arithmetic.FIXED,
    }
    versions = {DType.INT8: 2, DType.INT16: 3, DType.UINT32: 4}
    carries_dims = True

    def infer(self, *xs: Operand | None) -> Shape:
        found = _present(xs)
        first = found[0]
        axis = axis_in(self.axis, len(first.shape))
        require(
            self.fused_activation_function is Activation.NONE
            or first.dtype in FLOATS
            or first.quant is not None,
            f"{first.dtype.text} takes no fused activation; "
            f"got {self.fused_activation_function.name}",
        )
        total: Dim = 0
        for x in found:
            require(
                len(x.shape) == len(first.shape)
                and all(
                    i == axis or same_dim(a, b) is not False
                    for i, (a, b) in enumerate(zip(x.shape, first.shape, strict=True))
                ),
                f"operands must have one shape except along axis {axis}; "
                f"got {shown(first.shape)} and {shown(x.shape)}",
            )
            total = total + x.shape[axis]
        known = [_known(i, found) for i in range(len(first.shape))]
        return (*known[:axis], total, *known[axis + 1 :])

    def reference(self, *xs: np.ndarray) -> np.ndarray:
        return activate(np.concatenate(xs, self.axis), self.fused_activation_function)

    def integer(
        self, operands: Sequence[Quantized | None], results: Sequence[TensorType]
    ) -> np.ndarray:
        y = results[0]
        assert y.quant is not None
        parts = [_rescale(x, y.quant, y.dtype) for x in operands if x is not None]
        low, high = activation_range(self.fused_activation_function, y)
        return np.clip(np.concatenate(parts, self.axis), low, high).astype(y.dtype.numpy)


class Pack(Op, builtin="PACK", options="PackOptions"):
    """The operands stacked along a new dimension `axis`.

    Shapes: values of one shape of rank R, `axis` in [-R - 1, R], y of rank R + 1. Any dtype.
    **Source:** TensorFlow Lite kernels/pack.cc.
    """

    values_count: int = 0
    axis: int = 0

    operands = (In("values", variadic=True),)
    results = (Out("y", like="values"),)
    versions = {DType.INT8: 2, DType.INT16: 3, DType.UINT32: 4}
    carries_dims = True

    def infer(self, *values: Operand | None) -> Shape:
        found = _present(values)
        require(
            self.values_count in (0, len(found)),
            f"values_count must be the number of operands; got {self.values_count} "
            f"for {len(found)}",
        )
        first = found[0]
        axis = axis_in(self.axis, len(first.shape) + 1)
        for x in found:
            require(
                len(x.shape) == len(first.shape)
                and all(
                    same_dim(a, b) is not False for a, b in zip(x.shape, first.shape, strict=True)
                ),
                f"operands must have one shape; got {shown(first.shape)} and {shown(x.shape)}",
            )
        known = [_known(i, found) for i in range(len(first.shape))]
        return (*known[:axis], len(found), *known[axis:])

    def reference(self, *values: np.ndarray) -> np.ndarray:
        return np.stack(values, self.axis)


class Unpack(Op, builtin="UNPACK", options="UnpackOptions"):
    """The `num` slices of x along `axis`, without that dimension.

    Shapes: x of rank R with `num` elements along `axis`; `num` results of rank R - 1. Any dtype.
    **Source:** TensorFlow Lite kernels/unpack.cc.
    """

    num: int = 0
    axis: int = 0

    operands = (In("x"),)
    results = (Out("y", variadic=True),)
    versions = {DType.INT8: 2, DType.UINT8: 2, DType.BOOL: 3, DType.INT16: 4}

    def result_count(self) -> int:
        return min(max(self.num, 0), MAX_PARTS)

    def infer(self, x: Operand) -> tuple[Shape, ...]:
        axis = axis_in(self.axis, len(x.shape))
        require(
            1 <= self.num <= MAX_PARTS and same_dim(x.shape[axis], self.num) is not False,
            f"num must be the size of axis {axis}; got {self.num} for {x.shape[axis]}",
        )
        return (x.shape[:axis] + x.shape[axis + 1 :],) * self.num

    def reference(self, x: np.ndarray) -> tuple[np.ndarray, ...]:
        axis = axis_in(self.axis, x.ndim)
        require(
            x.shape[axis] == self.num,
            f"num must be the size of axis {axis}; got {self.num} for {x.shape[axis]}",
        )
        return tuple(np.moveaxis(x, axis, 0))


class Split(Op, builtin="SPLIT", options="SplitOptions"):
    """x in `num_splits` equal parts along `axis`.

    Shapes: axis [] or [1], x with a multiple of `num_splits` elements along it. Any dtype.
    The axis is the first operand.
    **Source:** TensorFlow Lite kernels/split.cc.
    """

    num_splits: int = 0

    operands = (In("axis", INDICES, Role.PARAMETER), In("x"))
    results = (Out("y", variadic=True),)

    def result_count(self) -> int:
        return min(max(self.num_splits, 0), MAX_PARTS)

    def infer(self, axis: Operand, x: Operand) -> tuple[Shape, ...]:
        require(
            1 <= self.num_splits <= MAX_PARTS,
            f"num_splits must be in [1, {MAX_PARTS}]; got {self.num_splits}",
        )
        at = scalar(axis)
        if at is None:
            return (tuple(unknown_dim() for _ in x.shape),) * self.num_splits
        at = axis_in(at, len(x.shape))
        size = x.shape[at]
        require(
            not isinstance(size, int) or size % self.num_splits == 0,
            f"num_splits must divide the size of axis {at}; got {self.num_splits} for {size}",
        )
        part = (*x.shape[:at], size // self.num_splits, *x.shape[at + 1 :])
        return (part,) * self.num_splits

    def reference(self, axis: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, ...]:
        at = axis_in(int(axis.reshape(-1)[0]), x.ndim)
        require(
            x.shape[at] % self.num_splits == 0,
            f"num_splits must divide the size of axis {at}; "
            f"got {self.num_splits} for {x.shape[at]}",
        )
        return tuple(np.split(x, self.num_splits, at))

    def version(self, operands: Sequence[TensorType | None], results: Sequence[TensorType]) -> int:
        x = operands[1]
        assert x is not None
        return {DType.INT8: 2, DType.INT32: 3, DType.INT16: 4}.get(x.dtype, 1)


class SplitV(Op, builtin="SPLIT_V", options="SplitVOptions"):
    """x in parts of the sizes `sizes` along `axis`; one size may be -1: what is left over.

    Shapes: x [...], sizes [num_splits], axis [] or [1]; `num_splits` results. Any dtype.
    **Source:** TensorFlow Lite kernels/split_v.cc.
    """

    num_splits: int = 0

    operands = (
        In("x"),
        In("sizes", INDICES, Role.PARAMETER),
        In("axis", INDICES, Role.PARAMETER),
    )
    results = (Out("y", variadic=True),)
    versions = {DType.INT8: 2}

    def result_count(self) -> int:
        return min(max(self.num_splits, 0), MAX_PARTS)

    def infer(self, x: Operand, sizes: Operand, axis: Operand) -> tuple[Shape, ...]:
        require(
            1 <= self.num_splits <= MAX_PARTS
            and len(sizes.shape) == 1
            and same_dim(sizes.shape[0], self.num_splits) is not False,
            f"sizes must be [num_splits]; got {shown(sizes.shape)} for {self.num_splits}",
        )
        at, wanted = scalar(axis), integers(sizes)
        if at is None:
            return tuple(tuple(unknown_dim() for _ in x.shape) for _ in range(self.num_splits))
        at = axis_in(at, len(x.shape))
        before, after = x.shape[:at], x.shape[at + 1 :]
        if wanted is None:
            return tuple((*before, unknown_dim(), *after) for _ in range(self.num_splits))
        return tuple((*before, d, *after) for d in self._resolve(x.shape[at], wanted))

    def reference(
        self, x: np.ndarray, sizes: np.ndarray, axis: np.ndarray
    ) -> tuple[np.ndarray, ...]:
        at = axis_in(int(axis.reshape(-1)[0]), x.ndim)
        parts = self._resolve(x.shape[at], [int(s) for s in sizes])
        return tuple(np.split(x, np.cumsum(np.array(parts[:-1], np.int64)), at))

    @staticmethod
    def _resolve(size: Dim, wanted: Sequence[int]) -> list[Dim]:
        given = sum(w for w in wanted if w != -1)
        rest = size - given
        holes = list(wanted).count(-1)
        fits = (rest >= 0 if holes else rest == 0) if isinstance(rest, int) else True
        require(
            min(wanted) >= -1 and holes <= 1 and fits,
            f"sizes must add up to {size}, at most one of them -1; got {list(wanted)}",
        )
        return [rest if w == -1 else w for w in wanted]


def _rescale(x: Quantized, to: Quant, dtype: DType) -> np.ndarray:
    """Stored integers of `x` in the scale of the result, int32."""
    assert x.quant is not None
    q = x.data.astype(np.int32)
    s, z = x.scale, x.zero_point
    s_y, z_y = np.float32(to.scale.flat[0]), int(to.zero_point.flat[0])
    if (s, z) == (s_y, z_y):
        return q
    if dtype is not DType.UINT8:
        return Quantize().integer([x], [TensorType(q.shape, dtype, to)]).astype(np.int32)
    low, high = dtype.range
    ratio = np.float32(s * (np.float32(1) / s_y))
    real = q.astype(np.float32) * ratio + np.float32(-z) * ratio
    # halves away from zero; float64, because 0.49999997 + 0.5 is 1 in float32
    rounded = np.copysign(np.floor(np.abs(real.astype(np.float64)) + 0.5), real)
    return np.clip(rounded + z_y, low, high).astype(np.int32)


def _present(xs: Sequence[Operand | None]) -> list[Operand]:
    """The operands, at least one and of one dtype; None where padding. Raises ShapeError."""
    found = [x for x in xs if x is not None]
    require(bool(found), "takes at least one operand; got none")
    kinds = sorted({x.dtype.text for x in found})
    require(len(kinds) == 1, f"operands must have one dtype; got {', '.join(kinds)}")
    return found


def _known(index: int, xs: Sequence[Operand]) -> Dim:
    """The dimension `index` that all have: an integer where one of them knows it."""
    dims = [x.shape[index] for x in xs]
    return next((d for d in dims if isinstance(d, int)), dims[0])
