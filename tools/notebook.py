"""Makes notebooks of the tutorials: a page of Markdown in, cells of text, Python and commands out.

    python tools/notebook.py

A block of Python is a cell, a block of commands a cell of lines with `!`. `tests/test_tutorials.py`
runs the pages and notices stale notebooks.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "docs" / "tutorials"
_BLOCK = re.compile(r"^```(python|sh)\n(.*?)^```\n", re.DOTALL | re.MULTILINE)


def blocks(page: str) -> Iterator[tuple[str, str]]:
    """(language, text) of a page's blocks of code in order; between them what is text, as
    "markdown"."""
    end = 0
    for found in _BLOCK.finditer(page):
        yield "markdown", page[end : found.start()]
        yield found[1], found[2]
        end = found.end()
    yield "markdown", page[end:]


def commands(block: str) -> list[str]:
    """The commands of a block; one that goes on behind a backslash is one."""
    return block.replace("\\\n    ", "").splitlines()


def notebook(page: str) -> str:
    """The notebook of a page, as JSON."""
    cells = []
    for language, text in blocks(page):
        if not text.strip():
            continue
        if language == "sh":
            text = "".join(f"!{command}\n" for command in commands(text))
        lines = text.strip("\n").splitlines(keepends=True)
        cell: dict[str, object] = {
            "cell_type": "markdown" if language == "markdown" else "code",
            "id": f"cell-{len(cells)}",
            "metadata": {},
            "source": lines,
        }
        if language != "markdown":
            cell |= {"execution_count": None, "outputs": []}
        cells.append(cell)
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    made = {
        "cells": cells,
        "metadata": {"kernelspec": kernel, "language_info": {"name": "python"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return json.dumps(made, indent=1, ensure_ascii=False) + "\n"


def main() -> None:
    """Write a notebook beside each page."""
    for page in sorted(FOLDER.glob("*.md")):
        page.with_suffix(".ipynb").write_text(notebook(page.read_text("utf-8")), "utf-8")
        print(page.with_suffix(".ipynb").relative_to(FOLDER.parents[1]))


if __name__ == "__main__":
    main()
