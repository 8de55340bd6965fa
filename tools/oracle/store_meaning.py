"""Ask LiteRT for the meaning of every hybrid model in the data folder and store it.

    python tools/oracle/store_meaning.py --oracle-python PATH

A hybrid model is written as its float twin (`tests/models/meaning.py`), which LiteRT runs on the
stored inputs. Writes `tests/models/answers/meaning.npz`, and how far LiteRT's own hybrid kernels
are from the meaning over many inputs, `errors.json`.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from edgewise.errors import EdgewiseError  # noqa: E402
from edgewise.format import load, write  # noqa: E402
from tests.models import meaning  # noqa: E402
from tests.models.verdict import kind_of  # noqa: E402
from tests.oracle import answers  # noqa: E402
from tests.oracle.inputs import DATA  # noqa: E402
from tests.oracle.litert import Oracle  # noqa: E402


def main() -> None:
    """Parse the options, ask, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--oracle-python", required=True)
    options = parser.parse_args()
    arrays: dict[str, np.ndarray] = {}
    errors: dict[str, float] = {}
    with Oracle(options.oracle_python) as oracle:
        for file, answer in answers.load().items():
            try:
                model = load(DATA / file)
            except EdgewiseError:
                continue
            if answer.oracle == "none" or kind_of(model) != "hybrid":
                continue
            twin = b"".join(bytes(chunk) for chunk in write(meaning.float_twin(model)))
            steps = oracle.run_sequence(twin, [answer.inputs(i) for i in range(answer.steps)])
            if steps[0].error:
                sys.exit(f"{file}: LiteRT refuses the float twin: {steps[0].error}")
            outputs = [y for step in steps for y in step.outputs]
            arrays |= {f"{file}:{i}": meaning.sample(y) for i, y in enumerate(outputs)}
            many = meaning.drawn(answer)
            found, meant = (
                [step.outputs for step in oracle.run_sequence(form, many)]
                for form in ((DATA / file).read_bytes(), twin)
            )
            errors[file] = float(f"{meaning.error(found, meant):.3e}")
            print(f"{len(outputs):3d} outputs  {file}  {errors[file]:.1e}", flush=True)
    meaning.FILE.parent.mkdir(exist_ok=True)
    np.savez_compressed(meaning.FILE, allow_pickle=False, **arrays)
    meaning.ERRORS.write_text(json.dumps(errors, indent=1) + "\n")


if __name__ == "__main__":
    main()
