"""Inputs and outputs keep the names of the source, whatever becomes of what computed them."""

from __future__ import annotations

import numpy as np
import pytest

import edgewise
from edgewise import Model
from edgewise.ir import Builder, Signature
from edgewise.passes import canonicalize, to_tflite
from tests.oracle.litert import Oracle

X = np.array([1, -2], np.float32)
WANTED = {"same": X, "twice": X, "positive": [1, 0], "x": X}


def simplified() -> Model:
    """Two outputs that are the input, one that is computed, and the input itself."""
    b = Builder()
    x = b.input("x", (2,))
    same = b.add(x, b.constant(np.zeros(2, np.float32)), label="same")
    twice = b.mul(same, b.constant(1.0), label="twice")
    model = Model()
    model.add(b.finish(same, twice, b.relu(twice, label="positive"), x))
    return model


def check(model: Model) -> None:
    outputs = edgewise.Interpreter(model.to_bytes())(X)
    assert list(outputs) == list(WANTED)
    for name, array in outputs.items():
        np.testing.assert_array_equal(array, WANTED[name])


def test_outputs_that_become_inputs_keep_their_names() -> None:
    model = canonicalize(simplified())
    assert len(model.main) == 1
    places = {"same": 0, "twice": 1, "positive": 2, "x": 3}
    assert model.signatures == [Signature("serving_default", "main", {"x": 0}, places)]
    check(model)
    check(to_tflite(canonicalize(model)))


def test_signatures_stay_what_they_are() -> None:
    model = simplified()
    given = Signature("score", "main", {"picture": 0}, {"a": 0, "b": 1, "c": 2, "d": 3})
    model.signatures.append(given)
    assert canonicalize(model).signatures == [given]


def test_no_signature_is_added_where_names_stay() -> None:
    b = Builder()
    model = Model()
    model.add(b.finish(b.relu(b.mul(b.input("x", (2,)), b.constant(1.0)), label="y")))
    made = canonicalize(model)
    assert (made.signatures, [v.name for v in made.main.outputs]) == ([], ["y"])


@pytest.mark.parity
def test_litert_knows_them_too(oracle: Oracle) -> None:
    data = canonicalize(simplified()).to_bytes()
    answer = oracle.run(data, {"x": X}, signature="serving_default")
    assert answer.error is None
    for name, array in answer.named.items():
        np.testing.assert_array_equal(array, WANTED[name])
    assert answer.named.keys() == WANTED.keys()
