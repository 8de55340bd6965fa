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
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.runtime import mutants  # noqa: E402

PAGE = ROOT / "docs" / "robustness.md"
KEPT = ROOT / "docs" / "robustness.json"
EARLIER = "earlier"  # runs kept without their day: what they found is mended
BATCH = 10_000  # turns of one process, of which the start of one takes 1.5 s

PREFACE = """# Robustness

A model file is hostile until verified: malformed input ends in an error of `edgewise.errors`, soon,
in little memory. The reader checks every offset, length, index and size; each operator's own rules
check types, ranks, parameters and axes before anything is planned, again when shapes change, and,
where sizes are computed by the model, before each operator that makes them; `Limits` bounds memory,
work, loops and time, and `Interpreter.cancel()` stops a run between two operators.

This page is made by `tools/fuzz.py` from what it counted. A file is made from a seed and a turn:
one to four fields of a `.tflite` file become others (options, shapes, types, constants,
quantization, operators and what they read, subgraphs, variables, sparsity), some also lose bytes or
their end. It is loaded, planned and run by the kernels and by the references, some again with other
shapes, some written anew by the passes and read again, in a worker process, with Limits of 32 MiB,
10^8 multiply-accumulates, 200 iterations and a second. A fault is a crash, a hang, an exception
that is not of `edgewise.errors`, more than 2 s of processor time, or 256 MiB; and, where kernels
ran, a result that is not the references': integers bit for bit, floats within the tolerance of the
operators (`tests/runtime/mutant_compare.py` says where there is nothing to compare; files of the
first 25,000 were not compared). The files that are changed: one for every case of `tests/ops`
(operators), those of others up to 100 KB (real), and networks up to 6 MB.

Sources of `convert` are changed, too: fields of graphs and checkpoints, JSON, HDF5 and zip
structures. Each is converted to the bytes of a `.tflite` file in a worker process
(`tests/frontends/hostile.py`; the full tier has 10,000 of each kind). Of seed 20261126, 2,500 each
of SavedModels, frozen graphs, `.keras` and `.h5`: 2,828 converted, 7,172 were refused by an error
of `edgewise.errors`, none was a fault. The slowest took 2.7 s on a busy machine, the greediest
added 8 MiB. Of four more seeds, 10,000 each: 11,493 converted, 28,504 were refused, 3 were faults
(one line of ours, below). The slowest took 1.7 s.
"""

