"""A dense layer of floats by integer weights, computed in floats."""

from __future__ import annotations

from edgewise.dtypes import DType
from edgewise.ir.op import In, Role
from edgewise.ops.fully_connected import FullyConnected


class DenseByIntegers(FullyConnected):
    """FULLY_CONNECTED of float32 x by a DEQUANTIZE of constant integers, as one operator.

    FULLY_CONNECTED of float x by the integers themselves means the same, but kernels may quantize x
    for it (`runtime/select/conv_h8.py`); here they do not. TFLite has no such operator.
    """

    operands = (
        In("x", {DType.FLOAT32}),
        In("w", {DType.INT8, DType.INT4, DType.INT2}, Role.WEIGHT, channel_axis=0),
        In("bias", {DType.FLOAT32}, Role.BIAS, optional=True),
    )
