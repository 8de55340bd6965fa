"""The parts of a data set to learn from: folders that say so, else a split by contents."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from edgewise.data import Data, open_data, split
from edgewise.data.folder import parts_in
from edgewise.errors import InputError, listing
from edgewise.log import log
from edgewise.values import dataclass

SHARES = {"train": 0.7, "validation": 0.15, "test": 0.15}
_VALIDATION_SHARES = {"train": 0.8, "validation": 0.2}
_VALIDATION = ("val", "valid", "validation")  # what folders of it are called
_FEW = 10  # pictures that say when to stop; fewer do it by chance
_LEAST = 2  # pictures of a class: one to learn from, one to see whether it was learnt


@dataclass(frozen=True, slots=True)
class Parts:
    """What is learnt from, what says when to stop, and what has the last word (where there is
    any)."""

    classes: tuple[str, ...]
    training: Data
    validation: Data
    test: Data | None


def parts_of(
    folder: str | os.PathLike[str],
    *,
    labels: str | os.PathLike[str] | None = None,
    seed: int = 0,
    skipped: list[str] | None = None,
) -> Parts:
    """The parts of a folder of pictures. A folder of `train` and `test` (and `val`) has them
    already; what it lacks is split off its training part by contents, as all is of one that has no
    parts. Pictures of the test part that are in another, too, are left out there.

    Args:
        labels: a CSV file with the class of each picture.
        seed: of the split into training and validation.
        skipped: gets a sentence for each picture that is left out because it cannot be read.

    Raises:
        InputError: no pictures, fewer than two classes, or classes with fewer than two pictures.
    """
    path = Path(folder)
    names = {name.lower(): name for name in parts_in(path)} if path.is_dir() else {}
    told: list[str] = [] if skipped is None else skipped
    if "train" not in names:
        whole = open_data(path, labels=labels)
        _check(whole)
        return _parts(whole, _split(whole, SHARES, 0, told))
    whole = open_data(path, labels=labels, split=names["train"])
    _check(whole)
    found: dict[str, Data] = {}
    if "test" in names:
        found["test"] = open_data(path, labels=labels, split=names["test"])
        whole = _without(whole, found["test"])
    known = next((names[kind] for kind in _VALIDATION if kind in names), None)
    if known is not None:
        found |= {"train": whole, "validation": open_data(path, labels=labels, split=known)}
    else:
        found |= _split(whole, _VALIDATION_SHARES, seed, told)
    return _parts(whole, found)


def _split(
    whole: Data, shares: Mapping[str, float], seed: int, skipped: list[str]
) -> dict[str, Data]:
    """Parts that have, of each class, a picture that can be read. Contents are divided before they
    are read; where all that a part got of a class is broken, what is left is divided anew."""
    while True:
        unread: list[str] = []
        found = split(whole, shares, seed=seed, skipped=unread)
        broken: dict[bytes, str] = {}
        for part in found.values():
            broken |= _broken(part)
        if not broken and not unread:
            return found
        for why in (*unread, *broken.values()):
            log().warning("skipped: %s", why)
            skipped.append(why)
        digests = [_quiet(whole, i) for i in range(whole.size or 0)]
        whole = whole.take([i for i, d in enumerate(digests) if d is not None and d not in broken])
        _check(whole, " that can be read")


def _broken(part: Data) -> dict[bytes, str]:
    """Of classes without a picture that can be read: contents, and why they cannot be."""
    assert part.get is not None
    found: dict[bytes, str] = {}
    labels = part.labels or ()
    for label in sorted({label for label in labels if label is not None}):
        own: dict[bytes, str] = {}
        for place in (i for i, other in enumerate(labels) if other == label):
            try:
                part.get(place)
                break
            except InputError as error:
                own[_quiet(part, place) or b""] = str(error)
        else:
            found |= own
    return found


def _parts(whole: Data, found: Mapping[str, Data]) -> Parts:
    others = {name: data for name, data in found.items() if data.classes != whole.classes}
    if others or whole.classes is None:
        raise InputError(
            f"{whole.name}: the parts of a data set have the same classes; it has "
            f"{list(whole.classes or ())}, others have "
            f"{[list(data.classes or ()) for data in others.values()]}"
        )
    if not found["validation"].size:
        raise InputError(f"{whole.name}: no picture is left to see when to stop; add pictures")
    if found["validation"].size < _FEW:
        log().warning(
            "%s: only %d pictures are left to say when to stop, which is chance; add pictures",
            whole.name, found["validation"].size,
        )  # fmt: skip
    test = found.get("test")
    return Parts(
        whole.classes,
        found["train"],
        found["validation"],
        test if test is not None and test.size else None,
    )


def _check(data: Data, kind: str = "") -> None:
    """Two classes, each with pictures (of this kind) to learn from. Raises InputError."""
    if data.classes is None or data.labels is None:
        raise InputError(
            f"{data.name}: pictures need classes; put those of each class in a folder of its name, "
            "or give a CSV of labels"
        )
    if len(data.classes) < 2:
        raise InputError(
            f"{data.name}: a classifier tells two classes or more apart; found only "
            f"{', '.join(data.classes)}. Add a folder of pictures that show something else"
        )
    counts = [data.labels.count(i) for i in range(len(data.classes))]
    few = [
        f"{name}: {count}" for name, count in zip(data.classes, counts, strict=True)
        if count < _LEAST
    ]  # fmt: skip
    if few:
        what = f"label[s] with fewer than {_LEAST} pictures{kind}; add some, or remove the folder"
        raise InputError(f"{data.name}: {listing(few, what)}")


def _without(data: Data, other: Data) -> Data:
    """The items that are not in the other data."""
    digest = data.digest
    if digest is None or other.digest is None or not data.size or not other.size:
        return data
    seen = {_quiet(other, i) for i in range(other.size)} - {None}
    kept = [i for i in range(data.size) if _quiet(data, i) not in seen]
    if len(kept) < data.size:
        log().warning(
            "%s: %d pictures are in %s, too, and are not learnt from",
            data.name, data.size - len(kept), other.name,
        )  # fmt: skip
    return data.take(kept)


def _quiet(data: Data, place: int) -> bytes | None:
    """The digest of an item; None where it cannot be read, which is told later."""
    assert data.digest is not None
    try:
        return data.digest(place)
    except InputError:
        return None
