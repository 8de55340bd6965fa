"""Measuring runtimes by turns: what is told of those that run a model, and of those that do not."""

from __future__ import annotations

import json
import math
import stat
import sys
from pathlib import Path

import numpy as np
import pytest

from edgewise.dtypes import DType
from edgewise.errors import InputError
from edgewise.ir import Builder, Model
from edgewise.measure.peers import Measurement, compare, difference
from tests.measure.models import small_model

pytestmark = pytest.mark.ci


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "model.tflite"
    small_model().save(path)
    return path


def test_edgewise_is_measured_in_a_process_of_its_own(model: Path) -> None:
    steps: list[tuple[int, int]] = []
    [ours] = compare(model, rounds=2, seconds=0.02, runs=7, progress=lambda *s: steps.append(s))
    assert ours.error == ""
    assert ours.version
    assert len(ours.times) >= 14
    assert 0 < ours.least <= ours.median
    assert min(ours.load_s, ours.first_s, ours.import_s) > 0
    assert ours.memory is None or ours.memory > 10**7
    assert len(ours.outputs) == 1
    assert steps == [(0, 2), (1, 2)]
    assert json.loads(json.dumps(ours.as_json()))["runs"] == len(ours.times)


@pytest.mark.parametrize("name", ["openvino", "openvino_bf16"])
def test_a_runtime_that_is_not_there_is_told_and_the_others_are_measured(
    model: Path, name: str
) -> None:
    found = compare(model, [name], python=sys.executable, rounds=1, seconds=0)
    if not found[1].error:
        pytest.skip("openvino is installed here")
    assert found[1].error == "ModuleNotFoundError: No module named 'openvino'"
    assert found[1].as_json() == {"runtime": name, "error": found[1].error}
    assert math.isnan(found[1].median)
    assert found[0].times


def test_a_runtime_that_dies_is_told(model: Path, tmp_path: Path) -> None:
    """LiteRT aborts on some models; the last line of its standard error is the reason."""
    dying = tmp_path / "python"
    dying.write_text("#!/bin/sh\necho 'Fatal: tensor 7' >&2\nexit 134\n")
    dying.chmod(dying.stat().st_mode | stat.S_IXUSR)
    _, theirs = compare(model, ["litert"], python=str(dying), rounds=1, seconds=0)
    assert theirs.error == "the process died: Fatal: tensor 7"


def test_onnx_runtime_needs_an_onnx_file(model: Path) -> None:
    _, theirs = compare(model, ["onnxruntime"], python=sys.executable, rounds=1, seconds=0)
    assert theirs.error.startswith("no ONNX file (--onnx FILE), and tf2onnx failed: ")


def test_bfloat16_is_measured_beside_float32(tmp_path: Path) -> None:
    """Its error is what the outputs are apart."""
    b = Builder()
    x = b.input("x", (4, 64), DType.FLOAT32)
    w = np.random.default_rng(1).standard_normal((96, 64)).astype(np.float32)
    path = tmp_path / "dense.tflite"
    model = Model()
    model.add(b.finish(b.fully_connected(x, b.constant(w), None)))
    model.save(path)
    ours, theirs = compare(path, ["bf16"], rounds=1, seconds=0)
    assert theirs.error == ""
    assert 1e-5 < difference(ours, theirs) < 1e-2  # half of the last of 8 bits is 2e-3


@pytest.mark.quick
def test_unknown_runtimes_and_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="unknown runtimes tensorrt; known are litert"):
        compare(tmp_path, ["tensorrt"])
    with pytest.raises(InputError, match=r"none\.tflite: no such file"):
        compare(tmp_path / "none.tflite")


@pytest.mark.quick
def test_outputs_are_compared_relative_to_their_range() -> None:
    ours = Measurement("edgewise", outputs=[[1.0, 2.0], [0.0]])
    theirs = Measurement("litert", outputs=[[1.0, 2.5], [-5.0]])
    assert difference(ours, theirs) == 1.0
    assert difference(ours, Measurement("litert", outputs=[[1.0, 2.0], [0.0]])) == 0.0
    assert math.isnan(difference(ours, Measurement("litert", outputs=[[1.0]])))
    assert math.isnan(difference(ours, Measurement("litert")))


@pytest.mark.quick
def test_statistics() -> None:
    found = Measurement("edgewise", times=[4.0, 1.0, 2.0, 3.0, 100.0])
    assert (found.median, found.least) == (3.0, 1.0)
    assert found.spread == pytest.approx((52 - 1.5) / 3)
    assert math.isnan(Measurement("edgewise", times=[1.0]).spread)
