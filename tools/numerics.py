"""docs/numerics.md: each operator's integer arithmetic, and how often it equals LiteRT's.

    python tools/numerics.py                            write the page
    python tools/numerics.py --check                    fail if the page is stale
    python tools/numerics.py --oracle-python PATH       measure again, then write the page

The measurements are kept in docs/numerics.json, so that the page can be made without LiteRT. The
arithmetic comes from the operator classes: a measurement of another arithmetic is refused.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tools.numerics_cases import SMALL, big_cases  # noqa: E402

from edgewise.dtypes import DType  # noqa: E402
from edgewise.ir.op import Arithmetic, Op, Role  # noqa: E402
from tests.ops.case import Case, all_cases, quantized  # noqa: E402
from tests.ops.differences import DIFFERENCES, REFUSALS, WRONG_REFERENCES  # noqa: E402
from tests.ops.litert import ask, prepare  # noqa: E402
from tests.oracle.litert import Oracle  # noqa: E402

PAGE = ROOT / "docs" / "numerics.md"
MEASURED = ROOT / "docs" / "numerics.json"
ROUNDS = 4
SMALL_ROUNDS = 50


@dataclass
class Row:
    """One operator on one dtype: values compared, how many differ, by how many steps at most.

    A resolver that refuses has `None` for both.
    """

    operator: str
    types: str
    arithmetic: str
    values: int = 0
    different: dict[str, int | None] = field(default_factory=lambda: {"default": 0, "reference": 0})
    steps: dict[str, int | None] = field(default_factory=lambda: {"default": 0, "reference": 0})


def main() -> None:
    """Measure where asked, then write or check the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--oracle-python")
    parser.add_argument("--check", action="store_true", help="fail if the page is stale")
    parser.add_argument("--only", default="", help="measure only operators with this in the name")
    options = parser.parse_args()
    if options.oracle_python:
        with Oracle(options.oracle_python) as oracle:
            rows = _merged(measure(oracle, options.only), options.only)
            _store(rows, oracle.versions())
    page = render()
    if options.check and PAGE.read_text() != page:
        sys.exit(f"{PAGE} is stale; run python tools/numerics.py")
    PAGE.write_text(page)


def measure(oracle: Oracle, only: str) -> list[Row]:
    """Compare every big case with LiteRT."""
    rows: dict[tuple[str, str], Row] = {}
    for case in big_cases():
        if only not in case.op.name:
            continue
        for dtype in case.quantize or ("",):
            rounds = SMALL_ROUNDS if case.op.name in SMALL else ROUNDS
            for number in range(rounds):
                drawn = replace(case, label=f"{case.label}#{number}")
                if dtype:
                    drawn = quantized(drawn, DType.of(dtype))
                _compare(oracle, drawn, rows)
        print(case.op.name, case.label, flush=True)
    return list(rows.values())


def _compare(oracle: Oracle, case: Case, rows: dict[tuple[str, str], Row]) -> None:
    types = _types(case)
    key = (case.op.name, types)
    row = rows.setdefault(key, Row(*key, arithmetic_of(case.op, types)))
    prepared = prepare(case)
    answer = ask(oracle, prepared)
    row.values += prepared.ours[0].size
    for resolver, outputs in answer.outputs.items():
        if answer.errors[resolver] is not None:
            row.different[resolver] = row.steps[resolver] = None
            continue
        ours, theirs = prepared.ours[0], outputs[0]
        different, steps = row.different[resolver], row.steps[resolver]
        if different is None or steps is None:
            continue
        row.different[resolver] = different + int(np.sum(ours != theirs))
        if ours.dtype.kind in "iu":
            most = np.abs(ours.astype(np.int64) - theirs.astype(np.int64)).max(initial=0)
            row.steps[resolver] = max(steps, int(most))


def arithmetic_of(op: Op | type[Op], types: str) -> str:
    """The name of the arithmetic of an operator on these types, from its class."""
    declared = op.arithmetic
    if isinstance(declared, Arithmetic):
        return declared.name
    dtype = DType.of(types.split()[-1])
    return declared.get(dtype, Arithmetic.FLOAT).name


