"""Running the command line in this process, and comparing what people read with golden files."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from edgewise.cli import main as edgewise_main

GOLDEN = Path(__file__).with_name("golden")
FIXTURES = Path(__file__).parents[1] / "frontends" / "keras" / "fixtures"
CONVOLUTION = FIXTURES / "convolution.keras"
_TIMES = re.compile(r"\b\d+\.\d+ (?:ms|s)\b")


@dataclass(frozen=True, slots=True)
class Said:
    """What a command said, and its exit code."""

    code: int
    out: str
    err: str


class Terminal:
    """Runs `edgewise ARGUMENTS`; nothing here is a terminal, so there is no colour and no bar."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self.capsys = capsys

    def __call__(self, *arguments: object) -> Said:
        self.capsys.readouterr()
        code = edgewise_main.run(edgewise_main.cli, [str(a) for a in arguments])
        out, err = self.capsys.readouterr()
        return Said(code, out, err)

    def refuses(self, *arguments: object, code: int = 1) -> str:
        """The message of a command that fails: on standard error, one, without a traceback."""
        said = self(*arguments)
        assert said.code == code, said
        assert said.out == ""
        assert "Traceback" not in said.err
        assert "This is a bug" not in said.err
        assert said.err.count("error:") == 1
        return said.err


def golden(name: str, text: str, update: bool, **replaced: object) -> None:
    """Compare with `golden/NAME.txt`; times and the values of `replaced` are made neutral."""
    for placeholder, value in replaced.items():
        text = text.replace(str(value), f"<{placeholder}>")
    text = _TIMES.sub("<time>", text)
    path = GOLDEN / f"{name}.txt"
    if update:
        path.write_text(text)
    assert text == path.read_text(), f"--update-golden writes {path.name}; review the diff"
