"""The operator matrix with every byte outside of a buffer forbidden, and under sanitizers.

Each run is a process of its own (`matrix_worker`): a kernel that leaves its buffers ends it, and
the failure names what was running.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from edgewise.runtime.library import LIBRARY, Isa, host_isa
from tests.isas import BUILT

from . import builds

pytestmark = pytest.mark.ci

SHIPPED = ",".join(isa.name.lower() for isa in BUILT)
EMULATED = ",".join(builds.EMULATED)
needs_avx2 = pytest.mark.skipif(
    not builds.X86_64 or host_isa() < Isa.AVX2, reason="the build for tests needs AVX2 to run"
)


@dataclass(frozen=True)
class Ended:
    """How a worker ended: its exit code, what it printed, and what it was running."""

    code: int
    runs: int
    failures: list[str]
    running: str
    errors: str


def work(
    folder: Path,
    library: Path | str,
    isas: str,
    *options: str,
    environment: Mapping[str, str] | None = None,
) -> Ended:
    """Run the matrix."""
    log = folder / "running"
    command = [sys.executable, "-m", "tests.runtime.matrix_worker", str(log)]
    command += ["--library", str(library), "--isas", isas, *options]
    done = subprocess.run(
        command,
        cwd=builds.ROOT,
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
        check=False,
    )
    found = json.loads(done.stdout) if done.returncode == 0 else {"runs": 0, "failures": []}
    running = log.read_bytes().decode().rstrip(" \0") if log.exists() else ""
    return Ended(done.returncode, found["runs"], found["failures"], running, done.stderr[-3000:])


def passed(ended: Ended, *, least: int = 500) -> None:
    """All went well; or which case did not."""
    assert ended.code == 0, f"ended by {-ended.code} at {ended.running}\n{ended.errors}"
    assert ended.failures == []
    assert ended.runs > least
    print(f"{ended.runs} runs")


@pytest.mark.parametrize("side", ["after", "before"])
def test_kernels_stay_inside_their_buffers(side: str, tmp_path: Path) -> None:
    """Inputs, outputs, constants, values in the arena and scratch, on every instruction set of
    this machine. Behind a forbidden page, buffers start at any element."""
    passed(work(tmp_path, LIBRARY, SHIPPED, "--memory", side))


@needs_avx2
@pytest.mark.parametrize("side", ["after", "before"])
def test_emulated_instruction_sets(side: str, tmp_path: Path, built_kernels: Path) -> None:
    """The kernels of AVX-VNNI, AVX-512 and AMX equal the reference on a machine without them."""
    library = builds.library("emulated", built_kernels)
    passed(work(tmp_path, library, EMULATED, "--memory", side))


@needs_avx2
def test_computed_weights_emulated(tmp_path: Path, built_kernels: Path) -> None:
    """Packed while the model runs, by all kernels but those of this machine (test_computed.py)."""
    library = builds.library("emulated", built_kernels)
    passed(work(tmp_path, library, f"scalar,{EMULATED}", "--computed"))


def test_threads_do_not_change_bits(tmp_path: Path) -> None:
    """One to four threads, also where a step is too small to be shared by itself."""
    isa = host_isa().name.lower()
    passed(work(tmp_path, LIBRARY, isa, "--threads", "4"))


def test_extreme_attributes(tmp_path: Path) -> None:
    """What a hostile file may say (extremes.py): the reference's answer, or no kernel."""
    passed(work(tmp_path, LIBRARY, SHIPPED, "--extreme"), least=300)


@needs_avx2
def test_extreme_attributes_emulated(tmp_path: Path, built_kernels: Path) -> None:
    """The same on the emulated kernels."""
    library = builds.library("emulated", built_kernels)
    passed(work(tmp_path, library, EMULATED, "--extreme"), least=300)


@needs_avx2
def test_extreme_attributes_overflow_nothing(tmp_path: Path, built_kernels: Path) -> None:
    """Signed positions stay within 32 bits; a trap ends the process."""
    passed(
        work(tmp_path, builds.library("ubsan", built_kernels), "scalar,avx2", "--extreme"),
        least=300,
    )


@needs_avx2
def test_address_sanitizer(tmp_path: Path, built_kernels: Path) -> None:
    """Also finds what stays inside a page: arrays on the stack, neighbours on the heap."""
    environment = builds.preload()
    library = builds.library("asan", built_kernels)
    isas = "scalar,baseline,avx2"
    passed(work(tmp_path, library, isas, "--memory", "heap", environment=environment))
    short = work(
        tmp_path, library, "avx2", "--memory", "heap", "--less", "1", environment=environment
    )
    assert "heap-buffer-overflow" in short.errors


@needs_avx2
def test_undefined_behaviour_sanitizer(tmp_path: Path, built_kernels: Path) -> None:
    """A trap ends the process: SIGILL."""
    library = builds.library("ubsan", built_kernels)
    traps = library.read_bytes().count(bytes.fromhex("670fb940"))  # ud1 0x..(%eax), %eax
    assert traps > 100, "the compiler has left the checks out"
    passed(work(tmp_path, library, "scalar,baseline,avx2,avx512"))


def test_a_buffer_that_is_too_small_is_noticed(tmp_path: Path) -> None:
    """The twin: the first case that writes ends the process, and is named."""
    ended = work(tmp_path, LIBRARY, "scalar", "--memory", "after", "--less", "1")
    assert ended.code < 0
    assert "on scalar" in ended.running
