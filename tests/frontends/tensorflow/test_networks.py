"""Whole programs of TensorFlow's: networks with memory, training, loops of both generations.

The models, their answers (of calls in order, at several batch sizes) and what TensorFlow's own
converter makes of them are stored in `networks/` (`make_networks.py`).
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import edgewise
from edgewise import Model
from tests.e2e.answers import operators
from tests.oracle.litert import Oracle

pytestmark = pytest.mark.ci

HERE = Path(__file__).parent / "networks"
NAMES = sorted(path.stem for path in HERE.glob("*.zip"))
CONVERSIONS = json.loads((HERE / "conversions.json").read_text())["conversions"]
BAR = 3e-4  # of an output's range
# Operators of ours where TensorFlow's converter fails, mostly on lists of unknown batch.
OPERATORS = {
    "lstm": 4,
    "bidirectional": 11,
    "gru": 66,
    "simple_rnn": 40,
    "any_time": 2,
    "any_time_backwards": 59,
    "branches": 32,
    "nested_loops": 9,
}
Arrays = dict[str, np.ndarray]


def converted(name: str, folder: Path, target: str | None = None) -> Model:
    """Our conversion of the stored model, with the signatures that are called."""
    with zipfile.ZipFile(HERE / f"{name}.zip") as file:
        file.extractall(folder / name)
    frozen = folder / name / "frozen.pb"
    if frozen.exists():
        return edgewise.convert(frozen, outputs=["y"], target=target)
    keys = sorted({key for key, _, _ in calls(name)})  # Keras saves each program twice
    return edgewise.convert(folder / name, signature_keys=keys, target=target)


def calls(name: str) -> Iterator[tuple[str, Arrays, Arrays]]:
    """Signature, inputs and outputs of each call, in order."""
    found: dict[tuple[int, str], dict[str, Arrays]] = {}
    archive = np.load(HERE / f"{name}.npz")
    for path in archive.files:
        number, key, way, argument = path.split("/")
        made = found.setdefault((int(number), key), {"in": {}, "out": {}})
        made[way][argument] = archive[path]
    for (_, key), made in sorted(found.items(), key=lambda item: item[0]):
        yield key, made["in"], made["out"]


def compare(given: Arrays, wanted: Arrays) -> None:
    """The same outputs, floats within the bar."""
    assert set(given) == set(wanted)
    for output, want in wanted.items():
        assert given[output].shape == want.shape
        if want.dtype.kind == "f":
            bar = BAR * float(np.ptp(want) if want.size > 1 else np.abs(want).max())
            np.testing.assert_allclose(given[output], want, rtol=0, atol=bar)
        else:
            np.testing.assert_array_equal(given[output], want)


@pytest.mark.parametrize("name", NAMES)
def test_gives_tensorflows_answers(tmp_path, name):
    model = converted(name, tmp_path)
    for source in (model, model.to_bytes()):
        runner = edgewise.Interpreter(source)
        asked = 0
        for key, inputs, outputs in calls(name):  # in order: one may change what the next one reads
            signature = key if key != "main" else model.signatures[0].key
            given = runner(signature=signature, **inputs)
            compare(given, outputs)
            asked += 1
        assert asked > 1


@pytest.mark.parity
@pytest.mark.parametrize("name", NAMES)
def test_litert_gives_tensorflows_answers(oracle: Oracle, tmp_path, name):
    """The file for LiteRT, there: every call in order, at every batch, on one interpreter."""
    model = converted(name, tmp_path, target="litert-2.3")
    asked = list(calls(name))
    is_frozen = asked[0][0] == "main"  # its graph has no signature in the file
    keys = None if is_frozen else [key for key, _, _ in asked]
    inputs = [list(given.values()) if is_frozen else given for _, given, _ in asked]
    answers = oracle.run_sequence(model.to_bytes(), inputs, signature=keys)
    for answer, (_, _, outputs) in zip(answers, asked, strict=True):
        assert answer.error is None, answer.error
        compare(answer.named or dict(zip(outputs, answer.outputs, strict=True)), outputs)


@pytest.mark.parametrize("name", NAMES)
def test_needs_no_more_than_tensorflows_conversion(tmp_path, name):
    theirs = CONVERSIONS[name]
    assert ("fails" in theirs) == (name in OPERATORS)
    data = converted(name, tmp_path).to_bytes()
    found = operators(edgewise.load(data))
    assert found.total() <= theirs.get("operators", OPERATORS.get(name)), found
    assert len(data) <= theirs.get("bytes", len(data))
