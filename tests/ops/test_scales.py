"""Integer operators refuse tensors whose scales are missing or lie along the wrong axis."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from edgewise.dtypes import DType
from edgewise.errors import QuantizationError
from edgewise.ir import Quant, TensorType
from edgewise.ir.evaluate import evaluate_op
from edgewise.ops.conv import Conv2D

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
            "'w' must be quantized along axis 0; got 3",
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
