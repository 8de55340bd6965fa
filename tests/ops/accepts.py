"""Which element types LiteRT's kernels take, operator by operator: `answers/accepts.txt`.

`tools/oracle/store_accepts.py` runs the first cases of every operator in every element type
(`retyped.py`) with LiteRT's default and reference kernels. A line is an operator's slot and then,
by what happened, the types: `runs` (with both), `default`, `reference` (only with that), or refused
by both while preparing, while invoking, or by dying (the default's refusal counts). A pair of types
is written `int8>float32`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

from edgewise.passes.target import load_target, targets

FILE = Path(__file__).with_name("answers") / "accepts.txt"
OUTCOMES = ("runs", "default", "reference", "prepare", "invoke", "dies")
RUNS = OUTCOMES[:3]

Table = dict[tuple[str, str], dict[str, str]]  # (operator, slot) to kind to outcome


def outcome(default: str | None, reference: str | None) -> str:
    """What two answers, None or refusals, are as one word."""
    if default is None or reference is None:
        both = default is None and reference is None
        return "runs" if both else "default" if default is None else "reference"
    if default.startswith(("aborted", "timed out")):
        return "dies"
    return "invoke" if "failed to invoke" in default else "prepare"


@cache
def load() -> Table:
    """The stored table."""
    table: Table = {}
    for line in FILE.read_text().splitlines():
        if line.startswith("#") or not line:
            continue
        head, _, rest = line.partition(": ")
        name, _, slot = head.partition(" ")
        entry = table.setdefault((name, slot), {})
        for group in rest.split("; "):
            word, *kinds = group.split(" ")
            entry |= dict.fromkeys(kinds, word)
    return table


def lines(table: Mapping[tuple[str, str], Mapping[str, str]]) -> Iterator[str]:
    """The table as text."""
    for (name, slot), kinds in sorted(table.items()):
        groups = [
            " ".join([word, *(kind for kind, found in kinds.items() if found == word)])
            for word in OUTCOMES
            if word in kinds.values()
        ]
        yield f"{name} {slot}: {'; '.join(groups)}"


def versions() -> Mapping[str, int]:
    """The highest version of each operator that LiteRT has."""
    return load_target(targets()[-1]).versions


def taken(name: str, slot: str) -> list[str]:
    """The kinds with which LiteRT runs an operator, in either kernels."""
    return [kind for kind, word in load().get((name, slot), {}).items() if word in RUNS]
