"""SIGKILL at any moment: the same command goes on, and makes the same file."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tasks.pictures import fill
from tests.train.here import need_keras
from tests.train.networks import backbone_file

need_keras()
pytestmark = [pytest.mark.ci, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("фото с пробелами")
    fill(folder / "pictures/train", 8)
    fill(folder / "pictures/test", 3, start=100)
    backbone_file(folder)
    return folder


def start(data: Path, output: Path, step: int = 0) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "tests.train.killed", data, output, str(step)],
        cwd=Path(__file__).parents[2], stdout=subprocess.PIPE, text=True,
        env={**os.environ, "KERAS_BACKEND": os.environ.get("KERAS_BACKEND", "jax")},
    )  # fmt: skip


def finish(process: subprocess.Popen[str]) -> int:
    """The steps there were. Fails where the process did."""
    said, _ = process.communicate(timeout=600)
    assert process.returncode == 0
    return int(said)


@pytest.fixture(scope="module")
def whole(data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int]:
    """The files of a run that was let alone, and its steps."""
    folder = tmp_path_factory.mktemp("whole")
    return folder, finish(start(data, folder / "model.tflite"))


def check_same(folder: Path, whole: Path) -> None:
    assert (folder / "model.tflite").read_bytes() == (whole / "model.tflite").read_bytes()
    one, other = (json.loads((f / "model.json").read_text("utf-8")) for f in (folder, whole))
    assert {**one, "seconds": 0} == {**other, "seconds": 0}
    names = sorted(p.name for p in folder.iterdir())
    assert names == ["kept", "model.json", "model.keras", "model.tflite"]


def test_killed_at_steps(data, tmp_path, whole):
    """One run after the other dies, further on each time; the last one is let alone."""
    folder, steps = whole
    rng = random.Random(8)
    moments = sorted(rng.sample(range(2, steps + 1), 2))
    for step in moments:
        process = start(data, tmp_path / "model.tflite", step)
        process.communicate(timeout=600)
        # what was done is not done again: a later run may be through before it is to die
        assert process.returncode in (-signal.SIGKILL, 0)
    finish(start(data, tmp_path / "model.tflite"))
    check_same(tmp_path, folder)
