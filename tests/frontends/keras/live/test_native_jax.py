"""Layers whose code calls JAX itself: JAX traces those, the rest keeps its handlers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

keras = pytest.importorskip("keras", reason="Keras is not installed here")
jax = pytest.importorskip("jax", reason="JAX is not installed here")

import jax.numpy as jnp  # noqa: E402
from keras import layers as L  # noqa: E402
from keras import ops  # noqa: E402

import edgewise  # noqa: E402
from edgewise.errors import UnsupportedOp  # noqa: E402
from tests.frontends.keras.live.checks import check, randomize  # noqa: E402

pytestmark = [
    pytest.mark.ci,
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.skipif(keras.backend.backend() != "jax", reason="only on the JAX back end"),
]


def real(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def operators(model: edgewise.Model) -> list[str]:
    return [node.op.name for node in model.main.nodes]


class Affine(L.Layer):
    """Weights, a variable read as a number, a size of the input."""

    def build(self, shape):
        self.kernel = self.add_weight(shape=(shape[-1], 5), name="kernel")
        self.scale = self.add_weight(shape=(), initializer="ones", name="scale")

    def call(self, x):
        y = jnp.einsum("bi,io->bo", x, self.kernel.value) * float(self.scale)
        return jax.nn.gelu(y) + jnp.mean(y, axis=0) / x.shape[0]


def test_one_layer_of_a_model():
    source = keras.Input((3,))
    y = Affine(name="own")(L.Dense(3)(source))
    model = keras.Model(source, L.Dense(2)(y))
    randomize(model)
    made = check(model, real(4, 3))
    assert operators(made).count("fully_connected") == 3
    assert operators(made).count("gelu") == 1
    weights = {value.name for value in made.main.values() if value.data is not None}
    assert "own/kernel" in weights


class Block(L.Layer):
    """A layer of Keras and one of the caller's own, of which only that calls JAX."""

    def __init__(self, **options):
        super().__init__(**options)
        self.first, self.own = L.LSTM(4), Affine()

    def call(self, x):
        return ops.concatenate([self.own(self.first(x)), ops.mean(x, axis=1)], axis=-1)


def test_methods_of_arrays():
    source = keras.Input((4, 3))
    layer = L.Lambda(
        lambda x: x.transpose(0, 2, 1).sum(-1, keepdims=True) + x.at[:, 0].get()[:, None]
    )
    model = keras.Model(source, layer(source))
    check(model, real(2, 4, 3))


def test_a_layer_inside_of_one_that_is_traced():
    source = keras.Input((6, 3))
    model = keras.Model(source, Block()(source))
    randomize(model)
    assert "unidirectional_sequence_lstm" in operators(check(model, real(4, 6, 3)))


class Whole(keras.Model):
    """A model whose own code calls JAX."""

    def __init__(self):
        super().__init__()
        self.dense = L.Dense(4)

    def call(self, x):
        return {"wave": jnp.sin(self.dense(x)), "sum": jnp.sum(x, axis=1)}


def test_a_model_of_the_callers_class():
    model = Whole()
    model(real(2, 3))
    randomize(model)
    made = check(model, real(5, 3))
    assert set(made.signature().outputs) == {"sum", "wave"}


