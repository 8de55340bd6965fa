"""Places where trials are measured, for `runtime.workers.ordered`: processes here, or a cluster.

A station is called with a trial's line and answers with its score's, from any thread; it takes as
many benches as calls wait at a time, and closes them all. Processes are started as commands of
their own, so that a script needs no guard around
its main part, and talk in lines on their standard input and output.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from base64 import b64decode
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Any

from edgewise.errors import InternalError, MissingExtra
from edgewise.optimize.bench import Bench
from edgewise.optimize.recipe import Recipe

_LAST = 2000  # characters of what a process said before it died


class Station:
    """Benches, made by `hire` when no other one is free, which get the lines."""

    def __init__(self, hire: Callable[[ExitStack], Callable[[str], str]]) -> None:
        self._hire = hire
        self._free: SimpleQueue[Callable[[str], str]] = SimpleQueue()
        self._open = ExitStack()

    def __call__(self, line: str) -> str:
        """The answer to a line."""
        try:
            bench = self._free.get_nowait()
        except Empty:
            bench = self._hire(self._open)
        answer = bench(line)
        self._free.put(bench)
        return answer

    def file(self, recipe: Recipe) -> bytes:
        """The `.tflite` file of a recipe, made where it was measured."""
        return b64decode(self(json.dumps({"file": recipe.to_json()})))

    def __enter__(self) -> Station:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._open.close()


def processes(folder: Path) -> Station:
    """Processes on this machine, each with the bench of a folder."""
    return Station(lambda closing: closing.enter_context(_Process(folder)))


def cluster(folder: Path, address: str) -> Station:
    """Actors on a Ray cluster (extra `cluster`). `local` starts one on this machine.

    Raises:
        MissingExtra: Ray is not installed.
    """
    try:
        import ray
    except ImportError:
        raise MissingExtra("measuring on a cluster", "cluster") from None
    if not ray.is_initialized():
        ray.init(address=None if address == "local" else address, log_to_driver=False)
    files = ray.put({path.name: path.read_bytes() for path in folder.iterdir()})
    actor: Any = ray.remote(num_cpus=1)(_Actor)  # Ray's decorators have no types

    def hire(closing: ExitStack) -> Callable[[str], str]:
        made = actor.remote(files)
        closing.callback(ray.kill, made)
        closing.callback(lambda: ray.get(made.close.remote()))
        return lambda line: str(ray.get(made.answer.remote(line)))

    return Station(hire)


class _Process:
    """One process; called from one thread at a time."""

    def __init__(self, folder: Path) -> None:
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 (closed with the process)
        self._process = subprocess.Popen(
            [sys.executable, "-c", _CODE, json.dumps(sys.path), str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            text=True,
        )

    def __call__(self, line: str) -> str:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()
            answer = self._process.stdout.readline()
        except BrokenPipeError:
            answer = ""
        if not answer:
            self._said.seek(0)
            said = self._said.read().decode(errors="replace").strip()
            raise InternalError(f"a process that measures models died: {said[-_LAST:]}")
        return answer

    def __enter__(self) -> _Process:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.communicate()
        self._said.close()


# modules are looked for where this process does; BLAS takes one thread, as many processes run as
# there are cores
_CODE = """
import json, os, sys
sys.path[:] = json.loads(sys.argv[1])
for name in ("OPENBLAS", "OMP", "MKL"):
    os.environ[f"{name}_NUM_THREADS"] = "1"
from edgewise.optimize.stations import main
main(sys.argv[2])
"""


class _Actor:
    """A bench on another machine, with files of its own."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self._folder = tempfile.TemporaryDirectory()
        for name, data in files.items():
            (Path(self._folder.name) / name).write_bytes(data)
        self._bench = Bench.of(Path(self._folder.name))

    def answer(self, line: str) -> str:
        return self._bench.answer(line)

    def close(self) -> None:
        self._folder.cleanup()


def main(folder: str) -> None:
    """Answer line by line until there is none."""
    bench = Bench.of(Path(folder))
    for line in sys.stdin:
        sys.stdout.write(bench.answer(line) + "\n")
        sys.stdout.flush()
