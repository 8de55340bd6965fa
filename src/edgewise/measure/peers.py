"""The same model in several runtimes, measured by turns: A B A B, so that noise hits all alike.

Every runtime is a worker process (`worker.py`); those whose turn it is not are stopped. Other
runtimes than Edgewise may live in another Python's environment, because they pin packages.
"""

from __future__ import annotations

import json
import math
import os
import signal
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from edgewise.errors import EdgewiseError, InputError

WORKER = Path(__file__).with_name("worker.py")
OTHERS = ("litert", "onnxruntime", "openvino", "openvino_bf16", "bf16")  # bf16: ours
HEADS = ("median ms", "min ms", "spread", "x ours", "load ms", "first ms")  # of `cells`
WARM_UP = 3  # inferences before the first that counts; the first one of all is told apart


@dataclass
class Measurement:
    """What was measured of one runtime. Times in seconds, memory in bytes."""

    runtime: str
    version: str = ""
    error: str = ""  # why it does not run the model; nothing else is known then
    import_s: float = 0.0
    load_s: float = 0.0
    first_s: float = 0.0
    memory: int | None = None
    arena: int | None = None
    times: list[float] = field(default_factory=list)
    outputs: list[list[float]] = field(default_factory=list)

    @property
    def median(self) -> float:
        """Of the times of one inference; NaN where it did not run."""
        return statistics.median(self.times) if self.times else math.nan

    @property
    def least(self) -> float:
        """The fastest inference; NaN where it did not run."""
        return min(self.times, default=math.nan)

    @property
    def spread(self) -> float:
        """Distance between the first and third quartile, as a share of the median."""
        if len(self.times) < 4:
            return math.nan
        low, _, high = statistics.quantiles(self.times, n=4)
        return (high - low) / self.median

    def cells(self, ours: Measurement) -> tuple[str, ...]:
        """What `HEADS` says, beside ours; empty where there is no number."""
        ratio = self.median / ours.median if self is not ours else math.nan
        return (
            f"{self.median * 1e3:.3f}",
            f"{self.least * 1e3:.3f}",
            "" if math.isnan(self.spread) else f"{self.spread:.0%}",
            "" if math.isnan(ratio) else f"{ratio:.2f}",
            f"{self.load_s * 1e3:.1f}",
            f"{self.first_s * 1e3:.1f}",
        )

    def as_json(self) -> dict[str, object]:
        """Plain data for `json.dump`; the single times are left out."""
        if self.error:
            return {"runtime": self.runtime, "error": self.error}
        return {
            "runtime": self.runtime,
            "version": self.version,
            "median_ms": self.median * 1e3,
            "min_ms": self.least * 1e3,
            "spread": self.spread,
            "runs": len(self.times),
            "import_ms": self.import_s * 1e3,
            "load_ms": self.load_s * 1e3,
            "first_ms": self.first_s * 1e3,
            "peak_memory_bytes": self.memory,
            "arena_bytes": self.arena,
        }


def compare(
    model: Path,
    others: Sequence[str] = (),
    *,
    python: str | None = None,
    onnx: Path | None = None,
    threads: int = 1,
    rounds: int = 5,
    seconds: float = 0.5,
    runs: int = 5,
    progress: Callable[[int, int], None] | None = None,
    ops: Sequence[Path] = (),
) -> list[Measurement]:
    """Measure Edgewise and other runtimes on a `.tflite` file, Edgewise first.

    Args:
        others: of "litert", "onnxruntime", "openvino", "openvino_bf16", which may compute in
            bfloat16, and "bf16", which is Edgewise with products of bfloat16.
        python: the interpreter that has the others than ours (None: this one).
        onnx: the model as ONNX Runtime reads it; None: the file of that suffix beside the model,
            or what `tf2onnx` makes if `python` has it.
        ops: files that tell custom operators, for Edgewise (`edgewise.custom.load_ops`).
        rounds: turns of each runtime. `seconds`: of one turn, at least `runs` inferences.

    Raises:
        InputError: an unknown runtime, or no such file.
    """
    unknown = [name for name in others if name not in OTHERS]
    if unknown:
        raise InputError(f"unknown runtimes {', '.join(unknown)}; known are {', '.join(OTHERS)}")
    if not model.is_file():
        raise InputError(f"{model}: no such file")
    python = python or sys.executable
    with tempfile.TemporaryDirectory() as folder:
        workers = [_Worker("edgewise", sys.executable, model, threads, ops)]
        try:
            for name in others:
                file = model
                if name == "onnxruntime":
                    made = onnx or _as_onnx(model, python, Path(folder))
                    if isinstance(made, str):
                        workers.append(_Worker.refused(name, made))
                        continue
                    file = made
                interpreter, more = (sys.executable, ops) if name == "bf16" else (python, ())
                workers.append(_Worker(name, interpreter, file, threads, more))
            running = [w for w in workers if not w.found.error]
            for turn in range(rounds):
                for place, worker in enumerate(running):
                    if progress is not None:
                        progress(turn * len(running) + place, rounds * len(running))
                    worker.measure(seconds, runs)
        finally:
            for worker in workers:
                worker.close()
    return [worker.found for worker in workers]


