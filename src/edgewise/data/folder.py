"""A folder of pictures: a folder per class, or one flat folder with a CSV of labels.

Nothing is opened until it is asked for; the order is that of the names, so it is the same on every
machine.
"""

from __future__ import annotations

import csv
import hashlib
import os
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

from PIL import Image

from edgewise.data.arrays import read_array
from edgewise.data.image import open_picture
from edgewise.data.source import TRAINING, Data, Item, choose
from edgewise.errors import InputError
from edgewise.log import log

LABELS = "labels.csv"
_FILE_COLUMNS = ("file", "filename", "file_name", "path", "image")


def open_folder(
    folder: Path,
    labels: str | os.PathLike[str] | None,
    split: str | None,
    prefer: Sequence[str],
) -> Data:
    """The pictures in a folder; see `open_data`.

    Raises:
        InputError: no pictures, or a CSV file that cannot be read.
    """
    folders, parts = folders_in(folder), parts_in(folder)
    if split is not None and not parts:
        raise InputError(f"{folder}: holds no part {split!r} of a data set; it is one")
    if parts:
        return open_folder(folder / choose(split, parts, prefer, str(folder)), labels, None, prefer)
    if labels is None and (folder / LABELS).is_file():
        labels = folder / LABELS
    if labels is not None:
        return _listed(folder, Path(labels))
    flat = sorted(_pictures(folder, recursive=False))
    by_class = {name: sorted(_pictures(folder / name)) for name in folders}
    empty = [name for name, files in by_class.items() if not files]
    classes = [name for name in folders if by_class[name]]
    if not (flat or classes):
        raise InputError(f"{folder}: holds no pictures, nor folders of pictures by class")
    if not classes:
        return _data(folder, flat, [None] * len(flat), None)
    if flat:
        log().warning("%s: %d pictures outside of class folders are left out", folder, len(flat))
    if empty:
        log().warning("%s: class folders without a picture: %s", folder, ", ".join(empty))
    files = [file for name in classes for file in by_class[name]]
    numbers = [i for i, name in enumerate(classes) for _ in by_class[name]]
    return _data(folder, files, numbers, tuple(classes))


def folders_in(folder: Path) -> list[str]:
    """The names of the folders in a folder, without hidden ones. Raises InputError."""
    try:
        return sorted(p.name for p in folder.iterdir() if p.is_dir() and p.name[:1] != ".")
    except OSError as error:
        raise InputError(f"{folder}: cannot be read: {error.strerror or error}") from error


def parts_in(folder: Path) -> list[str]:
    """The folders that are parts of a data set (`train`, `test`), where nothing else is in it."""
    folders = folders_in(folder)
    parts = [name for name in folders if name.lower() in TRAINING]
    return parts if len(parts) == len(folders) else []


def strangers(folder: Path) -> tuple[list[str], list[str]]:
    """(files that no suffix calls pictures, folders that cannot be read), relative to `folder`;
    hidden files and lists of labels are none."""
    closed: list[str] = []
    files = [
        str(Path(where, name).relative_to(folder))
        for where, name, is_picture in _files(folder, closed=closed)
        if not is_picture and Path(name).suffix.lower() != ".csv"
    ]
    return sorted(files), sorted(str(Path(name).relative_to(folder)) for name in closed)


def _data(
    folder: Path,
    files: Sequence[Path],
    labels: Sequence[int | None],
    classes: tuple[str, ...] | None,
) -> Data:
    def get(index: int) -> Item:
        file = files[index]
        name = str(file.relative_to(folder)) if file.is_relative_to(folder) else str(file)
        if file.suffix.lower() == ".npy":
            return Item(name, (read_array(file),), labels[index])
        return Item(name, open_picture(file), labels[index])

    return Data(
        str(folder),
        classes,
        len(files),
        get,
        labels=labels,
        digest=lambda index: _digest(files[index]),
    )


def _digest(file: Path) -> bytes:
    try:
        with file.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").digest()
    except OSError as error:
        raise InputError(f"{file}: cannot be read: {error.strerror or error}") from error


def _pictures(folder: Path, *, recursive: bool = True) -> Iterator[Path]:
    """Files that their suffix calls pictures, and `.npy`; hidden ones are none."""
    for where, name, is_picture in _files(folder, recursive=recursive):
        if is_picture:
            yield Path(where, name)


def _files(
    folder: Path, *, recursive: bool = True, closed: list[str] | None = None
) -> Iterator[tuple[str, str, bool]]:
    """(folder, name, whether it is a picture) of files that are not hidden; folders that cannot be
    read are logged, or put in `closed`."""

    def tell(error: OSError) -> None:
        if closed is None:
            log().warning("%s: cannot be read: %s", error.filename, error.strerror)
        else:
            closed.append(str(error.filename))

    for where, inner, names in os.walk(folder, onerror=tell):
        inner[:] = [name for name in inner if recursive and not name.startswith(".")]
        for name in names:
            suffix = Path(name).suffix.lower()
            if not name.startswith("."):
                yield where, name, suffix in _suffixes() or suffix == ".npy"


@cache
def _suffixes() -> frozenset[str]:
    return frozenset(Image.registered_extensions())


def _listed(folder: Path, table: Path) -> Data:
    """Files and classes from a CSV: a column of files (the first, or named `file`) and one of
    classes, the next: indices from 0, or names. A head line may be there or not."""
    rows = _rows(table)
    head = [cell.strip().lower() for cell in rows[0]]
    column = next((head.index(name) for name in _FILE_COLUMNS if name in head), 0)
    is_head = head[column] in _FILE_COLUMNS or not (folder / rows[0][column]).is_file()
    rows = rows[is_head:]
    other = 0 if column else 1
    short = [row for row in rows if len(row) <= max(column, other)]
    if short or not rows:
        found = f"a line {','.join(short[0])!r}" if short else "no lines"
        raise InputError(f"{table}: needs a file and its class in every line; got {found}")
    files = [folder / row[column] for row in rows]
    words = [row[other].strip() for row in rows]
    if all(word.isdecimal() for word in words):
        return _data(folder, files, [int(word) for word in words], None)
    classes = sorted(set(words))
    places = {name: i for i, name in enumerate(classes)}
    return _data(folder, files, [places[word] for word in words], tuple(classes))


def _rows(table: Path) -> list[list[str]]:
    try:
        with table.open(encoding="utf-8-sig", newline="") as stream:
            rows = [row for row in csv.reader(stream) if any(row)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{table}: cannot be read as a CSV of labels: {error}") from error
    if not rows or len(rows[0]) < 2:
        raise InputError(f"{table}: a CSV of labels has two columns, file and class")
    return rows
