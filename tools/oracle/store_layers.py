"""Ask TensorFlow's converter about every Keras file of a few layers, and store its answers.

    ORACLE-PYTHON tools/oracle/store_layers.py [ARCHIVE ...]

Run with a Python that has TensorFlow and LiteRT. Of every model in the archives
`tests/frontends/keras/fixtures/*.npz` it stores, in `tests/frontends/keras/answers/layers.json`,
operators (of all subgraphs) and bytes of the file that TensorFlow's converter makes of the model
object, or why there is none; `tests/frontends/keras/test_no_worse.py` holds our files against them.
With names of archives it asks about those and keeps the rest.
"""

from __future__ import annotations

import io
import json
import logging
import multiprocessing
import os
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import numpy as np

HERE = Path(__file__).parents[2] / "tests/frontends/keras"
FILE = HERE / "answers" / "layers.json"


def main() -> None:
    """Ask and store; the converter crashes on some models, which must not end the others."""
    archives = sorted(path.stem for path in (HERE / "fixtures").glob("*.npz"))
    wanted = sys.argv[1:] or archives
    found = json.loads(FILE.read_text())["models"] if sys.argv[1:] else {}
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(1, context)
    for archive in wanted:
        with np.load(HERE / "fixtures" / f"{archive}.npz") as models:
            for key in sorted(models.files):
                if not key.endswith(".model"):
                    continue
                name = f"{archive}/{key.removesuffix('.model')}"
                try:
                    found[name] = pool.submit(asked, models[key].tobytes()).result()
                except BrokenProcessPool:
                    pool, found[name] = ProcessPoolExecutor(1, context), "crashes"
                print(name, found[name], flush=True)
    FILE.parent.mkdir(exist_ok=True)
    versions = json.dumps(pool.submit(versions_here).result())
    rows = ",\n".join(f"{json.dumps(name)}: {json.dumps(found[name])}" for name in sorted(found))
    FILE.write_text(f'{{"versions": {versions}, "models": {{\n{rows}\n}}}}\n')


def asked(data: bytes) -> list[int] | str:
    """Operators and bytes of TensorFlow's file, `not loaded` or `not converted`."""
    keras, tf = _loaded()
    from ai_edge_litert import schema_py_generated as schema

    keras.backend.clear_session()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / ("m.keras" if data.startswith(b"PK") else "m.h5")
        path.write_bytes(data)
        try:  # the files are our own; both raise what their parts raise
            model = keras.models.load_model(path, compile=False, safe_mode=False)
        except Exception:
            return "not loaded"
    try:
        file = tf.lite.TFLiteConverter.from_keras_model(model).convert()
    except Exception:
        return "not converted"
    graphs = schema.ModelT.InitFromPackedBuf(file, 0).subgraphs
    return [sum(len(graph.operators or ()) for graph in graphs), len(file)]


def versions_here() -> dict[str, str]:
    """Of whom is asked."""
    keras, tf = _loaded()
    return {"tensorflow": tf.__version__, "keras": keras.__version__}


def _loaded() -> tuple:
    """Keras and TensorFlow, without their notes: of the worker alone."""
    os.environ |= {
        "KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "",
    }  # fmt: skip
    logging.disable(logging.WARNING)
    sys.stdout = io.StringIO()  # the converter's
    import keras
    import tensorflow as tf

    return keras, tf


if __name__ == "__main__":
    main()
