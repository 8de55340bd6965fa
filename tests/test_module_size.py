"""No module is over 500 lines; one of the library over 350 says why in its docstring."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HARD, SOFT = 500, 350
REASON = "Long because"


def lengths(*folders: str) -> dict[Path, int]:
    """Lines of every Python and C file of the project, by path."""
    files = (path for folder in folders for path in sorted((ROOT / folder).rglob("*")))
    return {
        path.relative_to(ROOT): len(path.read_bytes().splitlines())
        for path in files
        if path.suffix in {".py", ".c", ".h"}
    }


def test_no_module_over_the_hard_limit():
    found = lengths("src", "tests", "tools")
    assert {str(path): lines for path, lines in found.items() if lines > HARD} == {}


def test_long_modules_have_a_reason():
    """Of the library only: tables of test cases may be long."""
    long = [path for path, lines in lengths("src").items() if lines > SOFT]
    silent = [str(path) for path in long if REASON not in _opening(path)]
    assert silent == [], f"over {SOFT} lines: split it, or write '{REASON} ...' at its top"


def _opening(path: Path) -> str:
    """The words at the top of a module."""
    text = (ROOT / path).read_text()
    if path.suffix == ".py":
        return ast.get_docstring(ast.parse(text)) or ""
    return text.partition("*/")[0]
