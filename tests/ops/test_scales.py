"""Integer operators refuse tensors whose scales are missing or lie along the wrong axis."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from edgewise.dtypes import DType
from edgewise.errors import QuantizationError
from edgewise.ir import Quant, TensorType
from edgewise.ir.evaluate import evaluate_op
from edgewise.ops.activation import Prelu
from edgewise.ops.arithmetic import Mul
from edgewise.ops.conv import Conv2D
from edgewise.ops.convert import Dequantize
from edgewise.ops.softmax import Softmax

X = TensorType((1, 4, 4, 3), DType.INT8, Quant(0.1))
W = TensorType((5, 1, 1, 3), DType.INT8, Quant(np.full(5, 0.1), axis=0))
Y = TensorType((1, 4, 4, 5), DType.INT8, Quant(0.1))


def conv(x: TensorType = X, w: TensorType = W, y: TensorType = Y) -> np.ndarray:
    arrays = [np.ones(t.shape, np.int8) for t in (x, w)]
    return evaluate_op(Conv2D(), arrays, [x, w], [y])[0]


def test_complete_scales_are_accepted() -> None:
    assert conv().shape == Y.shape


@pytest.mark.parametrize(
    ("types", "message"),
    [
        ({"w": dataclasses.replace(W, quant=None)}, "'w' must have a scale"),
        ({"y": dataclasses.replace(Y, quant=None)}, "the result must have a scale"),
        (
            {"w": dataclasses.replace(W, quant=Quant(np.full(3, 0.1), axis=3))},
            "'w' must be quantized along axis 0; it has 3 along 3",
        ),
        (
            {"x": dataclasses.replace(X, quant=Quant(np.full(3, 0.1), axis=3))},
            "'x' must have one scale; it has 3 along 3",
        ),
        (
            {"w": dataclasses.replace(W, quant=Quant(np.ones((5, 1, 1, 1)), 0, 3, 3))},
            "'w' must not be quantized per block",
        ),
    ],
)
def test_missing_or_misplaced_scales_are_refused(
    types: dict[str, TensorType], message: str
) -> None:
    with pytest.raises(QuantizationError, match=message):
        conv(**types)


def test_every_operand_of_an_integer_operator_needs_a_scale() -> None:
    real = TensorType((3,), DType.FLOAT32)
    arrays = [np.ones(3, np.int8), np.ones(3, np.float32)]
    ints = TensorType((3,), DType.INT8, Quant(0.1))
    with pytest.raises(QuantizationError, match=r"'alpha' must have a scale.*it is float32"):
        evaluate_op(Prelu(), arrays, [ints, real], [ints])
    with pytest.raises(QuantizationError, match=r"the result must have a scale.*it is float32"):
        evaluate_op(Softmax(), arrays[:1], [ints], [real])
    with pytest.raises(QuantizationError, match="x must have a scale, as y has; it is float32"):
        evaluate_op(Softmax(), arrays[1:], [real], [ints])
    wide = dataclasses.replace(ints, dtype=DType.INT16)
    with pytest.raises(QuantizationError, match="y of int16 x must be int16; got int8"):
        evaluate_op(Softmax(), [np.ones(3, np.int16)], [wide], [ints])


def test_a_scale_left_on_wide_integers_means_nothing() -> None:
    scaled = TensorType((3,), DType.INT32, Quant(0.1))
    bare = dataclasses.replace(scaled, quant=None)
    x = np.array([1, 2, 3], np.int32)
    for types in ([scaled, bare], [bare, scaled], [scaled, scaled], [bare, bare]):
        for result in (scaled, bare):
            [y] = evaluate_op(Mul(), [x, x], types, [result])
            np.testing.assert_array_equal(y, [1, 4, 9])
    [real] = evaluate_op(Dequantize(), [x], [scaled], [TensorType((3,), DType.FLOAT32)])
    np.testing.assert_allclose(real, x * np.float32(0.1))
