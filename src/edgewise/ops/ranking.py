"""Order of elements: ARG_MAX, ARG_MIN, TOPK_V2."""

from __future__ import annotations

import numpy as np

from edgewise.dtypes import FLOATS, INDICES, QUANTIZED, DType
from edgewise.ir.dim import Shape, unknown_dim
from edgewise.ir.op import In, NotQuantized, Op, Operand, Out, Role, SameScale, require
from edgewise.ops.axes import scalar

VERSIONS = {DType.INT8: 2, DType.BOOL: 3}


class ArgExtreme(Op, abstract=True):
    """What ARG_MAX and ARG_MIN share.

    x of any rank of 1 or more, axis a scalar or [1] in [-R, R); y is x's shape without that axis,
    in `output_type`. Of equal elements the first wins.
    """

    output_type: DType = DType.INT32

    operands = (
        In("x", FLOATS | QUANTIZED | {DType.INT32, DType.BOOL}),
        In("axis", INDICES, Role.PARAMETER),
    )
    results = (Out("y", attr="output_type"),)
    quantization = NotQuantized()
    versions = VERSIONS

    def infer(self, x: Operand, axis: Operand) -> Shape:
        rank = len(x.shape)
        require(rank > 0, "x must have an axis; got a scalar")
        require(
            self.output_type in INDICES,
            f"output_type must be int32 or int64; got {self.output_type.text}",
        )
        if axis.data is None:
            return tuple(unknown_dim() for _ in range(rank - 1))
        chosen = _only(axis.data, "axis")
        require(-rank <= chosen < rank, f"axis must be in [{-rank}, {rank - 1}]; got {chosen}")
        require(
            x.shape[chosen] != 0, f"the axis searched must not be empty; got shape {list(x.shape)}"
        )
        return tuple(d for i, d in enumerate(x.shape) if i != chosen % rank)

    def reference(self, x: np.ndarray, axis: np.ndarray) -> np.ndarray:
        chosen = _only(axis, "axis")
        require(-x.ndim <= chosen < x.ndim, f"axis must be below rank {x.ndim}; got {chosen}")
        return self._search(x, chosen).astype(self.output_type.numpy)

    def _search(self, x: np.ndarray, axis: int) -> np.ndarray:
        raise NotImplementedError


class ArgMax(ArgExtreme, builtin="ARG_MAX", options="ArgMaxOptions"):
    """y = index of the largest element of x along the axis; the first of equals.

    **Source:** TensorFlow Lite arg_min_max.cc.
    """

    def _search(self, x: np.ndarray, axis: int) -> np.ndarray:
        return np.asarray(x.argmax(axis))


class ArgMin(ArgExtreme, builtin="ARG_MIN", options="ArgMinOptions"):
    """y = index of the smallest element of x along the axis; the first of equals.

    **Source:** TensorFlow Lite arg_min_max.cc.
    """

    def _search(self, x: np.ndarray, axis: int) -> np.ndarray:
        return np.asarray(x.argmin(axis))


class TopKV2(Op, builtin="TOPK_V2", options="TopKV2Options"):
    """The k largest elements of each row of x, in descending order, and their indices.

    Shapes: x [..., N], k a scalar in [0, N], values and indices [..., k]. Of equal elements the
    one with the lower index comes first. Indices are int32 (a file may declare int16).
    Quantized: x and values have one scale.
    **Source:** TensorFlow Lite topk_v2.cc.
    """

    operands = (
        In("x", FLOATS | QUANTIZED | INDICES),
        In("k", {DType.INT32, DType.INT16}, Role.PARAMETER),
    )
    results = (Out("values"), Out("indices", dtype=DType.INT32, free=True))
    quantization = SameScale()

    def infer(self, x: Operand, k: Operand) -> tuple[Shape, Shape]:
        require(len(x.shape) > 0, "x must have an axis; got a scalar")
        wanted, length = scalar(k, "k"), x.shape[-1]
        if wanted is not None:
            require(
                wanted >= 0 and (not isinstance(length, int) or wanted <= length),
                f"k must be in [0, {length}]; got {wanted}",
            )
        count = unknown_dim() if wanted is None else wanted
        return (*x.shape[:-1], count), (*x.shape[:-1], count)

    def reference(self, x: np.ndarray, k: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        count, length = _only(k, "k"), x.shape[-1]
        require(0 <= count <= length, f"k must be in [0, {length}]; got {count}")
        # a stable ascending sort of the reversed rows, read backwards: equals keep their order
        order = length - 1 - np.argsort(x[..., ::-1], axis=-1, kind="stable")[..., ::-1]
        order = order[..., :count]
        return np.take_along_axis(x, order, -1), order.astype(np.int32)


def _only(number: np.ndarray, name: str) -> int:
    require(number.size == 1, f"{name} must be one number; got {number.size}")
    return int(number.reshape(-1)[0])
