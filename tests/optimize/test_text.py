"""What quantization makes of small networks, as text; and what it must not do."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

import edgewise
from edgewise.dtypes import DType
from edgewise.errors import QuantizationError
from edgewise.ir.graph import Value
from edgewise.ir.model import Model
from edgewise.ir.text import print_model
from edgewise.ir.types import TensorType
from edgewise.optimize import Range, Ranges, Recipe, Scope, quantize
from edgewise.optimize.quantize import NothingToQuantize
from edgewise.optimize.sizes import sizes
from edgewise.optimize.weights import stored, weight_scale

from .networks import NETWORKS, measured

GOLDEN = Path(__file__).with_name("golden")
RECIPES = ["static_wi8_ai8", "static_wi8_ai16", "dynamic_wi8_afp32", "float16"]


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("recipe", RECIPES)
def test_text(name: str, recipe: str, update_golden: bool) -> None:
    model, ranges = measured(name)
    if name == "scaled" and not recipe.startswith("static"):
        with pytest.raises(NothingToQuantize, match="needs something to quantize"):
            quantize(model, recipe, ranges)
        return
    text = print_model(quantize(model, recipe, ranges), elide=True)
    file = GOLDEN / f"{name}.{recipe}.txt"
    if update_golden:
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
    assert text == file.read_text()


def operators(model: Model) -> Counter[str]:
    return Counter(node.op.builtin for node in model.main.nodes)


def test_the_model_given_is_untouched():
    model, ranges = measured("residual")
    before = print_model(model)
    quantize(model, "static_wi8_ai8", ranges)
    assert print_model(model) == before


def test_ends_have_the_types_asked_for():
    model, ranges = measured("residual")
    made = quantize(model, "static_wi8_ai8", ranges, input_dtype="uint8", output_dtype="int8").main
    assert [v.dtype for v in (*made.inputs, *made.outputs)] == [DType.UINT8, DType.INT8]
    assert [v.name for v in (*made.inputs, *made.outputs)] == ["image", "probabilities"]
    first = next(made.nodes)
    assert first.op.name == "quantize"  # uint8 to int8, exactly
    assert first.input.quant.scale == first.output.quant.scale
    assert first.input.quant.zero_point == first.output.quant.zero_point + 128


def test_an_output_that_is_listed_twice_keeps_its_name():
    model, ranges = measured("residual")
    twice = model.copy()
    twice.main.set_outputs([*twice.main.outputs, *twice.main.outputs])
    made = quantize(twice, "static_wi8_ai8", ranges).main
    assert [v.name for v in made.outputs] == ["probabilities"] * 2
    assert len(set(made.outputs)) == 1


def test_only_the_operand_that_does_not_fit_is_requantized():
    model, ranges = measured("scaled")
    made = quantize(model, "static_wi8_ai8", ranges)
    wide, narrow = (v.producer.input.producer for v in made.main.outputs)
    assert wide.input.producer.op.name == "quantize"
    assert len({v.quant for v in (*wide.inputs, wide.output)}) == 1
    assert {v.producer.op.name for v in narrow.inputs} == {"softmax"}
    assert {v.quant.scale[0] for v in (*narrow.inputs, narrow.output)} == {np.float32(1 / 256)}


def test_moves_stay_with_what_stands_around_them():
    model, ranges = measured("interrupted")
    made = quantize(model, "static_wi8_ai8", ranges)
    kinds = {n.output.dtype for n in made.main.nodes if n.op.name == "reshape"}
    assert kinds == {DType.INT8}
    # before the sine, the cosine and the output; behind the input and the sine
    assert (operators(made)["DEQUANTIZE"], operators(made)["QUANTIZE"]) == (3, 2)
    around = Recipe("static_wi8_ai8", (Scope("float32", "CONV_2D"), Scope("float32", "ADD")))
    kinds = {n.op.name: n.output.dtype for n in quantize(model, around, ranges).main.nodes}
    assert kinds["reshape"] is DType.FLOAT32  # between floats only


def test_scopes_make_mixed_models():
    model, ranges = measured("residual")
    scopes = (
        Scope("static_wi8_ai16", layer="shortcut|joined|max_pool|branch"),
        Scope("dynamic_wi8_afp32", layer="^dense$"),
        Scope("float32", "SOFTMAX"),
    )
    made = quantize(model, Recipe("static_wi8_ai8", scopes), ranges)
    types = {n.op.name: n.input.dtype for n in made.main.nodes}
    assert types["add"] is DType.INT16
    assert types["depthwise_conv_2d"] is DType.INT8
    assert types["fully_connected"] is DType.FLOAT32
    assert types["softmax"] is DType.FLOAT32
    assert next(n for n in made.main.nodes if n.op.name == "fully_connected").operand(1).quant


def test_a_bias_that_does_not_fit_widens_the_scale_of_its_weights():
    b = edgewise.ir.Builder()
    x = b.input("x", (1, 4))
    w = b.constant(np.array([[1e-7, 0, 0, 0], [1, 1, 1, 1]], np.float32))
    y = b.fully_connected(x, w, b.constant(np.array([1000.0, 0.5], np.float32)), label="y")
    model = Model()
    model.add(b.finish(y))
    ranges = Ranges({"main": {"x": Range(-1, 1), "y": Range(-2, 1001)}})
    made = quantize(model, "static_wi8_ai8", ranges).main
    dense = next(n for n in made.nodes if n.op.name == "fully_connected")
    bias = dense.operand(2)
    np.testing.assert_allclose(bias.quant.dequantize(bias.data), [1000.0, 0.5], atol=1e-4)


@pytest.mark.parametrize(
    ("shape", "axis", "dtype"),
    [
        ((1, 3, 3, 64), 3, DType.INT8),
        ((64, 1, 1, 48), 0, DType.INT8),
        ((64, 100), 0, DType.INT4),
        ((5, 1), 0, DType.INT8),
        ((3, 0), 0, DType.INT8),
    ],
)
def test_weights_under_one_scale_nearly_keep_their_sum(shape, axis, dtype):
    """Errors and their sums weigh alike: no single other step lowers what both are."""
    w = np.random.default_rng(2).normal(size=shape).astype(np.float32)
    quant = weight_scale(w, dtype, axis)
    q = stored(Value(TensorType.of(w), "w", w), dtype, quant, "q").data.astype(np.float64)
    steps = w / quant.broadcast(shape)[0]
    assert np.abs(q - steps).max(initial=0) < 1
    errors, alone = (
        np.moveaxis(a - steps, axis, 0).reshape(shape[axis], -1) for a in (q, np.rint(steps))
    )
    if errors.shape[1] > 1:
        assert np.abs(alone.sum(1)).max() > 1  # what each rounded alone would do
    assert np.abs(errors.sum(1)).max() <= 0.75

    def loss(e: np.ndarray) -> np.ndarray:
        return (e**2).sum(1) + e.sum(1) ** 2

    for other in np.eye(errors.shape[1])[:, None, :]:
        near = np.minimum(loss(errors + other), loss(errors - other))
        assert (loss(errors) <= near + 1e-9).all()


def test_what_is_quantized_is_left_alone():
    model, ranges = measured("residual")
    made = quantize(model, "static_wi8_ai8", ranges)
    with pytest.raises(NothingToQuantize, match="finds no float32 operator"):
        quantize(made, "static_wi8_ai8", ranges)


def test_a_part_that_is_quantized_is_left_alone():
    model, ranges = measured("residual")
    first = Recipe("static_wi8_ai8", (Scope("float32", "FULLY_CONNECTED"),))
    made = quantize(model, first, ranges)
    again = quantize(made, "dynamic_wi8_afp32")
    types = [n.operand(1).dtype for n in again.main.nodes if n.op.name == "fully_connected"]
    assert types == [DType.INT8]
    assert operators(again) == operators(made)


def test_ranges_are_needed_and_all_that_lack_are_named():
    model, ranges = measured("residual")
    with pytest.raises(QuantizationError, match="come from ranges or samples; got neither"):
        quantize(model, "static_wi8_ai8")
    some = {k: v for k, v in ranges["main"].items() if k not in ("stem", "mean")}
    with pytest.raises(
        QuantizationError, match=r"2 values of @main have no range.*\n.*stem(.|\n)*mean"
    ):
        quantize(model, "static_wi8_ai8", Ranges({"main": some}))


def test_the_account_of_sizes():
    model, ranges = measured("residual")
    found = sizes(model, quantize(model, "static_wi8_ai8", ranges))
    stem = next(layer for layer in found.layers if layer.name == "stem")
    # 16 x 3 x 3 x 3 weights, 16 biases; a scale and a zero point for each channel and bias
    assert (stem.before, stem.after) == (4 * (432 + 16), 432 + 12 * 16 + 4 * 16 + 12 * 16)
    assert found.before.plain == len(model.to_bytes())
    assert found.after.zip < found.after.plain
