"""Makes the models in `networks/`: whole programs, with what TensorFlow says about them.

    ORACLE-PYTHON tests/frontends/tensorflow/make_networks.py [NAME ...]

Each is a zip of a SavedModel, or of `frozen.pb`. `answers/NAME.npz` has its calls in order, which
go from signature to signature (`NUMBER/SIGNATURE/in/ARGUMENT`, `.../out/RESULT`);
`conversions.json` has what TensorFlow's own converter makes of it: operators of all subgraphs and
bytes of the file, or why it makes none. With names, the others are kept.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import re
import sys
import tempfile
import zipfile
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

os.environ |= {"TF_CPP_MIN_LOG_LEVEL": "3", "TF_ENABLE_ONEDNN_OPTS": "0"}

import keras
import numpy as np
import tensorflow as tf
from ai_edge_litert import schema_py_generated as schema

v1 = tf.compat.v1
HERE = Path(__file__).parent / "networks"
RANDOM = np.random.RandomState(5)
Spec = tf.TensorSpec
layers = keras.layers
Calls = list[tuple[str, dict[str, np.ndarray]]]


def main() -> None:
    """Write all models, or those named."""
    HERE.mkdir(exist_ok=True)
    file = HERE / "conversions.json"
    named = sys.argv[1:]
    old = json.loads(file.read_text())["conversions"] if named else {}
    for make in MODELS:
        if named and make.__name__ not in named:
            continue
        RANDOM.seed(5)
        keras.utils.set_random_seed(5)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / make.__name__
            path.mkdir()
            calls = make(path)
            store(make.__name__, path, calls)
            old[make.__name__] = conversion(path, sorted({key for key, _ in calls}))
        print(make.__name__, old[make.__name__], flush=True)
    about = {"tensorflow": tf.__version__, "keras": keras.__version__}
    kept = {make.__name__: old[make.__name__] for make in MODELS}
    file.write_text(json.dumps({"versions": about, "conversions": kept}, indent=1) + "\n")


def store(name: str, path: Path, calls: Calls) -> None:
    """Zip the model, and note what it answers."""
    with zipfile.ZipFile(HERE / f"{name}.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=9) as file:
        for part in sorted(path.rglob("*")):
            if part.is_file() and part.name != "fingerprint.pb":
                info = zipfile.ZipInfo(part.relative_to(path).as_posix())
                file.writestr(info, part.read_bytes(), zipfile.ZIP_DEFLATED, 9)
    frozen = path / "frozen.pb"
    ask = asker_of_graph(frozen) if frozen.exists() else asker_of_saved_model(path)
    arrays = {}
    for number, (signature, given) in enumerate(calls):
        for key, value in given.items():
            arrays[f"{number}/{signature}/in/{key}"] = np.asarray(value)
        for key, value in ask(signature, given).items():
            arrays[f"{number}/{signature}/out/{key}"] = np.asarray(value)
    np.savez_compressed(HERE / f"{name}.npz", **arrays)


def asker_of_saved_model(path: Path):
    """What a signature answers."""
    loaded = tf.saved_model.load(str(path))
    return lambda key, given: loaded.signatures[key](
        **{k: tf.constant(v) for k, v in given.items()}
    )


def asker_of_graph(path: Path):
    """What the node `y` of a frozen graph is."""
    definition = v1.GraphDef.FromString(path.read_bytes())

    def ask(_: str, given: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        with tf.Graph().as_default() as graph:
            tf.import_graph_def(definition, name="")
            with v1.Session(graph=graph) as session:
                return {"y": session.run("y:0", {f"{k}:0": v for k, v in given.items()})}

    return ask


def conversion(path: Path, keys: list[str]) -> dict[str, object]:
    """TensorFlow's conversion, in a process of its own, because it crashes on some models."""
    pool = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"))
    try:
        return pool.submit(converted, path, keys).result()
    except BrokenProcessPool:
        return {"fails": "crashes"}


