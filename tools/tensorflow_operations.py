"""docs/tensorflow_operations.md: what becomes of every TensorFlow operation.

    python tools/tensorflow_operations.py            write the page
    python tools/tensorflow_operations.py --check    fail if it is stale

Rows are the tables of handlers. The operators of a row are those that the conversion of its cases
(`tests/frontends/tensorflow/cases`) has made; remarks are the handlers' docstrings; refusals are
the messages of the cases that are refused.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from edgewise.errors import UnsupportedOp  # noqa: E402
from edgewise.frontends.tensorflow.handlers import COMPLEX, HANDLERS, OBJECTS  # noqa: E402
from tests.frontends.tensorflow.case import CASES  # noqa: E402
from tests.frontends.tensorflow.test_operations import finished, lowered  # noqa: E402

ON_TENSORS = COMPLEX | HANDLERS
CONVERTIBLE = ROOT / "tests/frontends/tensorflow/answers/convertible.json"
PAGE = ROOT / "docs" / "tensorflow_operations.md"


def main() -> None:
    """Write or check the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="fail if the page is stale")
    page = render()
    if parser.parse_args().check and PAGE.read_text() != page:
        sys.exit(f"{PAGE} is stale; run python tools/tensorflow_operations.py")
    PAGE.write_text(page)


def render() -> str:
    """The page, from the handlers and their cases."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    made = _operators()
    yield "# TensorFlow operations"
    yield ""
    yield "<!-- made by tools/tensorflow_operations.py; a test fails when it is stale -->"
    yield ""
    yield (
        f"{len(ON_TENSORS) + len(OBJECTS)} operations of SavedModels and frozen graphs convert. "
        "`float16`, `bfloat16` and `float64` are computed in `float32`, `complex128` in "
        "`complex64`, as a pair of real tensors (results that are complex are returned in parts); "
        "whole numbers narrower than 32 bits are computed in `int32` where LiteRT "
        "has kernels for quantized ones only. Operators are those of the operation's own tests, "
        "after folding and fusion: `-` where a constant, or nothing, is left."
    )
    yield ""
    yield "| operation | operators | remarks |"
    yield "|---|---|---|"
    for name in sorted(ON_TENSORS, key=str.lower):
        operators = ", ".join(sorted(made.get(name, ()))) or "-"
        yield f"| {name} | {operators} | {_remark(ON_TENSORS[name].__doc__)} |"
    yield ""
    yield "Functions, control flow, variables, tables and lists of tensors:"
    yield ""
    yield "| operation | remarks |"
    yield "|---|---|"
    for name in sorted(OBJECTS, key=str.lower):
        yield f"| {name} | {_remark(OBJECTS[name].__doc__)} |"
    yield ""
    answers = json.loads(CONVERTIBLE.read_text())["operations"]
    lacking = sorted(name for name in answers if name not in ON_TENSORS | OBJECTS)
    theirs = [name for name in lacking if isinstance(answers[name], int)]
    failing = sum(answers[name] == "fails" for name in lacking)
    yield (
        f"TensorFlow's own converter was asked about {len(lacking)} operations that are not above, "
        f"each alone in a graph: it makes builtin operators of {len(theirs)}"
        f"{': ' + ', '.join(theirs) if theirs else ''}, fails on {failing}, and for the others no "
        "operands were found (`tools/oracle/store_convertible.py`)."
    )
    yield ""
    yield "What is refused, with what the message says:"
    yield ""
    yield "| operation | message |"
    yield "|---|---|"
    yield from sorted(set(_refusals()), key=str.lower)


def _operators() -> dict[str, set[str]]:
    """Builtin names by operation, over all its cases."""
    found: dict[str, set[str]] = {}
    for case in CASES:
        if not case.refused:
            graphs = finished(case.id).graphs.values()
            names = {node.op.builtin for graph in graphs for node in graph.nodes}
            found.setdefault(case.op, set()).update(names)
    return found


def _remark(text: str | None) -> str:
    """The first sentence of a docstring on one line."""
    words = " ".join((text or "").split())
    return words.split(". ")[0].removesuffix(".").replace("|", "\\|")


def _refusals() -> Iterator[str]:
    for case in CASES:
        if not case.refused:
            continue
        try:
            lowered(case.id)
        except UnsupportedOp as error:
            sentence = str(error).partition("\n  - ")[2].rpartition(" (")[0].partition(": ")[2]
            yield f"| {case.op} | {sentence} |"


if __name__ == "__main__":
    main()
