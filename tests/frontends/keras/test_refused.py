"""Layers that cannot be converted: the reason, and nothing silent."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edgewise.errors import UnsupportedOp
from edgewise.frontends.keras.description import (
    KerasCall,
    KerasFile,
    KerasLayer,
    KerasModel,
    ModelKind,
    TensorRef,
)
from edgewise.frontends.keras.lower import lower

WEIGHTS = {
    "kernel": np.ones((2, 4), np.float32),
    "recurrent_kernel": np.ones((1, 4), np.float32),
    "bias": np.zeros(4, np.float32),
}


def model(layer: KerasLayer, shape: list[int | None], dtype: str = "float32") -> KerasFile:
    """A file with `layer` between an input and an output."""
    config = {"batch_shape": shape, "dtype": dtype}
    source = KerasLayer("InputLayer", "x", config, module="keras.layers")
    call = KerasCall(layer.name, 0, (TensorRef("x"),), {})
    made = KerasModel(
        ModelKind.FUNCTIONAL, "Functional", "m", (source, layer), (call,),
        TensorRef("x"), TensorRef(layer.name, 0, None),
    )  # fmt: skip
    return KerasFile(made, "keras", "3.15.0", "m.keras")


def layer(class_name: str, **config: object) -> KerasLayer:
    return KerasLayer(class_name, "layer", config, module="keras.layers", weights=WEIGHTS)


def operation(class_name: str, **config: object) -> KerasLayer:
    made = layer(class_name, **config)
    return replace(made, module="keras.src.ops.numpy", is_operation=True)


LSTM = {"units": 1, "activation": "tanh", "recurrent_activation": "sigmoid"}
CELL = {**LSTM, "activation": "softsign"}  # no operator has it


@pytest.mark.parametrize(
    ("made", "shape", "reason"),
    [
        (layer("LSTM", **CELL, stateful=True), [None, 3, 2], "stateful=True needs a fixed batch"),
        (layer("LSTM", **CELL), [None, 0, 2], "has no steps"),
        (layer("StringLookup"), [None, 2], "no vocabulary"),
        (layer("StringLookup", vocabulary=["a"]), [None, 2], "it takes strings; got float32"),
        (layer("TextVectorization", split="whitespace"), [None, 2], "processes text"),
        (layer("TextVectorization", ragged=True), [None, 2], "ragged=True"),
        (layer("Hashing", num_bins=3), [None, 2], "hashes"),
        (layer("HashedCrossing", num_bins=3), [None, 2], "hashes"),
        (layer("MaxNumBoundingBoxes"), [None, 2], "bounding boxes"),
        (layer("IntegerLookup", num_oov_indices=1), [None, 2], "no vocabulary"),
        (layer("Discretization"), [None, 2], "no bin_boundaries"),
        (layer("CategoryEncoding", num_tokens=3, output_mode="tf_idf"), [None, 2], "tf_idf"),
        (layer("TFOpLambda", function="math.lgamma"), [None, 2], "tf.math.lgamma"),
        (operation("Svd"), [None, 2, 2], "keras.ops operation has no handler"),
        (operation("Sort", axis=1), [None, None], "unknown size"),
        (operation("Cast", dtype="string"), [None, 2], "a cast to 'string'"),
        (operation("Norm", ord="nuc", axis=[1, 2]), [None, 2, 2], "a norm of order 'nuc'"),
        (operation("Pad", pad_width=1, mode="edge"), [None, 2], "padding mode 'edge'"),
        (operation("Max", axis=1, initial=3.0), [None, 2], "initial"),
    ],
)
def test_says_why(made: KerasLayer, shape: list[int | None], reason: str) -> None:
    with pytest.raises(UnsupportedOp, match=reason) as caught:
        lower(model(made, shape))
    assert "'layer'" in str(caught.value)


def test_a_cell_of_the_user_s_is_refused() -> None:
    cell = KerasLayer("MyCell", "cell", {}, module="mine", registered_name="mine>MyCell")
    rnn = replace(layer("RNN"), sublayers={"cell": cell})
    with pytest.raises(UnsupportedOp, match="'MyCell' is a custom class"):
        lower(model(rnn, [None, 3, 2]))


def test_all_problems_at_once() -> None:
    first = replace(layer("StringLookup"), name="words")
    file = model(replace(layer("LSTM", **CELL, stateful=True), name="memory"), [None, 3, 2])
    call = KerasCall("words", 0, (TensorRef("x"),), {})
    both = replace(
        file.model,
        layers=(*file.model.layers, first),
        calls=(*file.model.calls, call),
        outputs=[TensorRef("memory"), TensorRef("words")],
    )
    with pytest.raises(UnsupportedOp, match=r"(?s)2 layers.*'memory'.*'words'"):
        lower(replace(file, model=both))


def test_a_linear_lstm_is_no_operator() -> None:
    made = lower(model(layer("LSTM", **LSTM, return_sequences=True), [None, 3, 2]))
    linear = lower(model(layer("LSTM", **{**LSTM, "activation": "linear"}), [None, 3, 2]))
    fused = "unidirectional_sequence_lstm"
    assert [node.op.name for node in made.main.nodes] == [fused]
    assert fused not in [node.op.name for node in linear.main.nodes]
