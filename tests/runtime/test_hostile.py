"""What hostile models do to reader, planner, kernels and references: nothing but errors of ours,
soon, in little memory.

Workers (`mutant_worker`) change files field by field and run them, so that a crash is a failure
that names the file. `tools/fuzz.py` does the same by the million (docs/robustness.md).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgewise import Interpreter
from edgewise.dtypes import DType
from edgewise.errors import FormatError, LimitError, QuantizationError, UnsupportedOp
from edgewise.format import load, write
from edgewise.ir import Builder, Model
from edgewise.ops.requant import multiplier
from edgewise.passes.pipeline import to_tflite
from edgewise.runtime.limits import Limits
from tests.ops.case import all_cases, model_of

from .mutant_files import DATA
from .mutants import options, run

needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="../shared/data is missing")


def attempt(
    seed: int, count: int, sources: str, *, sanitizer: str | None = None, cache: Path | None = None
) -> None:
    """At least half of the files get as far as an inference (54 % of those of operators do, and a
    few may by chance be fewer); none ends in a fault."""
    batch = run(seed, 0, count, sources, options(sanitizer, cache))
    print(f"{sources}, seed {seed}: {batch}")
    assert batch.files == count
    assert not batch.faults, "\n".join(batch.faults[:5])
    assert batch.begun >= (0.5 if count >= 1000 else 0.35)


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
    for case in [case for case in all_cases() if not case.error][::150]:
        try:
            data = b"".join(write(to_tflite(model_of(case))))
        except UnsupportedOp:  # an operator that no file can hold
            continue
        for end in range(len(data) - 16):
            with pytest.raises(FormatError):
                load(data[:end])


# -- what the mutants found -------------------------------------------------------------------


def repeated(dtype: DType, times: list[int] | None) -> Model:
    """TILE of twos; `times` None: of a row, given with the inputs."""
    b = Builder("main")
    x = b.input("x", (2,) * len(times or [0]), dtype)
    n = b.input("n", (1,), DType.INT32) if times is None else b.constant(times)
    model = Model()
    model.add(b.finish(b.tile(x, n)))
    return model


@pytest.mark.parametrize("native", [True, False])
def test_results_that_grow_with_the_operands(native: bool) -> None:
    """A few computed multiples filled the memory before any limit was asked."""
    interpreter = Interpreter(
        repeated(DType.FLOAT32, None), native=native, limits=Limits(max_bytes=1 << 20)
    )
    with pytest.raises(LimitError, match="and the model has 8000000000 bytes in tile"):
        interpreter(np.ones(2, np.float32), np.array([10**9], np.int32))
    (y,) = interpreter(np.ones(2, np.float32), np.array([2], np.int32)).values()
    assert y.shape == (4,)


def test_strings_have_a_size() -> None:
    words = np.array([b"a", b"b"], object)
    with pytest.raises(LimitError, match="max_bytes is 1048576"):
        Interpreter(repeated(DType.STRING, [10**6]), limits=Limits(max_bytes=1 << 20))(words)
    with pytest.raises(LimitError, match="the run needs more memory than there is"):
        Interpreter(repeated(DType.STRING, [2**29, 2**20]), limits=Limits(max_bytes=1 << 62))(
            np.array([words, words])
        )


def test_nothing_repeated_often_is_nothing() -> None:
    """np.tile makes its way to an empty result over a large one."""
    b = Builder("main")
    model = Model()
    x = b.input("x", (3, 0), DType.STRING)
    model.add(b.finish(b.tile(x, b.constant([2**30 // 3, 1]))))
    (y,) = Interpreter(model)(np.empty((3, 0), object)).values()
    assert y.shape == (2**30 // 3 * 3, 0)


def test_a_factor_that_is_no_number() -> None:
    with pytest.raises(QuantizationError, match="must give a finite factor; got nan"):
        multiplier(float("nan"))
