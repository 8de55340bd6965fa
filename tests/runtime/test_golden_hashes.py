"""Integer networks compute the same bits on every instruction set, and the same as yesterday.

`golden_hashes.txt` has a line for each network: its name, the hash of its outputs, and that of
every integer value inside. `--update-golden` writes what plain C computes.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from edgewise.runtime.library import LIBRARY, Isa, host_isa
from tests.isas import BUILT

from . import builds
from .golden_hashes import MODELS

pytestmark = pytest.mark.ci

GOLDEN = Path(__file__).with_name("golden_hashes.txt")
SHIPPED = [isa.name.lower() for isa in BUILT]


def hashes(
    folder: Path, library: Path | str, isas: list[str], threads: int = 1
) -> dict[str, list[str]]:
    """The lines of the table by instruction set."""
    command = [sys.executable, "-m", "tests.runtime.golden_hashes", str(folder)]
    command += ["--library", str(library), "--isas", ",".join(isas), "--threads", str(threads)]
    done = subprocess.run(command, cwd=builds.ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{done.stdout[-500:]}{done.stderr[-3000:]}"
    found: dict[str, list[str]] = {isa: [] for isa in isas}
    for model, isa, *numbers in map(json.loads, done.stdout.splitlines()):
        found[isa].append(" ".join([model, *numbers]))
    return found


def same_as_golden(found: dict[str, list[str]]) -> None:
    """Every instruction set gives the table."""
    wanted = GOLDEN.read_text().splitlines()
    assert len(wanted) == len(MODELS), "--update-golden writes golden_hashes.txt"
    for isa, lines in found.items():
        odd = [line for line, right in zip(lines, wanted, strict=True) if line != right]
        assert odd == [], f"{isa} differs from golden_hashes.txt"


def test_networks_on_the_instruction_sets_of_this_machine(
    shared_data: Path, update_golden: bool
) -> None:
    found = hashes(shared_data, LIBRARY, SHIPPED)
    if update_golden:
        GOLDEN.write_text("\n".join(found["scalar"]) + "\n")
    same_as_golden(found)


@pytest.mark.skipif(not builds.X86_64, reason="emulates kernels of x86-64")
@pytest.mark.skipif(host_isa() < Isa.AVX2, reason="the build for tests needs AVX2 to run")
def test_networks_on_emulated_instruction_sets(shared_data: Path, built_kernels: Path) -> None:
    library = builds.library("emulated", built_kernels)
    same_as_golden(hashes(shared_data, library, [*builds.EMULATED]))


def test_networks_in_three_threads(shared_data: Path) -> None:
    strongest = SHIPPED[-1]
    same_as_golden(hashes(shared_data, LIBRARY, [strongest], threads=3))
