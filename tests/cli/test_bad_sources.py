"""What `edgewise convert` says of sources that it cannot convert, word for word: where, the rule,
what was found and the way out, for all problems at once. Nothing is written, nothing executed."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.frontends.keras.test_bad_input import packed, plain, reconfigured
from tests.frontends.tensorflow.saved import unpacked
from tests.frontends.wire import FLOAT, PLACEHOLDER, graph, message, node

from .terminal import FIXTURES

VECTOR = {"shape": message((7, message((2, message((1, 4))))))}  # [4]
STRING = message((6, 7))


def missing_shard(folder: Path) -> Path:
    made = unpacked("partitioned", folder)
    next((made / "variables").glob("*.data-00001-of-00002")).unlink()
    return made


def wrong_checksum(folder: Path) -> Path:
    made = unpacked("partitioned", folder)
    path = next((made / "variables").glob("*.data-00000-of-00002"))
    data = bytearray(path.read_bytes())
    data[3] ^= 1
    path.write_bytes(data)
    return made


def no_checkpoint(folder: Path) -> Path:
    made = unpacked("keras_export", folder)
    (made / "variables" / "variables.index").unlink()
    return made


def frozen(folder: Path, *nodes: bytes, **attrs: bytes) -> Path:
    path = folder / "graph.pb"
    path.write_bytes(graph([node("x", "Placeholder", attrs=PLACEHOLDER | attrs), *nodes]))
    return path


def operations(folder: Path) -> Path:
    many = [node(f"pool_{i}", "FractionalAvgPool", ["x"]) for i in range(2)]
    return frozen(folder, *many, node("lost", "Mystery", ["x"]), **VECTOR)


def training_mode_of_a_graph(folder: Path) -> Path:
    norm = node("norm", "FusedBatchNormV3", ["x"] * 5, {"is_training": message((5, 1))})
    return frozen(folder, norm, **VECTOR)


def dynamic_rank(folder: Path) -> Path:
    return frozen(folder, node("y", "Relu", ["x"], {"T": FLOAT}))


def text(folder: Path) -> Path:
    lower, split = node("lower", "StringLower", ["x"]), node("split", "StringSplitV2", ["lower"])
    return frozen(folder, lower, split, dtype=STRING, **VECTOR)


def sound(folder: Path) -> Path:
    return frozen(folder, node("wav", "DecodeWav", ["x"]), dtype=STRING, **VECTOR)


def changed_table(folder: Path) -> Path:
    table = node("table", "MutableHashTableV2", attrs={"key_dtype": STRING, "value_dtype": FLOAT})
    find = node("find", "LookupTableFindV2", ["table", "x", "x"])
    return frozen(folder, table, find, node("all", "LookupTableExportV2", ["table"]), **VECTOR)


def matrices(folder: Path) -> Path:
    return frozen(folder, node("svd", "Svd", ["x"]), node("inv", "MatrixInverse", ["x"]), **VECTOR)


def training_mode(folder: Path) -> Path:
    """A norm that a file of Keras 2 calls with training=True; models of Keras 3 do not listen."""
    data = np.load(FIXTURES / "layers.npz")["batchnorm_-1.model"].tobytes()
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        contents = {name: file.read(name) for name in file.namelist()}
    config = json.loads(contents["config.json"])
    layer = config["config"]["layers"][1]
    layer["inbound_nodes"][0]["kwargs"]["training"] = True
    changed = {"config.json": config, "metadata.json": {"keras_version": "2.15.0"}}
    return written(
        folder, packed(contents | {k: json.dumps(v).encode() for k, v in changed.items()})
    )


def several_layers(folder: Path) -> Path:
    """A Lambda, somebody's class, and a class that this version does not know."""
    classes = {
        "add": {"class_name": "Lambda", "module": "keras.layers"},
        "multiply": {"class_name": "Own", "module": "mine", "registered_name": "mine>Own"},
        "concatenate": {"class_name": "Nonesuch", "module": "keras.layers"},
    }

    def edit(config: dict) -> None:
        for layer in config["config"]["layers"]:
            layer |= classes.get(layer.get("name", ""), {})

    return written(folder, reconfigured("operations.keras", edit))


def written(folder: Path, data: bytes, name: str = "m.keras") -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def fixture(name: str) -> Callable[[Path], Path]:
    return lambda folder: written(folder, plain(name), name.removesuffix(".gz"))


