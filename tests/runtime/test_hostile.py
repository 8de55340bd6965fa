"""What hostile models do to reader, planner, kernels and references: nothing but errors of ours,
soon, in little memory.

Workers (`mutant_worker`) change files field by field and run them, so that a crash is a failure
that names the file. `tools/fuzz.py` does the same by the million (docs/robustness.md).
"""

from __future__ import annotations

from pathlib import Path

import pytest

from edgewise.errors import FormatError
from edgewise.format import load
from tests.ops.case import all_cases, model_of

from .mutant_files import DATA
from .mutants import options, run

needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="../shared/data is missing")


def attempt(
    seed: int, count: int, sources: str, *, sanitizer: str | None = None, cache: Path | None = None
) -> None:
    """At least half of the files get as far as an inference; none ends in a fault."""
    batch = run(seed, 0, count, sources, options(sanitizer, cache))
    print(f"{sources}, seed {seed}: {batch}")
    assert batch.files == count
    assert not batch.faults, "\n".join(batch.faults[:5])
    assert batch.begun >= 0.5


def test_a_few_mutants_of_operators() -> None:
    attempt(1, 60, "operators")


@pytest.mark.ci
def test_mutants_of_operators() -> None:
    attempt(2, 1500, "operators")


@needs_data
@pytest.mark.ci
def test_mutants_of_real_models() -> None:
    attempt(3, 700, "real")


@needs_data
@pytest.mark.ci
def test_mutants_of_networks() -> None:
    attempt(4, 30, "networks")


@pytest.mark.ci
@pytest.mark.parametrize("sanitizer", ["asan", "ubsan"])
def test_mutants_under_sanitizers(sanitizer: str, built_kernels: Path) -> None:
    """Reads beyond a buffer, and integers beyond their range, end the process."""
    attempt(5, 300, "operators", sanitizer=sanitizer, cache=built_kernels)


@needs_data
@pytest.mark.full
@pytest.mark.timeout(5000)
@pytest.mark.parametrize("sanitizer", [None, "asan", "ubsan"])
def test_ten_thousand_mutants(sanitizer: str | None, seed: int, built_kernels: Path) -> None:
    attempt(seed, 10_000, "operators,real", sanitizer=sanitizer, cache=built_kernels)


@needs_data
@pytest.mark.full
@pytest.mark.timeout(5000)
def test_a_thousand_mutants_of_networks(seed: int) -> None:
    attempt(seed, 1000, "networks")


@pytest.mark.ci
def test_files_of_one_operator_cut_off_anywhere() -> None:
    """The last bytes may be padding that nobody misses."""
    cases = [case for case in all_cases() if not case.error][::150]
    for case in cases:
        data = model_of(case).to_bytes()
        for end in range(len(data) - 16):
            with pytest.raises(FormatError):
                load(data[:end])
