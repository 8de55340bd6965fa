"""Ask LiteRT about the cases of `tests/ops/wide.py` and store its answers.

    python tools/oracle/store_wide.py --oracle-python PATH

Writes `tests/ops/answers/wide.npz`, which `tests/ops/test_wide.py` compares with. Answers that are
there are kept (`--all`: asked for again), those of cases that are no more are dropped.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from tests.ops import litert, wide_answers  # noqa: E402
from tests.ops.wide import wide_cases  # noqa: E402
from tests.oracle.litert import Oracle  # noqa: E402


def main() -> None:
    """Parse the options, ask, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--oracle-python", required=True)
    parser.add_argument("--all", action="store_true", help="ask again about every case")
    options = parser.parse_args()
    answers = {}
    counts: Counter[str] = Counter()
    with Oracle(options.oracle_python, timeout_s=30) as oracle:
        for case in wide_cases():
            prepared = litert.prepare(case)
            try:
                if options.all:
                    raise KeyError
                answers[prepared.digest] = wide_answers.stored(prepared.digest)
            except (KeyError, FileNotFoundError):
                answer = litert.ask(oracle, prepared)
                answers[prepared.digest] = wide_answers.reduced(answer, prepared.ours, case.op)
                counts["asked"] += 1
            counts["refused"] += None not in answers[prepared.digest].errors.values()
        versions = oracle.versions()
    wide_answers.store(answers, versions)
    print(f"{len(answers)} cases: {dict(counts)}; {wide_answers.FILE.stat().st_size} bytes")


if __name__ == "__main__":
    np.seterr(all="ignore")
    main()
