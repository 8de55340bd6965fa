"""Prints the table of real models at the end of the tests that judged them. Verdicts come with the
reports of tests, which may have run in other processes."""

from __future__ import annotations

from collections import Counter

import pytest

PROPERTY = "verdict"  # of a test: result, kind, file, oracle and line of a Verdict


class Table:
    """A plugin: the verdicts of all tests."""

    def __init__(self) -> None:
        self.judged: list[list[str]] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call":
            self.judged += [list(v) for name, v in report.user_properties if name == PROPERTY]

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if not self.judged:
            return
        terminalreporter.section("real models against LiteRT")
        for *_, line in sorted(self.judged):
            terminalreporter.write_line(line)
        counts = Counter((result, kind, oracle) for result, kind, _, oracle, _ in self.judged)
        for (result, kind, oracle), count in sorted(counts.items()):
            terminalreporter.write_line(f"{count:4d}  {result:11s} {kind:7s} {oracle}")
        terminalreporter.write_line(f"{len(self.judged):4d}  files")
