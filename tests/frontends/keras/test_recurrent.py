"""Recurrent networks of any batch and time, from Keras files and SavedModels, at sizes that hurt.

Every file runs at all sizes of its case: batch 1 and 3, time 1, 2, 7 and 600. The files and Keras's
answers are stored in `fixtures/loops.npz` (`make_recurrent_fixtures.py`).
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import edgewise
from edgewise import Model
from tests.oracle.litert import Oracle

pytestmark = pytest.mark.ci
LOOPS = np.load(Path(__file__).parent / "fixtures" / "loops.npz")
NAMES = [key.removesuffix(".model") for key in LOOPS.files if key.endswith(".model")]
BAR = 3e-4  # of an output's range
ROUTES = ("model", "saved")
Arrays = list[np.ndarray]


def calls(name: str) -> Iterator[tuple[Arrays, Arrays]]:
    """Inputs and outputs of the calls, in order."""

    def arrays(kind: str) -> Arrays:
        found: Arrays = []
        while (key := f"{name}.{number}.{kind}{len(found)}") in LOOPS:
            found.append(LOOPS[key])
        return found

    number = 0
    while inputs := arrays("x"):
        yield inputs, arrays("y")
        number += 1


def converted(name: str, route: str, folder: Path, target: str | None = None) -> Model:
    """Our conversion of one of the two files."""
    data = LOOPS[f"{name}.{route}"].tobytes()
    if route == "model":
        (folder / "model.keras").write_bytes(data)
        return edgewise.convert(folder / "model.keras", target=target)
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        file.extractall(folder / "saved")
    return edgewise.convert(folder / "saved", signature_keys=["serving_default"], target=target)


def compare(found: Arrays, wanted: Arrays, what: str) -> None:
    """Equal within the bar, shapes included."""
    assert [y.shape for y in found] == [y.shape for y in wanted], what
    for y, want in zip(found, wanted, strict=True):
        scale = max(float(np.ptp(want)), float(np.abs(want).max()))
        np.testing.assert_allclose(y, want, rtol=0, atol=BAR * scale, err_msg=what)


# Keras 3.15 exports TimeDistributed of unknown time with the batch as its number of steps:
# TensorFlow's own answers from that SavedModel are other ones, or errors.
EXPORTED_WRONG = {("decoder", "saved")}
CASES = [(name, route) for name in NAMES for route in ROUTES if (name, route) not in EXPORTED_WRONG]


@pytest.mark.parametrize(("name", "route"), CASES)
def test_gives_keras_s_answers(tmp_path: Path, name: str, route: str) -> None:
    run = edgewise.Interpreter(converted(name, route, tmp_path).to_bytes())
    asked = 0
    for inputs, outputs in calls(name):
        shapes = [x.shape for x in inputs]
        compare(list(run(*inputs).values()), outputs, f"{name} on {shapes}")
        asked += 1
    assert asked > 1


@pytest.mark.parametrize(("name", "route"), CASES)
def test_for_litert_no_state_is_kept(tmp_path: Path, name: str, route: str) -> None:
    """LiteRT runs variable tensors at the batch of the file only: with a target they are loops."""
    model = converted(name, route, tmp_path, target="litert-2.3")
    assert model.to_bytes() == model.to_bytes(target="litert-2.3")
    if not name.startswith("kept"):
        assert not any(v.is_variable for g in model.graphs.values() for v in g.values())
        assert not model.is_stateless
    run = edgewise.Interpreter(model)
    for inputs, outputs in calls(name):
        compare(list(run(*inputs).values()), outputs, name)


@pytest.mark.parity
@pytest.mark.parametrize(("name", "route"), CASES)
def test_litert_gives_keras_s_answers(
    oracle: Oracle, tmp_path: Path, name: str, route: str
) -> None:
    """The file for LiteRT, there, at all sizes."""
    data = converted(name, route, tmp_path, target="litert-2.3").to_bytes()
    asked = list(calls(name))
    if name.startswith("kept"):  # LiteRT resets variable tensors when an input is resized
        asked = [call for call in asked if call[0][0].shape == asked[0][0][0].shape]
    found = oracle.run_sequence(data, [inputs for inputs, _ in asked])
    assert len(found) > 1
    for answer, (inputs, outputs) in zip(found, asked, strict=True):
        assert answer.error is None, answer.error
        compare(answer.outputs, outputs, f"{name} on {[x.shape for x in inputs]}")
