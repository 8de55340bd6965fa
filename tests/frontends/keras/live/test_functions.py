"""Layers of the user's own code that call rarer operations of `keras.ops`, of any batch."""

from __future__ import annotations

import numpy as np
import pytest

keras = pytest.importorskip("keras", reason="Keras is not installed here")

from keras import layers as L  # noqa: E402
from keras import ops  # noqa: E402

import edgewise  # noqa: E402

from .checks import answers, compare, randomize  # noqa: E402

pytestmark = [pytest.mark.ci, pytest.mark.filterwarnings("ignore")]
rng = np.random.default_rng(3)


class Messages(keras.Model):
    """A graph network: nodes [N, 4], and edges [E, 2] from one to another."""

    def __init__(self):
        super().__init__()
        self.first, self.second = L.Dense(5), L.Dense(3)

    def call(self, inputs):
        nodes, edges = inputs
        source, target = edges[:, 0], edges[:, 1]
        count = ops.shape(nodes)[0]
        sent = ops.take(self.first(nodes), source, axis=0)
        mean = ops.segment_sum(sent, target, num_segments=count)
        degree = ops.segment_sum(ops.ones_like(target, "float32"), target, count)
        mean = mean / ops.maximum(degree, 1.0)[:, None]
        top = ops.maximum(ops.segment_max(sent, target, num_segments=count), -9.0)
        return self.second(ops.concatenate([mean, top], axis=-1))


def test_a_graph_network_of_any_size():
    model = Messages()
    data = [rng.normal(size=(6, 4)).astype(np.float32), rng.integers(0, 6, (9, 2), np.int32)]
    model(data)
    randomize(model)
    made = edgewise.convert(model, inputs=[((None, 4), "float32"), (("edges", 2), "int32")])
    run = edgewise.Interpreter(made.to_bytes())
    for nodes, edges in ((6, 9), (4, 12)):
        data = [
            rng.normal(size=(nodes, 4)).astype(np.float32),
            rng.integers(0, nodes, (edges, 2), np.int32),
        ]
        compare(list(run(*data).values()), answers(model, data))


class Mixer(keras.Layer):
    """FNet: what attention mixes, a Fourier transform mixes."""

    def call(self, x):
        return ops.fft2((x, ops.zeros_like(x)))[0]


def test_a_fourier_network():
    x = keras.Input((16, 8))
    y = L.LayerNormalization()(x + Mixer()(x))
    model = keras.Model(x, L.Dense(4)(L.GlobalAveragePooling1D()(y)))
    randomize(model)
    run = edgewise.Interpreter(edgewise.convert(model).to_bytes())
    for batch in (3, 1):
        data = rng.normal(size=(batch, 16, 8)).astype(np.float32)
        compare(list(run(data).values()), answers(model, data))


class Picked(keras.Layer):
    """The best boxes of every picture, the median of their scores, and how they spread."""

    def call(self, inputs):
        boxes, scores = inputs
        best = ops.top_k(scores, 3)[1]
        found = ops.take_along_axis(boxes, best[..., None], axis=1)
        spread = ops.nanmax(found, axis=1) - ops.median(found, axis=1)
        return found, spread, ops.cumprod(ops.sigmoid(scores), axis=1)


def test_boxes_of_any_batch():
    inputs = [keras.Input((7, 4)), keras.Input((7,))]
    model = keras.Model(inputs, Picked()(inputs))
    run = edgewise.Interpreter(edgewise.convert(model).to_bytes())
    for batch in (2, 5):
        data = [rng.normal(size=(batch, 7, *rest)).astype(np.float32) for rest in ((4,), ())]
        compare(list(run(*data).values()), answers(model, data))
