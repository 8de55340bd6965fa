"""Makes the SavedModels in `fixtures/`, each a zip, with what TensorFlow says about them.

    ORACLE-PYTHON tests/frontends/tensorflow/make_fixtures.py [FIXTURE ...]

`expected.npz` has, by fixture: the tensors of the checkpoint as `tf.train.load_checkpoint` gives
them (`NAME/checkpoint/KEY`), and inputs and outputs of its signatures in the order in which they
were called (`NAME/SIGNATURE/CALL/in/ARGUMENT`, `.../out/RESULT`). `expected.json` has the versions,
the keys of strings (`NAME/...` to lists), and the types of tensors that NumPy has none for. Whole
networks and programs are made by `make_networks.py`.
"""

from __future__ import annotations

import gzip
import json
import os
import sys
import tempfile
import zipfile
from pathlib import Path

os.environ |= {"TF_CPP_MIN_LOG_LEVEL": "3", "TF_ENABLE_ONEDNN_OPTS": "0"}

import keras
import numpy as np
import tensorflow as tf
from google.protobuf import text_format
from tensorflow.core.framework import graph_debug_info_pb2
from tensorflow.core.protobuf import saved_model_pb2
from training_module import SHAPES, Training

v1 = tf.compat.v1
HERE = Path(__file__).parent / "fixtures"
ARRAYS: dict[str, np.ndarray] = {}
STRINGS: dict[str, list[str]] = {}
TYPES: dict[str, str] = {}
RANDOM = np.random.RandomState(4)
Spec = tf.TensorSpec


def main() -> None:
    """Write all fixtures, or those named."""
    tf.config.set_logical_device_configuration(
        tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
    )
    HERE.mkdir(exist_ok=True)
    wanted = set(sys.argv[1:])
    if wanted:
        keep(wanted)
    for make in (keras_export, module, control, tables, types, captures, training, partitioned,
                 tf1_tables, several_graphs, no_signature, ragged, composites, debug):  # fmt: skip
        if wanted and make.__name__ not in wanted:
            continue
        with tempfile.TemporaryDirectory() as folder:
            calls = make(Path(folder) / make.__name__)
            store(make.__name__, Path(folder) / make.__name__, calls or {})
    with zipfile.ZipFile(HERE / "tf1_tables.zip") as file:
        model = saved_model_pb2.SavedModel.FromString(file.read("saved_model.pb"))
    text = text_format.MessageToString(model).encode()
    (HERE / "tf1_tables.pbtxt.gz").write_bytes(gzip.compress(text, mtime=0))
    np.savez_compressed(HERE / "expected.npz", **ARRAYS)
    about = {"tensorflow": tf.__version__, "keras": keras.__version__}
    text = {"versions": about, "strings": STRINGS, "types": TYPES}
    (HERE / "expected.json").write_text(json.dumps(text, indent=1) + "\n")


def keep(wanted: set[str]) -> None:
    """What is known of the fixtures that are not made anew."""
    about = json.loads((HERE / "expected.json").read_text())
    with np.load(HERE / "expected.npz") as archive:
        ARRAYS.update({k: archive[k] for k in archive.files if k.split("/")[0] not in wanted})
    for known, table in ((STRINGS, about["strings"]), (TYPES, about["types"])):
        known.update({k: v for k, v in table.items() if k.split("/")[0] not in wanted})


