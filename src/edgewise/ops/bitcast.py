"""BITCAST: the same bytes under another element type."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from edgewise.dtypes import DType
from edgewise.ir.dim import Shape, same_dim
from edgewise.ir.op import In, NotQuantized, Op, Operand, Out, Role, require
from edgewise.ir.types import TensorType
from edgewise.ops.axes import shown

_BYTES = frozenset(d for d in DType if d.bits >= 8 and d is not DType.RESOURCE)


class Bitcast(Op, builtin="BITCAST", options="BitcastOptions"):
    """y = the bytes of x, read as `dtype`.

    Shapes: x [...], y [...] where elements are of one size; [..., size of x's / size of y's] where
    those of y are smaller; where they are larger, x is [..., size of y's / size of x's]. Any dtypes
    of whole bytes. A file says `dtype` by what it declares of the result.
    **Source:** TensorFlow Lite kernels/bitcast.cc.
    """

    dtype: DType = DType.INT32

    operands = (In("x", _BYTES, Role.PARAMETER),)
    results = (Out("y", attr="dtype"),)
    quantization = NotQuantized()

    @classmethod
    def declared_attributes(cls, results: Sequence[TensorType]) -> Mapping[str, Any]:
        return {"dtype": results[0].dtype} if results else {}

    def infer(self, x: Operand) -> Shape:
        old, new = x.dtype.bits, self.dtype.bits
        require(self.dtype in _BYTES, f"dtype must have whole bytes; got {self.dtype.text}")
        if old >= new:
            return (*x.shape, old // new) if old > new else x.shape
        require(
            len(x.shape) >= 1 and same_dim(x.shape[-1], new // old) is not False,
            f"x must be [..., {new // old}] to become {self.dtype.text}; got {shown(x.shape)}",
        )
        return x.shape[:-1]

    def reference(self, x: np.ndarray) -> np.ndarray:
        old, new = x.dtype.itemsize, self.dtype.bits // 8
        shape = (*x.shape, old // new) if old > new else x.shape[:-1] if old < new else x.shape
        data = np.frombuffer(np.ascontiguousarray(x).tobytes(), np.uint8)
        if self.dtype is DType.BOOL:
            return (data != 0).reshape(shape)  # another byte is no valid bool
        return data.view(self.dtype.numpy).reshape(shape)
