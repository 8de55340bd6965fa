"""Ask LiteRT to run small models of others with other sizes of their inputs, and store its answers.

    python tools/oracle/store_resized.py --oracle-python PATH

Writes `tests/models/answers/resized.npz`, which `tests/models/test_resized.py` compares with: of
files up to 100 KB the outputs of up to 1,000 elements in all, or why LiteRT refuses.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from tests.models import resized  # noqa: E402
from tests.oracle.inputs import DATA  # noqa: E402
from tests.oracle.litert import Answer, Oracle  # noqa: E402

MOST_BYTES, MOST_ELEMENTS = 100_000, 1000


def main() -> None:
    """Parse the options, ask, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--oracle-python", required=True)
    options = parser.parse_args()
    arrays: dict[str, np.ndarray] = {}
    with Oracle(options.oracle_python) as oracle:
        for file in resized.FILES:
            if (DATA / file).stat().st_size > MOST_BYTES:
                continue
            for axis, count in resized.SIZES:
                given: list[Answer] = []

                def ask(path: Path, inputs: Sequence[np.ndarray], given=given) -> Answer:
                    given.append(oracle.run(path.read_bytes(), inputs))
                    return given[-1]

                found, _ = resized.verdict(file, axis, count, DATA, ask)
                if not given or sum(y.size for y in given[0].outputs) > MOST_ELEMENTS:
                    continue
                if any(y.dtype == object for y in given[0].outputs):
                    continue
                key = resized.key_of(file, axis, count)
                arrays |= {f"{key}:{i}": y for i, y in enumerate(given[0].outputs)}
                if given[0].error:
                    arrays[f"{key}:error"] = np.array(given[0].error)
                print(f"{found:12} {key}", flush=True)
    np.savez_compressed(resized.STORED, allow_pickle=False, **arrays)


if __name__ == "__main__":
    main()
