"""Files of Keras 2 and 3 read without Keras; `make_fixtures.py` made the fixtures."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

from edgewise.frontends.keras import is_keras_file, is_keras_object, read_keras
from edgewise.frontends.keras.description import (
    KerasCall,
    KerasFile,
    KerasLayer,
    KerasModel,
    KerasNode,
    ModelKind,
    PythonCode,
    TensorRef,
    flatten,
    walk,
)
from edgewise.frontends.keras.nodes import connect, references
from edgewise.frontends.keras.variables import container_names, snake_case

FIXTURES = Path(__file__).parent / "fixtures"
EXPECTED = {
    name: layers
    for path in sorted(FIXTURES.glob("expected_*.json"))
    for name, layers in json.loads(path.read_text()).items()
}
SHARED = Path(__file__).resolve().parents[4] / "shared" / "data"
REAL = sorted([*SHARED.glob("keras/*"), *SHARED.glob("bench/*/m.keras")])
RENAMED = {"depthwise_kernel": "kernel"}  # Keras 2


def read(name: str) -> KerasFile:
    data = (FIXTURES / name).read_bytes()
    return read_keras(gzip.decompress(data) if name.endswith(".gz") else data)


def arrays(node: KerasNode) -> Iterator[tuple[str, np.ndarray]]:
    nodes = [node, *(child for _, child in walk(node))]
    for layer in (found for found in nodes if isinstance(found, KerasLayer)):
        yield from ((key.split("/")[-1], value) for key, value in layer.weights.items())


def check_calls(model: KerasModel) -> None:
    """Every reference is to a call that stands before it."""
    done = {(ref.layer, 0) for ref in flatten(model.inputs)}
    for call in model.calls:
        for ref in references([list(call.args), dict(call.kwargs)]):
            assert (ref.layer, ref.call) in done
        done.add((call.layer, call.index))
    assert all((ref.layer, ref.call) in done for ref in flatten(model.outputs))
    for layer in model.layers:
        if isinstance(layer, KerasModel):
            check_calls(layer)


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_every_weight_is_the_one_that_keras_has(name: str) -> None:
    model = read(name).model
    check_calls(model)
    for layer, variables in EXPECTED[name].items():
        wanted = sorted((RENAMED.get(n, n), tuple(shape), start) for n, shape, start in variables)
        found = [
            (RENAMED.get(n, n), v.shape, float(v.reshape(-1)[0]))
            for n, v in arrays(model.layer(layer))
        ]
        if name.startswith("custom") and layer == "twice":
            assert sorted(row[1:] for row in found) == sorted(row[1:] for row in wanted)
        else:
            assert sorted(found) == wanted, layer


def test_ramps_are_read_whole() -> None:
    kernel = read("convolution.keras").model.layer("conv").weights["kernel"]
    assert kernel.shape == (3, 3, 3, 2)
    assert kernel.dtype == np.float32
    np.testing.assert_array_equal(kernel.reshape(-1), np.arange(54))
    with pytest.raises(ValueError, match="read-only"):
        kernel[:] = 0


@pytest.mark.parametrize(
    "name", ["nested.keras", "nested.h5.gz", "nested_k2.keras", "nested_k2.h5.gz"]
)
def test_calls_of_nested_models_count_from_zero(name: str) -> None:
    model = read(name).model
    assert [(call.layer, call.index) for call in model.calls] == [
        ("base", 0), ("base", 1), ("shared", 0), ("relu", 0), ("shared", 1),
    ]  # fmt: skip
    assert model.calls[1].args == (TensorRef("base", 0, 0),)
    assert model.outputs == {
        "o": TensorRef("shared", 1, 0),
        "w": [TensorRef("base", 1, 1), TensorRef("base", 0, 0)],
    }
    base = model.layer("base")
    assert isinstance(base, KerasModel)
    assert flatten(base.outputs) == [TensorRef("a"), TensorRef("b")]


def test_calls_of_a_nested_sequential_model_in_an_h5_file_of_keras_3() -> None:
    """Neither Keras gives its module there; Keras 3 counts its calls from 0."""
    inner = KerasModel(ModelKind.SEQUENTIAL, "Sequential", "inner", (), (), [], [])
    outer = (KerasLayer("InputLayer", "x", {}), inner)

    def call(*history: object) -> dict[str, object]:
        tensor = {"class_name": "__keras_tensor__", "config": {"keras_history": list(history)}}
        return {"args": [tensor], "kwargs": {}}

    calls = [call("x", 0, 0), call("inner", 0, 0), call("x", 0, 0)]
    entries = {"x": {"inbound_nodes": []}, "inner": {"inbound_nodes": calls}}
    config = {"input_layers": [["x", 0, 0]], "output_layers": [["inner", 1, 0], ["inner", 2, 0]]}
    graph = connect("outer", config, outer, entries)
    assert graph.outputs == [TensorRef("inner", 1, 0), TensorRef("inner", 2, 0)]


def test_sequential_becomes_calls() -> None:
    model = read("convolution.keras").model
    assert [type(layer) for layer in model.layers][-1] is KerasModel
    assert model.calls[0] == KerasCall("conv", 0, (TensorRef(model.layers[0].name),), {})
    assert model.calls[1].args == (TensorRef("conv", 0, None),)
    assert model.layers[0].class_name == "InputLayer"


@pytest.mark.parametrize("suffix", [".keras", ".h5.gz", "_k2.keras", "_k2.h5.gz"])
def test_wrapped_layers(suffix: str) -> None:
    model = read(f"recurrent{suffix}").model
    both = model.layer("bi")
    assert isinstance(both, KerasLayer)
    forward, backward = both.sublayers["forward_layer"], both.sublayers["backward_layer"]
    assert isinstance(forward, KerasLayer)
    assert isinstance(backward, KerasLayer)
    assert list(forward.weights) == ["kernel", "recurrent_kernel", "bias"]
    assert not forward.config["go_backwards"]
    assert backward.config["go_backwards"]
    stack = model.layer("rnn")
    assert isinstance(stack, KerasLayer)
    cells = stack.sublayers["cell"]
    assert isinstance(cells, KerasLayer)
    assert [cell.class_name for cell in cells.sublayers.values()] == [
        "LSTMCell",
        "GRUCell",
        "LSTMCell",
    ]
    timed = model.layer("td")
    assert isinstance(timed, KerasLayer)
    assert list(timed.sublayers["layer"].weights) == ["kernel", "bias"]


@pytest.mark.parametrize("suffix", [".keras", ".h5.gz", "_k2.keras", "_k2.h5.gz"])
def test_attention_weights_have_their_part(suffix: str) -> None:
    layer = read(f"attention{suffix}").model.layer("mha")
    assert isinstance(layer, KerasLayer)
    parts = ("query", "key", "value", "output")
    assert list(layer.weights) == [
        f"{part}/{name}" for part in parts for name in ("kernel", "bias")
    ]


@pytest.mark.parametrize("name", ["operations.keras", "operations.h5.gz"])
def test_operations_of_keras_3(name: str) -> None:
    model = read(name).model
    kinds = {
        layer.class_name
        for layer in model.layers
        if isinstance(layer, KerasLayer) and layer.is_operation
    }
    assert kinds == {"GetItem", "Flip", "Multiply", "Concatenate", "Add"}
    indices = [
        call.args[1] for call in model.calls if model.layer(call.layer).class_name == "GetItem"
    ]
    assert [slice(None), slice(None, 2)] in indices
    assert [Ellipsis, slice(1, 3), slice(None)] in indices
    (added,) = [call for call in model.calls if model.layer(call.layer).class_name == "Add"]
    np.testing.assert_array_equal(added.args[0], np.ones((1, 4), "float32"))


def test_operations_of_keras_2() -> None:
    model = read("operations_k2.h5.gz").model
    calls = {call.layer: call for call in model.calls}
    assert calls["tf.__operators__.getitem"].kwargs["slice_spec"] == [slice(None), slice(None, 2)]
    assert calls["tf.__operators__.getitem_1"].kwargs["slice_spec"] == [
        Ellipsis,
        slice(1, 3),
        slice(None),
    ]
    assert len(flatten(calls["tf.concat"].args[0])) == 2
    assert calls["tf.concat"].kwargs["axis"] == 1
    assert calls["tf.math.add"].args == (1.0,)
    assert calls["tf.math.add"].kwargs["y"] == TensorRef("tf.concat")


def test_quantized_weights_and_policies() -> None:
    layer = read("int8.keras").model.layer("d")
    assert isinstance(layer, KerasLayer)
    assert {k: v.dtype.name for k, v in layer.weights.items()} == {
        "kernel": "int8", "bias": "float32", "kernel_scale": "float32",
    }  # fmt: skip
    assert (layer.policy.quantization, layer.policy.compute) == ("int8", "float32")
    mixed = read("mixed.keras").model.layer("d")
    assert (mixed.policy.compute, mixed.policy.variable) == ("bfloat16", "float32")
    for name in ("bfloat16.keras", "bfloat16.h5.gz"):
        weights = read(name).model.layer("d").weights
        assert weights["kernel"].dtype == ml_dtypes.bfloat16


@pytest.mark.parametrize("name", ["lambda.keras", "lambda.h5.gz"])
def test_code_stays_opaque(name: str) -> None:
    layer = read(name).model.layer("code")
    assert isinstance(layer, KerasLayer)
    assert layer.has_code
    assert isinstance(layer.config["function"], PythonCode)


def test_unknown_classes_keep_config_and_weights() -> None:
    for name, keys in (("custom.keras", {"0", "parts/dense/0"}), ("custom.h5.gz", {"factor"})):
        layer = read(name).model.layer("twice")
        assert isinstance(layer, KerasLayer)
        assert not layer.is_builtin
        assert keys <= set(layer.weights)


def test_assets() -> None:
    layer = read("lookup.keras").model.layer("lookup")
    assert isinstance(layer, KerasLayer)
    assert sorted(layer.assets["vocabulary.txt"].split()) == [b"[UNK]", b"cat", b"dog"]


def test_group_names_are_keras_own() -> None:
    names = ["Dense", "PReLU", "Dense", "Conv2DTranspose", "LSTM", "Dense", "GroupQueryAttention"]
    assert container_names(names) == [
        "dense", "p_re_lu", "dense_1", "conv2d_transpose", "lstm", "dense_2",
        "grouped_query_attention",
    ]  # fmt: skip
    assert snake_case("RMSNormalization") == "rms_normalization"


def test_what_is_a_keras_source(tmp_path: Path) -> None:
    renamed = tmp_path / "model.bin"
    renamed.write_bytes((FIXTURES / "int8.keras").read_bytes())
    assert is_keras_file(FIXTURES / "int8.keras")
    assert is_keras_file(str(renamed))
    assert not is_keras_file(tmp_path / "absent.keras")
    assert not is_keras_file(Path(__file__))
    assert not is_keras_file(b"PK")
    assert not is_keras_object("model.keras")


@pytest.mark.skipif(not REAL, reason="the real models of ../shared/data are not here")
@pytest.mark.parametrize("path", REAL, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_real_models(path: Path) -> None:
    file = read_keras(path)
    check_calls(file.model)
    for layer in file.model.layers:
        needs = {"Conv2D", "Dense", "BatchNormalization", "DepthwiseConv2D", "SeparableConv2D"}
        assert not isinstance(layer, KerasLayer) or layer.class_name not in needs or layer.weights
