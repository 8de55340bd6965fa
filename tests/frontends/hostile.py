"""Mutated files converted in worker processes, so that a crash of a C library is a result.

`attempt` runs turns 0 to `count` of a seed. A turn makes one file, by a function `make(generator,
folder)` that gives what `edgewise.convert` takes and a few words on it; the generator comes from
seed and turn alone, so that any turn can be run again:

    python -m tests.frontends.hostile MODULE:FUNCTION SEED TURN TURN+1
"""

from __future__ import annotations

import faulthandler
import importlib
import json
import logging
import random
import resource
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import edgewise
from edgewise.errors import EdgewiseError, InternalError

SLOWEST = 30  # seconds for one file; they take milliseconds on an idle machine
MEMORY = 1 << 20  # KiB that one file may add to the worker's peak
MAX_FAULTS = 20
ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Turn:
    """What became of one file: `converted`, `refused`, `wrong`, `greedy`, `crashed` or `hung`."""

    turn: int
    what: str
    outcome: str
    seconds: float = 0.0
    memory: int = 0  # KiB
    detail: str = ""


def attempt(make: str, seed: int, count: int) -> list[Turn]:
    """All turns, and an AssertionError that names each one that is no answer of ours."""
    turns: list[Turn] = []
    faults: list[Turn] = []
    while len(turns) < count and len(faults) < MAX_FAULTS:
        turns += _worker(make, seed, len(turns), count)
        faults = [turn for turn in turns if turn.outcome not in ("converted", "refused")]
    found = Counter(turn.outcome for turn in turns)
    slowest = max(turns, key=lambda turn: turn.seconds)
    print(f"{make}, seed {seed}: {dict(found)} of {len(turns)}; slowest {slowest.seconds:.1f} s")
    lines = [f"turn {t.turn} ({t.what}) {t.outcome}\n{t.detail}" for t in faults]
    assert not faults, f"{make}, seed {seed}: {len(faults)} faults\n" + "\n".join(lines)
    return turns


def _worker(make: str, seed: int, start: int, stop: int) -> list[Turn]:
    """The turns that one process came through, and the one that ended it."""
    command = [sys.executable, "-m", __name__, make, str(seed), str(start), str(stop)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout.startswith("ready"), done.stderr  # else it is no file's fault
    turns = [Turn(*json.loads(line)) for line in done.stdout.splitlines() if line.startswith("[")]
    if done.returncode and start + len(turns) < stop:
        outcome = "hung" if "Timeout (" in done.stderr else "crashed"
        detail = f"exit status {done.returncode}\n{done.stderr[-3000:]}"
        turns.append(Turn(start + len(turns), "", outcome, detail=detail))
    assert start + len(turns) == stop or turns[-1].outcome in ("hung", "crashed"), done.stderr
    return turns


def generator_of(seed: int, turn: int) -> random.Random:
    """The random numbers of one turn."""
    return random.Random(f"{seed}/{turn}")


def _turn(make: object, seed: int, turn: int, folder: Path) -> Turn:
    source, options, what = make(generator_of(seed, turn), folder)  # type: ignore[operator]
    before, begin = _peak(), time.monotonic()
    outcome, detail = "converted", ""
    try:
        edgewise.convert(source, **options).to_bytes()
    except InternalError:
        outcome, detail = "wrong", traceback.format_exc()[-3000:]
    except EdgewiseError as error:
        outcome, detail = "refused", str(error)[:200]
        if len(str(error)) > 100_000:
            outcome = "wrong"
    except BaseException:
        outcome, detail = "wrong", traceback.format_exc()[-3000:]
    memory = _peak() - before
    if memory > MEMORY:
        outcome, detail = "greedy", f"{memory} KiB; {outcome}: {detail}"
    return Turn(turn, what, outcome, time.monotonic() - begin, memory, detail)


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def main(make: str, seed: str, start: str, stop: str) -> None:
    """Run the turns; one line of JSON for each."""
    faulthandler.enable()
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    resource.setrlimit(resource.RLIMIT_AS, (16 << 30, 16 << 30))  # for the machine's sake
    module, _, name = make.partition(":")
    function = getattr(importlib.import_module(module), name)
    print("ready", flush=True)
    for turn in range(int(start), int(stop)):
        faulthandler.dump_traceback_later(SLOWEST, exit=True)
        with tempfile.TemporaryDirectory() as folder:
            done = _turn(function, int(seed), turn, Path(folder))
        faulthandler.cancel_dump_traceback_later()
        row = [done.turn, done.what, done.outcome, done.seconds, done.memory, done.detail]
        print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
