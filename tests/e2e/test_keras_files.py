"""Every Keras file in the data: converted, written, run, against TensorFlow's conversion of it."""

from pathlib import Path

import numpy as np
import pytest

import edgewise
from tests.e2e.answers import distance, keras_files, load, operators, structure
from tests.oracle.inputs import DATA
from tests.oracle.litert import Oracle

BAR = 3e-4  # of the output's range
FILES = sorted(load())

needs_data = pytest.mark.skipif(
    not DATA.is_dir(), reason="the real models (../shared/data) are not here"
)


@pytest.fixture(scope="module")
def written():
    """The bytes of our .tflite by file, converted once."""
    made: dict[str, bytes] = {}

    def convert(file: str) -> bytes:
        if file not in made:
            made[file] = edgewise.convert(DATA / file).to_bytes()
        return made[file]

    return convert


def outputs(model: bytes, x: np.ndarray) -> list[np.ndarray]:
    return list(edgewise.Interpreter(model)(x).values())


@needs_data
def test_every_file_has_answers():
    assert keras_files() == FILES


@needs_data
@pytest.mark.ci
@pytest.mark.parametrize("file", FILES)
def test_agrees_with_what_litert_makes_of_it(written, file):
    """Of TensorFlow's conversion, and of our file."""
    stored = load()[file]
    ours = outputs(written(file), stored.input())
    for whose in ("ours", *stored.conversions):
        assert distance(ours, stored.outputs(whose)) <= BAR, whose


@needs_data
@pytest.mark.ci
@pytest.mark.parametrize("file", [file for file in FILES if file.startswith("bench/")])
def test_agrees_with_keras(written, file):
    keras = np.load(DATA / Path(file).with_name("out.npz"))
    ours = outputs(written(file), load()[file].input())
    assert distance(ours, [keras[name] for name in keras.files]) <= BAR


@needs_data
@pytest.mark.ci
@pytest.mark.parametrize("file", FILES)
def test_is_no_longer_and_no_larger_than_tensorflows(written, file):
    stored = load()[file]
    model = written(file)
    found = operators(edgewise.load(model))
    for name, theirs in stored.conversions.items():
        more, less = found - theirs.operators, theirs.operators - found
        assert found.total() <= theirs.count, f"{name}: ours has {more}, theirs {less}"
        assert len(model) <= theirs.size, name


@needs_data
@pytest.mark.ci
@pytest.mark.parametrize("file", FILES)
def test_litert_has_run_a_file_of_this_structure(written, file):
    """Otherwise the stored answer is of another file: LiteRT may refuse this one."""
    found = structure(edgewise.load(written(file)))
    assert found == load()[file].structure, "run tools/oracle/store_keras.py --ours"


@needs_data
@pytest.mark.parity
@pytest.mark.parametrize("file", FILES)
def test_litert_runs_our_file(oracle: Oracle, written, file):
    """By all of its kernels, with our interpreter's numbers."""
    model, x = written(file), load()[file].input()
    ours = outputs(model, x)
    for resolver in ("default", "builtin", "reference"):
        answer = oracle.run(model, [x], resolver=resolver)
        assert answer.error is None, f"{resolver}: {answer.error}"
        assert distance(ours, answer.outputs) <= BAR, resolver
