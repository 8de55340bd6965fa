"""docs/operators.md: which operators run on which element types, here and in LiteRT;
src/edgewise/ops/homes.py: where they are defined; and src/edgewise/passes/needs.py: which of them
the rules before planning need.

    python tools/operators.py            write all
    python tools/operators.py --check    fail if one is stale

Rows are the registry. What ours takes is found by building and running cases in every type
(`tests/ops/ours.py`), what LiteRT takes was measured (`tests/ops/accepts.py`).
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from edgewise.ir import Model  # noqa: E402
from edgewise.ir.nesting import reachable  # noqa: E402
from edgewise.ir.op import FixedRange, FreeScale, NotQuantized, Op, Role, SameScale  # noqa: E402
from edgewise.passes import runtime  # noqa: E402
from edgewise.passes.pattern import Pattern, PatternBuilder, Result  # noqa: E402
from edgewise.passes.target import targets  # noqa: E402
from tests.ops import accepts, ours  # noqa: E402
from tests.ops.case import Case, all_cases, model_of  # noqa: E402
from tests.ops.differences import GAPS, known_gap  # noqa: E402
from tests.ops.retyped import DTYPES, SCALED  # noqa: E402
from tests.runtime.test_host_operators import PERMITTED  # noqa: E402

PAGE = ROOT / "docs" / "operators.md"
HOMES = ROOT / "src" / "edgewise" / "ops" / "homes.py"
NEEDS = ROOT / "src" / "edgewise" / "passes" / "needs.py"
COLUMNS = tuple(d.text for d in DTYPES)
RULES = {
    SameScale: "one scale",
    FreeScale: "free",
    FixedRange: "fixed range",
    NotQuantized: "float only",
}
HEADING = """# Operators

<!-- made by tools/operators.py; a test fails when it is stale -->

{count} operators of `.tflite` have a NumPy reference. A cell is an element type of the data, with
or without a scale: `n` native kernels run it, `r` only the reference does (of the operator's first
cases; others may differ); a capital letter where {target} does not run it. `-`: neither does. `x`:
only {target} does, for the reason below. Types that are not those of all data, as of tables,
variables and control flow, are named under "others".

Weights: types of weights, with scales, between float32 data (hybrid). Quantization: `one scale` for
all data, `free` scales, a `fixed range` of the result, or `float only`. How integers are computed
stands in [numerics.md](numerics.md), which cases differ from LiteRT's kernels in
`tests/ops/differences.py`. Versions: those that are written, of those that {target} has.
"""
HOMES_HEADING = '''"""Which module defines an operator; made by tools/operators.py.

A test fails when it is stale.
"""

HOMES = {'''
NEEDS_HEADING = '''\
"""How deep patterns are and which operators they need (`Listed`), by list of rules; made
by tools/operators.py.

A test fails when it is stale.
"""

DEPTHS = {'''
REASONS = """
## What {target} takes and we do not

LiteRT's kernels seldom check the types that they do not use. Found by running one-operator models
in every type; `data` is all data together, other names are operands.

| operators | operands | types | reason |
|---|---|---|---|"""

REFERENCES = """
## What only the reference runs

The reasons of the cells `r` and `R`, as the planner gives them. All `r` are strings; `R` are types
that {target} does not run either.

| types | operators | reason |
|---|---|---|"""

HOSTS = """
## What runs in Python

Operators of the cases that no kernel runs, by the type of their first operand (the list and its
test are `tests/runtime/test_host_operators.py`), weights and biases that the model computes
included. What is in no plan yet runs in Python where that takes less time than a plan of it would
(2**20 multiply-accumulates and elements): the graph of CALL_ONCE before the first run, and
operators on shapes that depend on data, when those come for the first time
(`tests/runtime/test_staged.py`). Python goes round loops whose values change their shapes; what is
in them has plans.

| operators | types | reason |
|---|---|---|"""

Reasons = dict[tuple[str, str], list[str]]  # operator and reason to types
Types = dict[tuple[str, str], set[int]]


def main() -> None:
    """Write or check both."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="fail if one is stale")
    is_check = parser.parse_args().check
    for file, made in {HOMES: homes(), NEEDS: needs(), PAGE: render()}.items():
        if is_check and file.read_text() != made:
            sys.exit(f"{file} is stale; run python tools/operators.py")
        file.write_text(made)


def homes() -> str:
    """The module that says which module defines an operator."""
    entries = [f'    "{n}": "{c.__module__.split(".")[-1]}",' for n, c in Op.registry.items()]
    return "\n".join([HOMES_HEADING, *entries, "}", ""])


def needs() -> str:
    """The module that says what the lists of `passes/runtime.py` need."""
    patterns = {name: _patterns(name) for name in runtime.LISTS}
    depths = [f'    "{name}": {max(p.depth for p in found)},' for name, found in patterns.items()]
    lines = [f'    "{name}": {_wrapped(_least(found))},' for name, found in patterns.items()]
    return "\n".join([NEEDS_HEADING, *depths, "}", "NEEDS = {", *lines, "}", ""])


def _patterns(name: str) -> list[Result]:
    module, constant = name.split(".")
    rules = getattr(import_module(f"edgewise.passes.{module}"), constant)
    return [rule.pattern(PatternBuilder()) for rule in rules]


def _least(patterns: list[Result]) -> str:
    """What each pattern needs, but for those that need all that another one does."""
    found = {frozenset(_needed(pattern)) for pattern in patterns}
    return ", ".join(sorted(" ".join(sorted(f)) for f in found if not any(f > g for g in found)))


