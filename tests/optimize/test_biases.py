"""optimize/biases.py: quantized layers have the float model's means."""

from __future__ import annotations

import numpy as np
import pytest

from edgewise.dtypes import DType
from edgewise.ir.build import Builder
from edgewise.ir.enums import Activation
from edgewise.ir.model import Model
from edgewise.ops.fully_connected import FullyConnected
from edgewise.ops.requant import quantize_real
from edgewise.optimize import Recipe, correct_biases, prepare, quantize
from edgewise.optimize.biases import _ENOUGH, _typical
from edgewise.optimize.observe import observe
from edgewise.optimize.walk import evenly
from tests.optimize.test_defaults import divergence, samples, separable


def scores(model: Model, given: list[np.ndarray]) -> np.ndarray:
    """What the last layer computes, real numbers."""
    [layer] = [n for n in model.main.nodes if isinstance(n.op, FullyConnected)]
    y = layer.output
    found = [seen[y] for seen in observe(model, given)]
    return np.concatenate(found if y.quant is None else [y.quant.dequantize(a) for a in found])


@pytest.mark.parametrize("scheme", ["static_wi8_ai8", "static_wi4_ai8", "static_wi8_au8"])
def test_means_are_those_of_float(scheme):
    model, given = separable(), samples(1)
    plain = quantize(model, Recipe(scheme, techniques=()), samples=given)
    made = correct_biases(plain, model, iter(given))
    true = scores(prepare(model), given)
    before, after = (np.abs((scores(m, given) - true).mean(0)).mean() for m in (plain, made))
    assert after < 0.25 * before
    assert divergence(made) < 0.5 * divergence(plain)  # on other samples
    assert len(made.to_bytes()) == len(plain.to_bytes())


def test_it_is_done_where_data_is_integers():
    given = samples(1)
    by_default, compensated = (
        quantize(separable(), recipe, samples=given)
        for recipe in ("static_wi8_ai8", Recipe("static_wi8_ai8", techniques=["compensate"]))
    )
    assert divergence(by_default) < 0.8 * divergence(compensated)


def test_inputs_may_be_integers():
    given, recipe = samples(1), Recipe("static_wi8_ai8", techniques=["correct_biases"])
    floats = quantize(separable(), recipe, samples=given)
    whole = quantize(separable(), recipe, samples=given, input_dtype="int8")
    quant = whole.main.inputs[0].quant
    assert quant is not None
    stored = [quantize_real(x, quant, DType.INT8) for x in given]
    np.testing.assert_array_equal(scores(whole, stored), scores(floats, given))


def test_layers_without_a_bias_and_one_sample_change_nothing():
    rng, b = np.random.default_rng(0), Builder("main")
    w = rng.normal(size=(8, 8)).astype(np.float32)
    y = b.fully_connected(b.input("x", (1, 8)), b.constant(w), None)
    bias = rng.normal(size=8).astype(np.float32)
    act = Activation.RELU
    y = b.fully_connected(y, b.constant(w), b.constant(bias), fused_activation_function=act)
    model = Model()
    model.add(b.finish(y))
    given = [rng.normal(2, 0.1, (1, 8)).astype(np.float32) for _ in range(20)]
    plain = quantize(model, Recipe("static_wi4_ai8", techniques=()), samples=given)
    assert correct_biases(plain, model, given[:1]).to_bytes() == plain.to_bytes()
    assert correct_biases(plain, model, given).to_bytes() != plain.to_bytes()


def test_a_mean_that_may_be_chance_is_believed_less():
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 1, (50, 200))
    assert np.abs(_typical(noise)).mean() < 0.4 * np.abs(noise.mean(0)).mean()
    np.testing.assert_allclose(_typical(noise + 10), (noise + 10).mean(0), rtol=1e-3)


@pytest.mark.parametrize("count", [1, _ENOUGH, 2 * _ENOUGH - 1, 100, 1000])
def test_samples_are_taken_evenly(count):
    found = evenly(range(count), _ENOUGH)  # type: ignore[arg-type]
    assert len(found) in (count, *range(_ENOUGH, 2 * _ENOUGH))
    steps = set(np.diff(found).tolist())
    assert len(steps) <= 1
    assert count - found[-1] <= (found[1] if count > 1 else 1)
