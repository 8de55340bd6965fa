"""The matrix against LiteRT: every operator case, written by our writer, run by both.

Every push compares with stored answers; `--full --oracle-python PATH` asks LiteRT again. Floats
agree within the operator's tolerance, integers are equal, with LiteRT's default kernels (with its
reference where the default refuses); what differs or is refused stands in `differences.py`.
"""

from __future__ import annotations

import numpy as np
import pytest

from edgewise.ir import Op
from tests.ops.case import Case, all_cases
from tests.ops.differences import DIFFERENCES, REFUSALS, known_difference, known_refusal
from tests.ops.litert import CaseAnswer, Prepared, ask, prepare, stored
from tests.oracle.litert import Oracle

# operators without a .tflite code are lowered before a file is written
CASES = [case for case in all_cases() if not case.error and case.op.builtin]


@pytest.mark.ci
@pytest.mark.parametrize("case", CASES, ids=lambda c: c.id)
def test_agrees_with_stored_answer(case: Case) -> None:
    prepared = prepare(case)
    assert_agrees(case, prepared, stored(prepared.digest))


@pytest.mark.parity
@pytest.mark.parametrize("case", CASES, ids=lambda c: c.id)
def test_agrees_with_litert(case: Case, oracle: Oracle) -> None:
    prepared = prepare(case)
    assert_agrees(case, prepared, ask(oracle, prepared))


@pytest.mark.ci
def test_no_entry_is_stale() -> None:
    """Every known difference and refusal is one that LiteRT still shows."""
    differing, refused = set(), set()
    for case in CASES:
        prepared = prepare(case)
        answer = stored(prepared.digest)
        if answer.resolver is None:
            refused.add(known_refusal(case.op.name, answer.errors["default"] or ""))
        elif disagreement(case.op, prepared, answer):
            differing.add(known_difference(case.id))
    assert not [d.cases for d in DIFFERENCES if d not in differing]
    assert not [r for r in REFUSALS if r not in refused]


def assert_agrees(case: Case, prepared: Prepared, answer: CaseAnswer) -> None:
    """Fail unless LiteRT's answer is ours, or it is known and written down why it is not."""
    if answer.resolver is None:
        text = answer.errors["default"] or ""
        assert case.no_litert or known_refusal(case.op.name, text), f"LiteRT refuses: {text}"
        return
    found = disagreement(case.op, prepared, answer)
    if found is None or case.no_litert:
        return
    known = known_difference(case.id)
    assert known is not None, found
    assert _largest_step(prepared, answer) <= known.steps, found


def disagreement(op: Op, prepared: Prepared, answer: CaseAnswer) -> str | None:
    """What differs between our outputs and LiteRT's, None where nothing does."""
    assert answer.resolver is not None
    theirs = answer.outputs[answer.resolver]
    if len(theirs) != len(prepared.ours):
        return f"{len(prepared.ours)} results; LiteRT has {len(theirs)}"
    for index, (a, b) in enumerate(zip(prepared.ours, theirs, strict=True)):
        where = f"result {index} against LiteRT's {answer.resolver} kernels:"
        if (a.shape, a.dtype) != (b.shape, b.dtype):
            return f"{where} {a.dtype}{list(a.shape)}; LiteRT gives {b.dtype}{list(b.shape)}"
        if a.dtype.kind in "biuSO":
            different = int(np.sum(a != b))
            if different:
                return f"{where} {different} of {a.size} values differ"
        elif not _error(a, b) <= op.tolerance:
            return f"{where} {_error(a, b):.2g} of the range; the tolerance is {op.tolerance:g}"
    return None


def _error(a: np.ndarray, b: np.ndarray) -> float:
    """Largest difference over the largest finite value of `b`; equal infinities and NaNs agree."""
    wide = np.complex128 if a.dtype.kind == "c" else np.float64
    a, b = a.astype(wide).ravel(), b.astype(wide).ravel()
    apart = ~((a == b) | (np.isnan(a) & np.isnan(b)))
    if not apart.any():
        return 0.0
    if not np.isfinite(a[apart]).all() or not np.isfinite(b[apart]).all():
        return np.inf
    scale = float(np.abs(b[np.isfinite(b)]).max(initial=0.0))
    return float(np.abs(a[apart] - b[apart]).max()) / max(scale, 1e-30)


def _largest_step(prepared: Prepared, answer: CaseAnswer) -> int:
    assert answer.resolver is not None
    pairs = zip(prepared.ours, answer.outputs[answer.resolver], strict=True)
    steps = [
        np.abs(a.astype(np.int64) - b.astype(np.int64)).max(initial=0)
        for a, b in pairs
        if a.dtype.kind in "iu"
    ]
    return int(max(steps, default=0))
