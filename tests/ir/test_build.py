"""The builder: calls that read like operators, and errors that say where."""

from __future__ import annotations

import numpy as np
import pytest

import edgewise.ops  # noqa: F401  (defines the operators)
from edgewise.dtypes import DType
from edgewise.errors import ShapeError
from edgewise.ir import Builder, Location, Model, Quant, verify
from edgewise.ir.enums import Padding
from edgewise.ops.reshape import Reshape


def test_a_small_network() -> None:
    b = Builder()
    x = b.input("image", (1, 8, 8, 3))
    y = b.conv_2d(
        x,
        b.constant(np.zeros((4, 3, 3, 3), np.float32)),
        b.constant(np.zeros(4, np.float32)),
        padding=Padding.SAME,
        stride_w=2,
        stride_h=2,
    )
    model = Model()
    model.add(b.finish(b.reshape(y, b.constant([1, -1]))))
    verify(model)
    assert model.main.outputs[0].shape == (1, 64)
    assert [n.op.name for n in model.main.nodes] == ["conv_2d", "reshape"]


def test_an_error_names_operator_and_layer() -> None:
    b = Builder()
    x = b.input("x", (2, 3))
    b.location = Location("block1/flatten", "model.py", 7)
    with pytest.raises(ShapeError) as caught:
        b.reshape(x, b.constant([4, 2]))
    assert str(caught.value) == (
        "reshape 'block1/flatten' (model.py:7): the new shape must keep the number of elements; "
        "got [4, 2] for 6"
    )
    b.location = None
    with pytest.raises(ShapeError, match=r"^reshape 'flat': the new shape"):
        b.reshape(x, b.constant([4, 2]), label="flat")
    assert len(b.graph) == 0
    assert not x.uses


def test_operands_are_checked() -> None:
    b = Builder()
    x = b.input("x", (1, 4, 4, 3))
    w = b.constant(np.zeros((2, 1, 1, 3), np.float32))
    with pytest.raises(ShapeError, match=r"conv_2d .*takes 3 operands \(x, w, bias\); got 1"):
        b.conv_2d(x)
    with pytest.raises(ShapeError, match="operand 'w' is missing"):
        b.conv_2d(x, None, w)
    with pytest.raises(ShapeError, match="takes at most 3 operands; got 4"):
        b.conv_2d(x, w, None, w)
    with pytest.raises(ShapeError, match="operand 'w' must be one of"):
        b.conv_2d(x, b.constant([1, 2]))
    with pytest.raises(AttributeError, match="no operator is named 'conv_5d'"):
        b.conv_5d(x)
    with pytest.raises(TypeError):
        b.conv_2d(x, w, strides=2)


def test_absent_optional_operands_at_the_end_are_dropped() -> None:
    b = Builder()
    x = b.input("x", (2, 3))
    node = b.node(Reshape(new_shape=(6,)), x, None)
    assert node.inputs == (x,)


def test_constants_take_the_dtypes_of_models() -> None:
    b = Builder()
    assert b.constant([1, 2]).dtype is DType.INT32
    assert b.constant(1.5).dtype is DType.FLOAT32
    assert b.constant(np.array([1.5])).dtype is DType.FLOAT64
    assert b.constant([1, 2], DType.INT64).dtype is DType.INT64
    assert b.constant([True]).dtype is DType.BOOL


def test_names_become_unique() -> None:
    b = Builder()
    x = b.input("x", (2, 3))
    b.location = Location("layer")
    y = b.reshape(b.reshape(x, b.constant([6])), b.constant([3, 2]))
    b.location = None
    z = b.transpose(y, b.constant([1, 0]), label="x")
    graph = b.finish(z)
    names = [v.name for v in graph.values()]
    assert len(set(names)) == len(names)
    assert x.name == "x"
    assert z.name == "x_1"
    assert "layer" in names
    assert "layer_1" in names


def test_results_may_be_declared() -> None:
    b = Builder()
    x = b.input("x", (2, 3), DType.INT8, Quant(0.5, 1))
    same = b.reshape(x, b.constant([6]))
    assert same.quant == Quant(0.5, 1)
    other = b.concatenation(x, x, axis=0, quant=Quant(0.25, 0))
    assert other.quant == Quant(0.25, 0)


def test_insert_before_a_node() -> None:
    b = Builder()
    x = b.input("x", (2, 3))
    b.location = Location("layer")
    y = b.transpose(x, b.constant([1, 0]))
    graph = b.finish(y)
    assert y.producer is not None
    inner = Builder(graph, before=y.producer)
    padded = inner.pad(x, inner.constant([[0, 0], [0, 0]]))
    graph.set_input(y.producer, 0, padded)
    model = Model()
    model.add(graph)
    verify(model)
    assert [n.op.name for n in graph.nodes] == ["pad", "transpose"]
    assert padded.producer is not None
    assert padded.producer.location == Location("layer")
