"""The README and CONTRIBUTING say what is true: links lead somewhere, commands exist, code runs."""

from __future__ import annotations

import re
import shutil
import tomllib
from pathlib import Path

import numpy as np
import pytest

from edgewise.cli.main import cli, run

ROOT = Path(__file__).resolve().parent.parent
PAGES = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def blocks(page: str, language: str) -> list[str]:
    """The code blocks of a page in one language."""
    return re.findall(rf"```{language}\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_to_files(page):
    links = re.findall(r"\]\((?!http)([^)#]+)", (ROOT / page).read_text())
    assert [link for link in links if not (ROOT / link).exists()] == []


@pytest.mark.parametrize("page", PAGES)
def test_lines_are_short(page):
    lines = (ROOT / page).read_text().splitlines()
    assert [line for line in lines if len(line) > 100] == []


def test_commands_use_declared_groups_and_extras():
    text = "".join(block for page in PAGES for block in blocks(page, "sh"))
    groups, extras = PROJECT["dependency-groups"], PROJECT["project"]["optional-dependencies"]
    assert set(re.findall(r"--group (\w+)", text)) <= set(groups)
    assert set(re.findall(r"--extra (\w+)", text)) <= set(extras)
    assert "pip install uv && uv run --extra demo edgewise demo\n" in text
    assert "pip install uv && uv run --group test pytest\n" in text


def test_the_two_commands_install_no_tensorflow():
    project = PROJECT["project"]
    packages = [*project["dependencies"], *project["optional-dependencies"]["demo"]]
    packages += PROJECT["dependency-groups"]["test"]
    names = {re.split(r"[<>=\[ ]", package)[0].lower() for package in packages}
    assert names & {"tensorflow", "tensorflow-cpu", "tf-keras", "keras", "torch", "onnx"} == set()


@pytest.mark.ci
def test_the_python_example_runs(shared_data, tmp_path, monkeypatch):
    """The first example, with a smaller MobileNet (visual wake words) in the model's place."""
    folder = shared_data / "bench" / "tiny_vww"
    shutil.copy(folder / "m.keras", tmp_path / "mobilenet_v2.keras")
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {"photo": np.load(folder / "in.npy")}
    example = blocks("README.md", "python")[0].replace("print(", "str(")
    exec(example, names)  # noqa: S102 (our own text)
    with np.load(folder / "out.npz") as expected:
        [keras] = expected.values()
    np.testing.assert_allclose(names["probabilities"], keras, atol=3e-4)
    assert (tmp_path / "mobilenet_v2.tflite").stat().st_size > 100_000
    shutil.copy(ROOT / "src" / "edgewise" / "assets" / "cat.jpg", tmp_path)
    exec(blocks("README.md", "python")[1], names)  # noqa: S102 (our own text)
    assert names["best"].label in ("class 0", "class 1")


@pytest.mark.ci
def test_the_examples_of_quantization_run(shared_data, tmp_path, monkeypatch):
    """One after the other, with a smaller MobileNet."""
    shutil.copy(shared_data / "bench" / "tiny_vww" / "f32.tflite", tmp_path / "mobilenet.tflite")
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(0)
    samples = [random.uniform(0, 1, (1, 96, 96, 3)).astype(np.float32) for _ in range(12)]
    names: dict[str, object] = {"samples": samples}
    for example in blocks("docs/quantization.md", "python"):
        exec(example, names)  # noqa: S102 (our own text)
    before, after = (tmp_path / f"mobilenet{kind}.tflite" for kind in ("", "_int8"))
    assert after.stat().st_size < 0.4 * before.stat().st_size


class SavesItself:
    """A Keras model, as far as anybody looks: it saves itself as a file."""

    def save(self, path: str) -> None:
        shutil.copy(ROOT / "tests" / "frontends" / "keras" / "fixtures" / "convolution.keras", path)


def test_the_example_for_existing_scripts_runs():
    names: dict[str, object] = {"model": SavesItself()}
    exec(blocks("README.md", "python")[2], names)  # noqa: S102 (our own text)
    [details] = names["interpreter"].get_input_details()
    assert details["shape"].tolist() == [1, 8, 8, 3]


@pytest.mark.ci
def test_the_commands_run(shared_data, tmp_path, monkeypatch, capsys):
    """In their order, on the smaller MobileNet and the bundled photo."""
    shutil.copy(shared_data / "bench" / "tiny_vww" / "m.keras", tmp_path / "mobilenet_v2.keras")
    shutil.copy(ROOT / "src" / "edgewise" / "assets" / "cat.jpg", tmp_path)
    for name in ("cat", "dog"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        shutil.copy(tmp_path / "cat.jpg", tmp_path / "photos" / name)
    monkeypatch.chdir(tmp_path)
    lines = [line for block in blocks("README.md", "sh") for line in block.splitlines()]
    commands = [line.split()[1:] for line in lines if line.startswith("edgewise ")]
    verbs = (
        "convert run inspect zoo quantize metadata data evaluate compare profile benchmark tune "
        "export-c doctor"
    )
    assert [command[0] for command in commands] == verbs.split()
    for command in commands:
        assert run(cli, command) == 0, capsys.readouterr().err
