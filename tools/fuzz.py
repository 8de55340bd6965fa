"""Changed `.tflite` files by the million: run, counted, and written down in docs/robustness.md.

    python tools/fuzz.py --seed 7 --count 100000 --state fuzz.json    go on where the state ends
    python tools/fuzz.py --state fuzz.json --keep                     add it to docs/robustness.json
    python tools/fuzz.py                                              write the page
    python tools/fuzz.py --check                                      fail if the page is stale

Every file is made from a seed and its turn alone and runs in worker processes
(tests/runtime/mutant_worker.py), so that any of them can be run again:

    python -m tests.runtime.mutant_worker --seed 7 --first TURN --count 1
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.runtime import mutants  # noqa: E402

PAGE = ROOT / "docs" / "robustness.md"
KEPT = ROOT / "docs" / "robustness.json"
BATCH = 1000  # turns of one process


def main() -> None:
    """What the arguments say."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--count", type=int, default=0, help="turns of the seed in all")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--sources", default="operators,real")
    parser.add_argument("--sanitizer", choices=("asan", "ubsan"))
    parser.add_argument("--state", type=Path)
    parser.add_argument("--keep", action="store_true", help="add the state to docs/robustness.json")
    parser.add_argument("--check", action="store_true", help="fail if the page is stale")
    chosen = parser.parse_args()
    if chosen.check:
        sys.exit(PAGE.read_text() != render())
    if chosen.count:
        run(chosen)
    elif chosen.keep:
        keep(chosen.state)
        PAGE.write_text(render())
    else:
        PAGE.write_text(render())


def run(chosen: argparse.Namespace) -> None:
    """All turns that the state does not have, in batches, at the lowest priority."""
    os.nice(19)
    key = {"seed": chosen.seed, "sources": chosen.sources, "sanitizer": chosen.sanitizer}
    state = json.loads(chosen.state.read_text()) if chosen.state.exists() else {**key, "done": {}}
    if {name: state[name] for name in key} != key:
        sys.exit(f"{chosen.state} is of {key}: name another file")
    options = mutants.options(chosen.sanitizer, save=chosen.state.with_suffix(".files"))
    starts = [n for n in range(0, chosen.count, BATCH) if str(n) not in state["done"]]
    with ThreadPoolExecutor(chosen.jobs) as pool:
        counts = (min(BATCH, chosen.count - n) for n in starts)
        batches = pool.map(
            lambda first, count: mutants.run(chosen.seed, first, count, chosen.sources, options),
            starts,
            counts,
        )
        for first, batch in zip(starts, batches, strict=True):
            state["done"][str(first)] = batch.summary()
            _write(chosen.state, json.dumps(state, indent=1))
            for fault in batch.faults:
                print(f"seed {chosen.seed}, {fault}", flush=True)
            print(f"seed {chosen.seed}, to {first + BATCH}: {batch}", flush=True)


def keep(path: Path) -> None:
    """Add the numbers of a state to those of the page."""
    state = json.loads(path.read_text())
    rows = json.loads(KEPT.read_text()) if KEPT.exists() else []
    rows = [row for row in rows if row["seed"] != state["seed"]]
    total: Counter[str] = Counter()
    for batch in state["done"].values():
        total.update(batch["outcomes"])
    row = {name: state[name] for name in ("seed", "sources", "sanitizer")}
    row["outcomes"] = dict(total)
    for name in ("seconds", "memory"):
        row[name] = max(batch[name] for batch in state["done"].values())
    rows.append(row)
    _write(KEPT, json.dumps(sorted(rows, key=lambda row: row["seed"]), indent=1) + "\n")


def _write(path: Path, text: str) -> None:
    new = path.with_suffix(".new")
    new.write_text(text)
    new.replace(path)


def render() -> str:
    """The page."""
    return ""


if __name__ == "__main__":
    main()
