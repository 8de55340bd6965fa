"""The walk from a KerasModel to a Model: names, symbols, shared layers, and what is refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import edgewise
from edgewise.errors import ConversionError, FormatError, UnsupportedOp
from edgewise.frontends.keras import read_file, read_keras
from edgewise.frontends.keras.description import (
    DTypePolicy,
    KerasCall,
    KerasFile,
    KerasLayer,
    KerasModel,
    KerasNode,
    ModelKind,
    PythonCode,
    TensorRef,
)
from edgewise.frontends.keras.lower import lower
from edgewise.ir.dim import Sym
from edgewise.ir.evaluate import evaluate
from edgewise.ir.verify import verify
from edgewise.passes import canonicalize

FIXTURES = Path(__file__).parent / "fixtures"
DATA = Path(__file__).parents[4] / "shared" / "data"
rng = np.random.default_rng(3)
Weights = Mapping[str, np.ndarray]


def layer(
    class_name: str, name: str = "", weights: Weights | None = None, **config: object
) -> KerasLayer:
    return KerasLayer(
        class_name, name or class_name.lower(), config, module="keras.layers", weights=weights or {}
    )


def chain(*layers: KerasNode, shape: Sequence[int | None], version: str = "3.15.0") -> KerasFile:
    """A sequential model: an InputLayer of this batch shape, then the layers."""
    first = layer("InputLayer", "x", batch_shape=list(shape), dtype="float32")
    calls, before = [], TensorRef("x")
    for node in layers:
        calls.append(KerasCall(node.name, 0, (before,), {}))
        before = TensorRef(node.name)
    model = KerasModel(
        ModelKind.SEQUENTIAL, "Sequential", "model", (first, *layers), tuple(calls),
        TensorRef("x"), before,
    )  # fmt: skip
    return KerasFile(model, "keras", version, "model.keras")


def array(*shape: int) -> np.ndarray:
    return rng.normal(size=shape).astype(np.float32)


def dense(name: str, inputs: int, units: int) -> KerasLayer:
    weights = {"kernel": array(inputs, units), "bias": array(units)}
    return layer("Dense", name, weights, units=units)


def test_names_are_those_of_the_layers_and_of_tensorflow_s_signature() -> None:
    model = lower(chain(dense("hidden", 3, 4), dense("head", 4, 2), shape=(None, 3)))
    graph, signature = model.main, model.signature()
    assert graph.inputs[0].name == "x"
    assert graph.inputs[0].shape == (Sym("batch"), 3)
    assert [node.output.name for node in graph.nodes] == ["hidden", "head"]
    assert [str(node.location) for node in graph.nodes] == [
        "hidden", "head",
    ]  # fmt: skip
    assert signature.key == "serving_default"
    assert dict(signature.inputs) == {"x": 0}
    assert dict(signature.outputs) == {"output_0": 0}
    assert {c.name for c in graph.constants()} == {
        "hidden/kernel", "hidden/bias", "head/kernel", "head/bias",
    }  # fmt: skip


def test_a_layer_that_is_called_twice_has_its_constants_once() -> None:
    shared = dense("shared", 3, 3)
    file = chain(shared, shape=(None, 3))
    again = KerasCall("shared", 1, (TensorRef("shared", 0),), {})
    twice = KerasModel(
        ModelKind.FUNCTIONAL, "Functional", "m", file.model.layers, (*file.model.calls, again),
        TensorRef("x"), TensorRef("shared", 1),
    )  # fmt: skip
    graph = lower(KerasFile(twice, "keras", "3.15.0", "m")).main
    first, second = graph.nodes
    assert first.operand(1) is second.operand(1)
    assert first.operand(2) is second.operand(2)


@pytest.mark.parametrize(
    ("layers", "shape", "given"),
    [
        ([layer("Flatten")], (None, None, 3), (2, 5, 3)),
        ([layer("UpSampling2D", size=[2, 3])], (None, None, None, 3), (2, 4, 5, 3)),
        ([layer("UpSampling1D", size=2)], (None, None, 3), (2, 5, 3)),
        ([layer("Cropping2D", cropping=[[1, 0], [0, 2]])], (None, None, None, 3), (2, 4, 5, 3)),
        ([layer("Reshape", target_shape=[-1, 2])], (None, None, 4), (3, 5, 4)),
        ([layer("MaxPooling3D", pool_size=[2, 2, 2])], (None, None, 4, 4, 2), (2, 6, 4, 4, 2)),
        ([layer("GlobalAveragePooling1D")], (None, None, 4), (2, 7, 4)),
        ([layer("RepeatVector", n=3)], (None, 4), (2, 4)),
    ],
)
def test_unknown_dimensions_are_symbols(
    layers: list[KerasLayer], shape: tuple[int | None, ...], given: tuple[int, ...]
) -> None:
    x = array(*given)
    dynamic = lower(chain(*layers, shape=shape))
    verify(dynamic)
    static = evaluate(lower(chain(*layers, shape=given)).main, [x])[0]
    np.testing.assert_array_equal(evaluate(dynamic.main, [x])[0], static)
    np.testing.assert_array_equal(evaluate(canonicalize(dynamic).main, [x])[0], static)


def test_a_transposed_convolution_keeps_the_sizes_that_are_known() -> None:
    weights = {"kernel": array(3, 3, 2, 3), "bias": array(2)}
    up = layer("Conv2DTranspose", "up", weights, strides=[2, 2], padding="same")
    x = array(2, 4, 5, 3)
    graph = lower(chain(up, shape=(None, 4, 5, 3))).main
    assert graph.outputs[0].shape == (Sym("batch"), 8, 10, 2)
    dynamic = lower(chain(up, shape=(None, 4, None, 3))).main
    np.testing.assert_array_equal(evaluate(dynamic, [x])[0], evaluate(graph, [x])[0])


def test_channels_first_is_the_same_as_channels_last() -> None:
    weights = {"kernel": array(3, 2, 4, 5), "bias": array(5)}
    config: dict[str, object] = {"strides": [1, 2], "padding": "same", "activation": "relu"}
    x = array(2, 6, 7, 4)
    last = lower(chain(layer("Conv2D", "c", weights, **config), shape=x.shape)).main
    config["data_format"] = "channels_first"
    turned = x.transpose(0, 3, 1, 2)
    first = lower(chain(layer("Conv2D", "c", weights, **config), shape=turned.shape)).main
    y = evaluate(first, [turned])[0].transpose(0, 2, 3, 1)
    np.testing.assert_array_equal(y, evaluate(last, [x])[0])


def test_a_dilated_transposed_convolution_has_zeros_in_its_kernel() -> None:
    kernel = array(2, 2, 3, 4)
    wide = np.zeros((3, 4, 3, 4), np.float32)
    wide[::2, ::3] = kernel
    x, bias = array(2, 5, 5, 4), array(3)
    dilated = layer("Conv2DTranspose", "t", {"kernel": kernel, "bias": bias}, dilation_rate=[2, 3])
    plain = layer("Conv2DTranspose", "t", {"kernel": wide, "bias": bias})
    a, b = (evaluate(lower(chain(t, shape=x.shape)).main, [x])[0] for t in (dilated, plain))
    np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(("version", "wanted"), [("2.15.0", 0.7), ("3.15.0", 4 / 6)])
def test_hard_sigmoid_is_that_of_the_keras_that_wrote_the_file(version: str, wanted: float) -> None:
    file = chain(layer("Activation", activation="hard_sigmoid"), shape=(None, 1), version=version)
    y = evaluate(lower(file).main, [np.ones((1, 1), np.float32)])[0]
    assert y[0, 0] == pytest.approx(wanted)


def test_everything_that_cannot_be_converted_is_reported_at_once() -> None:
    own = KerasLayer("Mine", "mine", {}, module="my_package", registered_name="my_package>Mine")
    code = layer("Lambda", "code", function=PythonCode(80))
    odd = layer("Activation", "odd", activation="my_activation")
    file = chain(odd, code, own, layer("NoSuchLayer", "new"), shape=(None, 3))
    with pytest.raises(UnsupportedOp) as caught:
        lower(file)
    message = str(caught.value)
    assert "model.keras: 4 layers cannot be converted:" in message
    assert "'odd' (Activation): activation 'my_activation' is not one of Keras's" in message
    assert "'code' (Lambda): holds Python code, which is never executed" in message
    assert "'mine' (Mine): is a custom class" in message
    assert "'new' (NoSuchLayer): the layer class has no handler" in message


def test_a_layer_behind_a_problem_is_looked_at_too() -> None:
    resize = layer("Resizing", "resize", height=2, width=2, interpolation="cubist")
    behind = KerasLayer(
        "UpSampling2D", "up", {"size": 2, "interpolation": "lanczos9"}, module="keras.layers",
        build_config={"input_shape": [None, 2, 2, 3]},
    )  # fmt: skip
    with pytest.raises(UnsupportedOp, match=r"2 layers(.|\n)*'cubist'(.|\n)*'lanczos9'"):
        lower(chain(resize, behind, shape=(None, 4, 4, 3)))


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (layer("Dense", "d"), "layer 'd' .Dense. must have 'kernel'; it has none"),
        (layer("ZeroPadding2D", "p", padding="a"), "'padding' must be 2 pairs of whole numbers"),
        (layer("Cropping2D", "p", cropping=[1, 2, 3]), "'cropping' must be 2 pairs"),
        (layer("Permute", "p", dims=[7, 8]), "transpose .p.: perm must be"),
        (layer("Dense", "d", {"kernel": array(4)}, use_bias=False), "fit|rank"),
        (layer("Add", "a"), "layer 'a' .Add. must be called on a list"),
        (layer("ReLU", "r", max_value="x"), "'max_value' must be a number; found 'x'"),
    ],
)
def test_a_config_that_makes_no_sense_is_an_error_of_ours(bad: KerasLayer, message: str) -> None:
    with pytest.raises((FormatError, ValueError), match=message):
        lower(chain(bad, shape=(None, 4, 4, 3)))


def test_an_input_without_a_shape_is_refused() -> None:
    file = chain(dense("d", 3, 3), shape=(None, 3))
    unbuilt = layer("InputLayer", "x", batch_shape=None)
    model = KerasModel(
        ModelKind.SEQUENTIAL, "Sequential", "m", (unbuilt, *file.model.layers[1:]),
        file.model.calls, TensorRef("x"), TensorRef("d"),
    )  # fmt: skip
    with pytest.raises(ConversionError, match=r"layer 'x': its shape is not in the file\. Build"):
        lower(KerasFile(model, "keras", "3.15.0", "m"))


@pytest.mark.parametrize("file", ["lambda.keras", "custom.keras"])
def test_code_and_custom_classes_are_named(file: str) -> None:
    with pytest.raises(UnsupportedOp, match=r"Python code|custom"):
        lower(read_keras(FIXTURES / file))


def test_layers_quantized_in_other_ways_are_named() -> None:
    policy = DTypePolicy("float8_from_float32", quantization="float8")
    made = replace(dense("d", 3, 2), policy=policy)
    with pytest.raises(UnsupportedOp) as caught:
        lower(chain(made, shape=(None, 3)))
    assert str(caught.value) == (
        "model.keras: 1 layer cannot be converted:\n"
        "  - 'd' (Dense): is quantized by Keras (float8); convert the float model and quantize the"
        " result"
    )


@pytest.mark.parametrize("name", ["tiny_ae", "tiny_dscnn", "tiny_resnet8", "tiny_vww"])
def test_benchmark_models_give_keras_s_outputs(name: str) -> None:
    folder = DATA / "bench" / name
    if not folder.exists():
        pytest.skip(f"{folder} is not here")
    model = read_file(folder / "m.keras")
    wanted = np.load(folder / "out.npz")
    outputs = evaluate(model.main, [np.load(folder / "in.npy")])
    for y, key in zip(outputs, wanted.files, strict=True):
        want = wanted[key]
        assert np.abs(y - want).max() <= 1e-5 * np.ptp(want)


def test_state_that_outlives_a_run_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    """A Keras LSTM starts at zero in each call; the operator of `.tflite` files does not."""
    weights = {"kernel": array(3, 16), "recurrent_kernel": array(4, 16), "bias": array(16)}
    fused = {"activation": "tanh", "recurrent_activation": "sigmoid", "units": 4}
    made = lower(chain(layer("LSTM", "lstm", weights, **fused), shape=(None, 5, 3)))
    edgewise.convert(made).to_bytes()
    [record] = [r for r in caplog.records if r.name == "edgewise"]
    assert "model.keras: LiteRT keeps the state of recurrent layers" in record.getMessage()
    assert "reset_all_variables()" in record.getMessage()


def test_other_models_convert_without_a_word(caplog: pytest.LogCaptureFixture) -> None:
    lower(chain(dense("dense", 3, 2), shape=(None, 3)))
    assert not caplog.records
