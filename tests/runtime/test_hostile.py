"""What hostile models do to the kernels: nothing but errors of ours, and no crash.

Every run is a process of its own, so that a crash is a failure that names what was running.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from . import builds

MODELS = (
    "micro/hello_world_int8",
    "micro/mnist_valid_q",
    "micro/mnist_valid_f",
    "micro/mnist_dw_q",
    "micro/mnist_dw_f",
    "micro/keras_lstm_mnist_ptq",
    "micro/trained_lstm_int8",
    "audio/micro_speech_quantized",
    "mlperf_tiny/kws_ref_model",
    "mlperf_tiny/kws_ref_model_float32",
)


def run_mutants(folder: Path, models: list[Path], *, seed: int, count: int) -> dict[str, int]:
    """How many mutants ran, and how many were refused. Fails on any other end."""
    log = folder / "running"
    numbers = ["--seed", str(seed), "--count", str(count)]
    command = [sys.executable, "-m", "tests.runtime.mutant_worker", log, *numbers, *models]
    done = subprocess.run(command, cwd=builds.ROOT, capture_output=True, text=True, check=False)
    running = log.read_bytes().decode().rstrip(" \0")
    assert done.returncode == 0, f"ended by {-done.returncode} at {running}\n{done.stderr[-3000:]}"
    found = json.loads(done.stdout)
    assert not found.pop("failures"), done.stdout
    print(f"seed {seed}: {found}")
    return found


@pytest.mark.ci
def test_mutants_of_real_models(shared_data: Path, tmp_path: Path) -> None:
    models = [shared_data / "tflite" / f"{name}.tflite" for name in MODELS]
    found = run_mutants(tmp_path, models, seed=1, count=1000)
    assert found["ran"] > 300


@pytest.mark.ci
def test_mutants_of_single_operators(shared_data: Path, tmp_path: Path) -> None:
    """Files of a kilobyte: nearly every byte says what the operator is."""
    models = sorted((shared_data / "tflite" / "ops_tflite2onnx").glob("*.tflite"))
    small = [path for path in models if path.stat().st_size < 6000]
    found = run_mutants(tmp_path, small, seed=2, count=1000)
    assert found["ran"] > 150


@pytest.mark.full
@pytest.mark.parametrize("seed", range(10, 30))
def test_many_mutants(seed: int, shared_data: Path, tmp_path: Path) -> None:
    found = sorted((shared_data / "tflite").rglob("*.tflite"))
    models = [path for path in found if path.stat().st_size < 60_000]
    run_mutants(tmp_path, models, seed=seed, count=2000)
