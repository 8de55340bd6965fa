"""The verifier names every kind of damage."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest

from edgewise.dtypes import DType
from edgewise.errors import ShapeError
from edgewise.ir import Builder, Model, Quant, Signature, TensorType, Value, verify
from edgewise.ir.graph import Graph
from edgewise.ops.join import Concatenation
from edgewise.ops.pad import Pad
from edgewise.ops.reshape import Reshape, Transpose


def good() -> Model:
    """pad, transpose, concatenation, reshape on int8."""
    b = Builder()
    x = b.input("x", (2, 3), DType.INT8, Quant(0.1, 3))
    padded = b.node(Pad(), x, b.constant([[0, 0], [0, 1]], name="pads"), names=["padded"]).output
    turned = b.node(Transpose(), padded, b.constant([1, 0], name="perm"), names=["turned"]).output
    weights = np.zeros((4, 2), np.int8)
    extra = b.constant(weights, name="extra", quant=Quant(0.1, 3))
    joined = b.node(Concatenation(axis=0), turned, extra, names=["joined"]).output
    flat = b.node(Reshape(new_shape=(16,)), joined, names=["flat"]).output
    model = Model()
    model.add(b.finish(flat))
    model.signatures.append(Signature("serving_default", "main", {"x": 0}, {"flat": 0}))
    return model


def value(graph: Graph, name: str) -> Value:
    return next(v for v in graph.values() if v.name == name)


def drop_use(model: Model) -> None:
    value(model.main, "padded").uses.clear()


def steal_result(model: Model) -> None:
    value(model.main, "padded").producer = None


def wrong_index(model: Model) -> None:
    value(model.main, "padded").index = 1


def wrong_order(model: Model) -> None:
    """The second node before the first, by hand."""
    first, second = list(model.main.nodes)[:2]
    third = second.next
    assert third is not None
    model.main._first, second.prev, second.next = second, None, first
    first.prev, first.next, third.prev = second, third, first


def wrong_shape(model: Model) -> None:
    v = value(model.main, "padded")
    v.type = v.type.with_shape((2, 5))


def wrong_dtype(model: Model) -> None:
    v = value(model.main, "turned")
    v.type = dataclasses.replace(v.type, dtype=DType.INT16)


def operands_do_not_fit(model: Model) -> None:
    v = value(model.main, "perm")
    v.data = np.array([0, 5], np.int32)


def data_of_another_shape(model: Model) -> None:
    value(model.main, "extra").data = np.zeros((4, 3), np.int8)


def data_of_another_dtype(model: Model) -> None:
    value(model.main, "extra").data = np.zeros((4, 2), np.int16)


def quantize(quant: Quant) -> Callable[[Model], None]:
    def damage(model: Model) -> None:
        v = value(model.main, "extra")
        v.type = dataclasses.replace(v.type, quant=quant)

    return damage


def missing_output(model: Model) -> None:
    model.main.set_outputs([Value(TensorType((1,), DType.INT8), "nowhere")])


def signature(**changes: object) -> Callable[[Model], None]:
    def damage(model: Model) -> None:
        model.signatures[0] = dataclasses.replace(model.signatures[0], **changes)

    return damage


def foreign_operand(model: Model) -> None:
    """A value that another graph computes."""
    other = good().main
    node = next(iter(model.main.nodes))
    model.main.set_input(node, 0, value(other, "padded"))


DAMAGE = [
    (drop_use, "transpose 'turned': operand 0 does not know its use"),
    (steal_result, "pad 'padded': result 0 does not know its producer"),
    (wrong_index, "pad 'padded': result 0 does not know its producer"),
    (wrong_order, "transpose 'turned': operand 0 ('padded') is read before it is computed"),
    (wrong_shape, "pad 'padded': result 'padded' must be int8[2,4]; it is declared int8[2,5]"),
    (wrong_dtype, "transpose 'turned': result 'turned' must be int8[4,2]; it is declared int16"),
    (operands_do_not_fit, "transpose 'turned': perm must be in [-2, 1]; got 5"),
    (data_of_another_shape, "constant 'extra' is declared int8[4,2]; its data is int8[4,3]"),
    (data_of_another_dtype, "constant 'extra' is declared int8[4,2]; its data is int16[4,2]"),
    (quantize(Quant([0.1, 0.2], 0, axis=3)), "'extra': per-channel scales need an axis below"),
    (quantize(Quant([0.1, 0.2, 0.3], 0, axis=1)), "'extra': 3 scales for 2 channels"),
    (quantize(Quant(0.0)), "'extra': scales must be positive and finite"),
    (quantize(Quant(-1.0)), "'extra': scales must be positive and finite"),
    (quantize(Quant(float("inf"))), "'extra': scales must be positive and finite"),
    (quantize(Quant(float("nan"))), "'extra': scales must be positive and finite"),
    (quantize(Quant(0.1, 300)), "'extra': zero points must be in [-128, 127]"),
    (quantize(Quant(np.ones((1, 3)), 0, 0, 4)), "'extra': scales of blocks of 4 must be [1, 2]"),
    (quantize(Quant(np.ones((1, 2)), 0, 0, 0)), "'extra': block_size must be at least 1; got 0"),
    (missing_output, "output 'nowhere' is never computed"),
    (foreign_operand, "pad 'padded': operand 0 ('padded') is read before it is computed"),
    (signature(graph="other"), "signature 'serving_default': no graph @other"),
    (signature(inputs={"x": 1}), "signature 'serving_default': input 'x' has position 1"),
    (signature(outputs={"y": -1}), "signature 'serving_default': output 'y' has position -1"),
]


def test_a_good_model_verifies() -> None:
    verify(good())


@pytest.mark.parametrize(("damage", "sentence"), DAMAGE, ids=range(len(DAMAGE)))
def test_damage_is_named(damage: Callable[[Model], None], sentence: str) -> None:
    model = good()
    damage(model)
    with pytest.raises(ShapeError) as caught:
        verify(model)
    assert sentence in str(caught.value)


def test_all_problems_are_reported_together() -> None:
    model = good()
    wrong_shape(model)
    missing_output(model)
    with pytest.raises(ShapeError, match="problems in the model:") as caught:
        verify(model)
    assert len(str(caught.value).splitlines()) >= 3


def test_values_read_but_never_defined() -> None:
    """An operand that is no input, no constant, no variable and no result."""
    model = good()
    node = next(iter(model.main.nodes))
    model.main.set_input(node, 0, Value(TensorType((2, 3), DType.INT8, Quant(0.1, 3)), "ghost"))
    with pytest.raises(ShapeError, match="'ghost'"):
        verify(model)
