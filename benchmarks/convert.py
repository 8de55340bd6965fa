"""Time and memory of converting a model: Edgewise against TensorFlow, in one interleaved run.

    python benchmarks/convert.py --tensorflow-python PATH [--model MODEL] [--rounds 3]

MODEL is a Keras file or the folder of a SavedModel.

Every conversion is a fresh process. Printed per converter: median wall time of the process, which
is what a user waits (start-up and imports count); median wall time from reading the model to the
file written, imports done; median processor time of the process, which other load on the machine
hardly changes; peak resident memory of the process; size of the file. TensorFlow and Keras live in
another environment (`--tensorflow-python`); without `--model` that environment makes MobileNetV2
1.0 224 with random weights first.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

EDGEWISE = """
import sys, time, edgewise
edgewise.convert  # imported when it is first named
start = time.perf_counter()
edgewise.convert(sys.argv[1]).save(sys.argv[2], overwrite=True)
print(time.perf_counter() - start)
"""
TENSORFLOW = """
import os, sys, time, keras, tensorflow as tf
start = time.perf_counter()
if os.path.isdir(sys.argv[1]):
    converter = tf.lite.TFLiteConverter.from_saved_model(sys.argv[1])
else:
    model = keras.models.load_model(sys.argv[1], compile=False)
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
data = converter.convert()
open(sys.argv[2], "wb").write(data)
print(time.perf_counter() - start)
"""
MAKE = """
import sys, keras
keras.utils.set_random_seed(7)
keras.applications.MobileNetV2(weights=None).save(sys.argv[1])
"""


@dataclass(frozen=True)
class Run:
    """One conversion: seconds of the process, of the conversion in it, of processors; bytes."""

    wall: float
    conversion: float
    processor: float
    peak: int


@dataclass
class Peer:
    """One converter, and what was measured of it."""

    name: str
    command: list[str]
    runs: list[Run] = field(default_factory=list)
    size: int = 0

    def median(self, what: str) -> float:
        """The median of one of Run's fields."""
        return float(statistics.median(getattr(run, what) for run in self.runs))


def measure(command: list[str]) -> Run:
    """Run a command whose last line is the seconds of the conversion; raises where it fails."""
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "TF_ENABLE_ONEDNN_OPTS": "0"}
    start = time.perf_counter()
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=errors, env=environment, text=True
        )
        assert process.stdout is not None
        lines = process.stdout.read().split("\n")
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if status:
            errors.seek(0)
            raise SystemExit(f"{command[0]} failed:\n{errors.read().decode()[-2000:]}")
    conversion = float(next((line for line in reversed(lines) if line), "nan"))
    return Run(wall, conversion, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)


def rounds(peers: list[Peer], model: Path, folder: Path, count: int) -> None:
    """A B A B ...: every peer converts the model `count` times."""
    for _ in range(count):
        for peer in peers:
            target = folder / f"{peer.name}.tflite"
            peer.runs.append(measure([*peer.command, str(model), str(target)]))
            peer.size = target.stat().st_size


def table(peers: list[Peer], write: Callable[[str], object]) -> None:
    """One line per peer, then the ratios to the first."""
    heads = ("wall s", "convert s", "cpu s", "peak MB", "file MB")
    write(f"{'converter':<12}" + "".join(f"{head:>11}" for head in heads) + "\n")
    for peer in peers:
        write(
            f"{peer.name:<12}{peer.median('wall'):>11.2f}{peer.median('conversion'):>11.2f}"
            f"{peer.median('processor'):>11.2f}{peer.median('peak') / 1e6:>11.0f}"
            f"{peer.size / 1e6:>11.2f}\n"
        )
    first = peers[0]
    for peer in peers[1:]:
        longer, larger = (peer.median(w) / first.median(w) for w in ("conversion", "peak"))
        write(f"{peer.name} takes {longer:.1f} times as long and {larger:.1f} times the memory\n")


def main() -> None:
    """Parse the arguments, measure, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("--tensorflow-python", help="Python of an environment with TensorFlow")
    parser.add_argument("--model", type=Path, help="a .keras or .h5 file, or a SavedModel")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    if options.model is None and options.tensorflow_python is None:
        parser.error("without --model, --tensorflow-python must make one")
    peers = [Peer("edgewise", [sys.executable, "-c", EDGEWISE])]
    if options.tensorflow_python:
        peers.append(Peer("tensorflow", [options.tensorflow_python, "-c", TENSORFLOW]))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = options.model
        if model is None:
            model = folder / "mobilenet_v2.keras"
            subprocess.run([options.tensorflow_python, "-c", MAKE, str(model)], check=True)
        rounds(peers, model, folder, options.rounds)
        table(peers, sys.stdout.write)


if __name__ == "__main__":
    main()
