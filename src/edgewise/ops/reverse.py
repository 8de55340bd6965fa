"""Elements in the opposite order: REVERSE_V2, REVERSE_SEQUENCE."""

from __future__ import annotations

import numpy as np

from edgewise.dtypes import INDICES, DType
from edgewise.ir.contents import integers
from edgewise.ir.dim import Shape, same_dim
from edgewise.ir.op import In, Op, Operand, Role, require
from edgewise.ops.axes import axes_in, axis_in, shown


class ReverseV2(Op, builtin="REVERSE_V2", options="ReverseV2Options"):
    """x with the order of its elements reversed along each of `axes`.

    Shapes: x [...], axes [K] (or []), y as x. Any dtype.
    **Source:** TensorFlow Lite kernels/reverse.cc (which asks for consecutive axes; here any).
    """

    operands = (In("x"), In("axes", INDICES, Role.PARAMETER))
    versions = {DType.INT8: 3, DType.BOOL: 2}

    def infer(self, x: Operand, axes: Operand) -> Shape:
        require(len(axes.shape) <= 1, f"axes must be a vector; got {shown(axes.shape)}")
        axes_in(integers(axes) or (), len(x.shape))
        return x.shape

    def reference(self, x: np.ndarray, axes: np.ndarray) -> np.ndarray:
        return np.flip(x, axes_in([int(a) for a in axes.reshape(-1)], x.ndim))


class ReverseSequence(Op, builtin="REVERSE_SEQUENCE", options="ReverseSequenceOptions"):
    """The first lengths[b] elements along `seq_dim` reversed, for each b of `batch_dim`.

    Shapes: x [...], lengths [B] in [0, size of seq_dim], y as x. Any dtype.
    **Source:** TensorFlow Lite kernels/reverse_sequence.cc.
    """

    seq_dim: int = 0
    batch_dim: int = 0

    operands = (In("x"), In("lengths", INDICES, Role.PARAMETER))

    def infer(self, x: Operand, lengths: Operand) -> Shape:
        seq, batch = self._axes(len(x.shape))
        require(
            len(lengths.shape) == 1 and same_dim(lengths.shape[0], x.shape[batch]) is not False,
            f"lengths must be [{x.shape[batch]}], one per batch; got {shown(lengths.shape)}",
        )
        known, size = integers(lengths), x.shape[seq]
        if known is not None and isinstance(size, int):
            _check(np.array(known, np.int64), size)
        return x.shape

    def reference(self, x: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        seq, batch = self._axes(x.ndim)
        _check(lengths, x.shape[seq])
        rows = np.moveaxis(x, (batch, seq), (0, 1))
        steps = np.arange(rows.shape[1])[None, :]
        ends = lengths.astype(np.intp)[:, None]
        index = np.where(steps < ends, ends - 1 - steps, steps)
        return np.moveaxis(rows[np.arange(len(rows))[:, None], index], (0, 1), (batch, seq))

    def _axes(self, rank: int) -> tuple[int, int]:
        seq, batch = (
            axis_in(self.seq_dim, rank, "seq_dim"),
            axis_in(self.batch_dim, rank, "batch_dim"),
        )
        require(seq != batch, f"seq_dim and batch_dim must differ; got {self.seq_dim} twice")
        return seq, batch


def _check(lengths: np.ndarray, size: int) -> None:
    inside = lengths.size == 0 or (int(lengths.min()) >= 0 and int(lengths.max()) <= size)
    require(inside, f"lengths must be in [0, {size}]; got {lengths.tolist()[:8]}")