FOUND = """
Faults are counted as the run met them, before they were mended, the same one many times and those
of the worker and of the comparison among them (8 of the first 12). So "earlier" has what no longer
is: the most that a file took (4.55 s, 637 MiB) were such faults, and of the 78 files with faults
that were kept, none has one now on an idle machine (a RESIZE_BILINEAR to 8,323,072 lines takes
0.7 s there on the references). What was wrong, and the test that holds it:

- A PAD or TILE whose amounts are computed filled all memory on the references
  (`tests/runtime/test_hostile.py`).
- Strings had no size: TILE to 4e14 of them was no LimitError (`tests/runtime/test_hostile.py`).
- TILE of nothing, very often, took time and memory (`tests/runtime/test_hostile.py`).
- An operator that runs subgraphs, with another operator's options or none, was an AttributeError,
  or unseen by the check for circles (`tests/format/test_hostile.py`).
- A variable that an operator computes could be read before it: KeyError
  (`tests/format/test_hostile.py`).
- A result with another declared shape, folded to a constant, was written so that it could not be
  read again (`tests/format/test_hostile.py`).
- Shapes that only the run knows and that do not fit were told in NumPy's words; a factor that is
  NaN likewise (`tests/runtime/test_hostile.py`).
- An IRFFT of length 0, and an array for a Keras input's dtype: ZeroDivisionError and ValueError, in
  10,000 changed files each of SavedModels, frozen graphs, `.keras` and `.h5`
  (`tests/frontends/tensorflow/test_hostile_convert.py`, `tests/frontends/keras/test_hostile.py`).
- An array for a flag of a Keras layer that says which weights it has: ValueError, in 40,000 more
  of these (`tests/frontends/keras/test_hostile.py`).
- Sizes beyond 32 bits in rules and constants: OverflowError, or other numbers
  (`tests/passes/test_rewrite.py`).
- A handle as a model's result was whatever lay in memory (`tests/runtime/test_resources.py`).
- Kernels that ran what the references refuse or compute otherwise: data without the scale that the
  operator needs, PADV2 with a value of another dtype, PAD of wide integers with a scale, a CAST
  whose attribute is not the declared dtype, softmax with scales beyond floats
  (`tests/runtime/test_hostile.py`, `tests/ops/cases/pad.py`).
- CONCATENATION of 8-bit operands of different scales with 2, 4 or 8 channels rescaled the first of
  them only: wrong numbers in files that are well formed (`tests/runtime/test_native.py`).
- The references clipped integers of 64 bits as float64 (`tests/runtime/test_hostile.py`).
- References of resizes needed 20 to 70 times the bytes of their results, and those of recurrent
  layers ran a million steps, where no limit looked (`tests/runtime/test_hostile.py`).
- Kernels wrote indices of TOPK_V2 and classes of MULTINOMIAL that are declared as bytes with 16 or
  32 bits, beyond their memory; SOFTMAX of int16 with a scale of 1e33 read outside of its table; the
  kernels wrote to an input that is also a variable: crashes, and numbers of others
  (`tests/runtime/test_hostile.py`, `tests/runtime/test_variables.py`).
- L2_POOL_2D with TANH was a KeyError (`tests/passes/test_spelled_out.py`).
- Random numbers took eight times their bytes (`tests/runtime/test_hostile.py`).
- Scales of channels met an unknown dimension that was another size when it ran: InternalError of a
  pass, or one channel spread to three (`tests/runtime/test_hostile.py`).
- A variable listed twice as an input was a KeyError (`tests/runtime/test_variables.py`), and WHERE
  of a scalar an error, or a vector's places (`tests/runtime/test_hostile.py`).
- The integer LSTM's kernel took weights without a sign, biases that are no integers, and states of
  any type for its own (`tests/runtime/test_recurrent.py`).
- WHERE of handles was a TypeError (`tests/runtime/test_counted.py`), what a file calls a variable
  though it is computed a KeyError (`tests/runtime/test_staged.py`).
- A loop that writes a row outside of its tensor wrote over the last one
  (`tests/runtime/test_control.py`).
- Misuse of interpreters: sizes beyond 64 bits, ragged lists, inputs of 24 GiB
  (`tests/lite/test_misuse.py`, `tests/runtime/test_misuse.py`).
- A constant listed as an input was given another shape: its packed weights were read as that, and
  memory was corrupted; an LSTM with the norm of its input gate only
  (`tests/runtime/test_misuse.py`, `tests/ops/cases/lstm.py`).
- A MAX_POOL_2D of 65,535 rows took 288 MiB, a dilation as large would have, on the references
  (`tests/ops/test_window.py`); work of shapes that only the run knows had no limit, 18 s
  (`tests/runtime/test_hostile.py`).
- A bias of -2**63 passed for one of 48 bits, and SUM's kernel for scales too far apart computed
  other numbers than the reference (`tests/runtime/test_hostile.py`).
- A step between logits near 134,305, which SOFTMAX makes 0.0017 of, was taken for a fault
  (`tests/runtime/test_mutants.py`).
- A QUANTIZE without scales, which LiteRT and the references refuse, was removed as one that changes
  nothing (`tests/passes/test_arithmetic.py`).
- A PRELU of float32 by float16 was computed as if both had 32 bits, and what repeats alpha wrote
  beyond its room (`tests/runtime/test_half.py`).
- CUMSUM and TOPK_V2 read the first of several computed numbers as their only one; references added
  biases in a column to each row, and took 32 times the bytes of their result for many small images;
  ATAN2 of RELU's zeros, of either sign, was taken for a fault (`tests/runtime/test_hostile.py`,
  `tests/runtime/test_mutants.py`).

Nothing is open. `Limits` counts tensors and kernels' scratch memory, not what a reference needs
besides its tensors: of 8-bit products that is their sums, 8 bytes for each of the result.
"""


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
    total: Counter[str] = Counter()
    for batch in state["done"].values():
        total.update(batch["outcomes"])
    row = {name: state[name] for name in ("seed", "sources", "sanitizer")}
    row["day"] = date.today().isoformat()
    row["outcomes"] = dict(sorted(total.items()))
    for name in ("seconds", "memory"):
        row[name] = max(batch[name] for batch in state["done"].values())
    rows = [other for other in kept() if other["seed"] != row["seed"]]
    text = json.dumps(sorted([*rows, row], key=lambda r: r["seed"]), indent=1)
    _write(KEPT, text + "\n")


def kept() -> list[dict[str, Any]]:
    """The numbers of all runs."""
    rows: list[dict[str, Any]] = json.loads(KEPT.read_text()) if KEPT.exists() else []
    return rows


def _write(path: Path, text: str) -> None:
    new = path.with_suffix(".new")
    new.write_text(text)
    new.replace(path)


def render() -> str:
    """The page."""
    lines = [
        "| run | files of | library | files | reached invoke | compared | time | memory | faults |",
        "|---|---|---|---:|---:|---:|---:|---:|---:|",
    ]
    groups: dict[tuple[str, str, str], list[dict[str, Any]]] = defaultdict(list)
    for row in kept():
        sources = " and ".join(dict.fromkeys(row["sources"].split(",")))
        day = row.get("day", EARLIER)
        groups[day, sources, row["sanitizer"] or "shipped"].append(row)
    total = 0
    for (day, sources, sanitizer), rows in sorted(groups.items(), reverse=True):
        outcomes: Counter[str] = Counter()
        for row in rows:
            outcomes.update(row["outcomes"])
        begun = sum(outcomes[letter] for letter in mutants.BEGUN) / outcomes.total()
        seconds = max(row["seconds"] for row in rows)
        memory = max(row["memory"] for row in rows) / 1024
        total += outcomes.total()
        lines.append(
            f"| {day} | {sources} | {sanitizer} | {outcomes.total():,} | {begun:.0%} |"
            f" {outcomes['c']:,} | {seconds:.2f} s | {memory:.0f} MiB | {outcomes['F']} |"
        )
    seeds = ", ".join(str(row["seed"]) for row in kept())
    table = "\n".join([*lines, "", f"In all {total:,} files, of seeds {seeds}."])
    return f"{PREFACE}\n{table}\n{FOUND}"


if __name__ == "__main__":
    main()
