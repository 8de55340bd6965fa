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
