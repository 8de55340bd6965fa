"""Functions of a TensorFlow that runs, next to what they answer there.

They need TensorFlow and Keras in the environment (CONTRIBUTING.md); the programs are those of
`make_networks.py`.
"""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest

import edgewise

pytestmark = pytest.mark.full


@pytest.fixture(scope="module")
def networks() -> ModuleType:
    pytest.importorskip("tensorflow")
    if pytest.importorskip("keras").backend.backend() != "tensorflow":
        pytest.skip("only on the TensorFlow back end")
    return pytest.importorskip("tests.frontends.tensorflow.make_networks")


def agree(given, wanted):
    assert set(given) == set(wanted)
    for key, value in wanted.items():
        np.testing.assert_allclose(given[key], value.numpy(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("rows", [1, 3])
def test_a_keras_model_that_calls_tensorflow(networks, rows):
    tf, model = networks.tf, networks.Raw()
    x = networks.random(rows, 4)
    made = edgewise.convert(tf.function(model), inputs=[tf.TensorSpec((None, 4))])
    agree(edgewise.Interpreter(made.to_bytes())(x), model(x))


def test_a_concrete_function_with_control_flow(networks):
    module = networks.Branches()
    runner = edgewise.Interpreter(edgewise.convert(module.__call__.get_concrete_function()))
    for rows, n in ((1, 0), (3, 4)):
        x = networks.random(rows, 4)
        agree(runner(x, np.int32(n)), module(x, n))


def test_concrete_functions_that_share_variables(networks):
    module = networks.Learner()
    functions = [module.infer, module.train]
    made = edgewise.convert([function.get_concrete_function() for function in functions])
    runner = edgewise.Interpreter(made.to_bytes())
    x, y = networks.random(4, 3), networks.random(4, 2)
    for _ in range(3):
        agree(runner(x, signature="infer"), module.infer(x))
        agree(runner(x, y, signature="train"), module.train(x, y))


def test_a_function_over_any_number_of_steps(networks):
    tf, layer = networks.tf, networks.layers.LSTM(3, return_sequences=True)
    spec = tf.TensorSpec((None, None, 4))
    function = tf.function(lambda x: {"y": layer(x)}, input_signature=[spec])
    runner = edgewise.Interpreter(edgewise.convert(function.get_concrete_function()).to_bytes())
    for shape in ((1, 3, 4), (2, 5, 4)):
        x = networks.random(*shape)
        agree(runner(x), function(x))
