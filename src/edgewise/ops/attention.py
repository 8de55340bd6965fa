"""Attention as one operator of the IR."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgewise.dtypes import FLOATS
from edgewise.ir.dim import Dim, Shape, elements, same_dim
from edgewise.ir.op import In, NotQuantized, Op, Operand, Out, require
from edgewise.ops.axes import shown
from edgewise.ops.batch_matmul import broadcast_batch
from edgewise.ops.softmax import Softmax


class Attention(Op):
    """y = softmax(scale * q k^T + mask) v, softmax along the keys.

    Shapes: q [..., M, D], k [..., S, D], v [..., S, N], mask (optional) broadcasts to [..., M, S],
    y [..., M, N]; leading dimensions broadcast. Each operand but the mask is transposed by its
    permutation first (empty: as it is), and y by `y_perm` at the end, so that heads may lie within
    rows. Float only.
    TFLite has no such operator: it is BATCH_MATMUL, MUL, ADD, SOFTMAX, BATCH_MATMUL there.
    **Source:** Vaswani et al. 2017.
    """

    scale: float = 1.0
    q_perm: tuple[int, ...] = ()
    k_perm: tuple[int, ...] = ()
    v_perm: tuple[int, ...] = ()
    y_perm: tuple[int, ...] = ()

    operands = (
        In("q", FLOATS),
        In("k", FLOATS),
        In("v", FLOATS),
        In("mask", FLOATS, optional=True),
    )
    results = (Out("y", like="q"),)
    quantization = NotQuantized()
    tolerance = 1e-5

    def infer(self, q: Operand, k: Operand, v: Operand, mask: Operand | None) -> Shape:
        require(self.scale > 0, f"scale must be positive; got {self.scale}")
        for name, x in (("q", q), ("k", k), ("v", v)):
            require(len(x.shape) >= 2, f"{name} must be of rank 2 or more; got {shown(x.shape)}")
        queries = _transposed("q", q.shape, self.q_perm)
        keys = _transposed("k", k.shape, self.k_perm)
        values = _transposed("v", v.shape, self.v_perm)
        require(
            same_dim(queries[-1], keys[-1]) is not False,
            f"q and k must agree in their last dimension; got {queries[-1]} and {keys[-1]}",
        )
        require(
            same_dim(keys[-2], values[-2]) is not False,
            f"k and v must have as many rows; got {keys[-2]} and {values[-2]}",
        )
        batch = broadcast_batch(queries[:-2], broadcast_batch(keys[:-2], values[:-2]))
        scores = (*batch, queries[-2], keys[-2])
        if mask is not None:
            own = mask.shape[::-1]
            fits = len(own) <= len(scores) and all(
                m == 1 or same_dim(m, s) is not False
                for m, s in zip(own, scores[::-1], strict=False)
            )
            require(fits, f"mask must broadcast to {shown(scores)}; got {shown(mask.shape)}")
        return _transposed("y", (*batch, queries[-2], values[-1]), self.y_perm)

    def reference(
        self, q: np.ndarray, k: np.ndarray, v: np.ndarray, mask: np.ndarray | None
    ) -> np.ndarray:
        q, k, v = (
            x.transpose(perm) if perm else x
            for x, perm in ((q, self.q_perm), (k, self.k_perm), (v, self.v_perm))
        )
        scores = (q @ k.swapaxes(-1, -2)) * q.dtype.type(self.scale)
        scores = scores if mask is None else scores + mask
        y = Softmax().reference(scores) @ v
        return y.transpose(self.y_perm) if self.y_perm else y

    def macs(self, operands: Sequence[Shape | None], results: Sequence[Shape]) -> Dim:
        k = operands[1]
        assert k is not None
        *_, keys, depth = _transposed("k", k, self.k_perm)
        y = results[0]
        n = y[self.y_perm.index(len(y) - 1)] if self.y_perm else y[-1]
        both = elements(y) * keys
        return both * 2 if same_dim(depth, n) is True else both


def _transposed(name: str, shape: Shape, perm: tuple[int, ...]) -> Shape:
    """The shape by the operand's permutation."""
    require(
        not perm or sorted(perm) == list(range(len(shape))),
        f"{name}_perm must be a permutation of {len(shape)} axes; got {list(perm)}",
    )
    return tuple(shape[i] for i in perm) if perm else shape
