"""Files that are worth changing: one operator each, small models of others, networks.

operators   the cases of tests/ops as files, one for every operator, dtype and variant
real        the `.tflite` files of ../shared/data/tflite, up to 100 KB
networks    the models of ../shared/data/bench and the rest of tflite, up to 6 MB
"""

from __future__ import annotations

import contextlib
import random
from collections import defaultdict
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from edgewise.errors import EdgewiseError, UnsupportedOp
from edgewise.format import write
from edgewise.format.container import read_model
from edgewise.passes.pipeline import to_tflite
from tests.ops.case import Case, all_cases, model_of

from .builds import ROOT

DATA = ROOT.parent / "shared" / "data"
SMALL, LARGE = 100_000, 6_000_000  # bytes
SOURCES = ("operators", "real", "networks")


def pick(sources: Sequence[str], generator: random.Random) -> tuple[str, bytes]:
    """Name and bytes of a file of one of the sources."""
    chosen = generator.choice(sources)
    if chosen != "operators":
        path = generator.choice(_paths(chosen))
        return path.stem, _bytes(path)
    kinds = _operators()
    for _ in range(100):  # a few operators have no form in a file
        case = generator.choice(kinds[generator.choice(list(kinds))])
        with contextlib.suppress(UnsupportedOp):
            return case.id, _written(case)
    raise AssertionError("no operator can be written")


_files: dict[str, bytes] = {}


def _written(case: Case) -> bytes:
    if case.id not in _files:
        _files[case.id] = b"".join(write(to_tflite(model_of(case))))
    return _files[case.id]


@cache
def _operators() -> dict[str, list[Case]]:
    """The cases by operator and dtype: each of these is picked equally often."""
    found: dict[str, list[Case]] = defaultdict(list)
    for case in all_cases():
        if not case.error:
            found[case.id.split("-")[0] + case.id.split("-")[1]].append(case)
    return dict(found)


@cache
def _paths(source: str) -> list[Path]:
    folders = (DATA / "tflite", DATA / "bench")
    paths = sorted(path for folder in folders for path in folder.rglob("*.tflite"))
    least, most = {"real": (0, SMALL), "networks": (SMALL, LARGE)}[source]
    found = [path for path in paths if least <= path.stat().st_size < most]
    return [path for path in found if _is_readable(path)]


def _is_readable(path: Path) -> bool:
    """Some of the files of others are broken on purpose."""
    with contextlib.suppress(EdgewiseError):
        return read_model(_bytes(path)) is not None
    return False


@cache
def _bytes(path: Path) -> bytes:
    return path.read_bytes()
