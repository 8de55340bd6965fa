"""Time and memory of converting a Keras file: Edgewise against TensorFlow, in one interleaved run.

    python benchmarks/convert.py --tensorflow-python PATH [--model model.keras] [--rounds 3]

Every conversion is a fresh process: start-up and imports count, as they do for a user. TensorFlow
and Keras live in another environment (`--tensorflow-python`); without `--model` that environment
makes MobileNetV2 1.0 224 with random weights first. Printed: median and least wall time, peak
resident memory (of the whole process), size of the file.
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
import sys, edgewise
edgewise.convert(sys.argv[1]).save(sys.argv[2], overwrite=True)
"""
TENSORFLOW = """
import sys, keras, tensorflow as tf
model = keras.models.load_model(sys.argv[1], compile=False)
data = tf.lite.TFLiteConverter.from_keras_model(model).convert()
open(sys.argv[2], "wb").write(data)
"""
MAKE = """
import sys, keras
keras.utils.set_random_seed(7)
keras.applications.MobileNetV2(weights=None).save(sys.argv[1])
"""


@dataclass
class Peer:
    """One converter and what was measured of it: seconds, peak bytes, bytes written."""

    name: str
    command: list[str]
    seconds: list[float] = field(default_factory=list)
    peak: list[int] = field(default_factory=list)
    size: int = 0


def measure(command: list[str]) -> tuple[float, int]:
    """(wall seconds, peak resident bytes) of a command; raises where it fails."""
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "TF_ENABLE_ONEDNN_OPTS": "0"}
    start = time.perf_counter()
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment
    )
    assert process.stderr is not None
    errors = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    if status:
        raise SystemExit(f"{command[0]} failed:\n{errors.decode()[-2000:]}")
    return seconds, usage.ru_maxrss * 1024


def rounds(peers: list[Peer], model: Path, folder: Path, count: int) -> None:
    """A B A B ...: every peer converts the model `count` times."""
    for _ in range(count):
        for peer in peers:
            target = folder / f"{peer.name}.tflite"
            seconds, peak = measure([*peer.command, str(model), str(target)])
            peer.seconds.append(seconds)
            peer.peak.append(peak)
            peer.size = target.stat().st_size


def table(peers: list[Peer], write: Callable[[str], object]) -> None:
    """One line per peer, then the ratios to the first."""
    write(f"{'converter':<12} {'median s':>9} {'least s':>9} {'peak MB':>9} {'file MB':>9}\n")
    for peer in peers:
        write(
            f"{peer.name:<12} {statistics.median(peer.seconds):>9.2f} {min(peer.seconds):>9.2f} "
            f"{max(peer.peak) / 1e6:>9.0f} {peer.size / 1e6:>9.2f}\n"
        )
    first = peers[0]
    for peer in peers[1:]:
        speed = statistics.median(peer.seconds) / statistics.median(first.seconds)
        memory = max(peer.peak) / max(first.peak)
        write(f"{peer.name} takes {speed:.1f} times as long and {memory:.1f} times the memory\n")


def main() -> None:
    """Parse the arguments, measure, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("--tensorflow-python", help="Python of an environment with TensorFlow")
    parser.add_argument("--model", type=Path, help="a .keras or .h5 file")
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
            measure([options.tensorflow_python, "-c", MAKE, str(model)])
        rounds(peers, model, folder, options.rounds)
        table(peers, sys.stdout.write)


if __name__ == "__main__":
    main()
