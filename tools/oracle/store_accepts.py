"""Find out which element types LiteRT's kernels take, and write `tests/ops/answers/accepts.txt`.

    python tools/oracle/store_accepts.py --oracle-python PATH [--only OPERATOR ...]

Each operator's first cases are run in every type of every slot (`tests/ops/retyped.py`), without
asking our own definitions; a type is taken where any of them runs. Files name the operator's
highest version: LiteRT registers one kernel for all of them. `--only` keeps the other lines.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from tools.oracle.store_target import highest_version  # noqa: E402

from edgewise.errors import EdgewiseError  # noqa: E402
from edgewise.format.container import model_chunks  # noqa: E402
from edgewise.format.writer import model_record  # noqa: E402
from tests.format.codes import BuiltinOperator  # noqa: E402
from tests.ops import accepts, litert  # noqa: E402
from tests.ops.case import Case, inputs_of  # noqa: E402
from tests.ops.ours import bases  # noqa: E402
from tests.ops.retyped import Kind, changes_of, retyped, slots, unchecked_model  # noqa: E402
from tests.oracle.litert import Oracle, Resolver  # noqa: E402


def main() -> None:
    """Parse the options, ask, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--oracle-python", required=True)
    parser.add_argument("--only", nargs="+", default=[])
    options = parser.parse_args()
    table = dict(accepts.load()) if accepts.FILE.exists() else {}
    with Oracle(options.oracle_python, timeout_s=30) as oracle:
        release = oracle.versions()["ai-edge-litert"]
        for name, cases in first_cases().items():
            if options.only and name not in options.only:
                continue
            table = {key: kinds for key, kinds in table.items() if key[0] != name}
            table |= {(name, slot): kinds for slot, kinds in ask(oracle, cases)}
            print(name, flush=True)
    heading = f"# Element types that LiteRT {release} takes (tools/oracle/store_accepts.py)\n"
    accepts.FILE.write_text(heading + "\n".join(accepts.lines(table)) + "\n")
    print(f"{sum(map(len, table.values()))} kinds of {len({name for name, _ in table})} operators")


def first_cases() -> dict[str, list[Case]]:
    """By operator, the cases that LiteRT runs of those that others are made from."""
    found = {
        name: [c for c in cases if litert.stored(litert.prepare(c).digest).resolver is not None]
        for name, cases in bases().items()
    }
    return {name: cases for name, cases in found.items() if cases}


def ask(oracle: Oracle, cases: list[Case]) -> Iterator[tuple[str, dict[str, str]]]:
    """Slots with their kinds and what became of them."""
    for slot, kinds in {s: k for case in cases for s, k in slots(case).items()}.items():
        yield slot, {kind.text: _best(oracle, cases, slot, kind) for kind in kinds}


def _best(oracle: Oracle, cases: list[Case], slot: str, kind: Kind) -> str:
    """The best of what the cases gave."""
    words = []
    for case in cases:
        if slot in slots(case):
            words.append(_outcome(oracle, case, changes_of(slot, kind)))
            if words[-1] == "runs":
                break
    return min(words, key=accepts.OUTCOMES.index)


def _outcome(oracle: Oracle, case: Case, changes: Mapping[str, Kind]) -> str:
    changed, results = retyped(case, changes)
    model = unchecked_model(changed, results)
    try:
        record = model_record(model)
    except (EdgewiseError, ValueError) as error:
        raise ValueError(f"{changed.id} cannot be written") from error
    inputs = inputs_of(changed)
    answers = []
    for resolver in litert.RESOLVERS:
        version = _highest(oracle, BuiltinOperator[case.op.builtin], resolver)
        record.operator_codes[0].version = version
        data = b"".join(bytes(chunk) for chunk in model_chunks(record, file="accepts"))
        answers.append(oracle.accepts(data, inputs, resolver=resolver))
    return accepts.outcome(*answers)


@cache
def _highest(oracle: Oracle, code: BuiltinOperator, resolver: Resolver) -> int:
    return highest_version(oracle, code, resolver) or 1


if __name__ == "__main__":
    np.seterr(all="ignore")
    main()