@pytest.mark.parametrize(
    ("make", "says"),
    [
        pytest.param(
            missing_shard,
            "partitioned/variables/variables.index: 1 of 2 data files are missing:\n"
            "  - variables.data-00001-of-00002\n"
            "Copy them to where the index is.",
        ),
        pytest.param(
            wrong_checksum,
            "partitioned/variables/variables.data-00000-of-00002 at byte 0: tensor 'one' must"
            " have checksum 0x2a28ae30; found 0xddfcc24f. The file is damaged: copy it again.",
        ),
        pytest.param(
            no_checkpoint,
            "keras_export: 8 values of variables and tables are not to be had:\n"
            "  - variable 'conv/kernel': there is no checkpoint (variables/variables.index)\n"
            "  - variable 'conv/bias': there is no checkpoint (variables/variables.index)\n"
            "  - variable 'norm/moving_mean': there is no checkpoint (variables/variables.index)\n"
            "  - variable 'norm/moving_variance': there is no checkpoint"
            " (variables/variables.index)\n"
            "  - variable 'norm/gamma': there is no checkpoint (variables/variables.index)\n"
            "  - variable 'norm/beta': there is no checkpoint (variables/variables.index)\n"
            "  - variable 'head/kernel': there is no checkpoint (variables/variables.index)\n"
            "  - variable 'head/bias': there is no checkpoint (variables/variables.index)\n"
            "Copy the whole folder, with variables/ and assets/, or save the model again.",
        ),
        pytest.param(
            operations,
            "graph.pb: 3 operations cannot be converted:\n"
            "  - FractionalAvgPool: has no handler in this version; write it with other"
            " operations (2 nodes: 'pool_0', 'pool_1')\n"
            "  - Mystery: has no handler in this version; write it with other operations ('lost')",
        ),
        pytest.param(
            training_mode_of_a_graph,
            "graph.pb: 1 operation cannot be converted:\n"
            "  - FusedBatchNormV3: batch normalization in training mode; export the model for"
            " inference (training=False) ('norm')",
        ),
        pytest.param(
            training_mode,
            "m.keras: 1 layer cannot be converted:\n"
            "  - 'batch_normalization' (BatchNormalization): is called with training=True, which"
            " normalizes by the statistics of the batch; call it with training=False, or set"
            " trainable=False",
        ),
        pytest.param(
            dynamic_rank,
            "graph.pb: 1 problem with inputs:\n"
            "  - input 'x' has no known rank; give its shape: shapes={'x': (1, 224, 224, 3)},"
            " None for a dimension that varies (edgewise convert --shape 'x=1,224,224,3', ? for one"
            " that varies)",
        ),
        pytest.param(
            text,
            "graph.pb: 2 operations cannot be converted:\n"
            "  - StringLower: text is not processed in a .tflite model; split and look up words"
            " before it, and export the model from its numbers on ('lower')\n"
            "  - StringSplitV2: text is not processed in a .tflite model; split and look up words"
            " before it, and export the model from its numbers on ('split')",
        ),
        pytest.param(
            sound,
            "graph.pb: 1 operation cannot be converted:\n"
            "  - DecodeWav: files and records are not decoded in a .tflite model; decode before"
            " it, and export the model from the decoded tensor on (of a frozen graph: convert"
            " with inputs=['ITS NAME']) ('wav')",
        ),
        pytest.param(
            changed_table,
            "graph.pb: 1 operation cannot be converted:\n"
            "  - MutableHashTableV2: its contents are not in the file; save the model with its"
            " tables ('table')",
        ),
        pytest.param(
            matrices,
            "graph.pb: 2 operations cannot be converted:\n"
            "  - Svd: matrices are not decomposed or solved in a .tflite model; compute it before"
            " and give the result as an input or a constant ('svd')\n"
            "  - MatrixInverse: matrices are not decomposed or solved in a .tflite model; compute"
            " it before and give the result as an input or a constant ('inv')",
        ),
        pytest.param(
            several_layers,
            "m.keras: 3 layers cannot be converted:\n"
            "  - 'multiply' (Own): is a custom class; give the class: convert(path,"
            " custom_objects={'mine>Own': ...})\n"
            "  - 'concatenate' (Nonesuch): the layer class has no handler in this version; use"
            " others\n"
            "  - 'add' (Lambda): holds Python code, which is never executed; use keras.ops or"
            " built-in layers instead, or give the function: convert(path, custom_objects={'add':"
            " ...})",
        ),
        pytest.param(
            fixture("custom.keras"),
            "custom.keras: 1 layer cannot be converted:\n"
            "  - 'twice' (Twice): is a custom class; give the class: convert(path,"
            " custom_objects={'mine>Twice': ...})",
        ),
        pytest.param(
            fixture("lambda.keras"),
            "lambda.keras: 1 layer cannot be converted:\n"
            "  - 'code' (Lambda): holds Python code, which is never executed; use keras.ops or"
            " built-in layers instead, or give the function: convert(path,"
            " custom_objects={'code': ...})",
        ),
        pytest.param(
            fixture("lambda.h5.gz"),
            "lambda.h5: 1 layer cannot be converted:\n"
            "  - 'code' (Lambda): holds Python code, which is never executed; use keras.ops or"
            " built-in layers instead, or give the function: convert(path,"
            " custom_objects={'code': ...})",
        ),
        pytest.param(
            fixture("subclassed.keras"),
            "subclassed.keras: 'Sub' is a subclassed model: its graph is Python code, not in the"
            " file. Pass the live model, or give its class: convert(path, custom_objects={'Sub':"
            " ...}).",
        ),
        pytest.param(
            fixture("only.weights.h5.gz"),
            "only.weights.h5: a model with its graph is needed; this HDF5 file holds only"
            " weights. Build the model in Keras, load_weights, then model.save('model.keras').",
        ),
    ],
)
def test_what_is_said(terminal, tmp_path: Path, make: Callable[[Path], Path], says: str):
    source = make(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    assert terminal.refuses("convert", source, "-o", "m.tflite") == f"error: {says}\n"
    assert sorted(tmp_path.rglob("*")) == before
