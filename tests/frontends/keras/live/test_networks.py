"""Subclassed models, custom layers and functional models in memory, against Keras itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

keras = pytest.importorskip("keras", reason="Keras is not installed here")

from keras import layers as L  # noqa: E402
from keras import ops  # noqa: E402

import edgewise  # noqa: E402

from . import networks  # noqa: E402
from .checks import answers, check, compare, randomize  # noqa: E402

# warnings of Keras and its back ends are theirs
pytestmark = [pytest.mark.ci, pytest.mark.filterwarnings("ignore")]
rng = np.random.default_rng(7)
IDS = {
    "segment_ids": np.array([[0, 0, 1, 1, 1, 0], [0, 1, 1, 0, 0, 0]], np.int32),
    "token_ids": np.array([[3, 9, 4, 1, 7, 0], [5, 2, 0, 0, 0, 0]], np.int32),
}


def image(*shape: int) -> np.ndarray:
    return rng.normal(size=shape).astype(np.float32)


def operators(model: edgewise.Model) -> list[str]:
    return [node.op.name for node in model.main.nodes]


def test_a_transformer_of_custom_layers():
    model = networks.Encoder()
    model(IDS)
    randomize(model)
    specs = {name: keras.KerasTensor((None, 6), "int32") for name in IDS}
    made = check(model, IDS, specs)
    assert list(made.signatures[0].inputs) == ["segment_ids", "token_ids"]
    assert list(made.signatures[0].outputs) == ["pooled", "sequence"]
    assert operators(made).count("batch_matmul") == 4


def test_a_transformer_for_any_length():
    model = networks.Encoder()
    model(IDS)
    randomize(model)
    made = edgewise.convert(model, inputs=dict.fromkeys(IDS, ((None, "length"), "int32")))
    run = edgewise.Interpreter(made.to_bytes())
    for length in (6, 4):
        data = {name: ids[:, :length] for name, ids in IDS.items()}
        compare(list(run(*(data[name] for name in sorted(data))).values()), answers(model, data))


# 12 is next to numbers that stand for the batch while the code is traced
@pytest.mark.parametrize("length", [12, None])
def test_rotary_attention(length):
    x = keras.Input((length, 8))
    model = keras.Model(x, networks.Rotary()(x))
    randomize(model)
    run = edgewise.Interpreter(edgewise.convert(model).to_bytes())
    for steps in (length,) if length else (12, 5):
        data = image(3, steps, 8)
        compare(list(run(data).values()), answers(model, data))


def test_triangles_and_ranges_of_unknown_sizes():
    def call(x):
        n, m = ops.shape(x)[1:]
        low = ops.matmul(ops.tril(ops.ones((n, n)), -1), x)
        return ops.where(ops.arange(n)[:, None] >= ops.arange(m)[None], x, low)

    x = keras.Input((None, None))
    model = keras.Model(x, L.Lambda(call)(x))
    run = edgewise.Interpreter(edgewise.convert(model).to_bytes())
    for shape in ((2, 5, 7), (1, 9, 4)):
        data = image(*shape)
        compare(list(run(data).values()), answers(model, data))


def test_a_convolutional_network_of_custom_blocks():
    model, x = networks.Pictures(), image(2, 32, 24, 3) * 100
    model(x)
    randomize(model)
    made = check(model, x)
    assert list(made.signatures[0].inputs) == ["x"]
    assert made.main.inputs[0].shape[0] != 2  # any batch
    check(model, image(3, 32, 24, 3))


def test_a_call_with_options():
    model, x, other = networks.Options(), image(3, 5), image(3, 4)
    model(x, other=other)
    randomize(model)
    made = edgewise.convert(model, inputs={"x": (None, 5), "other": (None, 4)})
    assert list(made.signatures[0].inputs) == ["x", "other"]
    found = edgewise.Interpreter(made.to_bytes())(x, other)
    compare(list(found.values()), answers(model, x, other=other))


def test_a_custom_layer_in_functional_and_sequential_models():
    x = image(2, 8, 8, 8)
    source = keras.Input((8, 8, 8))
    block = networks.ResidualBlock(8)
    functional = keras.Model(source, [block(block(source)), L.Flatten()(source)])
    randomize(functional)
    check(functional, x)
    sequential = keras.Sequential([L.Conv2D(8, 3), networks.ResidualBlock(8), L.Flatten()])
    sequential(x)
    randomize(sequential)
    made = check(sequential, x)
    check(sequential, image(5, 8, 8, 8))  # built with a batch of 2
    assert made.main.inputs[0].shape[1:] == (8, 8, 8)


def test_an_untouched_model_after_tracing():
    model = networks.Pictures()
    model(image(1, 16, 16, 3))
    before = [len(layer._inbound_nodes) for layer in model._flatten_layers()]
    edgewise.convert(model)
    assert [len(layer._inbound_nodes) for layer in model._flatten_layers()] == before
    first = [np.array(w) for w in model.get_weights()]
    edgewise.convert(model)
    for a, b in zip(first, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_locations_name_the_layer_and_the_line():
    model = networks.Pictures()
    model(image(1, 16, 16, 3))
    made = edgewise.frontends.keras.read_object(model)
    place = next(node.location for node in made.main.nodes if node.op.name == "mean")
    assert place.layer == "block_0/excite/mean"
    source = Path(place.file).read_text().splitlines()[place.line - 1]
    assert "y = ops.mean(x, axis=(1, 2), keepdims=True)" in source


def test_lambdas_and_functions_of_the_user_s():
    def swap(x):
        return ops.flip(x, axis=-1) * 2.0

    source = keras.Input((4,))
    y = L.Dense(3, activation=lambda x: ops.maximum(x, 0.1 * x))(source)
    y = L.Lambda(swap)(y)
    model = keras.Model(source, y)
    randomize(model)
    check(model, image(5, 4))


def test_nested_shared_and_multiple():
    tower = keras.Sequential([L.Input((6,)), L.Dense(5, activation="relu"), L.Dense(4)], name="t")
    a, b = keras.Input((6,), name="a"), keras.Input((6,), name="b")
    p, q = tower(a), tower(b)
    model = keras.Model({"a": a, "b": b}, {"sum": L.Add()([p, q]), "dot": L.Dot(1)([p, q])})
    randomize(model)
    made = check(model, {"a": image(3, 6), "b": image(3, 6)})
    assert list(made.signatures[0].outputs) == ["dot", "sum"]
    weights = {id(v.data) for n in made.main.nodes for v in n.inputs if v and v.is_constant}
    assert len(weights) == len({id(w) for w in weights})


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "SimpleRNN"])
def test_recurrent_layers_with_any_batch(kind):
    layer = getattr(L, kind)
    model = keras.Sequential([L.Bidirectional(layer(4, return_sequences=True)), layer(3)])
    x = image(2, 7, 5)
    model(x)
    randomize(model)
    check(model, x)
    check(model, image(4, 7, 5))


def test_state_is_kept_from_call_to_call():
    model = keras.Sequential(
        [L.Input(batch_shape=(2, 6, 3)), L.GRU(4, stateful=True, return_sequences=True), L.LSTM(3)]
    )
    randomize(model)
    for layer in model.layers:
        layer.reset_state() if layer.stateful else None
    run = edgewise.Interpreter(edgewise.convert(model).to_bytes())
    for x in (image(2, 6, 3), image(2, 6, 3)):
        compare(list(run(x).values()), answers(model, x))


def test_a_cell_of_the_user_s():
    source = keras.Input((6, 3))
    model = keras.Model(source, L.RNN(networks.Leaky(4), return_sequences=True)(source))
    randomize(model)
    check(model, image(3, 6, 3))


def test_multi_head_attention():
    q, v = keras.Input((5, 8)), keras.Input((7, 8))
    y, scores = L.MultiHeadAttention(2, 3)(q, v, return_attention_scores=True)
    model = keras.Model([q, v], [y, scores])
    randomize(model)
    check(model, [image(2, 5, 8), image(2, 7, 8)])


def test_inputs_may_be_given():
    model = networks.Pictures()
    made = edgewise.convert(model, inputs=(1, 16, 16, 3))
    assert made.main.inputs[0].shape == (1, 16, 16, 3)
    x = image(1, 16, 16, 3)
    compare(list(edgewise.Interpreter(made.to_bytes())(x).values()), answers(model, x))


def test_the_drop_in_converter():
    model, x = networks.Pictures(), image(2, 16, 16, 3)
    model(x)
    file = edgewise.lite.TFLiteConverter.from_keras_model(model).convert()
    compare(list(edgewise.Interpreter(file)(x).values()), answers(model, x))