def converted(path: Path, keys: list[str]) -> dict[str, object]:
    """What `conversion` does, in the other process."""
    try:
        if (path / "frozen.pb").exists():
            definition = v1.GraphDef.FromString((path / "frozen.pb").read_bytes())
            inputs = [f"{n.name}:0" for n in definition.node if n.op == "Placeholder"]
            whole = v1.wrap_function(
                lambda: tf.graph_util.import_graph_def(definition, name=""), []
            )
            function = whole.prune(inputs, ["y:0"])
            converter = tf.lite.TFLiteConverter.from_concrete_functions([function])
        else:
            converter = tf.lite.TFLiteConverter.from_saved_model(str(path), signature_keys=keys)
            converter.experimental_enable_resource_variables = True
        data = converter.convert()
    except Exception as error:  # it raises what its parts raise
        told = re.search(r"'tf\.\w+' op .*", str(error))  # without where, which is long
        return {"fails": told[0] if told else str(error).splitlines()[0][:160]}
    model = schema.ModelT.InitFromPackedBuf(data, 0)
    return {
        "operators": sum(len(graph.operators or ()) for graph in model.subgraphs),
        "bytes": len(data),
    }


def random(*shape: int) -> np.ndarray:
    """Normal numbers."""
    return RANDOM.standard_normal(shape).astype(np.float32)


def exported(path: Path, model: keras.Model, *shapes: tuple[int, ...]) -> Calls:
    """A Keras model of one input, exported; called with these shapes."""
    model.export(path, verbose=False)
    (x,) = model.inputs
    return [("serving_default", {x.name: random(*shape)}) for shape in shapes]


# -- Keras ------------------------------------------------------------------------------------


def lstm(path: Path) -> Calls:
    """Layers of LSTM: all steps, then the last one."""
    x = inputs = keras.Input((6, 4), name="x")
    x = layers.LSTM(5, return_sequences=True)(x)
    x = layers.LSTM(4)(x)
    return exported(path, keras.Model(inputs, layers.Dense(3)(x)), (1, 6, 4), (3, 6, 4))


def gru(path: Path) -> Calls:
    """Layers of GRU with both places of the reset gate, one of them backwards."""
    x = inputs = keras.Input((6, 4), name="x")
    x = layers.GRU(5, return_sequences=True, go_backwards=True)(x)
    x = layers.GRU(4, reset_after=False)(x)
    return exported(path, keras.Model(inputs, x), (1, 6, 4), (3, 6, 4))


def simple_rnn(path: Path) -> Calls:
    """SimpleRNN forwards and backwards, the last step of each."""
    x = inputs = keras.Input((6, 4), name="x")
    ways = [layers.SimpleRNN(5)(x), layers.SimpleRNN(3, go_backwards=True)(x)]
    return exported(path, keras.Model(inputs, layers.Concatenate()(ways)), (1, 6, 4), (3, 6, 4))


def bidirectional(path: Path) -> Calls:
    """Both directions of an LSTM, all steps and the last."""
    x = inputs = keras.Input((5, 4), name="x")
    x = layers.Bidirectional(layers.LSTM(3, return_sequences=True))(x)
    x = layers.Bidirectional(layers.LSTM(2), merge_mode="sum")(x)
    return exported(path, keras.Model(inputs, x), (1, 5, 4), (2, 5, 4))


def any_time(path: Path) -> Calls:
    """An LSTM over any number of steps of any number of examples."""
    x = inputs = keras.Input((None, 4), name="x")
    x = layers.LSTM(5, return_sequences=True)(x)
    return exported(path, keras.Model(inputs, layers.Dense(2)(x)), (1, 3, 4), (2, 7, 4))


def any_time_backwards(path: Path) -> Calls:
    """GRU and SimpleRNN backwards over any number of steps."""
    x = inputs = keras.Input((None, 4), name="x")
    x = layers.GRU(5, return_sequences=True, go_backwards=True)(x)
    x = layers.SimpleRNN(3)(x)
    return exported(path, keras.Model(inputs, x), (1, 3, 4), (2, 5, 4))


