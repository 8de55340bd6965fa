"""What LiteRT's kernels take, ours take, unless it is written down why not."""

from __future__ import annotations

import pytest

from tests.ops import accepts
from tests.ops.case import all_cases
from tests.ops.differences import GAPS, known_gap
from tests.ops.ours import refusal


@pytest.mark.ci
def test_what_litert_takes_is_taken() -> None:
    problems, used = [], set()
    for (name, slot), kinds in accepts.load().items():
        for text in kinds:
            if text not in accepts.taken(name, slot):
                continue
            why = refusal(name, slot, text)
            gap = known_gap(name, slot, text) if why else None
            used.add(gap)
            if why and not gap:
                problems.append(f"{name} {slot} {text}: {why}")
    assert not problems, f"{len(problems)} types are missing\n" + "\n".join(problems)
    assert not [g for g in GAPS if g not in used], "entries that nothing needs"


def test_the_table_has_every_operator() -> None:
    """All that have a case of their own; others run graphs or need other operators."""
    named = {name for name, _ in accepts.load()}
    assert len(named) > 130
    assert named <= {case.op.name for case in all_cases()}


def test_lines_are_read_as_they_are_written() -> None:
    assert sorted(accepts.FILE.read_text().splitlines()[1:]) == sorted(
        accepts.lines(accepts.load())
    )
