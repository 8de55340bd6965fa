"""A `.tflite` file of TensorFlow's converter that trains itself: four signatures, shared variables.

Losses, answers and weights are LiteRT's on the same batches (`store_training.py`).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import edgewise
from edgewise import lite

NEAR = {"rtol": 1e-4, "atol": 1e-5}  # forty steps, each of which goes on with the error before


@pytest.fixture(scope="module")
def stored() -> dict[str, np.ndarray]:
    with np.load(Path(__file__).with_name("training.npz")) as archive:
        return {name: archive[name] for name in archive.files}


def weights_of(stored: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name: array for name, array in stored.items() if name.startswith("weight")}


@pytest.mark.parametrize("native", [True, False])
def test_it_trains_as_in_litert(stored: dict[str, np.ndarray], native: bool) -> None:
    run = edgewise.Interpreter(stored["model"].tobytes(), native=native, cache=False)
    untrained = run(signature="save")
    steps = zip(stored["x"], stored["y"], strict=True)
    losses = [run(x=x, y=y, signature="train")["loss"] for x, y in steps]
    np.testing.assert_allclose(losses, stored["losses"], **NEAR)
    assert losses[-1] < 0.1 * losses[0]
    found = [run(x=row[None], signature="infer")["output"][0] for row in stored["x"][0]]
    np.testing.assert_allclose(found, stored["outputs"], **NEAR)
    for name, array in run(signature="save").items():
        np.testing.assert_allclose(array, stored[name], **NEAR)
    run.reset_variables()
    for name, array in run(signature="save").items():
        np.testing.assert_array_equal(array, untrained[name])


def test_what_it_learned_is_taken_over(stored: dict[str, np.ndarray]) -> None:
    """By the runners of `edgewise.lite`: `restore` in an interpreter that never trained."""
    run = lite.Interpreter(model_content=stored["model"].tobytes())
    infer, restore = map(run.get_signature_runner, ("infer", "restore"))
    before = infer(x=stored["x"][0, :1])["output"]
    restore(**weights_of(stored))
    found = [infer(x=row[None])["output"][0] for row in stored["x"][0]]
    np.testing.assert_allclose(found, stored["outputs"], **NEAR)
    assert np.abs(before - found[0]).max() > 0.1
    run.reset_all_variables()  # as in LiteRT, what operators name stays
    np.testing.assert_array_equal(infer(x=stored["x"][0, :1])["output"][0], found[0])
