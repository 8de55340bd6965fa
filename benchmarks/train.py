"""Trains a classifier of DATA once for each seed, by the command line in a process of its own, and
tells accuracies, the cost of integers and of fine-tuning, seconds and the most memory.

    python benchmarks/train.py DATA --weights FILE [--seeds 5] [--fine-tune] [--work FOLDER]

A run begins with an empty cache of features, unless --work names a folder that has one.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import fmean


def main() -> None:
    """Print a line for each run, and the means."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--backbone", default="mobilenet_v2")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--fine-tune", action="store_true")
    parser.add_argument("--work", type=Path, help="keeps features from run to run")
    given = parser.parse_args()
    rows = []
    for seed in range(given.seeds):
        with tempfile.TemporaryDirectory() as folder:
            rows.append(_run(given, seed, Path(folder)))
        sys.stdout.write(_line(f"seed {seed}", rows[-1]))
        sys.stdout.flush()
    means = {name: fmean(row[name] for row in rows) for name in rows[0]}
    sys.stdout.write(_line("mean", means))
    sys.stdout.write(
        f"float32 least {min(r['float32'] for r in rows):.2f} %, "
        f"most memory {max(r['megabytes'] for r in rows):.0f} MB\n"
    )


def _run(given: argparse.Namespace, seed: int, folder: Path) -> dict[str, float]:
    """What one run came to: percent, seconds, MB."""
    command = [
        *(sys.executable, "-m", "edgewise", "train", "image-classifier", str(given.data)),
        *("-o", str(folder / "model.tflite"), "--backbone", given.backbone, "--quantize", "int8"),
        *("--features", str(given.work or folder / "features"), "--seed", str(seed), "--json"),
        *(("--weights", str(given.weights)) if given.weights else ()),
        *(("--fine-tune",) if given.fine_tune else ()),
    ]
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert process.stdout is not None
    text = process.stdout.read()
    _, status, own = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"the run of seed {seed} failed")
    made = json.loads(text)
    scores = {name: 100 * part["accuracy"]["value"] for name, part in made["test"].items()}
    blocks = made["curves"].get("top_blocks", {"best": -1})
    return {
        **scores,
        "int8 - float32": 100 * made["int8_less_float32"]["value"],
        "fine-tuned": float(blocks["best"] >= 0),
        "wall s": time.perf_counter() - start,
        "cpu s": own.ru_utime + own.ru_stime,
        "megabytes": own.ru_maxrss / 1024,
    }


def _line(title: str, row: dict[str, float]) -> str:
    return f"{title:<7}" + "  ".join(f"{name} {value:.2f}" for name, value in row.items()) + "\n"


if __name__ == "__main__":
    main()