def difference(ours: Measurement, theirs: Measurement) -> float:
    """Largest distance of two runtimes' outputs, relative to the largest value; NaN where they
    cannot be compared. Only the first values of each output are."""
    pairs = list(zip(ours.outputs, theirs.outputs, strict=False))
    if not pairs or any(len(a) != len(b) for a, b in pairs):
        return math.nan
    most = max((abs(v) for _, b in pairs for v in b), default=0.0)
    apart = max((abs(x - y) for a, b in pairs for x, y in zip(a, b, strict=True)), default=0.0)
    return apart / most if most else apart


class _Worker:
    """A worker process; stopped except during its turns."""

    def __init__(
        self, runtime: str, python: str, model: Path, threads: int, ops: Sequence[Path] = ()
    ) -> None:
        self.found = Measurement(runtime)
        self._process: subprocess.Popen[str] | None = subprocess.Popen(
            [python, str(WORKER), runtime, *map(str, (model, threads, *ops))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for key, value in self._answer().items():
            setattr(self.found, key, value)
        if not self.found.error:
            self._ask(0, WARM_UP)
            self._signal("SIGSTOP")

    @classmethod
    def refused(cls, runtime: str, why: str) -> _Worker:
        """A runtime that cannot be started."""
        worker = cls.__new__(cls)
        worker.found, worker._process = Measurement(runtime, error=why), None
        return worker

    def measure(self, seconds: float, runs: int) -> None:
        """One turn: its times are added to what was found."""
        self._signal("SIGCONT")
        self.found.times += self._ask(seconds, runs)
        self._signal("SIGSTOP")

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()

    def _ask(self, seconds: float, runs: int) -> list[float]:
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(f"{seconds} {runs}\n")
        self._process.stdin.flush()
        answer = self._answer()
        if "error" in answer:
            raise EdgewiseError(f"{self.found.runtime}: {answer['error']}")
        times = answer["times"]
        assert isinstance(times, list)
        return times

    def _answer(self) -> dict[str, object]:
        assert self._process is not None
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if line:
            found = json.loads(line)
            assert isinstance(found, dict)
            return found
        _, said = self._process.communicate()
        last = said.strip().splitlines()[-1:] or [f"exit code {self._process.returncode}"]
        return {"error": f"the process died: {last[0]}"}

    def _signal(self, name: str) -> None:
        number = getattr(signal, name, None)  # Windows has neither
        if number is not None and self._process is not None:
            os.kill(self._process.pid, number)


def _as_onnx(model: Path, python: str, folder: Path) -> Path | str:
    """The file beside the model, or the model converted by tf2onnx, or why it could not be."""
    beside = model.with_suffix(".onnx")
    if beside.exists():
        return beside
    target = folder / "model.onnx"
    command = [python, "-m", "tf2onnx.convert", "--tflite", str(model), "--output", str(target)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode == 0 and target.exists():
        return target
    last = done.stderr.strip().splitlines()[-1:] or ["no reason given"]
    return f"no ONNX file (--onnx FILE), and tf2onnx failed: {last[0]}"
