"""Store what TensorFlow says about the SavedModels and frozen graphs of the data folder.

    ORACLE-PYTHON tools/oracle/store_saved.py

Run with a Python that has TensorFlow. Writes `tests/e2e/answers/saved.json` and `saved.npz`, which
`tests/e2e/test_saved_files.py` reads: for each model its inputs as recipes, TensorFlow's outputs
(sampled as in `tests/oracle/answers.py` where they are big), and operators and bytes of what its
converter makes. TensorFlow 1's ways are used: Keras 3 cannot open Keras 2's SavedModels.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

os.environ |= {"TF_CPP_MIN_LOG_LEVEL": "3", "TF_ENABLE_ONEDNN_OPTS": "0"}
ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "src")]

import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402

import edgewise  # noqa: E402
from tests.e2e.answers import FOLDER, operators, saved_files  # noqa: E402
from tests.oracle.answers import WHOLE, positions  # noqa: E402
from tests.oracle.inputs import DATA, make_input, random_recipe  # noqa: E402

v1 = tf.compat.v1
Names = dict[str, str]  # of arguments or results, and of their tensors
Arrays = dict[str, np.ndarray]


def main() -> None:
    """Ask about each; write."""
    entries, arrays = {}, {}
    for file in saved_files():
        frozen = file.endswith(".pb")
        with v1.Graph().as_default() as graph, v1.Session(graph=graph) as session:
            inputs, outputs = (frozen_graph if frozen else saved_model)(session, file)
            tensors = {key: graph.get_tensor_by_name(name) for key, name in inputs.items()}
            recipes = {
                key: random_recipe(0, [d or 1 for d in t.shape.as_list()], t.dtype.name)
                for key, t in tensors.items()
            }
            feeds = {tensors[key]: make_input(recipe) for key, recipe in recipes.items()}
            results: Arrays = session.run(outputs, feeds)
        for key, y in results.items():
            arrays[f"{file}:{key}"] = y if y.size <= WHOLE else y.ravel()[positions(y.size)]
        data = converter(file, inputs, outputs).convert()
        entries[file] = {
            "inputs": recipes,
            "shapes": {key: list(y.shape) for key, y in results.items()},
            "operators": operators(edgewise.load(data)).total(),
            "bytes": len(data),
        }
        print(file, entries[file], flush=True)
    about = {"versions": {"tensorflow": tf.__version__}, "files": entries}
    (FOLDER / "saved.json").write_text(json.dumps(about, indent=1) + "\n")
    np.savez_compressed(FOLDER / "saved.npz", allow_pickle=False, **arrays)


def saved_model(session: Any, file: str) -> tuple[Names, Names]:
    """Load a SavedModel; its serving signature."""
    found = v1.saved_model.load(session, ["serve"], str(DATA / file))
    signature = found.signature_def["serving_default"]
    inputs = {key: tensor.name for key, tensor in signature.inputs.items()}
    return inputs, {key: tensor.name for key, tensor in signature.outputs.items()}


def frozen_graph(session: Any, file: str) -> tuple[Names, Names]:
    """Import a frozen graph; its placeholders, and what no operation reads."""
    graph = v1.GraphDef.FromString((DATA / file).read_bytes())
    tf.import_graph_def(graph, name="")
    read = {name.split(":")[0].lstrip("^") for node in graph.node for name in node.input}
    inputs = [node.name for node in graph.node if node.op == "Placeholder"]
    outputs = [node.name for node in graph.node if node.name not in read]
    return {name: f"{name}:0" for name in inputs}, {name: f"{name}:0" for name in outputs}


def converter(file: str, inputs: Names, outputs: Names) -> Any:
    """TensorFlow's, for this kind of file."""
    if file.endswith(".pb"):
        return v1.lite.TFLiteConverter.from_frozen_graph(str(DATA / file), [*inputs], [*outputs])
    return v1.lite.TFLiteConverter.from_saved_model(str(DATA / file))


if __name__ == "__main__":
    main()
