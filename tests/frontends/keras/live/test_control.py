"""Operations of `keras.ops` that run functions: loops, maps, scans, branches."""

from __future__ import annotations

import numpy as np
import pytest

keras = pytest.importorskip("keras", reason="Keras is not installed here")

from keras import ops  # noqa: E402

import edgewise  # noqa: E402
from edgewise.errors import UnsupportedOp  # noqa: E402

from .checks import compare, converted  # noqa: E402

pytestmark = [pytest.mark.ci, pytest.mark.filterwarnings("ignore")]
rng = np.random.default_rng(9)
W = rng.normal(size=(4, 4)).astype(np.float32) * 0.5


def doubled(x, total):
    return x * 2, total + ops.sum(x)


CASES = {
    "while": lambda x: ops.while_loop(
        lambda x, total: ops.sum(ops.abs(x)) < 1000, doubled, (x, ops.sum(x))
    ),
    "while_limited": lambda x: ops.while_loop(
        lambda x: ops.max(x) < 1e6, lambda x: x @ W + x, x, maximum_iterations=3
    ),
    "for": lambda x: ops.fori_loop(1, 5, lambda i, x: x + ops.cast(i, "float32") * W, x),
    "map": lambda x: ops.map(lambda row: ops.cumsum(row) @ W, x),
    "map_whole": lambda x: ops.map(lambda row: ops.argmax(row), x),
    "vectorized": lambda x: ops.vectorized_map(lambda row: ops.outer(row, row), x),
    "scan": lambda x: ops.scan(lambda h, row: (ops.tanh(h @ W + row), h), x[0], x),
    "scan_backwards": lambda x: ops.scan(
        lambda h, row: (h * 0.5 + row, ops.sum(h)), x[0], x, reverse=True
    ),
    "associative": lambda x: [
        ops.associative_scan(lambda a, b: a + b - a * b, x, axis=1),
        ops.associative_scan(ops.maximum, x, reverse=True),
    ],
    "switch": lambda x: [
        ops.switch(ops.cast(ops.abs(x[0, 0]) * 0 + i, "int32"), [ops.sin, ops.cos, ops.square], x)
        for i in (0, 1, 2)
    ],
}


def model(function):
    x = keras.Input((4,), batch_size=4)
    return keras.Model(x, function(x))


@pytest.mark.parametrize("name", CASES)
def test_gives_keras_s_outputs(name):
    x = rng.normal(size=(4, 4)).astype(np.float32)
    wanted = keras.tree.flatten(CASES[name](ops.convert_to_tensor(x)))
    _, found = converted(model(CASES[name]), x)
    compare(found, [np.asarray(y) for y in wanted])


def test_a_tensor_from_around_the_function():
    def loop(x):
        scale = ops.max(x)
        return ops.fori_loop(0, 3, lambda i, y: y * scale, x)

    with pytest.raises(UnsupportedOp, match="uses a tensor from around it; hand it over"):
        edgewise.convert(model(loop))
