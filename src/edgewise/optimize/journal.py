"""What was measured, in a file: a search that was interrupted goes on where it was.

One line for each trial and its score, behind a first line that says of what: a model, examples and
a metric. A line that was not written to its end is no line.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable
from pathlib import Path

from edgewise.errors import InputError, OutputError
from edgewise.files import as_bytes
from edgewise.optimize.bench import Problem, Score, Trial
from edgewise.runtime.workers import ordered

_MOST_BYTES = 1 << 28  # 100,000 trials of 1,000 examples


class Journal:
    """Scores that are known, in memory and in a file (None: in memory alone).

    Raises:
        InputError: the file is of another problem, or no journal.
        OutputError: it cannot be written.
    """

    def __init__(self, path: Path | None, fingerprint: str) -> None:
        self._path, self._known = path, dict[str, Score]()
        self.resumed = 0
        if path is None:
            return
        head = json.dumps({"edgewise": "autopilot", "of": fingerprint})
        try:
            if not path.exists() or not path.stat().st_size:
                path.write_text(head + "\n")
                return
            if path.stat().st_size > _MOST_BYTES:
                raise InputError(f"{path}: larger than {_MOST_BYTES} bytes; no journal of a search")
            text = path.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise OutputError(f"{path}: cannot be read and written: {error}") from error
        first, *lines = text.splitlines()
        if first != head:
            raise InputError(
                f"{path}: measured of another model, other examples or another metric. Give "
                "another --state, or remove the file"
            )
        if not text.endswith("\n"):  # the last line was being written
            lines.pop()
            path.write_text("\n".join([first, *lines]) + "\n")
        for line in lines:
            self._read(line, path)
        self.resumed = len(self._known)

    def _read(self, line: str, path: Path) -> None:
        try:
            data = json.loads(line)
            self._known[data["trial"]] = Score.from_json(data["score"])
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise InputError(
                f"{path}: not a journal of a search: {error}. Remove the file"
            ) from error

    def measure(
        self,
        trials: Iterable[Trial],
        station: Callable[[str], str],
        workers: int,
        progress: Callable[[int, int], None] | None = None,
    ) -> list[Score]:
        """The scores of trials: those that are not known are measured, `workers` at a time."""
        lines = [trial.to_json() for trial in trials]
        wanted = list(dict.fromkeys(line for line in lines if line not in self._known))
        found = ordered(lambda line: (line, station(line)), wanted, workers)
        for done, (line, answer) in enumerate(found, 1):
            self._add(line, answer.strip())
            if progress is not None:
                progress(done, len(wanted))
        return [self._known[line] for line in lines]

    def _add(self, line: str, answer: str) -> None:
        self._known[line] = Score.from_json(answer)
        if self._path is None:
            return
        with self._path.open("a") as file:
            file.write(json.dumps({"trial": line, "score": answer}) + "\n")
            file.flush()
            os.fsync(file.fileno())


def fingerprint(problem: Problem) -> str:
    """A digest of all that scores depend on."""
    from hashlib import sha256

    digest = sha256(problem.model)
    for part, examples in sorted(problem.examples.items()):
        digest.update(part.encode())
        for array in (*examples.inputs, examples.labels):
            digest.update(f"{array.dtype}{array.shape}".encode())
            digest.update(as_bytes(array))
    digest.update(repr((problem.metric, problem.target, problem.signature)).encode())
    return digest.hexdigest()
