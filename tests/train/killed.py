"""Trains as `edgewise train` does, and dies of SIGKILL at a step that is told: run as a process.

python -m tests.train.killed DATA OUTPUT STEP PLAN    (STEP 0: lives; PLAN: head, or top blocks)

Prints each stage when it begins, and in the end how many steps there were: what stages tell, their
beginnings and ends, and each file that is about to be whole.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from edgewise.tasks.training import train_image_classifier


def main(data: str, output: str, step: int, plan: str) -> None:
    """Count, and die."""
    count = 0
    synchronize = os.fsync

    def tick(*_: object) -> None:
        nonlocal count
        count += 1
        if count == step:
            os.kill(os.getpid(), signal.SIGKILL)

    def fsync(file: int) -> None:
        tick()
        synchronize(file)

    @contextmanager
    def stage(name: str) -> Iterator[Callable[[int, int], None]]:
        print(name, flush=True)
        tick()
        yield tick
        tick()

    os.fsync = fsync
    train_image_classifier(
        Path(data) / "pictures", output, backbone=Path(data) / "backbone.tflite", epochs=4,
        features=Path(output).parent / "kept", fine_tune=plan == "top blocks", quantized="int8",
        seed=5, overwrite=True, stage=stage,
    )  # fmt: skip
    print(count)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4])