class Rotary(L.Layer):
    """Attention with rotary positions, for any number of steps."""

    def build(self, shape):
        size = shape[-1]
        self.projection = self.add_weight(shape=(size, 3, 2, size // 2), name="projection")

    def call(self, x):
        q, k, v = jnp.moveaxis(jnp.einsum("btc,cjhd->btjhd", x, self.projection.value), 2, 0)
        half = q.shape[-1] // 2
        angles = jnp.arange(x.shape[1])[:, None, None] / 10.0 ** jnp.arange(half)

        def turned(y):
            a, b = jnp.split(y, 2, axis=-1)
            sin, cos = jnp.sin(angles), jnp.cos(angles)
            return jnp.concatenate([a * cos - b * sin, a * sin + b * cos], axis=-1)

        scores = jnp.einsum("bqhd,bkhd->bhqk", turned(q), turned(k)) / jnp.sqrt(q.shape[-1])
        weights = jax.nn.softmax(scores, axis=-1)
        return jnp.einsum("bhqk,bkhd->bqhd", weights, v).reshape(x.shape)


@pytest.mark.parametrize("steps", [6, None])
def test_attention(steps):
    source = keras.Input((steps, 8))
    model = keras.Model(source, L.Dense(3)(Rotary()(source)))
    randomize(model)
    made = check(model, real(4, 6, 8))
    assert "softmax" in operators(made)


class Images(L.Layer):
    """A convolution, a pooling and activations, by jax.lax."""

    def build(self, shape):
        self.kernel = self.add_weight(shape=(3, 3, shape[-1], 6), name="kernel")

    def call(self, x):
        y = jax.lax.conv_general_dilated(
            x, self.kernel.value, (2, 2), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
        )
        y = jax.nn.relu6(y)
        return jax.lax.reduce_window(y, -jnp.inf, jax.lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")


def test_images():
    source = keras.Input((16, 12, 3))
    model = keras.Model(source, L.Flatten()(Images()(L.Conv2D(3, 1)(source))))
    randomize(model)
    made = check(model, real(2, 16, 12, 3))
    found = operators(made)
    assert [found.count(name) for name in ("conv_2d", "max_pool_2d", "transpose")] == [2, 1, 0]


class Recurrent(L.Layer):
    """A recurrent network by jax.lax.scan."""

    def build(self, shape):
        self.w = self.add_weight(shape=(shape[-1], 5), name="w")
        self.u = self.add_weight(shape=(5, 5), name="u")

    def call(self, x):
        def step(state, row):
            state = jnp.tanh(row @ self.w.value + state @ self.u.value)
            return state, state

        start = jnp.zeros((x.shape[0], 5))
        _, states = jax.lax.scan(step, start, jnp.swapaxes(x, 0, 1))
        return jnp.swapaxes(states, 0, 1)


def test_a_short_scan_is_written_out():
    source = keras.Input((4, 3))
    model = keras.Model(source, Recurrent()(source))
    randomize(model)
    assert "tanh" in operators(check(model, real(2, 4, 3)))


def test_a_long_scan_is_a_recurrent_layer():
    source = keras.Input((90, 3))
    model = keras.Model(source, Recurrent()(source))
    randomize(model)
    assert operators(check(model, real(2, 90, 3))) == ["unidirectional_sequence_rnn"]


class Spectral(L.Layer):
    """A filter of frequencies, with complex weights of two real ones."""

    def build(self, shape):
        bins = shape[1] // 2 + 1
        self.re = self.add_weight(shape=(bins, 1), name="re")
        self.im = self.add_weight(shape=(bins, 1), name="im")

    def call(self, x):
        spectrum = jnp.fft.rfft(x, axis=1) * jax.lax.complex(self.re.value, self.im.value)
        return jnp.fft.irfft(spectrum, n=x.shape[1], axis=1)


def test_a_filter_of_frequencies():
    source = keras.Input((16, 2))
    model = keras.Model(source, Spectral()(source))
    randomize(model)
    check(model, real(3, 16, 2))


def test_a_file_with_custom_objects(tmp_path):
    path = tmp_path / "model.keras"
    source = keras.Input((3,))
    model = keras.Model(source, Affine(name="own")(source))
    randomize(model)
    model.save(path)
    made = edgewise.convert(path, custom_objects={"Affine": Affine})
    x = real(4, 3)
    (found,) = edgewise.Interpreter(made.to_bytes())(x).values()
    np.testing.assert_allclose(found, np.asarray(model(x)), atol=1e-5)


class Noisy(L.Layer):
    def __init__(self, **options):
        super().__init__(**options)
        self.seed = keras.random.SeedGenerator(1)

    def call(self, x):
        return jnp.sin(x) + jax.random.normal(self.seed.next(), x.shape)


def test_random_numbers_are_refused():
    source = keras.Input((4,))
    model = keras.Model(source, Noisy(name="noisy")(source), name="model")
    with pytest.raises(UnsupportedOp) as refused:
        edgewise.convert(model)
    assert str(refused.value) == (
        "model: 1 layer cannot be converted:\n  - 'noisy' (Noisy): its call() draws random"
        " numbers, which a converted model cannot; draw them only where `training` is true"
    )


class Tagger(keras.Model):
    """Layers with handlers between calls of JAX, one of them in a model of its own."""

    def __init__(self, mask_zero):
        super().__init__()
        self.embedding = L.Embedding(11, 6, mask_zero=mask_zero)
        self.both = L.Bidirectional(L.LSTM(4, return_sequences=True))
        self.attention = L.MultiHeadAttention(2, 3)
        self.head = keras.Sequential([L.LayerNormalization(), L.Dense(5, activation="softmax")])

    def call(self, tokens):
        x = jnp.sin(self.embedding(tokens))
        x = self.both(x)
        x = x + self.attention(x, x) * jax.nn.sigmoid(x)
        return self.head(jnp.mean(x, axis=1))


@pytest.mark.parametrize("mask_zero", [False, True])
def test_layers_inside_keep_their_handlers(mask_zero):
    tokens = np.random.default_rng(0).integers(0, 11, (3, 7)).astype(np.int32)
    model = Tagger(mask_zero)
    model(tokens)
    randomize(model)
    found = operators(check(model, tokens, ((None, 7), "int32")))
    assert found.count("bidirectional_sequence_lstm") + found.count(
        "unidirectional_sequence_lstm"
    ) in (1, 2)
    assert found.count("softmax") == 2


class Odd(L.Layer):
    """Two primitives that have no operators."""

    def call(self, x):
        y = jnp.linalg.cholesky(jnp.einsum("bi,bj->bij", x, x))
        return y + jax.lax.igamma(x, x)[:, None]


def test_every_primitive_that_cannot_be_converted_is_told():
    source = keras.Input((4,))
    model = keras.Model(source, Odd(name="odd")(source), name="model")
    with pytest.raises(UnsupportedOp) as refused:
        edgewise.convert(model)
    here = Path(__file__)
    lines = here.read_text().splitlines()
    places = {
        name: f"{here}:{next(i for i, text in enumerate(lines, 1) if name + '(' in text)}"
        for name in ("cholesky", "igamma")
    }
    assert str(refused.value) == (
        "model: 1 layer cannot be converted:\n"
        "  - 'odd' (Odd): 2 primitives of JAX cannot be converted:\n"
        f'      - {places["cholesky"]} `y = jnp.linalg.cholesky(jnp.einsum("bi,bj->bij", x, x))`,'
        " the primitive cholesky: matrices are not decomposed or solved in a .tflite model; compute"
        " it before and give the result as an input or a constant\n"
        f"      - {places['igamma']} `return y + jax.lax.igamma(x, x)[:, None]`, the primitive"
        " igamma: there is no formula for this function here; give its results as an input"
    )
