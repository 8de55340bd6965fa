"""What several operators on stored bytes make of one of them."""

from __future__ import annotations

import numpy as np

from edgewise.dtypes import DType
from edgewise.errors import ShapeError
from edgewise.ir.dim import Shape
from edgewise.ir.op import FreeScale, In, Op, Operand, Out, Role

Array = np.ndarray


class ByteTable(Op):
    """y = table[x]: what stored byte becomes of each stored byte.

    Shapes: x any, table [256], uint8, indexed by the byte of x (of int8: -1 is number 255); y has
    the shape and dtype of x, and its own scale. TFLite has no such operator: it is what operators
    of one 8-bit operand are to a kernel, and what a product x * sigmoid(x) is as a whole.
    """

    operands = (
        In("x", {DType.INT8, DType.UINT8}),
        In("table", {DType.UINT8}, Role.PARAMETER),
    )
    results = (Out("y"),)
    quantization = FreeScale()

    def infer(self, x: Operand, table: Operand) -> Shape:
        if table.shape != (256,):
            raise ShapeError(f"the table must have 256 bytes; got {table.shape}")
        return x.shape

    def reference(self, x: Array, table: Array) -> Array:
        return table[x.view(np.uint8)].view(x.dtype)
