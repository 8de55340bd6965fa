"""Changed `.tflite` files, loaded, planned and run in a process of its own.

    python -m tests.runtime.mutant_worker --seed 7 --first 0 --count 200 --sources operators,real

A turn makes one file from seed and turn alone, runs it by the kernels and by the references, which
must agree (`mutant_compare`), and again with other shapes. Standard output has a letter for each
turn: `c` kernels ran and their results are the references', `i` the inference was done and there
was nothing to compare, `s` it was begun and stopped with an error of ours, `r` the file was
refused, `F` a fault. Lines that begin with `{` tell of faults, and of the slowest and the greediest
file so far. What the process does not survive is the parent's to see: the turn behind the last
letter did it.
"""

from __future__ import annotations

import argparse
import faulthandler
import gc
import json
import logging
import math
import random
import sys
import time
import traceback
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from edgewise import Interpreter
from edgewise.dtypes import DType
from edgewise.errors import EdgewiseError, InternalError
from edgewise.format import load, write
from edgewise.ir.dim import Dim
from edgewise.ir.graph import Graph
from edgewise.ir.model import Model
from edgewise.ir.types import TensorType
from edgewise.passes.pipeline import canonicalize, to_tflite
from edgewise.runtime import library, session, specialize, staged
from edgewise.runtime.executor import Executor
from edgewise.runtime.limits import Limits
from edgewise.runtime.session import Session
from tests.format.record_mutants import mutate_records

from .mutant_compare import compare
from .mutant_files import SOURCES, pick

LIMITS = Limits(
    max_bytes=32 << 20,
    max_macs=10**8,
    max_nodes=2000,
    max_depth=8,
    max_loop_iterations=200,
    deadline_s=1.0,
)
SLOWEST = 2.0  # seconds of processor time, of a file of up to 100 KB
GREEDIEST = 256 << 10  # KiB beyond what the process had before
HUNG = 60  # seconds
WATCHED = 20  # turns that have it together
FORGOTTEN = 16 << 10  # KiB by which the peak may be too high: to begin it anew takes 1 ms
MOST_FED = 1 << 20  # elements


def main() -> None:
    """Run what the arguments say."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--sources", default="operators,real")
    parser.add_argument("--library")
    parser.add_argument("--most", help="the strongest instruction set that the library is for")
    parser.add_argument("--save", type=Path, help="keep the files with faults in this folder")
    chosen = parser.parse_args()
    if chosen.library is not None:
        library.LIBRARY = chosen.library
    if chosen.most is not None:
        most = min(library.host_isa(), library.Isa[chosen.most.upper()])
        specialize.host_isa = lambda: most
    sources = chosen.sources.split(",")
    assert set(sources) <= set(SOURCES), sources
    worker = Worker(chosen.seed, sources, chosen.save)
    gc.freeze()  # what is there now stays: a fifth of the time went into looking at it
    print("ready", flush=True)
    for turn in range(chosen.first, chosen.first + chosen.count):
        if turn % WATCHED == 0 or turn == chosen.first:
            faulthandler.dump_traceback_later(HUNG, exit=True)  # anew: waits for its thread
        worker.turn(turn)
    faulthandler.cancel_dump_traceback_later()
    print(flush=True)


class Worker:
    """Turns of one seed, and the slowest and the greediest of them."""

    def __init__(self, seed: int, sources: list[str], save: Path | None) -> None:
        self.seed, self.sources, self.save = seed, sources, save
        self.slowest, self.greediest = 0.0, 0
        self._began = False
        self._clock = time.process_time()  # at the end of the turn before
        _watch(Executor, "run", self._begin)
        _watch(session, "evaluate", self._begin)
        _watch(staged, "evaluate", self._begin)

    def _begin(self) -> None:
        self._began = True

    def turn(self, turn: int) -> None:
        """Make a file, run it, tell of it."""
        generator = random.Random(f"{self.seed} {turn}")
        name, data = pick(self.sources, generator)
        data, changes = mutate_records(data, generator)
        what = f"{name}: {changes}"
        if self.save is not None:  # before it may end the process
            self.save.mkdir(exist_ok=True)
            kept = self.save / f"{self.seed}-{turn}.tflite"
            kept.write_bytes(data)
        self._began, fault = False, ""
        before, peak = _memory()
        if peak > before + FORGOTTEN:
            Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
        try:
            outcome = attempt(data, generator) or ("s" if self._began else "r")
        except BaseException:
            outcome, fault = "F", traceback.format_exc(limit=-6)[-2500:]
        began, self._clock = self._clock, time.process_time()
        seconds, memory = self._clock - began, _memory()[1] - before
        is_small = "networks" not in self.sources
        if not fault and is_small and (seconds > SLOWEST or memory > GREEDIEST):
            outcome, fault = "F", f"took {seconds:.1f} s and {memory} KiB"
        record = {"turn": turn, "what": what, "seconds": round(seconds, 3), "memory": memory}
        if self.save is not None and not fault:
            kept.unlink()
        if fault:
            self._tell({**record, "fault": fault})
        elif seconds > self.slowest or memory > self.greediest:
            self._tell(record)
        self.slowest, self.greediest = max(seconds, self.slowest), max(memory, self.greediest)
        sys.stdout.write(outcome)
        sys.stdout.flush()

    def _tell(self, record: dict[str, object]) -> None:
        print("\n" + json.dumps(record), flush=True)


def attempt(data: bytes, generator: random.Random) -> str:
    """Run a model by kernels and by references, some again with other shapes, and write some anew:
    "c" where all of it was done and the results of both are the same, "i" where there were none to
    compare, "" where an error of ours ended a part. Whatever else is raised goes on."""
    try:
        interpreter = Interpreter(data, limits=LIMITS, cache=False)
    except InternalError:
        raise
    except EdgewiseError:
        return ""
    model = interpreter.model
    references = Interpreter(model, limits=LIMITS, native=False)
    keys = interpreter.signatures[:3] or [None]
    outcomes = [_call(interpreter, references, key, generator) for key in keys]
    if model.graphs:
        runs: list[Callable[[], object]] = []
        if generator.random() < 0.4:
            runs.append(partial(_run_resized, model.main, generator))
        if generator.random() < 0.15:
            runs.append(partial(_rewrite, model))
        survived = [_survives(run) for run in runs]
        if not all(survived):
            return ""
    return "" if "" in outcomes else min(outcomes)


def _call(
    interpreter: Interpreter, references: Interpreter, key: str | None, generator: random.Random
) -> str:
    """What `attempt` says, of one signature. Raises AssertionError where the kernels' results are
    not the references'."""
    try:
        feeds = _feeds(interpreter.inputs(key), generator)
    except InternalError:
        raise
    except EdgewiseError:
        return ""
    found = [_results(run, key, feeds) for run in (interpreter, references)]
    signature = interpreter.model.signature(key)
    graph = interpreter.model.graphs[signature.graph]
    ordered = {name: feeds[name] for name in sorted(feeds, key=signature.inputs.__getitem__)}
    is_compared = compare(graph, interpreter.placement, ordered, *found)
    if any(isinstance(results, EdgewiseError) for results in found):
        return ""
    return "c" if is_compared else "i"


