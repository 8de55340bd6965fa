"""Borders around a tensor: PAD, PADV2, MIRROR_PAD."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgewise.dtypes import INDICES, DType
from edgewise.ir.contents import integers
from edgewise.ir.dim import Shape, same_dim, unknown_dim
from edgewise.ir.enums import MirrorPadMode
from edgewise.ir.op import Arithmetic, In, Op, Operand, Quantized, Role, require
from edgewise.ir.types import TensorType
from edgewise.ops.axes import shown

PADDINGS = In("paddings", INDICES | {DType.INT8, DType.INT16}, Role.PARAMETER)


class Padded(Op, abstract=True):
    """What PAD and PADV2 share: the shape, and the versions."""

    def infer(self, x: Operand, paddings: Operand, value: Operand | None = None) -> Shape:
        require(
            value is None or all(same_dim(d, 1) is not False for d in value.shape),
            f"the padding value must be a scalar; got {shown(value.shape if value else ())}",
        )
        return _output(x, paddings)

    def version(self, operands: Sequence[TensorType | None], results: Sequence[TensorType]) -> int:
        x = operands[0]
        assert x is not None
        if x.dtype is DType.BOOL:
            return 5
        if x.shape is not None and len(x.shape) > 4:
            return 4
        return {DType.INT16: 3, DType.INT8: 2}.get(x.dtype, 1)


class Pad(Padded, builtin="PAD", options="PadOptions"):
    """x with paddings[d, 0] zeros before and paddings[d, 1] after it along each dimension d.

    Shapes: x of rank R, paddings [R, 2] (not negative), y of rank R. Any numeric dtype.
    Quantized: the border is the zero point.
    **Source:** TensorFlow Lite kernels/pad.cc.
    """

    operands = (In("x"), PADDINGS)
    arithmetic = Arithmetic.ZERO_POINT

    def reference(self, x: np.ndarray, paddings: np.ndarray) -> np.ndarray:
        return np.pad(x, _pairs(paddings))

    def integer(
        self, operands: Sequence[Quantized | None], results: Sequence[TensorType]
    ) -> np.ndarray:
        x, paddings = operands
        assert x is not None
        assert paddings is not None
        return np.pad(x.data, _pairs(paddings.data), constant_values=x.zero_point)


class PadV2(Padded, builtin="PADV2", options="PadV2Options"):
    """PAD with the scalar `value` in place of zeros.

    Shapes: x of rank R, paddings [R, 2] (not negative), value [] or [1], y of rank R.
    Quantized: `value` is stored in the scale and zero point of x.
    **Source:** TensorFlow Lite kernels/pad.cc.
    """

    operands = (In("x"), PADDINGS, In("value"))

    def infer(self, x: Operand, paddings: Operand, value: Operand | None = None) -> Shape:
        require(
            value is None or value.dtype is x.dtype,
            f"x and value must have one dtype; got {x.dtype.text} and "
            f"{value.dtype.text if value else ''}",
        )
        return super().infer(x, paddings, value)

    def reference(self, x: np.ndarray, paddings: np.ndarray, value: np.ndarray) -> np.ndarray:
        return np.pad(x, _pairs(paddings), constant_values=value.reshape(-1)[0])


class MirrorPad(Op, builtin="MIRROR_PAD", options="MirrorPadOptions"):
    """x with mirrored borders: REFLECT does not repeat the outermost element, SYMMETRIC does.

    Shapes: x of rank R, paddings [R, 2], y of rank R. A border is at most as wide as x
    (SYMMETRIC), or one less (REFLECT). Any dtype.
    **Source:** TensorFlow Lite kernels/mirror_pad.cc.
    """

    mode: MirrorPadMode = MirrorPadMode.REFLECT

    operands = (In("x"), PADDINGS)
    versions = {DType.INT8: 2, DType.INT16: 3}

    def infer(self, x: Operand, paddings: Operand) -> Shape:
        shape, flat = _output(x, paddings), integers(paddings)
        if flat is not None:
            for d, size in enumerate(x.shape):
                if isinstance(size, int):
                    self._check(size, max(flat[2 * d : 2 * d + 2]))
        return shape

    def reference(self, x: np.ndarray, paddings: np.ndarray) -> np.ndarray:
        pairs = _pairs(paddings)
        for size, pair in zip(x.shape, pairs, strict=True):
            self._check(size, max(pair))
        return np.pad(x, pairs, mode="reflect" if self._skip else "symmetric")

    @property
    def _skip(self) -> int:
        return 1 if self.mode is MirrorPadMode.REFLECT else 0

    def _check(self, size: int, border: int) -> None:
        require(
            border <= max(size - self._skip, 0),
            f"{self.mode.name} can mirror {max(size - self._skip, 0)} of {size} elements; "
            f"got a border of {border}",
        )


def _output(x: Operand, paddings: Operand) -> Shape:
    rank = len(x.shape)
    require(
        len(paddings.shape) == 2
        and same_dim(paddings.shape[0], rank) is not False
        and same_dim(paddings.shape[1], 2) is not False,
        f"paddings must be [{rank}, 2]; got {shown(paddings.shape)}",
    )
    flat = integers(paddings)
    if flat is None:
        return tuple(unknown_dim() for _ in range(rank))
    require(min(flat, default=0) >= 0, f"paddings must not be negative; got {list(flat)}")
    return tuple(d + flat[2 * i] + flat[2 * i + 1] for i, d in enumerate(x.shape))


def _pairs(paddings: np.ndarray) -> list[tuple[int, int]]:
    require(
        int(paddings.min(initial=0)) >= 0,
        f"paddings must not be negative; got {paddings.reshape(-1).tolist()}",
    )
    return [(int(a), int(b)) for a, b in paddings]
