"""Shape arithmetic is followed before the model runs, whatever operators it is written in."""

from __future__ import annotations

import numpy as np

import edgewise.ops  # noqa: F401  (defines the operators)
from edgewise.dtypes import DType
from edgewise.ir import Builder, Sym
from edgewise.ir.contents import dims


def test_arithmetic_on_shapes_is_known() -> None:
    batch, width = Sym("batch"), Sym("width")
    b = Builder()
    shape = b.shape(b.input("x", (batch, width, 3)), out_type=DType.INT32)
    doubled = b.mul(shape, b.constant(np.array([2, 2, 2], np.int32)))
    moved = b.sub(b.add(doubled, shape), b.constant(np.array([1, 0, 0], np.int32)))
    assert dims(moved) == (batch * 3 - 1, width * 3, 9)


def test_the_product_of_a_shape_is_known() -> None:
    batch = Sym("batch")
    b = Builder()
    shape = b.cast(
        b.shape(b.input("x", (batch, 4, 3)), out_type=DType.INT64), out_data_type=DType.INT32
    )
    count = b.reduce_prod(shape, b.constant(np.array([0], np.int32)), keep_dims=True)
    assert dims(count) == (batch * 12,)
    assert b.reshape(b.input("y", (batch, 12)), count).shape == (batch * 12,)
