"""Ask LiteRT about the quantized networks of `tests/optimize/networks.py` and store its answers.

    python tools/oracle/store_quantized.py --oracle-python PATH

Writes `tests/optimize/answers.npz`, which `tests/optimize/test_litert.py` compares with.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from tests.optimize import litert  # noqa: E402
from tests.oracle.litert import Oracle  # noqa: E402


def main() -> None:
    """Parse the options, ask, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--oracle-python", required=True)
    options = parser.parse_args()
    arrays: dict[str, np.ndarray] = {}
    with Oracle(options.oracle_python) as oracle:
        arrays["versions"] = np.array([f"{k} {v}" for k, v in oracle.versions().items()])
        for name, recipe in litert.CASES:
            data = litert.written(name, recipe)
            if data is None:
                continue
            arrays[f"{name}:{recipe}:digest"] = np.array(litert.digest(data))
            for number, answer in enumerate(oracle.run_sequence(data, litert.inputs(name))):
                if answer.error:
                    sys.exit(f"{name} {recipe}: {answer.error}")
                for index, y in enumerate(answer.outputs):
                    arrays[f"{name}:{recipe}:{number}:{index}"] = y
    np.savez_compressed(litert.FILE, allow_pickle=False, **arrays)
    print(f"{litert.FILE}: {len(arrays)} arrays, {litert.FILE.stat().st_size} bytes")


if __name__ == "__main__":
    main()
