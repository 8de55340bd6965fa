"""Time of one inference: Edgewise against LiteRT, interleaved, one thread, on one core.

    python benchmarks/run.py MODEL.tflite ... --litert-python PATH [--rounds 5] [--seconds 0.3]

Each peer is a worker process with the model loaded; they run by turns, A B A B, so that a noisy
machine disturbs both alike. LiteRT (ai-edge-litert) lives in another environment. Printed per
model: median and least milliseconds of both, and LiteRT's time over ours for each. Inputs are
random, from a fixed seed, and set before the clock starts.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
from pathlib import Path

WORKER = """
import sys, time
import numpy as np

def random(shape, dtype):
    rng = np.random.default_rng(0)
    if np.dtype(dtype).kind == "f":
        return rng.uniform(-1, 1, shape).astype(dtype)
    info = np.iinfo(dtype)
    low, high = (0, 2) if info.bits > 16 else (info.min, info.max)
    return rng.integers(low, high, shape, endpoint=True).astype(dtype)

def edgewise_run(path):
    import edgewise
    from edgewise.runtime.session import Session
    graph = edgewise.load(path).main
    shapes = [[d if isinstance(d, int) else 1 for d in v.shape] for v in graph.inputs]
    inputs = [random(s, v.dtype.numpy) for s, v in zip(shapes, graph.inputs)]
    session = Session(graph)
    return lambda: session.run(inputs)

def litert_run(path):
    from ai_edge_litert.interpreter import Interpreter
    interpreter = Interpreter(path, num_threads=1)
    interpreter.allocate_tensors()
    for d in interpreter.get_input_details():
        interpreter.set_tensor(d["index"], random(d["shape"], d["dtype"]))
    return interpreter.invoke

run = {"edgewise": edgewise_run, "litert": litert_run}[sys.argv[1]](sys.argv[2])
for _ in range(3):
    run()
print("ready", flush=True)
for line in sys.stdin:
    end = time.perf_counter() + float(line)
    times = []
    while not times or time.perf_counter() < end:
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    print(*times, flush=True)
"""


class Peer:
    """A worker process that times inferences when asked."""

    def __init__(self, name: str, python: str, model: str) -> None:
        self.times: list[float] = []
        self._process = subprocess.Popen(
            [python, "-c", WORKER, name, model],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self._answer()

    def measure(self, seconds: float) -> None:
        """Run for this long; the times are added to `times`."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{seconds}\n")
        self._process.stdin.flush()
        self.times += [float(t) for t in self._answer().split()]

    def close(self) -> None:
        """End the worker."""
        self._process.kill()
        self._process.wait()

    def _answer(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the worker died; run it alone to see why")
        return line


def compare(model: str, litert_python: str, rounds: int, seconds: float) -> str:
    """One line of the table."""
    peers = [Peer("edgewise", sys.executable, model), Peer("litert", litert_python, model)]
    try:
        for _ in range(rounds):
            for peer in peers:
                peer.measure(seconds)
    finally:
        for peer in peers:
            peer.close()
    (ours, least), (theirs, their_least) = (
        (statistics.median(p.times) * 1e3, min(p.times) * 1e3) for p in peers
    )
    name = "/".join(Path(model).parts[-2:])
    return (
        f"| {name} | {ours:.3f} / {least:.3f} | {theirs:.3f} / {their_least:.3f} "
        f"| {theirs / ours:.2f} / {their_least / least:.2f} |"
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="+")
    parser.add_argument("--litert-python", required=True, help="an interpreter with ai-edge-litert")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.3, help="per peer and round")
    args = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})  # the workers inherit it
    lines = ["| model | edgewise ms, median / least | litert ms | litert / edgewise |"]
    lines.append("|---|---|---|---|")
    lines += [compare(m, args.litert_python, args.rounds, args.seconds) for m in args.models]
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
