"""Types of values: shape, element type and quantization."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from edgewise.dtypes import DType
from edgewise.errors import ShapeError
from edgewise.ir.dim import Dim, Shape, is_static, same_dim
from edgewise.values import dataclass

MAX_SIZE = (1 << 31) - 1  # of a dimension, which files and kernels store in 32 bits
MAX_ELEMENTS = 1 << 56  # sizes in bytes stay in 63 bits


def check_sizes(shape: Shape | None) -> None:
    """Raise ShapeError where a dimension, or the number of elements, is beyond what any tensor can
    have: sizes that are computed are exact integers, and end here."""
    total = 1
    for dim in shape or ():
        if isinstance(dim, int):
            if not 0 <= dim <= MAX_SIZE:
                raise ShapeError(f"sizes are in [0, {MAX_SIZE}]; got {_text(shape)}")
            total *= dim
    if total > MAX_ELEMENTS:
        raise ShapeError(f"a tensor has at most {MAX_ELEMENTS} elements; got {_text(shape)}")


def _text(shape: Shape | None) -> str:
    return "x".join(map(str, shape or ()))


class Quant:
    """Affine quantization `real = scale * (q - zero_point)`.

    `scale` is float32 and `zero_point` int64, read-only and of one shape: [1] per tensor, [C] per
    channel along `axis`, or, per block, the shape of the tensor with dimension `axis` divided by
    `block_size`. Source: TensorFlow Lite quantization specification; schema.fbs.

    Raises:
        ValueError: scale and zero_point differ in shape.
    """

    __slots__ = ("axis", "block_size", "scale", "zero_point")

    def __init__(
        self,
        scale: float | Sequence[float] | np.ndarray,
        zero_point: int | Sequence[int] | np.ndarray = 0,
        axis: int | None = None,
        block_size: int | None = None,
    ) -> None:
        self.scale = np.array(scale, np.float32, ndmin=1)
        points = np.array(zero_point, np.int64, ndmin=1)
        if points.size == 1 and self.scale.size != 1:
            points = np.full(self.scale.shape, points.flat[0], np.int64)
        if points.shape != self.scale.shape:
            raise ValueError(
                f"scale and zero_point need one shape; got {self.scale.shape} and {points.shape}"
            )
        self.zero_point = points
        self.axis, self.block_size = axis, block_size
        for array in (self.scale, self.zero_point):
            array.setflags(write=False)

    @property
    def per_channel(self) -> bool:
        """More than one scale along `axis` (and not per block)."""
        return self.scale.size > 1 and self.block_size is None

    def fits(self, shape: Shape) -> str | Literal[True]:
        """True where a tensor of this shape may have these scales, or what is wrong."""
        axis, block = self.axis, self.block_size
        if block is None and self.scale.size <= 1:
            return True
        if axis is None or not 0 <= axis < len(shape):
            return f"per-channel scales need an axis below rank {len(shape)}"
        if block is None:
            is_other = same_dim(shape[axis], self.scale.size) is False
            return f"{self.scale.size} scales for {shape[axis]} channels" if is_other else True
        if block < 1:
            return f"block_size must be at least 1; got {block}"
        if not is_static(shape):
            return True
        wanted = [*shape[:axis], -(-shape[axis] // block), *shape[axis + 1 :]]
        found = list(self.scale.shape)
        return found == wanted or f"scales of blocks of {block} must be {wanted}; got {found}"

    def broadcast(self, shape: Shape) -> tuple[np.ndarray, np.ndarray]:
        """(scale, zero_point) reshaped so that they broadcast against an array of this shape.

        Raises:
            ShapeError: it has another number of channels.
        """
        if self.scale.size == 1 or self.axis is None:
            return self.scale.reshape(()), self.zero_point.reshape(())
        if isinstance(problem := self.fits(shape), str):
            raise ShapeError(problem)
        sizes = [1] * len(shape)
        sizes[self.axis] = self.scale.size
        return self.scale.reshape(sizes), self.zero_point.reshape(sizes)

    def dequantize(self, q: np.ndarray) -> np.ndarray:
        """float32 array `scale * (q - zero_point)`, subtraction exact, one rounding."""
        if self.block_size is not None:
            scale = np.repeat(self.scale, self.block_size, self.axis)
            point = np.repeat(self.zero_point, self.block_size, self.axis)
        else:
            scale, point = self.broadcast(q.shape)
        return ((q.astype(np.int64) - point).astype(np.float32) * scale).astype(np.float32)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Quant)
            and (self.axis, self.block_size) == (other.axis, other.block_size)
            and np.array_equal(self.scale, other.scale)
            and np.array_equal(self.zero_point, other.zero_point)
        )

    def __hash__(self) -> int:
        return hash((self.scale.tobytes(), self.zero_point.tobytes(), self.axis, self.block_size))

    def __repr__(self) -> str:
        if self.scale.size == 1:
            return f"Quant({self.scale.flat[0]!s}, {self.zero_point.flat[0]})"
        return f"Quant({self.scale.size} scales, axis={self.axis}, block_size={self.block_size})"


@dataclass(frozen=True, slots=True)
class TensorType:
    """Shape (None: rank unknown until the model runs), element type, quantization."""

    shape: Shape | None
    dtype: DType
    quant: Quant | None = None

    @classmethod
    def of(cls, array: np.ndarray, quant: Quant | None = None) -> TensorType:
        """The type of a NumPy array."""
        return cls(tuple(array.shape), DType.of(array.dtype), quant)

    @property
    def is_static(self) -> bool:
        """Rank and every dimension are known integers."""
        return self.shape is not None and is_static(self.shape)

    @property
    def is_quantized(self) -> bool:
        """An integer type with a scale."""
        return self.quant is not None and self.dtype.is_integer

    def with_shape(self, shape: Sequence[Dim] | None) -> TensorType:
        """The same type with another shape."""
        return TensorType(None if shape is None else tuple(shape), self.dtype, self.quant)

    def __str__(self) -> str:
        dims = "?" if self.shape is None else ",".join(map(str, self.shape))
        return f"{self.dtype.text}[{dims}]"
