"""Ask LiteRT about every operator case and store its answers for machines without it.

    python tools/oracle/store_cases.py --oracle-python PATH

Each case of `tests/ops/cases` (every dtype) is written as a one-operator `.tflite` by Edgewise and
run by LiteRT's default and reference kernels. Writes `tests/ops/answers/`, which
`tests/ops/test_litert.py` compares with; answers that are already there are kept.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from edgewise.errors import ConversionError  # noqa: E402
from tests.ops import litert  # noqa: E402
from tests.ops.case import all_cases  # noqa: E402
from tests.oracle.litert import Oracle  # noqa: E402


def main() -> None:
    """Parse the options, ask, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--oracle-python", required=True)
    parser.add_argument("--all", action="store_true", help="ask again about every case")
    options = parser.parse_args()
    answers: dict[str, tuple[str, litert.CaseAnswer]] = {}
    asked = 0
    with Oracle(options.oracle_python) as oracle:
        for case in (c for c in all_cases() if not c.error):
            try:
                prepared = litert.prepare(case)
            except ConversionError:  # an operator that only exists before it is lowered
                continue
            try:
                if options.all:
                    raise KeyError
                answer = litert.stored(prepared.digest)
            except (KeyError, FileNotFoundError):
                answer = litert.ask(oracle, prepared)
                asked += 1
            answers[prepared.digest] = (case.id, answer)
        versions = oracle.versions()
    litert.store(answers, versions)
    print(f"{len(answers)} answers, {asked} of them asked for now")


if __name__ == "__main__":
    main()