def transformer(path: Path) -> Calls:
    """A block of attention and a feed-forward network over words."""
    tokens = keras.Input((8,), dtype="int32", name="tokens")
    x = layers.Embedding(20, 8)(tokens)
    x = layers.LayerNormalization()(x + layers.MultiHeadAttention(2, 4)(x, x, use_causal_mask=True))
    y = layers.Dense(8)(layers.Dense(16, activation="gelu")(x))
    x = layers.LayerNormalization()(x + y)
    model = keras.Model(tokens, layers.Dense(3, activation="softmax")(x))
    model.export(path, verbose=False)
    return [
        ("serving_default", {"tokens": RANDOM.randint(0, 20, (n, 8)).astype(np.int32)})
        for n in (1, 3)
    ]


def mobile(path: Path) -> Calls:
    """Pixels are prepared; hard-swish, squeeze and excitation, depthwise convolution."""
    x = inputs = keras.Input((12, 12, 3), name="x")
    x = layers.Rescaling(0.5, -1.0)(x)
    x = layers.Normalization(mean=[0.1, 0.2, 0.3], variance=[1.0, 2.0, 0.5])(x)
    x = layers.Conv2D(8, 3, 2, "same", use_bias=False)(x)
    x = layers.Activation("hard_swish")(layers.BatchNormalization()(x))
    x = layers.DepthwiseConv2D(3, padding="same", use_bias=False)(x)
    x = layers.ReLU(6.0)(layers.BatchNormalization()(x))
    gate = layers.GlobalAveragePooling2D(keepdims=True)(x)
    gate = layers.Conv2D(2, 1, activation="relu")(gate)
    x = x * layers.Conv2D(8, 1, activation="hard_sigmoid")(gate)
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(6, 1)(x))
    model = keras.Model(inputs, layers.Dense(4, activation="softmax")(x))
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.moving_mean.assign(random(8) * 0.2)
            layer.moving_variance.assign(abs(random(8)) + 0.5)
    return exported(path, model, (1, 12, 12, 3), (2, 12, 12, 3))


class Raw(keras.Model):
    """A model of a class of its author's, who calls TensorFlow."""

    def __init__(self) -> None:
        super().__init__()
        self.dense = layers.Dense(6)

    def call(self, x):
        """Features and their distances, by raw operations."""
        y = self.dense(x)
        y = tf.where(y > 0.0, tf.math.log1p(y), tf.math.expm1(tf.minimum(y, 0.0)))
        y = tf.reshape(y, [tf.shape(x)[0], 2, 3])
        best, places = tf.math.top_k(tf.linalg.matmul(y, y, transpose_b=True), 1)
        return {"best": tf.squeeze(best, -1), "places": places, "y": tf.math.l2_normalize(y, -1)}


def subclassed(path: Path) -> Calls:
    """`Raw`, exported."""
    model = Raw()
    model(np.zeros((2, 4), np.float32))
    model.export(path, verbose=False, input_signature=[Spec([None, 4], name="x")])
    return [("serving_default", {"x": random(n, 4)}) for n in (1, 3)]


# -- functions of TensorFlow 2 ----------------------------------------------------------------


