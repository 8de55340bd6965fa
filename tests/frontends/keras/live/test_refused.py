"""What code cannot be converted: the layer, the line, the reason and the way out, word for word."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

keras = pytest.importorskip("keras", reason="Keras is not installed here")

from keras import layers as L  # noqa: E402
from keras import ops  # noqa: E402

import edgewise  # noqa: E402
from edgewise.errors import ConversionError, UnsupportedOp  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")
BACKEND = keras.backend.backend()


class Own(L.Layer):
    """A layer that runs a function."""

    def __init__(self, function, **options):
        super().__init__(**options)
        self.function = function

    def call(self, x, training=None):
        return self.function(self, x)

    def compute_output_shape(self, shape):
        return shape


def refusal(function) -> str:
    source = keras.Input((4,))
    model = keras.Model(source, Own(function, name="own")(source), name="model")
    with pytest.raises(UnsupportedOp) as caught:
        edgewise.convert(model)
    return str(caught.value).removeprefix("model: 1 layer cannot be converted:\n  - 'own' (Own): ")


def here(text: str) -> str:
    """File, line and text of the line of this file that has `text`."""
    lines = Path(__file__).read_text().splitlines()
    number = next(i for i, line in enumerate(lines, 1) if text in line)
    return f"{__file__}:{number} `{lines[number - 1].strip()}`"


def test_a_function_of_jax():
    jnp = pytest.importorskip("jax.numpy")
    if BACKEND == "jax":
        pytest.skip("JAX traces it")

    def function(layer, x):
        return jnp.sin(x)

    assert refusal(function) == (
        f"its call() cannot be traced: {here('return jnp.sin(x)')} calls jnp.sin, a function of"
        " JAX, on a tensor of the model; write it with keras.ops, which every back end has"
    )


def test_a_function_of_torch():
    torch = pytest.importorskip("torch")
    if BACKEND == "torch":
        pytest.skip("PyTorch traces it")

    def function(layer, x):
        return torch.sin(x) + 1

    assert refusal(function) == (
        f"its call() cannot be traced: {here('return torch.sin(x) + 1')} calls torch.sin, a"
        " function of PyTorch, on a tensor of the model; write it with keras.ops, which every back"
        " end has"
    )


def test_a_function_of_tensorflow():
    tf = pytest.importorskip("tensorflow")
    if BACKEND == "tensorflow":
        pytest.skip("TensorFlow traces it")

    def function(layer, x):
        return tf.math.sin(x)

    assert refusal(function) == (
        f"its call() cannot be traced: {here('return tf.math.sin(x)')} calls tf.math.sin, a"
        " function of TensorFlow, on a tensor of the model; write it with keras.ops, which every"
        " back end has"
    )


def test_tensorflow_traces_its_own_functions():
    tf = pytest.importorskip("tensorflow")
    if BACKEND != "tensorflow":
        pytest.skip("only on the TensorFlow back end")
    source = keras.Input((4,), name="angle")
    model = keras.Model(source, Own(lambda layer, x: tf.math.sin(x) * 2.0)(source))
    x = np.linspace(-1, 1, 12, dtype=np.float32).reshape(3, 4)
    for made in (
        edgewise.convert(model),
        edgewise.convert(model, inputs=(None, 4)),
        edgewise.convert(tf.function(model), inputs=[tf.TensorSpec((None, 4))]),
    ):
        found = next(iter(edgewise.Interpreter(made.to_bytes())(x).values()))
        np.testing.assert_allclose(found, 2 * np.sin(x), atol=1e-6)
    assert list(edgewise.convert(model).signature().inputs) == ["angle"]


def test_what_tensorflow_traces_and_nobody_converts_tells_both_reasons():
    tf = pytest.importorskip("tensorflow")
    if BACKEND != "tensorflow":
        pytest.skip("only on the TensorFlow back end")
    source = keras.Input((4,))
    model = keras.Model(source, Own(lambda layer, x: tf.linalg.inv(tf.linalg.diag(x)))(source))
    with pytest.raises(UnsupportedOp) as refused:
        edgewise.convert(model)
    ours, theirs = str(refused.value).split("\nIn the graph that TensorFlow traced: ")
    assert "calls tf.linalg.inv, a function of TensorFlow" in ours
    assert "MatrixInverse" in theirs


def test_a_function_of_numpy():
    def function(layer, x):
        return np.tanh(x)

    assert refusal(function) == (
        f"its call() cannot be traced: {here('return np.tanh(x)')} calls np.tanh, a function of"
        " NumPy, on a tensor of the model; write it with keras.ops, which every back end has"
    )


def test_a_decision_by_value():
    def function(layer, x):
        return x if ops.sum(x) > 0 else -x

    assert refusal(function) == (
        f"its call() cannot be traced: {here('return x if ops.sum(x) > 0 else -x')} decides in"
        " Python by the value of a tensor; use keras.ops.where or keras.ops.cond"
    )


def test_random_numbers():
    def function(layer, x):
        return x + keras.random.normal((4,))

    assert refusal(function) == (
        "its call() draws random numbers, which a converted model cannot; draw them only where"
        " `training` is true"
    )


def test_an_update_of_a_variable():
    def function(layer, x):
        layer.count.assign_add(1.0)
        return x

    source = keras.Input((4,))
    own = Own(function, name="own")
    own.count = own.add_weight(shape=(), name="count")
    model = keras.Model(source, own(source), name="model")
    before = float(own.count.numpy())
    with pytest.raises(UnsupportedOp) as caught:
        edgewise.convert(model)
    assert "its call() updates the variable 'count'; a converted model has no such state" in str(
        caught.value
    )
    assert float(own.count.numpy()) == before


def test_an_error_of_the_code_itself():
    def function(layer, x):
        raise KeyError("nothing")

    assert refusal(function) == (
        f"""its call() cannot be traced: {here('raise KeyError("nothing")')}: KeyError: 'nothing'"""
    )


def test_training_mode():
    class Trained(keras.Model):
        def __init__(self):
            super().__init__(name="trained")
            self.norm = L.BatchNormalization(name="norm")
            self.drop = L.Dropout(0.5, name="drop")

        def call(self, x):
            return self.drop(self.norm(x, training=True), training=True)

    model = Trained()
    model(np.ones((2, 4), np.float32))
    with pytest.raises(UnsupportedOp) as caught:
        edgewise.convert(model)
    assert str(caught.value) == (
        "trained: 1 layer cannot be converted:\n"
        "  - 'norm' (BatchNormalization): is called with training=True, which normalizes by the"
        " statistics of the batch; call it with training=False, or set trainable=False"
    )
    model.norm.trainable = False
    with pytest.raises(UnsupportedOp) as caught:
        edgewise.convert(model)
    assert str(caught.value) == (
        "trained: 1 layer cannot be converted:\n"
        "  - 'drop' (Dropout): is called with training=True, which makes its result random; call it"
        " with training=False"
    )


def test_a_model_that_was_never_called():
    class Bare(keras.Model):
        def call(self, x):
            return x

    with pytest.raises(ConversionError) as caught:
        edgewise.convert(Bare(name="bare"))
    assert str(caught.value) == (
        "model 'bare': a subclassed model is converted for the inputs it was called with; it was"
        " not called yet. Call it once on data, or give the shape: convert(model, inputs=(None,"
        " 224, 224, 3))."
    )


def test_inputs_that_are_none():
    class Bare(keras.Model):
        def call(self, x):
            return x * 2

    with pytest.raises(ConversionError, match=r"input 'x': inputs= takes shapes such as"):
        edgewise.convert(Bare(), inputs="image")

    class Unranked:
        shape, dtype = None, "float32"

    with pytest.raises(ConversionError) as caught:
        edgewise.convert(Bare(), inputs=Unranked())
    assert str(caught.value) == "input 'x': its rank must be known; give a whole shape"


def test_an_unknown_size_that_cannot_be_followed():
    class Halved(keras.Model):
        def call(self, x):
            return x[:, : ops.shape(x)[1] // 3]

    if BACKEND == "jax":  # JAX follows it
        made = edgewise.convert(Halved(name="halved"), inputs=(1, None, 2))
        x = np.arange(14, dtype=np.float32).reshape(1, 7, 2)
        (found,) = edgewise.Interpreter(made.to_bytes())(x).values()
        np.testing.assert_array_equal(found, x[:, :2])
        return
    with pytest.raises(UnsupportedOp) as caught:
        edgewise.convert(Halved(name="halved"), inputs=(1, None, 2))
    found = str(caught.value).removeprefix("halved: 1 layer cannot be converted:\n  - ")
    assert found == (
        "'halved' (Halved): its call() makes something of the unknown size 'x_1' that cannot be"
        " followed; convert with a fixed size: convert(model, inputs=...)"
    )


def test_options_of_other_sources(tmp_path):
    path = tmp_path / "model.keras"
    keras.Sequential([L.Input((2,)), L.Dense(1)]).save(path)
    model = keras.Sequential([L.Input((2,)), L.Dense(1)])
    with pytest.raises(ConversionError, match=r"has no option custom_objects=; leave it out"):
        edgewise.convert(model, custom_objects={"Own": Own})


def test_the_back_end_is_the_model_s():
    assert BACKEND in sys.modules or BACKEND == "numpy"
