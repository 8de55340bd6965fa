"""What `edgewise train` says of pictures and folders that it cannot use: word by word, and before
anything is written."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from edgewise.cli.main import cli, run
from edgewise.data.image import MAX_PIXELS
from tests.tasks.pictures import fill
from tests.train.here import need_keras
from tests.train.networks import backbone_file

need_keras()
pytestmark = [pytest.mark.ci, pytest.mark.filterwarnings("ignore")]

FOLDER = "мои фото ✨"


def empty_class(folder: Path) -> None:
    fill(folder, 4)
    (folder / "green").mkdir()


def broken_class(folder: Path) -> None:
    fill(folder, 4)
    for path in (folder / "red").iterdir():
        path.write_bytes(b"\xff\xd8\xff")


def huge(folder: Path) -> None:
    fill(folder, 4)
    Image.new("1", (10_000, 9_000)).save(folder / "red" / "huge.png")
    assert MAX_PIXELS < 10_000 * 9_000


REFUSED: dict[str, tuple[Callable[[Path], object], str]] = {
    "no folder": (
        lambda folder: None,
        "мои фото ✨: no such folder or file; give a folder of pictures, a .npy or a .npz file",
    ),
    "nothing in it": (
        lambda folder: folder.mkdir(),
        "мои фото ✨: holds no pictures, nor folders of pictures by class",
    ),
    "one class": (
        lambda folder: fill(folder, 4, ("red",)),
        (
            "мои фото ✨: a classifier tells two classes or more apart; found only red. Add a "
            "folder of pictures that show something else"
        ),
    ),
    "one picture of a class": (
        lambda folder: (fill(folder, 4, ("red",)), fill(folder, 1, ("blue",))),
        (
            "мои фото ✨: 1 label with fewer than 2 pictures; add some, or remove the folder:\n"
            "  - blue: 1"
        ),
    ),
    "broken pictures": (
        broken_class,
        (
            "мои фото ✨: 1 label with fewer than 2 pictures that can be read; add some, or remove "
            "the folder:\n  - red: 0"
        ),
    ),
}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    backbone_file(tmp_path)
    return tmp_path


def train(*options: str) -> int:
    words = ["train", "image-classifier", FOLDER, "--backbone", "backbone.tflite", "--epochs", "2"]
    return run(cli, [*words, "-o", "model.tflite", *options])


@pytest.mark.parametrize("name", REFUSED)
def test_refused(here, capsys, name):
    make, said = REFUSED[name]
    make(here / FOLDER)
    assert train() == 1
    told = capsys.readouterr().err
    assert said in told
    assert "Traceback" not in told
    assert not list(here.glob("model.*.*"))
    assert not (here / "model.tflite").exists()


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (empty_class, "class folders without a picture: green"),
        (
            huge,
            "huge.png: a picture has 89 million pixels at most; got 10000 x 9000. Scale it down",
        ),
    ],
)
def test_left_out_and_told(here, capsys, caplog, make, said):
    make(here / FOLDER)
    assert train() == 0
    assert said in caplog.text + "".join(capsys.readouterr())
    assert (here / "model.tflite").is_file()


def test_a_folder_that_cannot_be_written(here, capsys):
    fill(here / FOLDER, 4)
    assert train("--force", "-o", "/proc/model.tflite") == 1
    assert "/proc/model.tflite.training: cannot be written: " in capsys.readouterr().err


def limited() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (6_000, 6_000))


def test_a_disk_that_is_full(here):
    """Files may have 6 kB: features and checkpoints are larger, and the model is, too."""
    fill(here / FOLDER, 4)
    command = [
        *(sys.executable, "-W", "ignore", "-m", "edgewise", "train", "image-classifier", FOLDER),
        *("--backbone", "backbone.tflite", "--epochs", "2", "-o", "model.tflite"),
    ]
    options = {
        "cwd": here,
        "env": {**os.environ, "KERAS_BACKEND": os.environ.get("KERAS_BACKEND", "jax")},
        "capture_output": True,
        "text": True,
        "timeout": 600,
    }
    done = subprocess.run(command, check=False, preexec_fn=limited, **options)
    assert done.returncode == 1
    assert "cannot be written: File too large" in done.stderr
    assert "Traceback" not in done.stderr
    left = sorted(p.name for p in here.iterdir() if p.name.startswith("model"))
    assert left == ["model.tflite.training"]
    subprocess.run(command, check=True, **options)
    names = sorted(p.name for p in here.iterdir() if p.name.startswith("model"))
    assert names == ["model.json", "model.keras", "model.tflite"]
