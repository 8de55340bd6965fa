"""Every SavedModel and frozen graph in the data: converted, next to TensorFlow's answers.

`answers/saved.json` and `saved.npz` have TensorFlow's outputs, operators and bytes
(`tools/oracle/store_saved.py`).
"""

import json
from functools import cache
from typing import Any

import numpy as np
import pytest

import edgewise
from tests.e2e.answers import FOLDER, distance, operators, saved_files
from tests.oracle.answers import StoredArray
from tests.oracle.inputs import DATA, make_input
from tests.oracle.litert import Oracle

BAR = 3e-4  # of the output's range
FILES = saved_files()

needs_data = pytest.mark.skipif(
    not DATA.is_dir(), reason="the real models (../shared/data) are not here"
)


@cache
def stored() -> dict[str, Any]:
    return json.loads((FOLDER / "saved.json").read_text())["files"] if DATA.is_dir() else {}


@cache
def converted(file: str) -> bytes:
    return edgewise.convert(DATA / file).to_bytes()


def inputs(file: str) -> dict[str, np.ndarray]:
    return {name: make_input(recipe) for name, recipe in stored()[file]["inputs"].items()}


@needs_data
def test_every_file_has_answers():
    assert sorted(stored()) == FILES


@needs_data
@pytest.mark.ci
@pytest.mark.parametrize("file", FILES)
def test_gives_tensorflows_answers(file):
    archive = np.load(FOLDER / "saved.npz")
    found = edgewise.Interpreter(converted(file))(**inputs(file))
    shapes = stored()[file]["shapes"]
    assert set(found) == set(shapes)
    for name, shape in shapes.items():
        wanted = archive[f"{file}:{name}"]
        ours = StoredArray(tuple(shape), 0.0, wanted).pick(found[name])
        assert distance([ours], [wanted]) <= BAR, name


@needs_data
@pytest.mark.ci
@pytest.mark.parametrize("file", FILES)
def test_needs_no_more_than_tensorflows_conversion(file):
    theirs = stored()[file]
    found = operators(edgewise.load(converted(file)))
    assert found.total() <= theirs["operators"], found
    assert len(converted(file)) <= theirs["bytes"]


@needs_data
@pytest.mark.parity
@pytest.mark.parametrize("file", FILES)
def test_litert_agrees(oracle: Oracle, file):
    fed = inputs(file)
    answer = oracle.run(converted(file), list(fed.values()))
    assert answer.error is None
    ours = list(edgewise.Interpreter(converted(file))(**fed).values())
    assert distance(ours, answer.outputs) <= BAR
