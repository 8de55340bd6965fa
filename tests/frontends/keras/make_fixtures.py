"""Makes the files in `fixtures/`: run it with Keras 3 and TensorFlow, then again with `--keras2`.

`python make_fixtures.py` (run it in this folder) writes files of Keras 3;
with `--keras2` (needs tf_keras) those of Keras 2. Every variable is a ramp that starts at its own
number, so that a mixed-up weight shows: `expected_*.json` has file -> top-level layer ->
[variable name, shape, start]. HDF5 files are gzipped here, mostly group headers as they are.
"""

from __future__ import annotations

import gzip
import json
import os
import sys
import zipfile
from pathlib import Path

KERAS2 = "--keras2" in sys.argv
os.environ["TF_USE_LEGACY_KERAS"] = "1" if KERAS2 else "0"
os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import numpy as np  # noqa: E402

if KERAS2:
    import tensorflow as tf
    import tf_keras as keras
else:
    import keras

L = keras.layers
HERE = Path(__file__).parent / "fixtures"
EXPECTED: dict[str, dict[str, list]] = {}


def variable_name(variable) -> str:
    return variable.name.split("/")[-1].split(":")[0]


def save(model, name: str, *suffixes: str) -> None:
    """Numbers all variables, saves the model and notes what it holds."""
    cast = tf.cast if KERAS2 else keras.ops.cast
    for start, variable in enumerate(model.weights):
        ramp = np.arange(np.prod(variable.shape)).reshape(variable.shape) % 100 + 10 * start
        variable.assign(cast(ramp, variable.dtype))
    for suffix in suffixes:
        model.save(HERE / f"{name}{suffix}")
        EXPECTED[pack(HERE / f"{name}{suffix}")] = {
            layer.name: [
                [variable_name(w), list(w.shape), float(np.asarray(w).reshape(-1)[0])]
                for w in layer.weights
            ]
            for layer in model.layers
        }


def pack(path: Path) -> str:
    """Compresses a file, reproducibly: the members of an archive, or all of an HDF5 file."""
    if path.suffix == ".keras":
        with zipfile.ZipFile(path) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in members.items():
                info = zipfile.ZipInfo(name)
                info.compress_type = zipfile.ZIP_DEFLATED
                archive.writestr(info, data)
        return path.name
    data = path.read_bytes()
    path.unlink()
    packed = path.with_name(path.name + ".gz")
    packed.write_bytes(gzip.compress(data, mtime=0))
    return packed.name


def nested() -> None:
    """A nested model called twice, a shared layer, structured outputs."""
    x = keras.Input((2,), name="in")
    base = keras.Model(x, [L.Dense(2, name="a")(x), L.Dense(3, name="b")(x)], name="base")
    y = keras.Input((2,), name="x")
    first, _ = base(y)
    second, wide = base(first)
    shared = L.Dense(2, name="shared")
    out = shared(L.ReLU(name="relu")(shared(second)))
    save(
        keras.Model(y, {"o": out, "w": [wide, first]}, name="outer"),
        stem("nested"),
        ".keras",
        ".h5",
    )


def convolution() -> None:
    model = keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            L.Conv2D(2, 3, use_bias=False, name="conv"),
            L.BatchNormalization(name="bn"),
            L.DepthwiseConv2D(2, name="dw"),
            L.SeparableConv2D(2, 2, name="sep"),
            keras.Sequential(
                [L.Dense(2, name="inner"), L.BatchNormalization(name="bn2")], name="seq"
            ),
        ],
        name="convolution",
    )
    save(model, stem("convolution"), ".keras", ".h5")


def recurrent() -> None:
    x = keras.Input((4, 2), name="x")
    y = L.Bidirectional(L.LSTM(2, return_sequences=True), name="bi")(x)
    y, state = L.GRU(2, return_sequences=True, return_state=True, name="gru")(y)
    y = L.RNN([L.LSTMCell(2), L.GRUCell(2), L.LSTMCell(1)], return_sequences=True, name="rnn")(y)
    y = L.TimeDistributed(L.Dense(2), name="td")(y)
    y = L.SimpleRNN(2, name="simple")(y, initial_state=state)
    save(keras.Model(x, y), stem("recurrent"), ".keras", ".h5")


