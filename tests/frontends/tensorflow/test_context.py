"""What handlers of TensorFlow operations are given: attributes with a check, known operands."""

from __future__ import annotations

import numpy as np
import pytest

from edgewise.dtypes import DType
from edgewise.errors import FormatError
from edgewise.frontends.tensorflow import attrs
from edgewise.frontends.tensorflow.context import Context, Unsupported
from edgewise.frontends.tensorflow.program import FunctionName, TFNode
from edgewise.ir.build import Builder
from edgewise.ir.dim import Sym


def context() -> Context:
    def walk(*given: object) -> list[object]:
        raise AssertionError("nothing is called here")

    return Context(Builder("main"), "model", functions={}, walk=walk)


def node(**attributes: object) -> TFNode:
    return TFNode("n", "Op", attrs=attributes)


def test_attributes_have_the_kind_that_is_asked_for():
    assert attrs.integers(node(k=(1, 2)), "k") == (1, 2)
    assert attrs.text(node(k=b"SAME"), "k") == "SAME"
    assert attrs.flag(node(), "k", False) is False
    assert attrs.real(node(k=2), "k") == 2.0
    assert attrs.dtype(node(k=DType.BFLOAT16), "k") is DType.FLOAT32


@pytest.mark.parametrize(
    ("read", "given", "text"),
    [
        (attrs.integer, True, "must be an integer; found True"),
        (attrs.integer, None, "must be an integer; found nothing"),
        (attrs.integers, (1, 2.0), r"must be a list of integers; found \(1, 2.0\)"),
        (attrs.flag, 1, "must be a bool; found 1"),
        (attrs.text, 3, "must be a string; found 3"),
        (attrs.function, "f", "must be a function; found 'f'"),
    ],
)
def test_attributes_of_another_kind_are_damage(read, given, text):
    given_attrs = {} if given is None else {"k": given}
    with pytest.raises(FormatError, match=rf"node 'n' \(Op\): attribute 'k' {text}"):
        read(node(**given_attrs), "k")


def test_choices_are_listed():
    with pytest.raises(FormatError, match="must be one of SAME, VALID; found 'EXPLICIT'"):
        attrs.choice(node(k=b"EXPLICIT"), "k", ("SAME", "VALID"))


def test_a_type_of_tensorflow_alone_is_unsupported():
    with pytest.raises(Unsupported, match="elements of type DT_QINT8; cast to a type"):
        attrs.dtype(node(k="DT_QINT8"), "k")


def test_constants_are_in_the_type_they_are_computed_in():
    c = context()
    wide = np.ones(3)
    assert c.constant(wide).dtype is DType.FLOAT32
    assert c.constant(wide) is c.constant(wide)
    assert c.constant(np.ones(3)) is not c.constant(wide)


def test_what_constants_give_is_known():
    c = context()
    axis = c.b.add(c.b.constant(np.array([1, 2], np.int32)), c.b.constant(np.array(1, np.int32)))
    assert c.integers(axis, "its axis") == (2, 3)
    large = c.b.neg(c.constant(np.arange(1000, dtype=np.float32)))
    assert c.array(large, "its weights")[999] == -999
    for _ in range(3000):  # deeper than Python recurses
        large = c.b.neg(large)
    assert c.array(large, "its weights")[999] == -999


def test_what_depends_on_inputs_is_not_known():
    c = context()
    x = c.b.input("x", (Sym("batch"), 8))
    assert c.known(c.b.neg(x)) is None
    with pytest.raises(Unsupported, match="its axis is computed when the model runs; make it"):
        c.integers(c.b.cast(x, in_data_type=DType.FLOAT32, out_data_type=DType.INT32), "its axis")
    shape = c.b.shape(x)
    assert c.dims(shape) == (Sym("batch"), 8)
    assert c.known(c.b.shape(c.b.input("y", (3, 8)))) is not None


def test_a_function_that_is_missing():
    with pytest.raises(Unsupported, match="it calls 'f', which the file does not have"):
        context().call(FunctionName("f"), [])