def _results(
    interpreter: Interpreter, key: str | None, feeds: dict[str, np.ndarray]
) -> dict[str, np.ndarray] | EdgewiseError:
    try:
        return interpreter(signature=key, **feeds)
    except InternalError:
        raise
    except EdgewiseError as error:
        return error


def _rewrite(model: Model) -> None:
    """What the passes make of it can be read again. Raises AssertionError."""
    data = b"".join(write(to_tflite(canonicalize(model))))
    try:
        load(data)
    except EdgewiseError as error:
        raise AssertionError(f"what was written cannot be read: {error}") from error


def _survives(run: Callable[[], object]) -> bool:
    try:
        run()
    except InternalError:
        raise
    except EdgewiseError:
        return False
    return True


def _run(session: Session, generator: random.Random) -> None:
    session.run([_array(value.type, generator) for value in session.graph.inputs])


def _run_resized(graph: Graph, generator: random.Random) -> None:
    """By the kernels or the references, which need not have run with the old shapes."""
    run = Session(graph, native=generator.random() < 0.7, limits=LIMITS)
    run.resize([_resized(value.type, generator) for value in graph.inputs])
    _run(run, generator)


def _feeds(types: dict[str, TensorType], generator: random.Random) -> dict[str, np.ndarray]:
    """Arrays for inputs. Raises what the interpreter would where nobody could make them."""
    return {name: _array(type_, generator) for name, type_ in types.items()}


def _array(type_: TensorType, generator: random.Random) -> np.ndarray:
    shape = [_size(d, generator) for d in type_.shape or ()]
    if math.prod(max(d, 1) for d in shape) > MOST_FED or min(shape, default=0) < 0:
        raise EdgewiseError("the caller would have to give this much")
    numbers = np.random.default_rng(generator.getrandbits(32))
    dtype = type_.dtype.numpy
    if type_.dtype is DType.STRING:
        words = np.array([b"", b"a", b"the", b"words of a text", b"\xff\x00"], object)
        return np.asarray(numbers.choice(words, shape), object)
    if dtype.kind in "fcV":
        noise = numbers.normal(0, 3, shape)
        if noise.size and generator.random() < 0.2:
            edges = (math.nan, math.inf, -math.inf, 3e38, 1e-45, -0.0)
            noise.flat[generator.randrange(noise.size)] = generator.choice(edges)
        return np.asarray(noise).astype(dtype)
    if dtype.kind == "b":
        return np.asarray(numbers.integers(0, 2, shape)).astype(dtype)
    if dtype.kind not in "iu" or type_.dtype is DType.RESOURCE:
        return np.zeros(shape, dtype)
    least, most = (int(n) for n in type_.dtype.range)
    wide = dtype.itemsize >= 4
    low, high = (
        generator.choice(((0, 3), (0, 3), (-3, 9), (least, most))) if wide else (least, most)
    )
    wide_type = np.int64 if least else np.uint64
    found = numbers.integers(max(low, least), high, shape, wide_type, endpoint=True)
    return np.asarray(found).astype(dtype)


def _size(dim: Dim, generator: random.Random) -> int:
    return dim if isinstance(dim, int) else generator.choice((1, 1, 2, 3, 0))


def _resized(type_: TensorType, generator: random.Random) -> list[int]:
    """A shape like that of an input, with one size changed."""
    shape = [_size(d, generator) for d in type_.shape or ()]
    if shape and generator.random() < 0.8:
        at = generator.randrange(len(shape))
        shape[at] = max(0, generator.choice((shape[at] + 1, shape[at] - 1, 1, 2, shape[at] * 3)))
    return shape


def _memory() -> tuple[int, int]:
    """KiB of this process: now, and at its peak."""
    found = {}
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(("VmRSS", "VmHWM")):
            name, size, _ = line.split()
            found[name] = int(size)
    return found["VmRSS:"], found["VmHWM:"]


def _watch(owner: object, name: str, begin: Callable[[], None]) -> None:
    function = getattr(owner, name)

    def watched(*arguments: object, **options: object) -> object:
        begin()
        return function(*arguments, **options)

    setattr(owner, name, watched)


if __name__ == "__main__":
    np.seterr(all="ignore")
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    faulthandler.enable()
    main()
