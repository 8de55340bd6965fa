"""Techniques of a recipe: what is done to the float model before, by name, in one order."""

from __future__ import annotations

import weakref

import numpy as np
import pytest

from edgewise.data import open_data
from edgewise.errors import QuantizationError
from edgewise.ir.build import Builder
from edgewise.ir.enums import Activation
from edgewise.ir.graph import Value
from edgewise.ir.model import Model
from edgewise.optimize import (
    Recipe,
    Technique,
    activations,
    calibrate,
    channel_maxima,
    compensate,
    correct_biases,
    cross_layer,
    finer_steps,
    quantize,
    shift_channels,
    widen,
)
from edgewise.optimize.channels import groups
from edgewise.optimize.equalize import apply
from edgewise.optimize.techniques import equalized
from edgewise.runtime.session import Session
from tests.optimize.networks import residual, samples

ALL = (
    *("compensate", "finer_steps", "widen", "cross_layer", "activations"),
    *("shift_channels", "correct_biases"),
)


def outputs(model: Model) -> np.ndarray:
    session = Session(model.main, stateless=True)
    return np.stack([session.run(sample)[0] for sample in samples(model)])


def damaged(spread: float = 2.0) -> Model:
    """A network whose channels have units far apart; it computes what it would without."""
    rng, b = np.random.default_rng(3), Builder()

    def constant(*shape: int) -> Value:
        return b.constant(rng.normal(0, np.prod(shape[1:]) ** -0.5, shape).astype(np.float32))

    act = Activation.RELU
    x = b.input("image", (1, 12, 12, 3))
    y = b.conv_2d(x, constant(16, 3, 3, 3), constant(16), fused_activation_function=act)
    w = constant(1, 3, 3, 16)
    y = b.depthwise_conv_2d(y, w, constant(16), fused_activation_function=act)
    y = b.conv_2d(y, constant(16, 1, 1, 16), constant(16), fused_activation_function=act)
    y = b.fully_connected(b.mean(y, b.constant([1, 2])), constant(10, 16), constant(10))
    model = Model()
    model.add(b.finish(y))
    found = groups(model.main)
    apply(model.main, {g: np.exp(rng.normal(0, spread, g.channels)) for g in found})
    return model


def test_techniques_have_one_order_and_stand_in_the_file():
    recipe = Recipe("static_wi4_ai8", techniques=ALL)
    assert recipe.techniques == tuple(Technique)
    assert Recipe.from_json(recipe.to_json()) == recipe
    assert "techniques" not in Recipe("float16").to_json()
    more = Recipe("float16").with_techniques(["compensate"]).with_techniques(["compensate"])
    assert more.techniques == (Technique.COMPENSATE,)
    assert more.keeping_float(["head"]).techniques == (Technique.COMPENSATE,)


@pytest.mark.parametrize("techniques", ['["adaround"]', '"compensate"', "[1]"])
def test_what_is_no_technique_is_refused(techniques):
    text = f'{{"scheme": "float16", "techniques": {techniques}}}'
    with pytest.raises(QuantizationError, match="techni"):
        Recipe.from_json(text)


def test_they_are_the_functions_one_after_the_other():
    model, recipe = residual(), Recipe("static_wi4_ai8", techniques=ALL)
    given = samples(model)
    by_hand = cross_layer(model).model
    true = activations(by_hand, channel_maxima(by_hand, given)).model
    true = shift_channels(finer_steps(widen(true), given), recipe, given)
    by_hand = compensate(true, recipe, given)
    made = compensate(equalized(model, recipe, given), recipe, given)
    np.testing.assert_array_equal(outputs(made), outputs(by_hand))
    plain = Recipe(recipe.scheme)
    whole = correct_biases(quantize(by_hand, plain, calibrate(by_hand, given)), true, given)
    np.testing.assert_array_equal(
        outputs(quantize(model, recipe, samples=iter(given))), outputs(whole)
    )
    assert (outputs(equalized(model, plain, None)) == outputs(model)).all()


def test_techniques_go_through_data_again_and_keep_none_of_it():
    model, recipe = residual(), Recipe("static_wi4_ai8", techniques=("compensate",))
    given = [sample[0] for sample in samples(model)]
    alive: list[weakref.ref[np.ndarray]] = []
    most = rounds = 0

    def again():
        nonlocal most, rounds
        rounds += 1
        for array in given:
            own = array.copy()
            most = max(most, sum(one() is not None for one in alive))
            alive.append(weakref.ref(own))
            yield own

    streamed = quantize(model, recipe, samples=open_data(again))
    assert rounds >= 2, "compensate, and then calibrate"
    assert most < len(given) // 2, "samples at a time"
    listed = quantize(model, recipe, samples=given)
    np.testing.assert_array_equal(outputs(streamed), outputs(listed))


def test_they_need_samples_and_take_no_ranges():
    model = residual()
    recipe = Recipe("static_wi8_ai8", techniques=ALL)
    with pytest.raises(QuantizationError, match=r"compensate, correct_biases need samples; got"):
        quantize(model, recipe)
    with pytest.raises(QuantizationError, match=r"change the model.* Give samples="):
        quantize(model, recipe, calibrate(model, samples(model)))
    quantize(model, Recipe("dynamic_wi8_afp32", techniques=("cross_layer",)))


def test_maxima_are_those_of_all_samples():
    model = residual()
    given = samples(model)
    found = channel_maxima(model, iter(given))
    largest = np.abs(np.concatenate([s[0] for s in given])).max((0, 1, 2))
    np.testing.assert_array_equal(found["image"], largest)
    probabilities = next(name for name in found if name.startswith("probabilities"))
    np.testing.assert_array_equal(found[probabilities], outputs(model).max((0, 1)))


@pytest.mark.parametrize("technique", ["activations", "cross_layer"])
def test_units_far_apart_are_mended(technique):
    model = damaged()
    exact, given = outputs(model), samples(model)

    def noise(*techniques: str) -> float:
        made = quantize(model, Recipe("static_wi8_ai8", techniques=techniques), samples=given)
        return float(((outputs(made) - exact) ** 2).mean())

    assert noise(technique) < 0.1 * noise()
