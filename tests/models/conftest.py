"""Prints the table of real models at the end of the tests that judged them."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.models.verdict import Verdict

JUDGED: list[Verdict] = []


@pytest.fixture
def judged() -> list[Verdict]:
    """Where a test puts its verdict to have it printed."""
    return JUDGED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not JUDGED:
        return
    terminalreporter.section("real models against LiteRT")
    for verdict in sorted(JUDGED, key=lambda v: (v.result, v.kind, v.file)):
        terminalreporter.write_line(verdict.line)
    counts = Counter((v.result, v.kind, v.oracle) for v in JUDGED)
    for (result, kind, oracle), count in sorted(counts.items()):
        terminalreporter.write_line(f"{count:4d}  {result:11s} {kind:7s} {oracle}")
    terminalreporter.write_line(f"{len(JUDGED):4d}  files")
