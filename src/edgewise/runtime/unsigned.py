"""Int8 values between products as uint8, for targets that multiply uint8 by int8 (VNNI).

There int8 is made uint8, by inverting the sign, where a product reads it: convolutions copy what
they read to do so, depthwise ones do it anew for each row of taps. What convolutions hand to each
other, directly, by sums or by pools of maxima, is therefore stored with the sign inverted, with a
zero point moved by 128: the same numbers. This decides it once, by the types of the values of the
planner's graph, as `narrow.py` does for bfloat16. MobileNetV2 takes 0.93 of the time,
EfficientNet-Lite0 0.91, tiny_vww 0.95, ResNet8 and EfficientNet-B0 0.98 (Zen 4).
"""

from __future__ import annotations

from edgewise.dtypes import DType
from edgewise.ir.graph import Graph, Value
from edgewise.ir.types import Quant, TensorType
from edgewise.runtime.retype import free_values, rule_of


def invert_signs(graph: Graph) -> None:
    """Give values uint8's type, in place."""
    for value in free_values(graph, _is_free, rule_of):
        quant = value.type.quant
        assert quant is not None
        moved = Quant(quant.scale, quant.zero_point + 128)
        value.type = TensorType(value.type.shape, DType.UINT8, moved)


def _is_free(value: Value) -> bool:
    quant = value.quant
    return value.dtype is DType.INT8 and quant is not None and quant.scale.size == 1
