"""The cases of `wide.py`: ours next to LiteRT's stored answers, and our kernels next to ours.

Exact values are those of LiteRT's default kernels or of its reference; floats agree within the
operator's tolerance (half precision: `HALF`). Whatever differs from both stands in `differences.py`
(WIDE). A case per operator and types runs on every push, all of them with `--full`.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pytest

from edgewise import Interpreter
from edgewise.dtypes import DType
from tests.ops import litert, wide_answers
from tests.ops.case import Case, model_of
from tests.ops.differences import WIDE, Difference, known_refusal, known_wide
from tests.ops.litert import RESOLVERS, CaseAnswer, Prepared, prepare
from tests.ops.ours import why_python
from tests.ops.test_litert import disagreement
from tests.ops.wide import one_each, wide_cases
from tests.ops.wide_answers import Sample, WideAnswer
from tests.oracle.litert import Oracle
from tests.runtime.matrix import check_equal, tolerance_of

LEAST = 5000
PARTS = 8  # of a few minutes each
HALF = 5e-3  # of the range: sums of float16 depend on their order
_INT4 = DType.INT4.numpy


@pytest.mark.ci
def test_one_of_each_type_agrees() -> None:
    """Cases that LiteRT was not asked about yet are the full tier's to complain of."""
    problems = [text for _, text in disagreements(one_each()) if text != NOT_ASKED]
    assert not problems, "\n".join(problems)


@pytest.mark.ci
def test_kernels_agree_with_one_of_each_type() -> None:
    assert not list(native_problems(one_each()))


@pytest.mark.full
def test_all_agree() -> None:
    cases = wide_cases()
    assert len(cases) >= LEAST
    used = Counter[Difference | None]()
    problems = [text for _, text in disagreements(cases, used)]
    assert not problems, f"{len(problems)} differ\n" + "\n".join(problems)
    assert not [d.cases for d in WIDE if d not in used], "entries that nothing needs"


@pytest.mark.full
def test_kernels_agree_with_all() -> None:
    assert not list(native_problems(wide_cases()))


@pytest.mark.parity
@pytest.mark.parametrize("part", range(PARTS))
def test_all_agree_with_litert(part: int, oracle: Oracle) -> None:
    """LiteRT is asked anew, a part of the cases at a time; `-s` shows how many agree."""

    def asked(case: Case, prepared: Prepared) -> WideAnswer:
        return wide_answers.reduced(litert.ask(oracle, prepared), prepared.ours, case.op)

    cases, used = wide_cases()[part::PARTS], Counter[Difference | None]()
    problems = [text for _, text in disagreements(cases, used, asked)]
    known = sum(count for entry, count in used.items() if entry)
    print(f"{len(cases) - known - len(problems)} agree or are refused, {known} differ as written")
    assert not problems, f"{len(problems)} differ\n" + "\n".join(problems)


NOT_ASKED = "not asked; run tools/oracle/store_wide.py"


def stored(case: Case, prepared: Prepared) -> WideAnswer:
    """The answer that is kept. Raises KeyError."""
    return wide_answers.stored(prepared.digest)


def disagreements(
    cases: Sequence[Case],
    used: Counter[Difference | None] | None = None,
    answer_to: Callable[[Case, Prepared], WideAnswer] = stored,
) -> Iterator[tuple[Case, str]]:
    """Cases that differ from both answers and have no entry; `used` counts the entries needed."""
    for case in cases:
        with np.errstate(all="ignore"):
            prepared = prepare(case)
        try:
            answer = answer_to(case, prepared)
        except KeyError:
            yield case, NOT_ASKED
            continue
        found = difference(case, prepared, answer)
        known = known_wide(case.id) if found else None
        if found and not known:
            yield case, f"{case.id}: {found}"
        if used is not None:
            used[known] += 1


def difference(case: Case, prepared: Prepared, answer: WideAnswer) -> str | None:
    """What differs from both of LiteRT's answers; None where one of them is ours."""
    ran = [r for r in RESOLVERS if answer.errors[r] is None]
    if not ran:
        text = answer.errors["default"] or ""
        only_some = case.args and "float16" in case.id and "aborted" not in text
        if only_some or known_refusal(case.op.name, text):
            return None  # only XNNPACK has float16, and not for every shape
        return f"LiteRT refuses: {text}"
    texts = [_one(case, prepared, answer, resolver) for resolver in ran]
    return None if None in texts else texts[0]


def _one(case: Case, prepared: Prepared, answer: WideAnswer, resolver: str) -> str | None:
    # LiteRT's Python interface gives int4 as int8
    arrays = [y.astype(np.int8) if y.dtype == _INT4 else y for y in prepared.ours]
    if answer.exact[resolver]:
        same = answer.exact[resolver] in (wide_answers.digest(a) for a in (arrays, prepared.ours))
        return None if same else f"other bits than LiteRT's {resolver} kernels"
    ours, theirs = [Sample.of(y) for y in arrays], answer.samples[resolver]
    shapes = [s.shape for s in ours], [s.shape for s in theirs]
    if shapes[0] != shapes[1]:
        return f"shapes {shapes[0]}; LiteRT's {resolver} kernels give {shapes[1]}"
    errors: dict[str, str | None] = dict.fromkeys(RESOLVERS, "not compared")
    one = CaseAnswer({resolver: [s.values for s in theirs]}, {**errors, resolver: None})
    sampled = dataclasses.replace(prepared, ours=[s.values for s in ours])
    half = all(y.dtype == np.float16 for y in arrays)
    op = _Tolerant(max(case.op.tolerance, HALF)) if half else case.op
    return disagreement(op, sampled, one)  # type: ignore[arg-type]


@dataclasses.dataclass(frozen=True)
class _Tolerant:
    tolerance: float


def native_problems(cases: Sequence[Case]) -> Iterator[str]:
    """Cases whose kernels give something other than the reference."""
    for case in cases:
        model = model_of(case)
        if any(y.dtype.bits == 0 for y in model.main.values()) or why_python(model):
            continue
        with np.errstate(all="ignore"):
            prepared = prepare(case)
            run = Interpreter(model)
            results = list(run(*prepared.inputs).values())
        half = HALF if any(y.dtype == np.float16 for y in results) else 0.0
        try:
            for got, wanted in zip(results, prepared.ours, strict=True):
                check_equal(got, wanted, max(tolerance_of(case, run.placement()), half))
        except AssertionError as error:
            yield f"{case.id}: {error}"
