"""Where complex numbers, pairs of real tensors inside, cannot go: results, lists, loops."""

from __future__ import annotations

import numpy as np
import pytest

from edgewise.dtypes import DType
from edgewise.errors import ConversionError, UnsupportedOp
from edgewise.frontends.tensorflow.lower import lower
from edgewise.frontends.tensorflow.program import FunctionName
from edgewise.ir.evaluate import evaluate
from tests.frontends.tensorflow.programs import argument, constant, function, node, program

ROW = argument("x", (2, 12))
SPECTRUM = [constant("n", [12], np.int32), node("z", "RFFT", "x", "n")]


def test_a_complex_result_says_what_to_return_instead():
    with pytest.raises(ConversionError) as error:
        lower(program(function("main", [ROW], SPECTRUM, ["z"])))
    assert str(error.value) == (
        "model.pb: signature 'main': output 'output_0' is complex; "
        "return tf.math.real and tf.math.imag of it"
    )


def test_a_loop_takes_no_complex_numbers():
    names = {"cond": FunctionName("more"), "body": FunctionName("again")}
    loop = node("y", "While", "z", **names)
    with pytest.raises(UnsupportedOp, match="While: it takes complex numbers; hand their parts"):
        lower(program(function("main", [ROW], [*SPECTRUM, loop], ["y"])))


def test_a_function_that_is_called_takes_and_returns_pairs():
    size = function("size", [argument("z", None)], [node("y", "ComplexAbs", "z")], ["y"])
    again = function("again", [argument("z", None)], [node("y", "Conj", "z")], ["y"])
    nodes = [
        *SPECTRUM,
        node("w", "PartitionedCall", "z", f=FunctionName("again")),
        node("same", "Identity", "w", T=DType.COMPLEX64),
        node("y", "PartitionedCall", "same", f=FunctionName("size")),
    ]
    model = lower(program(function("main", [ROW], nodes, ["y"]), size, again))
    x = np.random.default_rng(0).normal(size=(2, 12)).astype(np.float32)
    (y,) = evaluate(model.main, [x])
    np.testing.assert_allclose(y, np.abs(np.fft.rfft(x)), 1e-5, 1e-5)
