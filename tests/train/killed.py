"""Trains as `edgewise train` does, and dies of SIGKILL at a step that is told: run as a process.

python -m tests.train.killed DATA OUTPUT STEP     (STEP 0: lives; prints the steps there were)
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from edgewise.tasks.training import train_image_classifier


def main(data: str, output: str, step: int) -> None:
    """Count what stages tell, their beginnings and ends included."""
    count = 0

    def tick(*_: object) -> None:
        nonlocal count
        count += 1
        if count == step:
            os.kill(os.getpid(), signal.SIGKILL)

    @contextmanager
    def stage(_: str) -> Iterator[Callable[[int, int], None]]:
        tick()
        yield tick
        tick()

    train_image_classifier(
        Path(data) / "pictures", output, backbone=Path(data) / "backbone.tflite", epochs=4,
        features=Path(output).parent / "kept", fine_tune=True, quantized="int8", seed=5,
        overwrite=True, stage=stage,
    )  # fmt: skip
    print(count)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
