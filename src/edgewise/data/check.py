"""What is wrong with a folder of pictures, before anybody trains on it.

Every picture of every part is decoded once, on all cores; what is kept of it are its size, the hash
of its contents, and 256 bits of what it looks like. Copies are found by the hash. Pictures that
look alike (scaled, or saved again) are found by those bits: of the picture in grey, 17 x 16
pixels, whether each pixel is darker than its right neighbour; alike are pictures of which at most
`_ALIKE` bits differ. Of 270 photos (cats_dogs) no two differ in fewer than 66 bits, but for one
pair that shows the same; a photo and itself saved as JPEG of quality 40 in 19 at most, at half its
size in 34. All pairs are compared, N**2 * 256 multiply-accumulates: 20,000 pictures take seconds;
of more (`_MOST_COMPARED`), only those with the same bits are found.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from enum import Enum
from pathlib import Path

import numpy as np
from PIL import Image

from edgewise.data.folder import folders_in, open_folder, parts_in, strangers
from edgewise.data.source import TRAINING, Item
from edgewise.data.split import content
from edgewise.errors import InputError
from edgewise.runtime.workers import ordered
from edgewise.values import dataclass

_FEW = 10  # pictures of a class; fewer teach little
_MOST_RATIO = 5  # of the largest class to the smallest
_SMALL = 32  # pixels of a side
_ALIKE = 32  # of 256 bits
_PLAIN = 24  # set bits below which a picture has too little in it to be compared
_MOST_COMPARED = 20_000
_MOST_NAMED = 10  # classes in a sentence
_ROWS = 1024  # compared with all others at a time


class Weight(Enum):
    """How bad it is: makes results wrong, or worse, or is good to know."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong in a sentence, and where: each group is of pictures that belong together."""

    weight: Weight
    what: str
    groups: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class Picture:
    """One that can be read: file relative to the folder, part ("" where there is one), class."""

    file: str
    part: str
    label: str
    width: int
    height: int
    digest: bytes
    look: np.ndarray  # uint8 [32]


@dataclass(frozen=True, slots=True)
class DataReport:
    """What a folder holds: counts by class and part, and findings, the worst first."""

    folder: str
    parts: tuple[str, ...]
    counts: Mapping[str, Mapping[str, int]]  # by class, by part
    pictures: tuple[Picture, ...]
    findings: tuple[Finding, ...]

    @property
    def errors(self) -> int:
        """How many findings make results wrong."""
        return sum(f.weight is Weight.ERROR for f in self.findings)

    def sizes(self) -> dict[str, int]:
        """Least, median and largest width and height of the pictures, pixels."""
        sides = np.array([(p.width, p.height) for p in self.pictures]).reshape(-1, 2)
        if not len(sides):
            return {}
        names = ("least", "median", "largest")
        rows = (sides.min(0), np.median(sides, 0), sides.max(0))
        pairs = zip(names, rows, strict=True)
        return {f"{n}_{s}": int(x) for n, row in pairs for s, x in zip(_SIDES, row, strict=True)}

    def as_json(self) -> dict[str, object]:
        """Plain data for `json.dump`."""
        return {
            "folder": self.folder,
            "parts": self.parts,
            "pictures": len(self.pictures),
            "counts": self.counts,
            "sizes": self.sizes(),
            "findings": [{**asdict(f), "weight": f.weight.value} for f in self.findings],
        }


_SIDES = ("width", "height")