def attention() -> None:
    x = keras.Input((4,), name="x")
    y = L.Embedding(5, 4, name="embedding")(x)
    z = L.MultiHeadAttention(2, 2, name="mha")(y, y)
    z = L.LayerNormalization(name="ln")(L.Add(name="add")([y, z]))
    save(keras.Model(x, z), stem("attention"), ".keras", ".h5")


def operations() -> None:
    """`keras.ops` in Keras 3, TFOpLambda layers in Keras 2."""
    x = keras.Input((4, 4), name="x")
    if KERAS2:
        y = tf.concat([x[:, :2], tf.reverse(x, [1])[..., 1:3, :] * 2.0], axis=1)
        y = tf.add(1.0, y)
    else:
        y = keras.ops.concatenate([x[:, :2], keras.ops.flip(x, 1)[..., 1:3, :] * 2.0], axis=1)
        y = keras.ops.add(np.ones((1, 4), "float32"), y)
    save(
        keras.Model(x, L.Dense(2, name="d")(y)),
        stem("operations"),
        *([".h5"] if KERAS2 else [".keras", ".h5"]),
    )


def only_keras3() -> None:
    x = keras.Input((64,), name="x")
    model = keras.Model(x, L.Dense(2, name="d")(x))
    model.quantize("int8")
    save(model, "int8", ".keras")

    x = keras.Input((4,), name="x")
    double = lambda t: t * 2  # noqa: E731 (only a lambda is saved as bytecode)
    double.__code__ = double.__code__.replace(co_filename="make_fixtures.py")
    y = L.Dense(2, name="d")(L.Lambda(double, name="code")(x))
    save(keras.Model(x, y), "lambda", ".keras", ".h5")

    keras.config.set_dtype_policy("mixed_bfloat16")
    save(keras.Sequential([keras.Input((4,)), L.Dense(2, name="d")]), "mixed", ".keras")
    keras.config.set_dtype_policy("bfloat16")
    save(keras.Sequential([keras.Input((4,)), L.Dense(2, name="d")]), "bfloat16", ".keras", ".h5")
    keras.config.set_dtype_policy("float32")

    @keras.saving.register_keras_serializable(package="mine")
    class Twice(keras.layers.Layer):
        def build(self, shape):
            self.factor = self.add_weight(name="factor", shape=(1,))
            self.parts = [L.Dense(2), L.Dense(2)]
            self.parts[0].build(shape)
            self.parts[1].build((None, 2))

        def call(self, x):
            return self.parts[1](self.parts[0](x)) * self.factor

    x = keras.Input((4,), name="x")
    save(keras.Model(x, L.Dense(2, name="d")(Twice(name="twice")(x))), "custom", ".keras", ".h5")

    x = keras.Input((1,), dtype="string", name="x")
    lookup = L.StringLookup(name="lookup")
    lookup.adapt(np.array([["cat"], ["dog"]]))
    save(keras.Model(x, lookup(x)), "lookup", ".keras")

    model = keras.Sequential([keras.Input((4,)), L.Dense(2, name="d")])
    model.save_weights(HERE / "only.weights.h5")
    pack(HERE / "only.weights.h5")

    class Sub(keras.Model):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.dense = L.Dense(2)

        def call(self, x):
            return self.dense(x)

    model = Sub(name="sub")
    model(np.zeros((1, 4), "float32"))
    model.save(HERE / "subclassed.keras")
    pack(HERE / "subclassed.keras")


def stem(name: str) -> str:
    return f"{name}_k2" if KERAS2 else name


def main() -> None:
    HERE.mkdir(exist_ok=True)
    for make in (
        nested,
        convolution,
        recurrent,
        attention,
        operations,
        *(() if KERAS2 else (only_keras3,)),
    ):
        keras.backend.clear_session()
        make()
    text = json.dumps(EXPECTED).replace("}, ", "},\n")
    (HERE / f"expected_{'keras2' if KERAS2 else 'keras3'}.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
