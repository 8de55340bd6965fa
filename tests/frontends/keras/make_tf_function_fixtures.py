"""Makes `fixtures/tf_functions.npz`: models of Keras 2 that call TensorFlow, and their outputs.

Run with a Python that has TensorFlow and tf_keras: `TF_USE_LEGACY_KERAS=1 python
tests/frontends/keras/make_tf_function_fixtures.py`. For every case NAME the archive holds
`NAME.model` (the bytes of the `.h5` file), `NAME.x0`, ... and `NAME.y0`, ...
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import tensorflow as tf
import tf_keras as keras

HERE = Path(__file__).parent
Case = tuple[str, Callable[..., object], list[np.ndarray]]
rng = np.random.default_rng(22)


def image(*shape: int, low: float = -1) -> np.ndarray:
    """Random data below 1, batch first."""
    return rng.uniform(low, 1, shape).astype("float32")


def cases() -> Iterator[Case]:
    x, y = image(2, 3, 4), image(2, 3, 4, low=0.2)
    yield (
        "arithmetic",
        (
            lambda x, y: [
                x + y, 2.0 - x, x / y, tf.maximum(x, 0.1), tf.pow(y, 2.0), tf.exp(x), tf.abs(-x),
            ]
        ),
        [x, y],
    )  # fmt: skip
    yield (
        "functions",
        (
            lambda x, y: [
                tf.math.log(y), tf.where(x > 0, x, y), tf.clip_by_value(x, -0.5, 0.5),
                tf.cast(x > y, tf.float32), tf.nn.relu6(x * 9), tf.nn.softmax(x, axis=1),
                tf.nn.leaky_relu(x, 0.3), tf.nn.gelu(x), tf.sigmoid(x), tf.nn.swish(x),
                tf.math.l2_normalize(x, axis=-1), tf.math.reduce_std(x, axis=1),
            ]
        ),
        [x, y],
    )  # fmt: skip
    yield (
        "moved",
        (
            lambda x: [
                tf.reduce_mean(x, axis=[1, 2], keepdims=True), tf.reduce_sum(x, 1), tf.argmax(x, 2),
                tf.reshape(x, [-1, 12]), tf.transpose(x, [0, 2, 1]), tf.expand_dims(x, 1),
                tf.squeeze(x[:, :1], axis=1), tf.stack([x, x], axis=1), tf.concat([x, x], -1),
                *tf.split(x, 2, axis=2), *tf.unstack(x, axis=1), tf.tile(x, [1, 2, 1]),
                tf.pad(x, [[0, 0], [1, 0], [2, 1]]), tf.gather(x, [2, 0], axis=1),
                tf.reverse(x, [1]), tf.linalg.matmul(x, tf.transpose(x, [0, 2, 1])),
                x[..., 1:3], x[:, -1], tf.one_hot(tf.cast(x > 0, tf.int32), 2),
            ]
        ),
        [x],
    )  # fmt: skip
    yield (
        "dynamic_shape",
        (lambda x: tf.reshape(x, [tf.shape(x)[0], tf.shape(x)[1] * 2, 2])),
        [x],
    )


def main() -> None:
    """Writes the archive."""
    arrays: dict[str, np.ndarray] = {}
    for case, build, data in cases():
        keras.backend.clear_session()
        inputs = [keras.Input(x.shape[1:]) for x in data]
        model = keras.Model(inputs, build(*inputs))
        outputs = tf.nest.flatten(model(data if len(data) > 1 else data[0], training=False))
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.h5"
            model.save(path)
            arrays[f"{case}.model"] = np.frombuffer(path.read_bytes(), np.uint8)
        arrays |= {f"{case}.x{i}": x for i, x in enumerate(data)}
        arrays |= {f"{case}.y{i}": np.asarray(y) for i, y in enumerate(outputs)}
    np.savez_compressed(HERE / "fixtures" / "tf_functions.npz", **arrays)


if __name__ == "__main__":
    main()
