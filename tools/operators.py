"""docs/operators.md: which operators run on which element types, and as which file versions.

    python tools/operators.py            write the page
    python tools/operators.py --check    fail if it is stale

Rows are the registry; a type is listed where a conformance case runs the reference on it, together
with the operator versions that are written for it.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from edgewise.ir.nesting import reachable  # noqa: E402
from edgewise.ir.op import FixedRange, FreeScale, NotQuantized, Op, Role, SameScale  # noqa: E402
from tests.ops.case import Case, all_cases, model_of  # noqa: E402

PAGE = ROOT / "docs" / "operators.md"
COLUMNS = ("float32", "int8", "uint8", "int16", "int32", "int64", "bool")
RULES = {
    SameScale: "one scale",
    FreeScale: "free",
    FixedRange: "fixed range",
    NotQuantized: "float only",
}

Versions = dict[tuple[str, str], set[int]]


def main() -> None:
    """Write or check the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="fail if the page is stale")
    page = render()
    if parser.parse_args().check and PAGE.read_text() != page:
        sys.exit(f"{PAGE} is stale; run python tools/operators.py")
    PAGE.write_text(page)


def render() -> str:
    """The page, from the registry and the conformance cases."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    found = versions()
    named = [c for c in Op.registry.values() if c.builtin]
    builtins = sorted(named, key=lambda c: (bool(c.custom), c.custom or c.builtin))
    higher = sorted(c.name for c in Op.registry.values() if not c.builtin)
    yield "# Operators"
    yield ""
    yield "<!-- made by tools/operators.py; a test fails when it is stale -->"
    yield ""
    yield (
        f"{len(builtins)} operators of `.tflite` have a NumPy reference. A cell holds the operator "
        "versions that are written for that type of the data (several where attributes "
        "or other operands decide), `-` where the type is not taken; others names "
        "further types. A float32 operand with integer weights (hybrid) counts as float32."
    )
    yield ""
    yield (
        "Quantization: `one scale` for all data, `free` scales, a `fixed range` of the result, or "
        "`float only`. How integers are computed stands in [numerics.md](numerics.md)."
    )
    yield ""
    yield f"| operator | {' | '.join(COLUMNS)} | others | quantization |"
    yield f"|---|{'---|' * len(COLUMNS)}---|---|"
    for cls in builtins:
        cells = [_cell(found.get((cls.name, column), set())) for column in COLUMNS]
        others = sorted(t for name, t in found if name == cls.name and t not in COLUMNS)
        rule = RULES[type(cls.quantization)]
        row = " | ".join([*cells, ", ".join(others) or "-", rule])
        yield f"| {cls.custom or cls.builtin} | {row} |"
    yield ""
    yield "Operators of frontends and fusions, lowered before a file is written:"
    yield f"{', '.join(f'`{name}`' for name in higher)}."


def versions() -> Versions:
    """Operator name and type of the first operand to the versions that cases are written as."""
    found: Versions = {}
    for case in all_cases():
        if not case.error:
            _add(found, case)
    return found


def _add(found: Versions, case: Case) -> None:
    graphs = reachable(model_of(case).main)
    node = next(n for g in graphs for n in g.nodes if n.op == case.op)
    types = [None if v is None else v.type for v in node.inputs]
    roles = [case.op.declared(index).role for index in range(len(types))]
    data = [t for t, role in zip(types, roles, strict=True) if t and role is Role.DATA]
    first = next((t.dtype.text for t in (*data, *(v.type for v in node.outputs))), "no data")
    version = case.op.version(types, [v.type for v in node.outputs])
    found.setdefault((case.op.name, first), set()).add(version)


def _cell(numbers: set[int]) -> str:
    return ", ".join(map(str, sorted(numbers))) or "-"


if __name__ == "__main__":
    main()
