"""Models with changed bytes, run by the kernels in a process of its own.

    python -m tests.runtime.mutant_worker LOG --seed 7 --count 200 MODEL.tflite ...

LOG always holds which mutant is running, so that the parent can name it after a crash. At the end
one line of JSON: how many mutants ran, how many were refused, and the failures.
"""

from __future__ import annotations

import argparse
import json
import logging
import math
import random
import time
import traceback
from pathlib import Path

import numpy as np

from edgewise import Interpreter
from edgewise.errors import EdgewiseError, InternalError
from edgewise.runtime.limits import Limits
from tests.format.mutants import mutate

from .matrix_worker import mapped_log

LIMITS = Limits(
    max_bytes=1 << 28, max_macs=10**8, max_nodes=2000, max_loop_iterations=1000, deadline_s=5.0
)
SLOW = 20.0  # seconds: a mutant that takes longer has found a way around the limits


def main() -> None:
    """Run what the arguments say."""
    parser = argparse.ArgumentParser()
    parser.add_argument("log", type=Path)
    parser.add_argument("models", type=Path, nargs="+")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--first", type=int, default=0)
    chosen = parser.parse_args()
    files = [path.read_bytes() for path in chosen.models]
    tell = mapped_log(chosen.log)
    ended = {"ran": 0, "refused": 0}
    failures = []
    for turn in range(chosen.first, chosen.first + chosen.count):
        generator = random.Random(f"{chosen.seed} {turn}")
        number = generator.randrange(len(files))
        what = f"{chosen.models[number].name}, seed {chosen.seed}, turn {turn}"
        tell(what)
        started = time.monotonic()
        try:
            ended[attempt(mutate(files[number], generator))] += 1
        except Exception:
            failures.append(f"{what}: {traceback.format_exc(limit=-3)}")
        if time.monotonic() - started > SLOW:
            failures.append(f"{what}: took {time.monotonic() - started:.0f} s")
    tell("")
    print(json.dumps({**ended, "failures": failures}))


def attempt(data: bytes) -> str:
    """Run all of a model's inputs through the kernels: it "ran", or was "refused" with an error of
    ours; whatever else is raised goes on."""
    try:
        interpreter = Interpreter(data, limits=LIMITS, cache=False)
        generator = np.random.default_rng(0)
        feeds = {}
        for name, type_ in interpreter.inputs().items():
            shape = [d if isinstance(d, int) else 1 for d in type_.shape or ()]
            if math.prod(max(d, 1) for d in shape) > 1 << 22:
                return "refused"  # the caller would have to give this much
            noise = generator.integers(0, 100, shape)
            feeds[name] = noise.astype(type_.dtype.numpy)
        interpreter(**feeds)
    except InternalError:
        raise
    except EdgewiseError:
        return "refused"
    return "ran"


if __name__ == "__main__":
    np.seterr(all="ignore")
    logging.disable(logging.CRITICAL)
    main()
