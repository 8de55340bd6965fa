"""Blocks of space moved into depth or batch: SPACE_TO_DEPTH, DEPTH_TO_SPACE, SPACE_TO_BATCH_ND,
BATCH_TO_SPACE_ND."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np

from edgewise.dtypes import DType
from edgewise.ir.contents import integers
from edgewise.ir.dim import Dim, Shape, same_dim, unknown_dim
from edgewise.ir.op import Arithmetic, In, Op, Operand, Quantized, Role, require
from edgewise.ir.types import TensorType
from edgewise.ops.axes import shown

SIZES = {DType.INT32, DType.INT64}


class SpaceToDepth(Op, builtin="SPACE_TO_DEPTH", options="SpaceToDepthOptions"):
    """y[n, i, j, (p*b + q)*C + c] = x[n, i*b + p, j*b + q, c] with b = `block_size`.

    Shapes: x [N, H, W, C], b divides H and W, y [N, H/b, W/b, C*b*b]. Any dtype.
    **Source:** TensorFlow Lite kernels/space_to_depth.cc.
    """

    block_size: int = 0

    operands = (In("x"),)
    versions = {DType.INT8: 2}

    def infer(self, x: Operand) -> Shape:
        b = _check_block(x, self.block_size)
        n, h, w, c = x.shape
        require(
            _divides(b, h) and _divides(b, w),
            f"block_size must divide height and width; got {b} for {h} and {w}",
        )
        return n, h // b, w // b, c * (b * b)

    def reference(self, x: np.ndarray) -> np.ndarray:
        n, h, w, c = x.shape
        b = self.block_size
        blocks = x.reshape(n, h // b, b, w // b, b, c).transpose(0, 1, 3, 2, 4, 5)
        return blocks.reshape(n, h // b, w // b, b * b * c)


class DepthToSpace(Op, builtin="DEPTH_TO_SPACE", options="DepthToSpaceOptions"):
    """y[n, i*b + p, j*b + q, c] = x[n, i, j, (p*b + q)*C + c] with b = `block_size`.

    Shapes: x [N, H, W, C*b*b], y [N, H*b, W*b, C]. Any dtype.
    **Source:** TensorFlow Lite kernels/depth_to_space.cc.
    """

    block_size: int = 0

    operands = (In("x"),)
    versions = {DType.INT8: 2}

    def infer(self, x: Operand) -> Shape:
        b = _check_block(x, self.block_size)
        n, h, w, c = x.shape
        require(
            _divides(b * b, c),
            f"the square of block_size must divide the channels; got {b} for {c}",
        )
        return n, h * b, w * b, c // (b * b)

    def reference(self, x: np.ndarray) -> np.ndarray:
        n, h, w, c = x.shape
        b = self.block_size
        blocks = x.reshape(n, h, w, b, b, c // (b * b)).transpose(0, 1, 3, 2, 4, 5)
        return blocks.reshape(n, h * b, w * b, c // (b * b))


class SpaceToBatchND(Op, builtin="SPACE_TO_BATCH_ND", options="SpaceToBatchNDOptions"):
    """The M spatial dimensions padded, cut into blocks, and the places in a block moved to batch.

    Shapes: x [N, S_1..S_M, T..], block [M], paddings [M, 2],
    y [N * prod(block), (S_m + before_m + after_m) / block_m.., T..]. The batch of y is
    (place in block) * N + n. Any dtype; quantized: padded with the zero point.
    **Source:** TensorFlow Lite kernels/space_to_batch_nd.cc.
    """

    operands = (
        In("x"),
        In("block", SIZES, Role.PARAMETER),
        In("paddings", SIZES, Role.PARAMETER),
    )
    arithmetic = Arithmetic.ZERO_POINT

    def infer(self, x: Operand, block: Operand, paddings: Operand) -> Shape:
        m = _check_blocks(x, block, paddings, "paddings")
        sizes, pads = integers(block), integers(paddings)
        if m is None or sizes is None or pads is None:
            return tuple(unknown_dim() for _ in x.shape)
        _check_values(sizes, pads, "paddings")
        spatial: list[Dim] = []
        for i, b in enumerate(sizes):
            padded = x.shape[1 + i] + pads[2 * i] + pads[2 * i + 1]
            require(_divides(b, padded), f"block must divide the padded size; got {b}, {padded}")
            spatial.append(padded // b)
        return (x.shape[0] * prod(sizes), *spatial, *x.shape[1 + m :])

    def reference(self, x: np.ndarray, block: np.ndarray, paddings: np.ndarray) -> np.ndarray:
        return self._move(x, block, paddings, 0)

    def integer(
        self, operands: Sequence[Quantized | None], results: Sequence[TensorType]
    ) -> np.ndarray:
        x, block, paddings = operands
        assert x is not None
        assert block is not None
        assert paddings is not None
        return self._move(x.data, block.data, paddings.data, x.zero_point)

    def version(self, operands: Sequence[TensorType | None], results: Sequence[TensorType]) -> int:
        return _version(operands)

    @staticmethod
    def _move(x: np.ndarray, block: np.ndarray, paddings: np.ndarray, fill: int) -> np.ndarray:
        sizes = [int(b) for b in block]
        pairs = [(int(a), int(b)) for a, b in paddings]
        _check_values(sizes, [p for pair in pairs for p in pair], "paddings")
        m, rest = len(sizes), x.shape[1 + len(sizes) :]
        pairs = [(0, 0), *pairs, *[(0, 0)] * len(rest)]
        x = np.pad(x, pairs, constant_values=fill) if x.size else np.pad(x, pairs)
        counts = []
        for size, b in zip(x.shape[1:], sizes, strict=False):
            require(size % b == 0, f"block must divide the padded size; got {b}, {size}")
            counts.append(size // b)
        split = [d for pair in zip(counts, sizes, strict=True) for d in pair]
        places = [2 + 2 * i for i in range(m)]
        grid = [1 + 2 * i for i in range(m)]
        tail = [1 + 2 * m + i for i in range(len(rest))]
        blocks = x.reshape(x.shape[0], *split, *rest).transpose(*places, 0, *grid, *tail)
        return blocks.reshape(x.shape[0] * prod(sizes), *counts, *rest)


class BatchToSpaceND(Op, builtin="BATCH_TO_SPACE_ND", options="BatchToSpaceNDOptions"):
    """The inverse of SPACE_TO_BATCH_ND, with `crops` taken off in place of paddings put on.

    Shapes: x [N * prod(block), S_1..S_M, T..], block [M], crops [M, 2],
    y [N, S_m * block_m - before_m - after_m.., T..]. Any dtype.
    **Source:** TensorFlow Lite kernels/batch_to_space_nd.cc.
    """

    operands = (
        In("x"),
        In("block", SIZES, Role.PARAMETER),
        In("crops", SIZES, Role.PARAMETER),
    )

    def infer(self, x: Operand, block: Operand, crops: Operand) -> Shape:
        m = _check_blocks(x, block, crops, "crops")
        sizes, cut = integers(block), integers(crops)
        if m is None or sizes is None or cut is None:
            return tuple(unknown_dim() for _ in x.shape)
        _check_values(sizes, cut, "crops")
        require(
            _divides(prod(sizes), x.shape[0]),
            f"blocks must divide the batch; got {prod(sizes)} for {x.shape[0]}",
        )
        spatial: list[Dim] = []
        for i, b in enumerate(sizes):
            size = x.shape[1 + i] * b - cut[2 * i] - cut[2 * i + 1]
            require(not isinstance(size, int) or size >= 0, f"crops leave {size} elements")
            spatial.append(size)
        return (x.shape[0] // prod(sizes), *spatial, *x.shape[1 + m :])

    def reference(self, x: np.ndarray, block: np.ndarray, crops: np.ndarray) -> np.ndarray:
        sizes = [int(b) for b in block]
        cut = [int(c) for c in crops.reshape(-1)]
        _check_values(sizes, cut, "crops")
        m, total = len(sizes), prod(sizes)
        require(
            x.shape[0] % total == 0,
            f"blocks must divide the batch; got {total} for {x.shape[0]}",
        )
        n, spatial, rest = x.shape[0] // total, x.shape[1 : 1 + m], x.shape[1 + m :]
        blocks = x.reshape(*sizes, n, *spatial, *rest)
        order = [d for i in range(m) for d in (m + 1 + i, i)]
        tail = [2 * m + 1 + i for i in range(len(rest))]
        whole = blocks.transpose(m, *order, *tail)
        grown = [s * b for s, b in zip(spatial, sizes, strict=True)]
        y = whole.reshape(n, *grown, *rest)
        keep = [slice(cut[2 * i], max(d - cut[2 * i + 1], 0)) for i, d in enumerate(grown)]
        return y[(slice(None), *keep)]

    def version(self, operands: Sequence[TensorType | None], results: Sequence[TensorType]) -> int:
        return _version(operands)


def _version(operands: Sequence[TensorType | None]) -> int:
    x = operands[0]
    assert x is not None
    if x.dtype is DType.INT16:
        return 4
    if x.shape is not None and len(x.shape) != 4:
        return 3
    return 2 if x.dtype is DType.INT8 else 1


def _check_block(x: Operand, block: int) -> int:
    require(len(x.shape) == 4, f"x must be [N, H, W, C]; got rank {len(x.shape)}")
    require(block >= 1, f"block_size must be at least 1; got {block}")
    return block


def _check_blocks(x: Operand, block: Operand, border: Operand, name: str) -> int | None:
    """The number of spatial dimensions, None where unknown. Raises ShapeError."""
    m = block.shape[0] if len(block.shape) == 1 else -1
    require(
        (not isinstance(m, int) or 0 < m < len(x.shape))
        and len(border.shape) == 2
        and same_dim(border.shape[0], m) is not False
        and same_dim(border.shape[1], 2) is not False,
        f"block must be [M] and {name} [M, 2] with M below the rank {len(x.shape)}; "
        f"got {shown(block.shape)} and {shown(border.shape)}",
    )
    return m if isinstance(m, int) else None


def _check_values(sizes: Sequence[int], border: Sequence[int], name: str) -> None:
    require(min(sizes) >= 1, f"block must be at least 1; got {list(sizes)}")
    require(min(border) >= 0, f"{name} must not be negative; got {list(border)}")


def _divides(divisor: int, dim: Dim) -> bool:
    """True unless it is known not to."""
    return not isinstance(dim, int) or dim % divisor == 0
