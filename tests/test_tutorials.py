"""The tutorials run, in their order, and their notebooks say the same."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
from pathlib import Path

import pytest
from tools import notebook

from edgewise import metadata
from edgewise.cli.main import VERBS, cli, run
from edgewise.format import load
from edgewise.zoo import entries
from tests.train.here import need_keras

PAGES = sorted(notebook.FOLDER.glob("*.md"))
CAT = Path(__file__).parents[1] / "src" / "edgewise" / "assets" / "cat.jpg"


@pytest.mark.parametrize("page", PAGES, ids=[page.stem for page in PAGES])
def test_the_notebook_is_fresh(page: Path) -> None:
    made = notebook.notebook(page.read_text("utf-8"))
    assert page.with_suffix(".ipynb").read_text("utf-8") == made, "run python tools/notebook.py"
    cells = json.loads(made)["cells"]
    assert all(
        line.startswith("!edgewise ") for c in cells for line in c["source"] if line[0] == "!"
    )


@pytest.mark.parametrize("page", PAGES, ids=[page.stem for page in PAGES])
def test_lines_are_short_and_links_lead_somewhere(page: Path) -> None:
    text = page.read_text("utf-8")
    assert [line for line in text.splitlines() if len(line) > 100] == []
    for link in re.findall(r"\]\(([^)]+)\)", text):
        if link.startswith("#"):
            assert f"## {link[1:]}" in text.lower()
        elif not link.startswith("http"):
            assert (page.parent / link).exists()


def test_commands_exist() -> None:
    for page in PAGES:
        for kind, part in notebook.blocks(page.read_text("utf-8")):
            if kind == "sh":
                assert all(line.split()[1] in VERBS for line in notebook.commands(part))


def copy(source: Path, target: Path, count: int) -> None:
    """So many pictures of each class and part."""
    for folder in sorted(source.glob("*/*/")):
        into = target / folder.relative_to(source)
        into.mkdir(parents=True)
        for file in sorted(folder.iterdir())[:count]:
            shutil.copy(file, into)


def play(page: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    """What each command says, by the command."""
    names: dict[str, object] = {}
    said = {}
    for kind, text in notebook.blocks(page.read_text("utf-8")):
        if kind == "python":
            exec(text, names)  # noqa: S102 (our own text)
        for line in notebook.commands(text) if kind == "sh" else ():
            capsys.readouterr()
            code = run(cli, shlex.split(line)[1:])
            caught = capsys.readouterr()
            assert code == 0, f"{line}\n{caught.err}"
            said[line] = caught.out
    return said


@pytest.mark.parametrize(
    ("count", "least"),
    [
        pytest.param(60, 0.85, marks=pytest.mark.ci, id="some"),
        pytest.param(270, 0.96, marks=pytest.mark.full, id="all"),
    ],
)
@pytest.mark.timeout(600)
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # of Keras
def test_cats_and_dogs(
    shared_data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    count: int,
    least: float,
) -> None:
    pytest.importorskip("matplotlib")
    need_keras()
    monkeypatch.setenv("KERAS_BACKEND", os.environ.get("KERAS_BACKEND", "jax"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    copy(shared_data / "datasets" / "cats_dogs", Path("cats_dogs"), count)
    weights = shared_data / "weights" / "mobilenet_v2_1.0_features_fp16.npz"
    monkeypatch.setattr(entries, "packaged", lambda _: weights)  # as if its package were installed
    shutil.copy(CAT, "cat.jpg")
    said = play(notebook.FOLDER / "cats_vs_dogs.md", capsys)
    scores = next(text for line, text in said.items() if "evaluate cats_dogs.tflite" in line)
    accuracies = [float(x) / 100 for x in re.findall(r"top-1 +([\d.]+) %", scores)]
    assert len(accuracies) == 2
    assert min(accuracies) >= least
    assert metadata.labels(load("cats_dogs_int8.tflite")) == ["cat", "dog"]
    assert (
        Path("cats_dogs_int8.tflite").stat().st_size
        < 0.35 * Path("cats_dogs.tflite").stat().st_size
    )
    shown = next(text for line, text in said.items() if line.startswith("edgewise run"))
    assert re.search(r"\n +[01]\.\d+  cat\n", shown)
    for page in ("cats_dogs.html", "evaluation.html", "mine.html"):
        assert Path(page).read_text("utf-8").startswith("<!doctype html>")
