"""What `quantize` does with samples where a recipe leaves it open, and at the ends of a model."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from edgewise.api import Model  # which can save itself
from edgewise.dtypes import DType
from edgewise.errors import QuantizationError
from edgewise.ir.build import Builder
from edgewise.ir.enums import Activation
from edgewise.ir.graph import Value
from edgewise.ops.softmax import Softmax
from edgewise.optimize import (
    Recipe,
    Scope,
    Technique,
    calibrate,
    compensate,
    prepare,
    quantize,
)
from edgewise.optimize.compensate import _MOST
from edgewise.runtime.session import Session

CHANNELS, CLASSES = 24, 40
# where samples allow all of them
ALL = (
    *(Technique.FINER_STEPS, Technique.SHIFT_CHANNELS),
    *(Technique.COMPENSATE, Technique.CORRECT_BIASES),
)


@cache
def separable() -> Model:
    """Depthwise-separable convolutions as MobileNetV1's: folded batch norms make filters of
    unequal sizes, some channels are dead, and a classifier has a softmax."""
    rng, b = np.random.default_rng(0), Builder("main")

    def constant(data: np.ndarray) -> Value:
        return b.constant(data.astype(np.float32))

    def unequal(n: int) -> np.ndarray:
        return np.exp(rng.normal(0, 1, n)) * (rng.random(n) > 0.1)

    act = Activation.RELU6
    x = b.input("image", (1, 12, 12, 3))
    w = rng.normal(0, 0.3, (CHANNELS, 3, 3, 3)) * unequal(CHANNELS)[:, None, None, None]
    offset = rng.normal(0, 0.5, CHANNELS)
    y = b.conv_2d(x, constant(w), constant(offset), fused_activation_function=act)
    for _ in range(4):
        w = rng.normal(0.1, 0.3, (1, 3, 3, CHANNELS)) * unequal(CHANNELS)
        offset = rng.normal(0, 0.5, CHANNELS)
        y = b.depthwise_conv_2d(y, constant(w), constant(offset), fused_activation_function=act)
        w = rng.normal(0, CHANNELS**-0.5, (CHANNELS, 1, 1, CHANNELS)) * unequal(CHANNELS)
        offset = rng.normal(0, 0.5, CHANNELS)
        y = b.conv_2d(y, constant(w), constant(offset), fused_activation_function=act)
    w, offset = rng.normal(0, 0.5, (CLASSES, CHANNELS)), rng.normal(0, 1, CLASSES)
    y = b.fully_connected(b.mean(y, b.constant([1, 2])), constant(w), constant(offset))
    model = Model()
    model.add(b.finish(b.softmax(y, label="probabilities")))
    return model


def samples(seed: int, count: int = 40) -> list[np.ndarray]:
    """Smooth pictures: neighbours are alike."""
    rng = np.random.default_rng(seed)
    small = rng.uniform(-1, 1, (count, 1, 4, 4, 3)).repeat(3, 2).repeat(3, 3)
    return list((small + rng.normal(0, 0.05, small.shape)).astype(np.float32))


def outputs(model: Model) -> np.ndarray:
    """On samples that calibrate nothing."""
    session = Session(model.main, stateless=True)
    return np.stack([session.run([x])[0][0] for x in samples(2)]).astype(np.float64)


def divergence(model: Model) -> float:
    p, q = (np.maximum(outputs(m), 1e-6) for m in (separable(), model))
    return float((p * np.log(p / q)).sum(1).mean())


@pytest.mark.parametrize(
    ("scheme", "less"),
    [
        ("weight_only_wi8_afp32", 0.25),
        ("dynamic_wi8_afp32", 0.5),
        ("static_wi8_ai16", 0.5),
        ("static_wi8_ai8", 0.3),
    ],
)
def test_with_samples_a_recipe_loses_less(scheme, less):
    given = samples(1)
    plain = quantize(separable(), Recipe(scheme, techniques=()), samples=given)
    made = quantize(separable(), scheme, samples=given)
    assert divergence(made) < less * divergence(plain)
    assert len(made.to_bytes()) == len(plain.to_bytes())  # at no cost in the file


@pytest.mark.ci
def test_what_a_recipe_leaves_open_is_compensated_where_there_are_samples():
    given, scheme = samples(1), "static_wi8_ai8"
    by_name = Recipe(scheme, techniques=ALL)
    whole = outputs(quantize(separable(), by_name, samples=given))
    np.testing.assert_array_equal(
        outputs(quantize(separable(), scheme, samples=iter(given))), whole
    )
    plain = Recipe(scheme, techniques=())
    ranges = calibrate(separable(), given)
    by_ranges = outputs(quantize(separable(), scheme, ranges))
    assert (outputs(quantize(separable(), plain, samples=iter(given))) == by_ranges).all()
    assert (outputs(quantize(separable(), scheme, ranges, samples=given)) == by_ranges).all()
    assert (by_ranges != whole).any()


def test_open_and_none_are_told_apart_in_the_file():
    left_open, none = Recipe("static_wi8_ai8"), Recipe("static_wi8_ai8", techniques=())
    assert left_open.techniques is None
    assert left_open != none
    for recipe in (left_open, none):
        assert Recipe.from_json(recipe.to_json()) == recipe
        assert Recipe.from_json(recipe.keeping_float(["x"]).to_json()) != recipe
    assert left_open.techniques_for(has_samples=True) == ALL
    assert Recipe("static_wi8_ai16").techniques_for(has_samples=True) == ALL[2:]
    mixed = Recipe("float32", (Scope("static_wi8_ai8", layer="^head"),))
    assert mixed.techniques_for(has_samples=True) == ALL
    assert Recipe("float16").techniques_for(has_samples=True) == ALL[2:3]
    assert left_open.techniques_for(has_samples=False) == ()
    assert none.techniques_for(has_samples=True) == ()


def last(model: Model) -> str:
    [node] = [n for n in model.main.nodes if isinstance(n.op, Softmax)]
    return node.output.dtype.text


def test_a_softmax_at_a_float_end_stays_float():
    ranges = calibrate(separable(), samples(1))
    integers = {"static_wi8_ai8": "int8", "static_wi8_au8": "uint8"}
    for scheme, dtype in integers.items():
        assert last(quantize(separable(), scheme, ranges)) == "float32"
        named = Recipe(scheme, (Scope(scheme, "SOFTMAX"),))
        assert last(quantize(separable(), named, ranges)) == dtype
        assert last(quantize(separable(), scheme, ranges, integers_only=True)) == dtype
        assert last(quantize(separable(), scheme, ranges, output_dtype=dtype)) == dtype
    assert last(quantize(separable(), "static_wi8_ai16", ranges)) == "int16"


def test_sixteen_bits_have_room_for_what_no_sample_reached():
    """A dense layer, measured on inputs up to 1, reads up to 2."""
    b = Builder("main")
    w = np.random.default_rng(0).normal(size=(4, 8)).astype(np.float32)
    model = Model()
    model.add(b.finish(b.fully_connected(b.input("x", (1, 8)), b.constant(w))))
    x = np.ones((1, 8), np.float32)
    ranges = calibrate(model, [x, -x])
    made = Session(quantize(model, "static_wi8_ai16", ranges).main)
    for size in (1.0, 1.9):
        exact = size * w.sum(1)
        np.testing.assert_allclose(made.run([size * x])[0][0], exact, atol=0.02)


def test_layers_that_read_what_is_not_finite_are_named():
    given = samples(1)
    given[3][0, 0, 0, 0] = np.nan
    with pytest.raises(QuantizationError, match=r"1\d? layers? read.* not finite:\n.*conv_2d"):
        quantize(separable(), "dynamic_wi8_afp32", samples=given)


def test_a_layer_of_very_many_inputs_is_left_alone():
    b, count = Builder("main"), _MOST + 1
    w = np.random.default_rng(0).normal(size=(2, count)).astype(np.float32)
    model = Model()
    model.add(b.finish(b.fully_connected(b.input("x", (1, count)), b.constant(w))))
    made = compensate(model, "dynamic_wi8_afp32", [np.ones((1, count), np.float32)])
    [node] = prepare(made).main.nodes
    assert node.operand(1).dtype is DType.FLOAT32
    np.testing.assert_array_equal(node.operand(1).data, w)
