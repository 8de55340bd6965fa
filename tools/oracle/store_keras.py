"""Ask TensorFlow and LiteRT about every Keras file in the data folder and store the answers.

    python tools/oracle/store_keras.py --oracle-python PATH [--ours]

Writes `tests/e2e/answers/` (read by `tests/e2e/answers.py`). The oracle's environment needs
TensorFlow and Keras, which take minutes; `--ours` keeps what they said and only has LiteRT run our
files again, as it has to whenever the operators of our files change.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "src")]

import edgewise  # noqa: E402
from tests.e2e.answers import FOLDER, Stored, keras_files, load, operators, structure  # noqa: E402
from tests.oracle.inputs import DATA, make_input, random_recipe  # noqa: E402
from tests.oracle.litert import Oracle  # noqa: E402

CONVERTER = Path(__file__).with_name("keras_in_tensorflow.py")
Arrays = dict[str, np.ndarray]


def main() -> None:
    """Parse the options, ask, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--oracle-python", required=True)
    parser.add_argument("--ours", action="store_true", help="keep TensorFlow's stored answers")
    options = parser.parse_args()
    entries: list[dict[str, Any]] = []
    arrays: Arrays = {}
    with Oracle(options.oracle_python) as litert:
        for file in keras_files():
            ours = edgewise.convert(DATA / file).to_bytes()
            entry: dict[str, Any] = {"file": file, "input": _recipe(file, edgewise.load(ours))}
            if options.ours:
                entry["conversions"] = keep(load()[file], arrays)
            else:
                entry["conversions"] = ask(file, entry["input"], litert, arrays)
            run(litert, ours, entry["input"], f"{file}:ours", arrays)
            entry["structure"] = structure(edgewise.load(ours))
            entries.append(entry)
            counts = {k: sum(c["operators"].values()) for k, c in entry["conversions"].items()}
            print(f"{file}: TensorFlow's operators {counts}", flush=True)
        versions = litert.versions()
    FOLDER.mkdir(exist_ok=True)
    lines = ",\n".join(json.dumps(entry) for entry in entries)
    text = f'{{"versions": {json.dumps(versions)},\n"files": [\n{lines}\n]}}\n'
    (FOLDER / "keras.json").write_text(text)
    np.savez_compressed(FOLDER / "keras.npz", allow_pickle=False, **arrays)


def ask(file: str, recipe: dict[str, Any], litert: Oracle, arrays: Arrays) -> dict[str, Any]:
    """TensorFlow's conversions of one file, as `answers.Conversion` has them."""
    conversions = {}
    with tempfile.TemporaryDirectory() as folder:
        command = [litert.python, str(CONVERTER), str(DATA / file), folder]
        subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
        for path in sorted(Path(folder).glob("*.tflite")):
            run(litert, path.read_bytes(), recipe, f"{file}:{path.stem}", arrays)
            found = operators(edgewise.load(path))
            conversions[path.stem] = {"operators": found, "size": path.stat().st_size}
    return conversions


def keep(stored: Stored, arrays: Arrays) -> dict[str, Any]:
    """The same as it was stored."""
    for name in stored.conversions:
        for i, y in enumerate(stored.outputs(name)):
            arrays[f"{stored.file}:{name}:{i}"] = y
    return {
        name: {"operators": found.operators, "size": found.size}
        for name, found in stored.conversions.items()
    }


def run(litert: Oracle, model: bytes, recipe: dict[str, Any], key: str, arrays: Arrays) -> None:
    """LiteRT's outputs go to `arrays` as `key:position`. Raises SystemExit where it refuses."""
    answer = litert.run(model, [make_input(recipe)])
    if answer.error:
        raise SystemExit(f"{key}: LiteRT cannot run it: {answer.error}")
    for i, y in enumerate(answer.outputs):
        arrays[f"{key}:{i}"] = y


def _recipe(file: str, model: edgewise.Model) -> dict[str, Any]:
    """The input beside a benchmark model, else random numbers from -1 to 1."""
    (x,) = model.main.inputs
    shape = [d if isinstance(d, int) else 1 for d in x.shape]
    beside = Path(file).with_name("in.npy")
    if (DATA / beside).exists():
        fields = {"kind": "npy", "file": beside.as_posix()}
        return {**fields, "shape": shape, "dtype": x.dtype.text}
    return random_recipe(0, shape, x.dtype.text)


if __name__ == "__main__":
    main()