class Learner(tf.Module):
    """A linear model and one step of its training."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = tf.Variable(random(3, 2), name="weight")
        self.bias = tf.Variable(tf.zeros([2]), name="bias")
        self.steps = tf.Variable(0, name="steps")

    @tf.function(input_signature=[Spec([None, 3], name="x")])
    def infer(self, x):
        """The prediction, and how much was learnt."""
        return {"y": tf.matmul(x, self.weight) + self.bias, "steps": self.steps.read_value()}

    @tf.function(input_signature=[Spec([4, 3], name="x"), Spec([4, 2], name="y")])
    def train(self, x, y):
        """Descend once."""
        error = tf.matmul(x, self.weight) + self.bias - y
        self.weight.assign_sub(0.1 * tf.matmul(x, error, transpose_a=True))
        self.bias.assign_sub(0.1 * tf.reduce_sum(error, 0))
        self.steps.assign_add(1)
        return {"loss": tf.reduce_mean(error * error)}


def trained(path: Path) -> Calls:
    """`Learner`: predict, learn twice, predict."""
    made = Learner()
    tf.saved_model.save(made, path, {"infer": made.infer, "train": made.train})
    ask = ("infer", {"x": random(2, 3)})
    learn = ("train", {"x": random(4, 3), "y": random(4, 2)})
    return [ask, learn, learn, ask, ("infer", {"x": random(1, 3)}), learn, ask]


class Branches(tf.Module):
    """While with an array, If and Case inside it."""

    @tf.function(input_signature=[Spec([None, 4], name="x"), Spec([], tf.int32, name="n")])
    def __call__(self, x, n):
        found = tf.TensorArray(tf.float32, 5, element_shape=[None, 4])
        count = tf.constant(0)
        for i in tf.range(5):
            if tf.reduce_sum(x) > 0.0:
                x = x - 0.25 * tf.cast(i, tf.float32)
                count += 1
            else:
                x = x * -0.5
            kept = x
            ways = [lambda: kept + 1.0, lambda: tf.nn.relu(kept), lambda: kept * kept]  # noqa: B023
            y = tf.switch_case((i + n) % 3, ways)
            found = found.write(i, y)
        return {"y": found.stack(), "count": count}


def branches(path: Path) -> Calls:
    """`Branches`, saved."""
    made = Branches()
    tf.saved_model.save(made, path, {"serving_default": made.__call__})
    return [
        ("serving_default", {"x": random(rows, 4), "n": np.int32(n)})
        for rows, n in ((1, 0), (3, 1), (2, 5))
    ]


# -- TensorFlow 1 -----------------------------------------------------------------------------


def nested_loops(path: Path) -> Calls:
    """A loop in a loop, saved with its variable."""
    with tf.Graph().as_default() as graph:
        x = v1.placeholder(tf.float32, [None, 3], "x")
        times = v1.placeholder(tf.int32, [], "times")
        w = v1.get_variable("w", initializer=0.4 * random(3, 3), use_resource=False)

        def outer(i, y):
            _, y = v1.while_loop(
                lambda j, _: j < i, lambda j, z: (j + 1, tf.tanh(tf.matmul(z, w)) + 0.1), (0, y)
            )
            return i + 1, y

        i, y = v1.while_loop(lambda i, _: i < times, outer, (0, x))
        with v1.Session(graph=graph) as session:
            session.run(v1.global_variables_initializer())
            v1.saved_model.simple_save(
                session, str(path / "saved"), {"x": x, "times": times}, {"y": y, "i": i}
            )
    for part in (path / "saved").iterdir():
        part.rename(path / part.name)
    (path / "saved").rmdir()
    return [
        ("serving_default", {"x": random(n, 3), "times": np.int32(t)})
        for n, t in ((1, 4), (3, 3), (2, 0))
    ]


def conditions_in_loops(path: Path) -> Calls:
    """Conditions inside a loop, one inside another; frozen."""
    with tf.Graph().as_default() as graph:
        x = v1.placeholder(tf.float32, [None, 3], "x")
        w = v1.get_variable("w", initializer=random(3), use_resource=False)

        def step(i, y):
            small = lambda: v1.cond(i % 2 > 0, lambda: y + w, lambda: y * 1.5)  # noqa: E731
            return i + 1, v1.cond(tf.reduce_max(tf.abs(y)) < 2.0, small, lambda: y * 0.25)

        _, y = v1.while_loop(lambda i, _: i < 7, step, (0, x))
        tf.identity(y, "y")
        with v1.Session(graph=graph) as session:
            session.run(v1.global_variables_initializer())
            frozen = v1.graph_util.convert_variables_to_constants(
                session, graph.as_graph_def(), ["y"]
            )
    (path / "frozen.pb").write_bytes(frozen.SerializeToString(deterministic=True))
    return [("main", {"x": random(n, 3)}) for n in (1, 3)]


MODELS = (lstm, gru, simple_rnn, bidirectional, any_time, any_time_backwards, transformer, mobile,
          subclassed, trained, branches, nested_loops, conditions_in_loops)  # fmt: skip

if __name__ == "__main__":
    v1.disable_control_flow_v2()  # graphs of TensorFlow 1 only; functions have their own
    main()