def _wrapped(text: str) -> str:
    if len(text) <= 60:
        return f'"{text}"'
    lines = [""]
    for piece in re.findall(r"[^ |]+[ |]?", text):
        if len(lines[-1] + piece) > 88:
            lines.append("")
        lines[-1] += piece
    return "\n        ".join(["(", *(f'"{line}"' for line in lines)]) + "\n    )"


def _needed(pattern: Pattern) -> Iterator[str]:
    """Operators without which a pattern does not fit: for each "one|of|these"."""
    if isinstance(pattern, Result):
        yield "|".join(sorted(set(pattern.ops)))
        for operand in pattern.operands or ():
            yield from _needed(operand)


def render() -> str:
    """The page, from the registry, the cases and what LiteRT takes."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    named = [c for c in Op.registry.values() if c.builtin]
    builtins = sorted(named, key=lambda c: (bool(c.custom), c.custom or c.builtin))
    higher = sorted(c.name for c in Op.registry.values() if not c.builtin)
    names = {"count": len(builtins), "target": _target()}
    yield HEADING.format(**names)
    yield f"| operator | versions | {' | '.join(COLUMNS)} | others | weights | quantization |"
    yield f"|---|---|{'---|' * len(COLUMNS)}---|---|---|"
    written = versions()
    reasons: Reasons = {}
    for cls in builtins:
        yield _row(cls, written, reasons)
    yield REFERENCES.format(**names)
    for (why, types), operators in sorted(_by_types(reasons).items()):
        yield f"| {', '.join(types)} | {', '.join(operators)} | {why} |"
    yield REASONS.format(**names)
    for gap in GAPS:
        operators, types = (_listed(text.split()) for text in (gap.operators, gap.kinds))
        slots = "all" if gap.slots == "*" else gap.slots
        yield f"| {operators} | {slots} | {types} | {gap.cause} |"
    yield HOSTS
    yield from _hosts(PERMITTED)
    yield ""
    yield "Operators of frontends and fusions, lowered before a file is written:"
    yield f"{', '.join(f'`{name}`' for name in higher)}."


def _hosts(permitted: Mapping[tuple[str, str], str]) -> Iterator[str]:
    for reason in dict.fromkeys(permitted.values()):
        pairs = [pair for pair, why in permitted.items() if why == reason]
        operators, types = (", ".join(dict.fromkeys(column)) for column in zip(*pairs, strict=True))
        yield f"| {operators} | {types} | {reason} |"


def _row(cls: type[Op], written: Types, reasons: Reasons) -> str:
    cells, numbers = [], set[int]()
    for dtype in DTYPES:
        kinds = [dtype.text, *([f"{dtype.text}/q"] if dtype in SCALED else [])]
        cell, found, why = _cell(cls.name, kinds)
        cells.append(cell)
        if why:
            reasons.setdefault((cls.name, why), []).append(dtype.text)
        numbers |= found
    numbers |= {n for (name, _), found in written.items() if name == cls.name for n in found}
    others = sorted(t for name, t in written if name == cls.name and not _has(cells, t))
    weights = [
        text.removesuffix("/q")
        for text in accepts.taken(cls.name, "hybrid")
        if not known_gap(cls.name, "hybrid", text)
    ]
    highest = "" if cls.custom else f" of {accepts.versions()[cls.builtin]}"
    version = ", ".join(map(str, sorted(numbers))) + highest
    named = (", ".join(others) or "-", ", ".join(weights) or "-")
    row = [cls.custom or cls.builtin, version, *cells, *named, RULES[type(cls.quantization)]]
    return f"| {' | '.join(row)} |"


def _by_types(reasons: Reasons) -> dict[tuple[str, tuple[str, ...]], list[str]]:
    found: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for (name, why), types in reasons.items():
        found.setdefault((why, tuple(types)), []).append(name)
    return found


def _cell(name: str, kinds: list[str]) -> tuple[str, set[int], str]:
    """What a type's cell holds, the versions that are written for it, why references run it."""
    unknown = (name, "data") not in accepts.load()  # LiteRT was not asked, or it has other operands
    litert = unknown or any(kind in accepts.taken(name, "data") for kind in kinds)
    models = [m for kind in kinds for m in ours.attempts(name, "data", kind)]
    ran = [m for m in models if isinstance(m, Model)]
    if not ran:
        return "x" if litert and not unknown else "-", set(), ""
    why = "" if any(not ours.why_python(m) for m in ran) else ours.why_python(ran[0])
    mark = "r" if why else "n"
    written = {ours.version_in(m) for m in ran} if litert else set()
    return mark if litert else mark.upper(), written, why


def _has(cells: list[str], text: str) -> bool:
    return text in COLUMNS and cells[COLUMNS.index(text)] not in "-x"


def versions() -> Types:
    """Operator name and type of the first operand to the versions that cases are written as."""
    found: Types = {}
    for case in all_cases():
        if not case.error:
            _add(found, case)
    return found


def _add(found: Types, case: Case) -> None:
    graphs = reachable(model_of(case).main)
    node = next(n for g in graphs for n in g.nodes if n.op == case.op)
    types = [None if v is None else v.type for v in node.inputs]
    roles = [case.op.declared(index).role for index in range(len(types))]
    data = [t for t, role in zip(types, roles, strict=True) if t and role is Role.DATA]
    first = next((t.dtype.text for t in (*data, *(v.type for v in node.outputs))), "no data")
    version = case.op.version(types, [v.type for v in node.outputs])
    found.setdefault((case.op.name, first), set()).add(version)


def _target() -> str:
    return targets()[-1].replace("litert-", "LiteRT ")


def _listed(names: list[str]) -> str:
    return ", ".join("all" if name == "*" else name for name in names)


if __name__ == "__main__":
    main()