def check_data(
    folder: Path,
    labels: Path | None = None,
    *,
    progress: Callable[[int, int], None] | None = None,
    workers: int | None = None,
) -> DataReport:
    """Read every picture in a folder of pictures (one folder per class, or a CSV of labels), and
    in all of its parts (`train`, `test`) where it has some.

    Raises:
        InputError: no such folder, or nothing in it that could be a picture.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; give a folder of pictures")
    parts = sorted(parts_in(folder), key=lambda name: TRAINING.index(name.lower()))
    opened = {part: open_folder(folder / part, labels, None, TRAINING) for part in parts or ("",)}
    total = sum(data.size or 0 for data in opened.values())
    pictures: list[Picture] = []
    unread: list[str] = []
    counts: dict[str, Counter[str]] = {}
    done = 0
    for part, data in opened.items():
        for name in (*data.classes, *_class_folders(folder / part)) if data.classes else ():
            counts.setdefault(name, Counter())
        for found in ordered(lambda job: _look(part, data.classes, job), data.jobs(), workers):  # noqa: B023 (used at once)
            done += 1
            if isinstance(found, str):
                unread.append(found)
            else:
                pictures.append(found)
                counts.setdefault(found.label, Counter())[part] += 1
            if progress is not None:
                progress(done, total)
    findings = [
        *_of_files(folder, unread),
        *_of_classes(counts, tuple(opened)),
        *_of_copies(pictures),
        *_of_sizes(pictures),
    ]
    findings.sort(key=lambda f: list(Weight).index(f.weight))
    plain = {name: dict(counts[name]) for name in sorted(counts)}
    return DataReport(str(folder), tuple(opened), plain, tuple(pictures), tuple(findings))


def _class_folders(folder: Path) -> list[str]:
    return [] if parts_in(folder) else folders_in(folder)


def _look(part: str, classes: Sequence[str] | None, job: Callable[[], Item]) -> Picture | str:
    try:
        item = job()
    except InputError as error:
        return str(error)
    image = item.inputs
    if not isinstance(image, Image.Image):
        return f"{item.name}: an array; what is wrong with a data set is told of pictures"
    label = item.label
    assert label is None or isinstance(label, int)
    name = "" if label is None else str(label) if classes is None else classes[label]
    grey = np.asarray(image.convert("L").resize((17, 16), Image.Resampling.BOX), np.int16)
    look = np.packbits(grey[:, :-1] < grey[:, 1:])
    file = str(Path(part, item.name))
    return Picture(file, part, name, image.width, image.height, content(item), look)


def _of_files(folder: Path, unread: Sequence[str]) -> Iterator[Finding]:
    if unread:
        groups = tuple((sentence,) for sentence in unread)
        yield Finding(Weight.ERROR, f"{_some(unread, 'file')} cannot be read", groups)
    others, closed = strangers(folder)
    if closed:
        what = f"{_some(closed, 'folder')} cannot be opened"
        yield Finding(Weight.ERROR, what, tuple((name,) for name in closed))
    if others:
        what = f"{_some(others, 'file')} left out: no picture by the suffix"
        yield Finding(Weight.NOTE, what, tuple((name,) for name in others))


def _of_classes(counts: Mapping[str, Counter[str]], parts: Sequence[str]) -> Iterator[Finding]:
    named = {name: count for name, count in counts.items() if name}
    if not named:
        yield Finding(Weight.ERROR, "pictures have no classes: no folder per class, no CSV")
        return
    if len(named) == 1:
        what = f"there is one class, {next(iter(named))}; nothing can be told apart"
        yield Finding(Weight.ERROR, what)
    for part in parts:
        where = f" in {part}" if part else ""
        sizes = {name: count[part] for name, count in named.items()}
        none = [name for name, size in sizes.items() if size == 0]
        few = [f"{name} ({size})" for name, size in sizes.items() if 0 < size < _FEW]
        if none:
            what = f"{_some(none, 'class', 'classes')} without a picture{where}"
            yield Finding(Weight.ERROR, f"{what}: {_first(none)}")
        if few:
            what = f"{_some(few, 'class', 'classes')} of fewer than {_FEW} pictures{where}"
            yield Finding(Weight.WARNING, f"{what}: {_first(few)}")
        most, least = max(sizes, key=lambda n: sizes[n]), min(sizes, key=lambda n: sizes[n])
        if 0 < sizes[least] * _MOST_RATIO < sizes[most]:
            yield Finding(
                Weight.WARNING,
                f"classes are of unlike size{where}: {most} has {sizes[most]} pictures, {least} "
                f"{sizes[least]}",
            )


def _of_copies(pictures: Sequence[Picture]) -> Iterator[Finding]:
    by_digest: dict[bytes, list[Picture]] = {}
    for picture in pictures:
        by_digest.setdefault(picture.digest, []).append(picture)
    yield from _of_groups([g for g in by_digest.values() if len(g) > 1], "the same")
    distinct = [group[0] for group in by_digest.values()]
    yield from _of_groups(_alike(distinct), "nearly the same", is_certain=False)


def _of_groups(
    groups: Sequence[Sequence[Picture]], how: str, *, is_certain: bool = True
) -> Iterator[Finding]:
    """Groups sorted by what they spoil: labels, scores, or nothing much."""
    bad = Weight.ERROR if is_certain else Weight.WARNING
    kinds: dict[str, tuple[Weight, list[Sequence[Picture]]]] = {
        f"{how} in several classes": (bad, []),
        f"{how} in several parts": (bad, []),
        f"{how}, within a class": (Weight.WARNING if is_certain else Weight.NOTE, []),
    }
    spoils = list(kinds.values())
    for group in groups:
        place = 0 if len({p.label for p in group}) > 1 else 1
        if place and len({p.part for p in group}) == 1:
            place = 2
        spoils[place][1].append(group)
    for what, (weight, found) in kinds.items():
        if found:
            files = tuple(tuple(p.file for p in group) for group in found)
            count = sum(map(len, found))
            yield Finding(weight, f"{count} pictures are {what}", files)


def _alike(pictures: Sequence[Picture]) -> list[list[Picture]]:
    """Groups of pictures that look alike: connected by pairs that do."""
    bits = np.unpackbits(np.array([p.look for p in pictures], np.uint8).reshape(-1, 32), axis=1)
    are_telling = bits.sum(1) >= _PLAIN
    telling = [p for p, tells in zip(pictures, are_telling, strict=True) if tells]
    if len(telling) > _MOST_COMPARED:
        same: dict[bytes, list[Picture]] = {}
        for picture in telling:
            same.setdefault(picture.look.tobytes(), []).append(picture)
        return [group for group in same.values() if len(group) > 1]
    signs = 2 * bits[are_telling].astype(np.float32) - 1
    first = list(range(len(telling)))

    def root(i: int) -> int:
        while first[i] != i:
            i = first[i]
        return i

    for start in range(0, len(signs), _ROWS):
        # bits in common minus bits that differ is the product of signs
        product = signs[start : start + _ROWS] @ signs[start:].T
        rows, columns = np.nonzero(product >= 256 - 2 * _ALIKE)
        for i, j in zip(rows.tolist(), columns.tolist(), strict=True):
            if i < j:
                first[root(start + j)] = root(start + i)
    groups: dict[int, list[Picture]] = {}
    for i, picture in enumerate(telling):
        groups.setdefault(root(i), []).append(picture)
    return [group for group in groups.values() if len(group) > 1]


def _of_sizes(pictures: Sequence[Picture]) -> Iterator[Finding]:
    small = [p.file for p in pictures if min(p.width, p.height) < _SMALL]
    if small:
        what = f"{_some(small, 'picture')} below {_SMALL} pixels on a side"
        yield Finding(Weight.WARNING, what, tuple((name,) for name in small))


def _some(things: Sequence[object], one: str, many: str = "") -> str:
    return f"{len(things)} {one if len(things) == 1 else many or one + 's'}"


def _first(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return ", ".join(names[:_MOST_NAMED]) + more
