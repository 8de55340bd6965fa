"""Starting is quick because nothing is imported before it is needed."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

RUN = "import edgewise; edgewise.load; edgewise.Interpreter"
HELP = "import sys; sys.argv = ['edgewise', '--help']; from edgewise.cli.main import main; main()"
ABSENT = {
    "import edgewise": {"numpy", "click", "rich", "h5py", "PIL"},
    RUN: {"h5py", "PIL", "rich", "click", "edgewise.frontends", "edgewise.passes"},
    "import edgewise.lite": {"h5py", "PIL", "rich", "click", "edgewise.frontends"},
    HELP: {"numpy", "rich", "h5py", "PIL", "edgewise.ir", "edgewise.api"},
}
NEVER = {"tensorflow", "keras", "torch", "ai_edge_litert", "jax", "onnx"}


def fresh(code: str) -> subprocess.CompletedProcess[str]:
    """A new interpreter that runs the code and then lists its modules on standard error."""
    listing = "import atexit, sys; atexit.register(lambda: print(*sys.modules, file=sys.stderr))"
    command = [sys.executable, "-c", f"{listing}\n{code}"]
    return subprocess.run(command, capture_output=True, text=True, check=True)


@pytest.mark.parametrize("code", ABSENT)
def test_what_is_not_imported(code):
    loaded = set(fresh(code).stderr.split())
    assert loaded & (ABSENT[code] | NEVER) == set()


@pytest.mark.full
@pytest.mark.parametrize(
    ("code", "limit"), [("import edgewise, numpy", 0.3), (HELP, 0.4), (RUN, 0.6)]
)
def test_seconds(code, limit):
    """CPU seconds of the best of five starts, bytecode cached; on a busy machine the wall lies."""
    best = min(_cpu_seconds(code) for _ in range(6))
    print(f"{best:.2f} s")
    assert best < limit


def _cpu_seconds(code: str) -> float:
    before = os.times()
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, env=environment)
    after = os.times()
    spent = after.children_user + after.children_system
    return spent - before.children_user - before.children_system


def test_public_names_without_importing_them():
    import edgewise

    assert set(edgewise.__all__) <= set(dir(edgewise))
    assert edgewise.lite.Interpreter is not edgewise.Interpreter
    with pytest.raises(AttributeError, match="edgewise has no attribute 'covert'; it has Interp"):
        _ = edgewise.covert


def test_the_module_runs_like_the_script():
    command = [sys.executable, "-m", "edgewise", "--version"]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    assert found.stdout.startswith("edgewise, version ")
