"""Every kind of source converts where there is nothing but Edgewise and what it declares."""

from __future__ import annotations

import gzip
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
KERAS = ROOT / "tests" / "frontends" / "keras" / "fixtures"
NETWORKS = ROOT / "tests" / "frontends" / "tensorflow" / "networks"
SOURCES = ("model.keras", "keras3.h5", "keras2.h5", "saved", "frozen/frozen.pb")
LIMIT_MB = 135  # of all installed packages; those of TensorFlow (CPU) are 1,456
# Converts, and names the installed packages of which something was imported.
CONVERT = """
import importlib.metadata, sys, edgewise
given = {"outputs": ["y"]} if sys.argv[1].endswith(".pb") else {}
edgewise.convert(sys.argv[1], **given).to_bytes()
owners = importlib.metadata.packages_distributions()
print(*{owner for name in sys.modules for owner in owners.get(name.split(".")[0], [])})
"""


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one model of each kind."""
    folder = tmp_path_factory.mktemp("sources")
    shutil.copy(KERAS / "convolution.keras", folder / "model.keras")
    for name, stored in (("keras3.h5", "convolution.h5.gz"), ("keras2.h5", "convolution_k2.h5.gz")):
        (folder / name).write_bytes(gzip.decompress((KERAS / stored).read_bytes()))
    for name, stored in (("saved", "transformer"), ("frozen", "conditions_in_loops")):
        with zipfile.ZipFile(NETWORKS / f"{stored}.zip") as file:
            file.extractall(folder / name)
    return folder


@pytest.mark.ci
@pytest.mark.parametrize("source", SOURCES)
def test_conversion_imports_only_what_is_declared(sources: Path, source: str):
    """The oracle's packages may lie beside Edgewise: nothing asks for them."""
    command = [sys.executable, "-c", CONVERT, str(sources / source)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    names = {re.split(r"[<>=\[ ]", package)[0].replace("_", "-") for package in declared}
    found = {name.replace("_", "-") for name in done.stdout.split()}
    assert {"numpy"} <= found <= {*names, "edgewise"}


@pytest.mark.full
@pytest.mark.timeout(1800)
def test_a_new_environment_converts_everything(sources: Path, tmp_path: Path):
    """Installed from this checkout, run by its command; says how many bytes were installed."""
    uv = shutil.which("uv")
    if uv is None:
        pytest.skip("uv makes the environment; pip install uv")
    subprocess.run([uv, "venv", "-q", "--python", sys.executable, "new"], cwd=tmp_path, check=True)
    bin_ = tmp_path / "new" / "bin"
    install = [uv, "pip", "install", "-q", "--python", str(bin_ / "python"), str(ROOT)]
    done = subprocess.run(install, capture_output=True, text=True, check=False)
    if "connect" in done.stderr or "dns" in done.stderr:
        pytest.skip(f"no network: {done.stderr[-200:]}")
    assert done.returncode == 0, done.stderr
    packages = [p for p in (tmp_path / "new" / "lib").rglob("*") if p.is_file()]
    size = sum(path.stat().st_size for path in packages) / 1e6
    print(f"{size:.0f} MB installed")
    assert size < LIMIT_MB
    for source in SOURCES:
        command = [
            str(bin_ / "edgewise"),
            "convert",
            str(sources / source),
            "-o",
            f"{tmp_path}/m.tflite",
        ]
        command += ["--force", *(["--result", "y"] if source.endswith("pb") else [])]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, ""), source
