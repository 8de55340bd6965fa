"""Files that are worth changing: one operator each, small models of others, networks.

operators   the cases of tests/ops as files, one for every operator, dtype and variant
real        the `.tflite` files of ../shared/data/tflite, up to 100 KB
networks    the models of ../shared/data/bench and the rest of tflite, up to 6 MB
"""

from __future__ import annotations

import contextlib
import random
import zlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np

from edgewise.errors import EdgewiseError, UnsupportedOp
from edgewise.format import write
from edgewise.format.container import read_model
from edgewise.passes.pipeline import to_tflite
from tests.ops.case import Case, all_cases, model_of

from .builds import ROOT

DATA = ROOT.parent / "shared" / "data"
SMALL, LARGE = 100_000, 6_000_000  # bytes
Thing = TypeVar("Thing")
SOURCES = ("operators", "real", "networks")


def pick(sources: Sequence[str], generator: random.Random) -> tuple[str, bytes]:
    """Name and bytes of a file of one of the sources."""
    chosen = generator.choice(sources)
    if chosen != "operators":
        path = _files(chosen).choose(generator)
        return path.stem, _bytes(path)
    for _ in range(100):  # a few operators have no form in a file
        case = _operators().choose(generator).choose(generator)
        with contextlib.suppress(UnsupportedOp):
            return case.id, _written(case)
    raise AssertionError("no operator can be written")


class Lot(Generic[Thing]):
    """Things by name, each drawn as often. A new one changes only the turns that draw it, so that
    what a seed finds in a commit depends little on cases that others add (rendezvous hashing)."""

    def __init__(self, things: Mapping[str, Thing]) -> None:
        self._things = list(things.values())
        self._hashes = np.array([zlib.crc32(name.encode()) for name in things], np.uint32)

    def choose(self, generator: random.Random) -> Thing:
        """One of them."""
        mixed = (self._hashes ^ np.uint32(generator.getrandbits(32))) * np.uint32(0x9E3779B1)
        mixed ^= mixed >> np.uint32(15)
        return self._things[int(np.argmax(mixed * np.uint32(0x85EBCA77)))]


_made: dict[str, bytes] = {}


def _written(case: Case) -> bytes:
    if case.id not in _made:
        _made[case.id] = b"".join(write(to_tflite(model_of(case))))
    return _made[case.id]


@cache
def _operators() -> Lot[Lot[Case]]:
    """The cases by operator and dtype: each of these is picked equally often."""
    found: dict[str, dict[str, Case]] = defaultdict(dict)
    for case in all_cases():
        if not case.error:
            found["-".join(case.id.split("-")[:2])][case.id] = case
    return Lot({name: Lot(cases) for name, cases in found.items()})


@cache
def _files(source: str) -> Lot[Path]:
    folders = (DATA / "tflite", DATA / "bench")
    paths = sorted(path for folder in folders for path in folder.rglob("*.tflite"))
    least, most = {"real": (0, SMALL), "networks": (SMALL, LARGE)}[source]
    found = [path for path in paths if least <= path.stat().st_size < most]
    readable = [path for path in found if _is_readable(path)]
    return Lot({path.relative_to(DATA).as_posix(): path for path in readable})


def _is_readable(path: Path) -> bool:
    """Some of the files of others are broken on purpose."""
    with contextlib.suppress(EdgewiseError):
        return read_model(_bytes(path)) is not None
    return False


@cache
def _bytes(path: Path) -> bytes:
    return path.read_bytes()
