"""Training, validation and test parts of a data set, the same on every machine.

An example goes where the hash of its contents sends it. So names, folders and the order of files
do not matter, and copies of a picture are never in two parts, where they would make the score of a
model that has learnt them by heart look good.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image

from edgewise.data.source import Data, Item
from edgewise.errors import InputError
from edgewise.log import log
from edgewise.runtime.workers import ordered

SHARES = {"train": 0.8, "validation": 0.2}


def split(
    data: Data,
    shares: Mapping[str, float] = SHARES,
    *,
    seed: int = 0,
    skipped: list[str] | None = None,
    workers: int | None = None,
) -> dict[str, Data]:
    """The parts of `data` by their names in `shares`.

    Each class is divided on its own: its distinct contents, sorted by SHA-256 of seed and contents,
    are cut by the shares. A class with as many contents as there are parts is in every part, and
    one with fewer in the first ones. More examples in a class move only those near a cut. What two
    classes have in common goes where the first of them sends it.

    Args:
        shares: of each part, which are scaled to sum to 1.
        skipped: gets a sentence for each item that cannot be read; without it, they are logged.
        workers: items at a time; by default one a core.

    Raises:
        InputError: a stream, shares that are none, or nothing that can be read.
    """
    total = sum(shares.values())
    if not shares or min(shares.values()) <= 0 or not total < float("inf"):
        raise InputError(f"shares of parts are numbers above 0; got {dict(shares)}")
    if data.size is None or data.get is None:
        raise InputError(
            f"{data.name}: gives examples one by one; only what can be counted can be split"
        )
    digests, labels = _contents(data, skipped, workers)
    part_of: dict[bytes, int] = {}
    by_class: dict[int | None, list[bytes]] = {}
    for place, digest in digests.items():
        by_class.setdefault(labels[place], []).append(digest)
    cuts = np.cumsum([share / total for share in shares.values()])
    for label in sorted(by_class, key=lambda number: -1 if number is None else number):
        own = [d for d in dict.fromkeys(by_class[label]) if d not in part_of]
        own.sort(key=lambda d: hashlib.sha256(b"%d " % seed + d).digest())
        ends = _ends(len(own), cuts)
        part_of.update((d, int(np.searchsorted(ends, i, "right"))) for i, d in enumerate(own))
    places: list[list[int]] = [[] for _ in shares]
    for place, digest in digests.items():
        places[part_of[digest]].append(place)
    return {name: data.take(own) for name, own in zip(shares, places, strict=True)}


def content(item: Item) -> bytes:
    """SHA-256 of what an item holds: pixels, or arrays with their types, shapes and names."""
    given = item.inputs
    if isinstance(given, Image.Image):
        parts = {"": np.asarray(given)}
    elif isinstance(given, Mapping):
        parts = dict(sorted(given.items()))
    else:
        parts = {str(place): array for place, array in enumerate(given)}
    digest = hashlib.sha256()
    for name, array in parts.items():
        digest.update(f"{name} {array.dtype.str} {array.shape} ".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.digest()


def _contents(
    data: Data, skipped: list[str] | None, workers: int | None
) -> tuple[dict[int, bytes], dict[int, int | None]]:
    """(digests, labels) by place of all items that can be read."""
    get, own, known = data.get, data.digest, data.labels
    assert get is not None
    assert data.size is not None

    def look(place: int) -> tuple[bytes, int | None] | str:
        try:
            item = None if own is not None and known is not None else get(place)
            label = known[place] if known is not None else item and item.label
            assert label is None or isinstance(label, int)
            if own is not None:
                return own(place), label
            assert item is not None
            return content(item), label
        except InputError as error:
            return str(error)

    digests: dict[int, bytes] = {}
    labels: dict[int, int | None] = {}
    for place, found in enumerate(ordered(look, range(data.size), workers)):
        if not isinstance(found, str):
            digests[place], labels[place] = found
        elif skipped is None:
            log().warning("skipped: %s", found)
        else:
            skipped.append(found)
    if not digests:
        raise InputError(f"{data.name}: holds nothing that can be read, so nothing to split")
    return digests, labels


def _ends(count: int, cuts: Sequence[float] | np.ndarray) -> np.ndarray:
    """Where each part of `count` contents ends: at the cuts, moved so that every part has one,
    the first parts before the others."""
    ends = np.rint(np.asarray(cuts) * count).astype(np.int64)
    parts = len(ends)
    for i in range(parts):
        ends[i] = max(ends[i], min(count, i + 1))
    for i in reversed(range(parts - 1)):
        ends[i] = max(min(ends[i], ends[i + 1] - 1), min(count, i + 1))
    return ends