def store(name: str, folder: Path, calls: dict[str, list[dict[str, np.ndarray]]]) -> None:
    """Zip the folder; note its checkpoint, and what the signatures answer."""
    with zipfile.ZipFile(HERE / f"{name}.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=9) as file:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                info = zipfile.ZipInfo(path.relative_to(folder).as_posix())
                file.writestr(info, path.read_bytes(), zipfile.ZIP_DEFLATED, 9)
    if (folder / "variables" / "variables.index").exists():
        reader = tf.train.load_checkpoint(str(folder / "variables" / "variables"))
        for key in reader.get_variable_to_shape_map():
            if key != "_CHECKPOINTABLE_OBJECT_GRAPH":  # a message, which decoding checks
                note(f"{name}/checkpoint/{key}", reader.get_tensor(key))
    loaded = tf.saved_model.load(str(folder)) if calls else None
    for signature, inputs in calls.items():
        for i, given in enumerate(inputs):
            found = loaded.signatures[signature](**{k: tf.constant(v) for k, v in given.items()})
            for key, value in given.items():
                note(f"{name}/{signature}/{i}/in/{key}", np.asarray(value))
            for key, value in found.items():
                parts = tf.nest.flatten(value, expand_composites=True)
                for part, tensor in enumerate(parts):  # named as TensorFlow names arguments
                    end = f"_{part}" if part else ""
                    note(f"{name}/{signature}/{i}/out/{key}{end}", tensor.numpy())


def note(key: str, value: np.ndarray) -> None:
    """Keep an array; strings and unusual types in a way that a file without pickles can have."""
    value = np.asarray(value, object if isinstance(value, bytes) else None)
    if value.dtype.kind in "OSU":
        STRINGS[key] = [
            v.decode("latin1") if isinstance(v, bytes) else v for v in value.ravel().tolist()
        ]
        TYPES[key] = f"string {list(value.shape)}"
    elif value.dtype.kind == "V" or value.dtype.name == "bfloat16":
        TYPES[key] = value.dtype.name
        ARRAYS[key] = value.view(np.uint16)
    else:
        ARRAYS[key] = value


def random(*shape: int) -> np.ndarray:
    """Normal numbers."""
    return RANDOM.standard_normal(shape).astype(np.float32)


def keras_export(path: Path) -> dict:
    """A small network of Keras 3, exported."""
    x = inputs = keras.Input((8, 8, 3), name="image")
    x = keras.layers.Conv2D(4, 3, padding="same", name="conv")(x)
    x = keras.layers.BatchNormalization(name="norm")(x)
    x = keras.layers.ReLU()(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    model = keras.Model(inputs, keras.layers.Dense(5, activation="softmax", name="head")(x))
    for variable in model.weights:
        variable.assign(abs(random(*variable.shape)) + 0.1)
    model.export(path, verbose=False)
    return {"serving_default": [{"image": random(2, 8, 8, 3)}]}


class Module(tf.Module):
    """Two signatures of several arguments over shared variables, one of which is counted up."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = tf.Variable(random(3, 4), name="weight")
        self.steps = tf.Variable(7, dtype=tf.int64, name="steps")

    @tf.function(input_signature=[Spec([None, 3], name="x"), Spec([4], name="bias")])
    def classify(self, x, bias):
        """A product, and what it came from."""
        self.steps.assign_add(1)
        y = tf.matmul(x, self.weight) + bias
        return {"scores": tf.nn.softmax(y), "class": tf.argmax(y, axis=-1)}

    @tf.function(input_signature=[Spec([], tf.int64, name="by")])
    def count(self, by):
        """Count up and tell."""
        return {"steps": self.steps.assign_add(by)}


def module(path: Path) -> dict:
    """`Module`, saved."""
    made = Module()
    tf.saved_model.save(made, path, {"classify": made.classify, "count": made.count})
    call = {"x": random(2, 3), "bias": random(4)}
    return {"classify": [call], "count": [{"by": np.int64(2)}, {"by": np.int64(3)}]}


class Control(tf.Module):
    """While, If and Case."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = tf.Variable(random(4))

    @tf.function(input_signature=[Spec([4], name="x"), Spec([], tf.int32, name="n")])
    def __call__(self, x, n):
        for _ in tf.range(n):
            if tf.reduce_sum(x) > 1.0:  # noqa: SIM108 - becomes an If
                x = x * 0.5
            else:
                x = x + self.scale
        branches = [lambda: x, lambda: -x, lambda: x * self.scale]
        return {"y": tf.switch_case(n % 3, branches)}


def control(path: Path) -> dict:
    """`Control`, saved."""
    made = Control()
    tf.saved_model.save(made, path, {"serving_default": made.__call__})
    return {"serving_default": [{"x": random(4), "n": np.int32(n)} for n in (0, 4, 5)]}


class Tables(tf.Module):
    """Tables from a vocabulary file and from constants, and a mutable one."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        file = folder / "vocabulary.txt"
        file.write_text("the\tx\nquick\ty\nbrown\tz\nfox\tw\n")
        lookup = tf.lookup
        initializer = lookup.TextFileInitializer(
            str(file), tf.string, 0, tf.int64, lookup.TextFileIndex.LINE_NUMBER, delimiter="\t"
        )
        self.words = lookup.StaticHashTable(initializer, -1)
        back = lookup.TextFileInitializer(
            str(file), tf.int64, lookup.TextFileIndex.LINE_NUMBER, tf.string, 1, delimiter="\t"
        )
        self.back = lookup.StaticHashTable(back, "?")
        constant = lookup.KeyValueTensorInitializer(
            tf.constant([5, 3, 9], tf.int64), tf.constant([0.5, 0.25, 0.125])
        )
        self.numbers = lookup.StaticHashTable(constant, -1.0)
        self.mutable = lookup.experimental.MutableHashTable(tf.string, tf.int64, 0)
        self.mutable.insert(tf.constant(["one", "two"]), tf.constant([1, 2], tf.int64))

    @tf.function(input_signature=[Spec([None], tf.string, name="words")])
    def words_to_numbers(self, words):
        """Places in the vocabulary."""
        return {"places": self.words.lookup(words)}

    @tf.function(input_signature=[Spec([None], tf.string, name="words")])
    def remembered(self, words):
        """Numbers that were put in while the program ran."""
        return {"numbers": self.mutable.lookup(words)}

    @tf.function(input_signature=[Spec([None], tf.int64, name="keys")])
    def look_up(self, keys):
        """Numbers by number, and second words of a line."""
        return {"values": self.numbers.lookup(keys), "words": self.back.lookup(keys)}


def tables(path: Path) -> dict:
    """`Tables`, saved."""
    with tempfile.TemporaryDirectory() as folder:
        made = Tables(Path(folder))
        signatures = {"words": made.words_to_numbers, "look_up": made.look_up}
        tf.saved_model.save(made, path, signatures | {"remembered": made.remembered})
    words = np.array(["fox", "the", "cow"])
    known = np.array(["two", "three"])
    return {
        "words": [{"words": words}],
        "look_up": [{"keys": np.array([3, 2, 9, 1])}],
        "remembered": [{"words": known}],
    }


class Types(tf.Module):
    """Variables of every type that a checkpoint has in models."""

    def __init__(self) -> None:
        super().__init__()
        values = {
            "half": tf.constant([1.5, -2], tf.float16),
            "brain": tf.constant([[1.5, -3.25]], tf.bfloat16),
            "flags": tf.constant([True, False, True]),
            "long": tf.constant(-(2**40), tf.int64),
            "bytes": tf.constant([0, 255], tf.uint8),
            "text": tf.constant([["a", ""], ["\N{GREEK SMALL LETTER PI}", "x" * 300]]),
            "pair": tf.constant([1 + 2j], tf.complex64),
            "double": tf.constant([0.1], tf.float64),
            "empty": tf.zeros([0, 3]),
        }
        self.all = {name: tf.Variable(value, name=name) for name, value in values.items()}

    @tf.function(input_signature=[Spec([], name="x")])
    def __call__(self, x):
        return {name: tf.identity(v) for name, v in self.all.items()} | {"y": x}


def types(path: Path) -> dict:
    """`Types`, saved."""
    made = Types()
    tf.saved_model.save(made, path, {"serving_default": made.__call__})
    return {"serving_default": [{"x": np.float32(1)}]}


class Captures(tf.Module):
    """A function that captures tensors and an uninitialized shape."""

    def __init__(self) -> None:
        super().__init__()
        self.tensor = tf.constant(random(3))
        self.any = tf.Variable(random(2), shape=tf.TensorShape([None]))

    @tf.function(input_signature=[Spec([3], name="x")])
    def __call__(self, x):
        return {"y": x * self.tensor, "z": self.any * 2.0}


def captures(path: Path) -> dict:
    """`Captures`, saved."""
    made = Captures()
    tf.saved_model.save(made, path, {"serving_default": made.__call__})
    return {"serving_default": [{"x": random(3)}]}


def training(path: Path) -> dict:
    """`Training`, saved; three classes around three centres."""
    made = Training([0.5 * random(*shape) for shape in SHAPES])
    keys = ("train", "infer", "save", "restore")
    functions = {key: getattr(made, key).get_concrete_function() for key in keys}
    tf.saved_model.save(made, path, functions)
    centres, steps = random(3, 4, 4), []
    for _ in range(12):
        labels = RANDOM.randint(0, 3, 12)
        x = centres[labels] + 0.2 * random(12, 4, 4)
        steps.append({"x": x.astype(np.float32), "y": np.eye(3, dtype=np.float32)[labels]})
    other = {f"weight{i}": random(*w.shape) for i, w in enumerate(made.weights)}
    return {"train": steps, "infer": [{"x": steps[0]["x"]}], "save": [{}], "restore": [other]}


def partitioned(path: Path) -> dict:
    """TensorFlow 1: partitioned variables of both kinds, on two devices, so in two data files."""
    with tf.Graph().as_default() as graph:
        x = v1.placeholder(tf.float32, [None, 10], "x")
        rows, columns = v1.fixed_size_partitioner(3), v1.fixed_size_partitioner(2, axis=1)
        with tf.device("/device:CPU:0"):
            one = v1.get_variable("one", [10, 6], partitioner=rows, use_resource=False)
        with tf.device("/device:CPU:1"):
            two = v1.get_variable("two", [6, 4], partitioner=columns, use_resource=True)
            bias = v1.get_variable("bias", initializer=random(4), use_resource=True)
        y = tf.matmul(tf.matmul(x, tf.convert_to_tensor(one)), tf.convert_to_tensor(two)) + bias
        with v1.Session(graph=graph) as session:
            session.run(v1.global_variables_initializer())
            builder = v1.saved_model.Builder(str(path))
            signature = v1.saved_model.predict_signature_def({"x": x}, {"y": y})
            builder.add_meta_graph_and_variables(
                session,
                ["serve"],
                {"serving_default": signature},
                saver=v1.train.Saver(sharded=True),
            )
            builder.save()
    return {"serving_default": [{"x": random(2, 10)}]}


def tf1_tables(path: Path) -> dict:
    """TensorFlow 1: tables, one from an asset, filled by the main operation; two signatures."""
    lookup = tf.lookup
    with tempfile.TemporaryDirectory() as folder, tf.Graph().as_default() as graph:
        file = Path(folder) / "words.txt"
        file.write_text("red\ngreen\nblue\n")
        line, number = lookup.TextFileIndex.WHOLE_LINE, lookup.TextFileIndex.LINE_NUMBER
        from_file = lookup.TextFileInitializer(str(file), tf.string, line, tf.int64, number)
        words = lookup.StaticHashTable(from_file, 9)
        values = np.array([10.0, 40.0], np.float32)
        constant = lookup.KeyValueTensorInitializer(np.array([1, 4]), values)
        table = lookup.StaticHashTable(constant, 0.0)
        text = v1.placeholder(tf.string, [None], "text")
        keys = v1.placeholder(tf.int64, [None], "keys")
        scale = v1.get_variable("scale", initializer=np.float32(2), use_resource=False)
        make = v1.saved_model.predict_signature_def
        signatures = {
            "words": make({"text": text}, {"places": words.lookup(text)}),
            "keys": make({"keys": keys}, {"values": table.lookup(keys) * scale}),
        }
        with v1.Session(graph=graph) as session:
            session.run([v1.global_variables_initializer(), v1.tables_initializer()])
            builder = v1.saved_model.Builder(str(path))
            builder.add_meta_graph_and_variables(
                session,
                ["serve"],
                signatures,
                main_op=v1.tables_initializer(),
                assets_collection=v1.get_collection(v1.GraphKeys.ASSET_FILEPATHS),
            )
            builder.save()
    colours = np.array(["blue", "pink"])
    return {"words": [{"text": colours}], "keys": [{"keys": np.array([4, 2, 1])}]}


def several_graphs(path: Path) -> None:
    """TensorFlow 1: one folder, two graphs with tags of their own over the same variables."""
    builder = v1.saved_model.Builder(str(path))
    for tags in (["serve"], ["serve", "gpu"]):
        with tf.Graph().as_default() as graph, v1.Session(graph=graph) as session:
            x = v1.placeholder(tf.float32, [2], "x")
            y = x * v1.get_variable("w", initializer=np.float32([2, 3]), use_resource=False)
            session.run(v1.global_variables_initializer())
            named = {"y": tf.identity(y, "_".join(tags))}
            signature = v1.saved_model.predict_signature_def({"x": x}, named)
            if tags == ["serve"]:
                builder.add_meta_graph_and_variables(session, tags, {"serving_default": signature})
            else:
                builder.add_meta_graph(tags, {"serving_default": signature})
    builder.save()


def no_signature(path: Path) -> None:
    """Functions, but no signatures."""
    made = tf.Module()
    made.v = tf.Variable(random(2))
    made.twice = tf.function(lambda x: x * made.v, input_signature=[Spec([2])])
    made.thrice = tf.function(lambda x: x * 3.0, input_signature=[Spec([2])])
    made.never_traced = tf.function(lambda x: x)
    tf.saved_model.save(made, path)


def ragged(path: Path) -> dict:
    """Text in, a ragged tensor inside, and a signature that takes one."""
    made = tf.Module()

    @tf.function(input_signature=[Spec([None], tf.string, name="text")])
    def split(text):
        words = tf.strings.split(tf.strings.lower(text))
        return {"lengths": words.row_lengths(), "words": words.to_tensor("")}

    made.split = split
    made.ragged = tf.function(
        lambda r: {"sum": tf.reduce_sum(r, axis=1)},
        input_signature=[tf.RaggedTensorSpec([None, None], tf.float32)],
    )
    tf.saved_model.save(made, path, {"serving_default": made.split})
    return {"serving_default": [{"text": np.array(["A bee", "see", ""])}]}


def composites(path: Path) -> dict:
    """Ragged and sparse tensors as arguments, and a ragged one as a result."""
    made = tf.Module()
    made.table = tf.Variable(random(10, 2))
    made.weights = tf.Variable(random(5, 3))
    of_ids, of_numbers = (tf.RaggedTensorSpec([None, None], k) for k in (tf.int32, tf.float32))

    @tf.function(input_signature=[of_ids])
    def bag(ids):
        words = tf.gather(made.table, ids)
        padded = ids.to_tensor(-1)
        cut = words.to_tensor(shape=[None, 3, None])
        return {"mean": tf.reduce_mean(words, 1), "padded": padded, "cut": cut}

    @tf.function(input_signature=[tf.SparseTensorSpec([None, 5])])
    def linear(x):
        return {
            "y": tf.sparse.sparse_dense_matmul(x, made.weights),
            "turned": tf.sparse.sparse_dense_matmul(
                x, tf.constant(np.eye(4, 3, dtype=np.float32)), adjoint_a=True
            ),
            "dense": tf.sparse.to_dense(x),
        }

    @tf.function(input_signature=[of_numbers])
    def twice(r):
        return {"twice": r * 2.0}

    made.bag, made.linear, made.twice = bag, linear, twice
    signatures = {"bag": bag, "linear": linear, "twice": twice}
    tf.saved_model.save(made, path, signatures)
    ids = np.array([3, 1, 4, 1, 5, 9], np.int32)
    splits = np.array([0, 2, 2, 6])
    x = np.array([[0, 1], [0, 4], [2, 0], [3, 3]])
    return {
        "bag": [{"ids": ids, "ids_1": splits}],
        "linear": [{"x": x, "x_1": random(4), "x_2": np.array([4, 5])}],
        "twice": [{"r": random(6), "r_1": splits}],
    }


def debug(path: Path) -> dict:
    """A model whose nodes know where they were made."""
    made = tf.Module()

    @tf.function(input_signature=[Spec([2], name="x")])
    def double(x):
        return {"y": tf.nn.relu(x) + x}

    made.double = double
    options = tf.saved_model.SaveOptions(save_debug_info=True)
    tf.saved_model.save(made, path, {"serving_default": double}, options)
    file = path / "debug" / "saved_model_debug_info.pb"
    info = graph_debug_info_pb2.GraphDebugInfo.FromString(file.read_bytes())
    for i, name in enumerate(info.files):  # without the folders of this machine
        library = name.partition("/site-packages/")[2]
        info.files[i] = f"/site-packages/{library}" if library else f"/model/{Path(name).name}"
    file.write_bytes(info.SerializeToString(deterministic=True))
    return {"serving_default": [{"x": random(2)}]}


if __name__ == "__main__":
    main()