def _types(case: Case) -> str:
    """`int8`, or `float32 to int8` where operand and result differ."""
    if case.op.name == "quantize":
        return case.label.split("#")[0].removeprefix("from ")
    roles = case.roles
    pairs = zip(case.args, roles, strict=True)
    return next(a.dtype.text for a, role in pairs if a is not None and role is Role.DATA)


def _merged(rows: list[Row], only: str) -> list[Row]:
    """New rows in place of old ones; without `only` the old ones are dropped."""
    kept = [row for row in measured() if only and only not in row.operator]
    return sorted([*kept, *rows], key=lambda row: (row.operator, row.types))


def measured() -> list[Row]:
    """The stored measurements."""
    if not MEASURED.exists():
        return []
    return [Row(**row) for row in json.loads(MEASURED.read_text())["rows"]]


def _store(rows: list[Row], versions: dict[str, str]) -> None:
    lines = ",\n".join(json.dumps(asdict(row)) for row in rows)
    MEASURED.write_text(f'{{"versions": {json.dumps(versions)},\n"rows": [\n{lines}\n]}}\n')


def render() -> str:
    """The page, from the measurements, the operator classes and the known differences."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    versions = json.loads(MEASURED.read_text())["versions"]
    yield "# Numerics"
    yield ""
    yield "<!-- made by tools/numerics.py; a test fails when it is stale -->"
    yield ""
    yield (
        "Integers are the same on every machine. Each operator names its arithmetic; this page "
        "says what it is and how often the result equals that of LiteRT "
        f"{versions['ai-edge-litert']} (`default`: XNNPACK where it applies; `reference`: "
        "BUILTIN_REF) on random values and scales. Floats are within the tolerance that the "
        "operator declares, whole float models within 3e-4 of the output range."
    )
    yield ""
    yield "| arithmetic | formula |"
    yield "|---|---|"
    for member in Arithmetic:
        yield f"| {member.name} | {member.value} |"
    yield ""
    yield "## Integer operators against LiteRT"
    yield ""
    yield (
        "Share of values that differ, and the largest difference in output steps; `equal` means "
        "that all are equal, `-` that LiteRT refuses."
    )
    yield ""
    yield "| operator | types | arithmetic | values | default | reference |"
    yield "|---|---|---|---:|---:|---:|"
    for row in measured():
        name = Op.registry[row.operator].builtin
        cells = " | ".join(_cell(row, resolver) for resolver in ("default", "reference"))
        yield f"| {name} | {row.types} | {row.arithmetic} | {row.values:,} | {cells} |"
    yield ""
    yield "## Where the two differ, and why"
    yield ""
    yield "Cases on which LiteRT's default gives something else (tests/ops/differences.py):"
    yield ""
    yield from (f"- `{d.cases}`: {d.cause}." for d in DIFFERENCES)
    yield ""
    yield "Operators that LiteRT refuses in some form:"
    yield ""
    yield from (f"- `{r.operator}`: {r.cause}." for r in REFUSALS)
    yield ""
    yield "Cases that cannot be compared at all:"
    yield ""
    reasons = dict.fromkeys((c.op.name, c.no_litert) for c in all_cases() if c.no_litert)
    yield from (f"- `{name}`: {why}." for name, why in sorted(reasons))
    yield ""
    yield "LiteRT's reference kernels are wrong here:"
    yield ""
    yield from (f"- `{name}`: {why}." for name, why in WRONG_REFERENCES.items())
    yield ""
    yield "## Operators that only move integers"
    yield ""
    moving = sorted(c.builtin for c in Op.registry.values() if c.builtin and only_moves(c))
    yield f"No arithmetic, or none but the zero point: {', '.join(moving)}."


def _cell(row: Row, resolver: str) -> str:
    different, steps = row.different[resolver], row.steps[resolver]
    if different is None:
        return "-"
    if different == 0:
        return "equal"
    share = 100 * different / row.values
    return f"{share:.2g} %, {steps}" if steps else f"{share:.2g} %"


def only_moves(cls: type[Op]) -> bool:
    """Its integers are not interpreted, but for the zero point."""
    return cls.arithmetic in (Arithmetic.NONE, Arithmetic.ZERO_POINT)


if __name__ == "__main__":
    main()
