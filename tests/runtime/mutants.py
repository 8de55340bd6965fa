"""Workers that run changed files (`mutant_worker`), started anew behind a file that ends one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from . import builds

BEGUN = "cis"  # letters of the files whose inference began


@dataclass
class Batch:
    """Turns of one seed: outcomes, what went wrong, the slowest and the greediest file."""

    outcomes: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    seconds: float = 0.0
    memory: int = 0  # KiB

    @property
    def files(self) -> int:
        """How many there were."""
        return self.outcomes.total()

    @property
    def begun(self) -> float:
        """The share of the files whose inference began."""
        return sum(self.outcomes[letter] for letter in BEGUN) / max(self.files, 1)

    def summary(self) -> dict[str, object]:
        """As JSON."""
        return {
            "outcomes": dict(self.outcomes),
            "seconds": self.seconds,
            "memory": self.memory,
            "faults": [fault[:300] for fault in self.faults],
        }

    def __str__(self) -> str:
        found = self.outcomes
        return (
            f"{self.files} files: {found['c']} ran and agreed, {found['i']} ran, "
            f"{found['s']} were stopped, {found['r']} refused ({self.begun:.0%} reached invoke); "
            f"{len(self.faults)} faults; slowest {self.seconds} s, greediest {self.memory} KiB"
        )


@dataclass(frozen=True)
class Options:
    """How workers are started; `library`: of the kernels, for instruction sets up to `most`."""

    library: Path | None = None
    most: str | None = None
    save: Path | None = None  # where files with faults are kept
    environment: dict[str, str] = field(default_factory=dict)


def options(sanitizer: str | None, cache: Path | None = None, save: Path | None = None) -> Options:
    """For the shipped library, or that of a sanitizer, which is built where `cache` lacks it."""
    if sanitizer is None:
        return Options(save=save)
    folder = builds.ROOT / ".pytest_cache" / "kernels" if cache is None else cache
    folder.mkdir(parents=True, exist_ok=True)
    environment = builds.preload() if sanitizer == "asan" else {}
    # one has no kernels beyond AVX2, the other only emulated ones, which are slow
    return Options(builds.library(sanitizer, folder), "avx2", save, environment)


# NumPy's products wait for each other where several workers share the processors
_ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1"}


def run(seed: int, first: int, count: int, sources: str, chosen: Options) -> Batch:
    """The turns of a seed from `first` on."""
    batch, turn = Batch(), first
    while turn < first + count:
        turn = _worker(batch, seed, turn, first + count, sources, chosen)
    return batch


def _worker(batch: Batch, seed: int, first: int, stop: int, sources: str, chosen: Options) -> int:
    """Add to the batch what one process came through, and what ended it; the next turn."""
    command = [sys.executable, "-m", "tests.runtime.mutant_worker", "--sources", sources]
    command += ["--seed", str(seed), "--first", str(first), "--count", str(stop - first)]
    if chosen.library is not None:
        command += ["--library", str(chosen.library)]
    if chosen.most is not None:
        command += ["--most", chosen.most]
    if chosen.save is not None:
        command += ["--save", str(chosen.save)]
    with tempfile.TemporaryFile("w+") as letters:  # a pipe would wake the parent for each of them
        done = subprocess.run(
            command,
            cwd=builds.ROOT,
            env={**os.environ, **_ONE_THREAD, **chosen.environment},
            stdout=letters,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
        letters.seek(0)
        told_so_far = letters.read()
    ready, *lines = told_so_far.splitlines() or [""]
    assert ready == "ready", done.stderr  # else it is no file's fault
    turn = first
    for line in lines:
        if not line.startswith("{"):
            batch.outcomes.update(line)
            turn += len(line)
            continue
        told = json.loads(line)
        batch.seconds = max(batch.seconds, told["seconds"])
        batch.memory = max(batch.memory, told["memory"])
        if "fault" in told:
            batch.faults.append(f"turn {told['turn']} ({told['what']}): {told['fault']}")
    if turn < stop:
        end = "hung" if "Timeout (" in done.stderr else "crashed"
        batch.outcomes["F"] += 1
        batch.faults.append(f"turn {turn}: {end}, {done.returncode}\n{done.stderr[-3000:]}")
        turn += 1
    return turn
