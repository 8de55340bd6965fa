"""SIGKILL at any moment: the same command goes on, and makes the same files, in which only what
tells the time differs."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.tasks.pictures import fill
from tests.train.here import need_keras
from tests.train.networks import backbone_file

need_keras()
pytestmark = [pytest.mark.ci, pytest.mark.timeout(900)]
PLANS = ("head", "top blocks")
TIMES = 4  # that a run is killed by the clock


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("фото с пробелами")
    fill(folder / "pictures/train", 8)
    fill(folder / "pictures/test", 3, start=100)
    backbone_file(folder)
    return folder


def start(data: Path, output: Path, plan: str, step: int = 0) -> subprocess.Popen[str]:
    words = ["-W", "ignore", "-m", "tests.train.killed", data, output, str(step), plan]
    return subprocess.Popen(
        [sys.executable, *words],
        cwd=Path(__file__).parents[2], stdout=subprocess.PIPE, text=True,
        env={**os.environ, "KERAS_BACKEND": os.environ.get("KERAS_BACKEND", "jax")},
    )  # fmt: skip


def finish(process: subprocess.Popen[str]) -> tuple[int, float]:
    """The steps there were, and the seconds they took; imports not counted. Fails where the
    process did."""
    assert process.stdout is not None
    with process:
        lines = [process.stdout.readline()]
        began = time.perf_counter()
        lines += process.stdout.readlines()
        seconds = time.perf_counter() - began
    assert process.returncode == 0
    return int(lines[-1]), seconds


@dataclass(frozen=True, slots=True)
class Whole:
    """A run that was let alone."""

    plan: str
    folder: Path
    steps: int
    seconds: float


@pytest.fixture(scope="module", params=PLANS)
def whole(
    request: pytest.FixtureRequest, data: Path, tmp_path_factory: pytest.TempPathFactory
) -> Whole:
    folder = tmp_path_factory.mktemp("whole")
    run = start(data, folder / "model.tflite", request.param)
    return Whole(request.param, folder, *finish(run))


def check_same(folder: Path, whole: Whole) -> None:
    assert (folder / "model.tflite").read_bytes() == (whole.folder / "model.tflite").read_bytes()
    one, other = (json.loads((f / "model.json").read_text("utf-8")) for f in (folder, whole.folder))
    assert {**one, "seconds": 0} == {**other, "seconds": 0}
    first, second = (_contents(f / "model.keras") for f in (folder, whole.folder))
    assert first == second
    names = sorted(p.name for p in folder.iterdir())
    assert names == ["kept", "model.json", "model.keras", "model.tflite"]


def _contents(file: Path) -> tuple[bytes, bytes]:
    """Structure and weights of a Keras file. It tells the hour, and addresses of objects."""
    with zipfile.ZipFile(file) as kept:
        config = re.sub(rb'"shared_object_id": \d+', b"", kept.read("config.json"))
        return config, kept.read("model.weights.h5")


def test_killed_at_steps(data, tmp_path, whole):
    """Just before the last file is whole, and then earlier. What was done is not done again: a
    later run may be through before it is to die."""
    for step in (whole.steps, *random.Random(8).sample(range(2, whole.steps), 2)):
        process = start(data, tmp_path / "model.tflite", whole.plan, step)
        process.communicate(timeout=600)
        assert process.returncode in (-signal.SIGKILL, 0)
    finish(start(data, tmp_path / "model.tflite", whole.plan))
    check_same(tmp_path, whole)


@pytest.mark.full
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("number", range(5))
def test_killed_by_the_clock(data, tmp_path, whole, seed, number):
    """At any moment, in the middle of whatever it does, time and again."""
    print(f"seed {seed}")
    rng = random.Random(f"{seed} {whole.plan} {number}")
    for _ in range(TIMES):
        process = start(data, tmp_path / "model.tflite", whole.plan)
        assert process.stdout is not None
        said = process.stdout.readline()
        after = rng.uniform(0, whole.seconds)
        time.sleep(after)
        process.kill()
        rest, _ = process.communicate()
        print(f"killed after {after:.2f} s: {(said + rest).splitlines()[-1]!r} had begun")
    finish(start(data, tmp_path / "model.tflite", whole.plan))
    check_same(tmp_path, whole)
