"""Examples in NumPy arrays: `.npy` and `.npz` files, arrays and mappings of arrays in memory."""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from edgewise.data.source import Data, Item, choose
from edgewise.errors import InputError

_UNREADABLE = (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error)
_LABELS = re.compile(r"(y|labels?|targets?)(?:_(\w+))?", re.IGNORECASE)
_VALUES = re.compile(r"(x|images?|inputs?)(?:_(\w+))?", re.IGNORECASE)


def open_file(path: Path, split: str | None, prefer: Sequence[str]) -> Data:
    """The examples in a `.npy` file (which is mapped, not read) or a `.npz` file.

    Raises:
        InputError: another kind of file, or one that cannot be read.
    """
    suffix = path.suffix.lower()
    if suffix not in (".npy", ".npz"):
        raise InputError(
            f"{path}: {'no such folder or file' if not path.exists() else 'not data'}; "
            "give a folder of pictures, a .npy or a .npz file"
        )
    if suffix == ".npy":
        return open_arrays(str(path), {"x": read_array(path, is_mapped=True)}, split, prefer)
    try:
        with np.load(path, allow_pickle=False) as loaded:
            names = _chosen(loaded.files, split, prefer, str(path))
            arrays = {name: loaded[name] for name in names}
    except InputError:
        raise
    except _UNREADABLE as error:
        raise InputError(f"{path}: cannot be read as NumPy arrays: {error}") from error
    return open_arrays(str(path), arrays, split, prefer)


def read_array(path: Path, *, is_mapped: bool = False) -> np.ndarray:
    """The array in a `.npy` file. Raises InputError."""
    try:
        return np.load(path, mmap_mode="r" if is_mapped else None, allow_pickle=False)
    except _UNREADABLE as error:
        raise InputError(f"{path}: cannot be read as a NumPy array: {error}") from error


def open_arrays(
    name: str, arrays: Mapping[str, object], split: str | None, prefer: Sequence[str]
) -> Data:
    """Examples along the first axis of arrays: one `x` (or `x_test`, `images`), or one for each
    input by its name; `y` (or `y_test`, `labels`) are the labels.

    Raises:
        InputError: arrays of different lengths, or nothing but labels.
    """
    chosen = {n: np.asarray(arrays[n]) for n in _chosen(list(arrays), split, prefer, name)}
    labels = next((a for n, a in chosen.items() if _LABELS.fullmatch(n)), None)
    values = {n: a for n, a in chosen.items() if not _LABELS.fullmatch(n)}
    sizes = {n: a.shape[0] if a.ndim else 0 for n, a in chosen.items()}
    if not values or 0 in sizes.values() or len(set(sizes.values())) != 1:
        shown = ", ".join(f"{n} {list(a.shape)}" for n, a in chosen.items())
        raise InputError(
            f"{name}: examples lie along the first axis of arrays as long, one of which is not "
            f"their labels; got {shown}"
        )
    known = None if labels is None else class_numbers(labels, name)
    is_plain = len(values) == 1 and _VALUES.fullmatch(next(iter(values)))
    stem = Path(name).name

    def get(index: int) -> Item:
        row = {n: np.asarray(a[index]) for n, a in values.items()}
        label = None if known is None else int(known[index])
        return Item(f"{stem}[{index}]", tuple(row.values()) if is_plain else row, label)

    return Data(name, None, next(iter(sizes.values())), get)


def class_numbers(labels: np.ndarray, where: str) -> np.ndarray:
    """int64 [N] of class numbers [N], [N, 1], or rows with one 1 [N, C]. Raises InputError."""
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim == 2 and np.all(np.sort(labels, 1)[:, -2:] == [0, 1]):
        labels = labels.argmax(1)
    whole = np.asarray(labels, np.float64) if labels.dtype.kind in "iufb" else None
    if labels.ndim != 1 or whole is None or np.any(whole != np.rint(whole)):
        raise InputError(
            f"{where}: labels are class numbers [N] or rows with a single 1 [N, C]; "
            f"got {labels.dtype}{list(labels.shape)}"
        )
    return labels.astype(np.int64)


def _chosen(
    names: Sequence[str], split: str | None, prefer: Sequence[str], where: str
) -> list[str]:
    """Of arrays named x_train, y_train, x_test, y_test those of one part; else all."""
    parts: dict[str, list[str]] = {}
    for name in names:
        found = _VALUES.fullmatch(name) or _LABELS.fullmatch(name)
        if found and found[2]:
            parts.setdefault(found[2].lower(), []).append(name)
    if not parts or sum(map(len, parts.values())) < len(names):
        if split is not None:
            raise InputError(f"{where}: no part is named {split!r}; arrays are {', '.join(names)}")
        return list(names)
    return parts[choose(split, list(parts), prefer, where)]
