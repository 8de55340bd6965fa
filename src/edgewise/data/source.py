"""Data: examples in a fixed order, read when they are asked for.

`open_data` knows what it is given: a folder of pictures (one folder per class, or flat with a CSV
of labels), a `.npy` or `.npz` file, arrays, a data set or loader of Keras or torch, or anything
that can be iterated. No framework is imported for that.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from edgewise.errors import InputError
from edgewise.values import dataclass

if TYPE_CHECKING:
    from PIL.Image import Image

Inputs: TypeAlias = "Image | tuple[np.ndarray, ...] | Mapping[str, np.ndarray]"

# what parts of a data set are called, in the order in which they serve each purpose
TESTING = ("test", "val", "valid", "validation", "train")
TRAINING = ("train", "val", "valid", "validation", "test")


@dataclass(frozen=True, slots=True)
class Item:
    """An example as it is stored: a picture, arrays by position, or arrays by name.

    Arrays are of one example, with or without a batch dimension of 1; those of a stream may be
    batches, whose `label` is an array then.
    """

    name: str
    inputs: Inputs
    label: int | np.ndarray | None = None


@dataclass(frozen=True, slots=True)
class Data:
    """Examples. `classes` names the labels, where they have names. With `size` known, item `i` is
    `get(i)`, which may be called from several threads; else `stream()` gives them one by one.

    `get` raises InputError for an item that cannot be read. What is known without reading an item
    are its label, where there are `labels`, and with `digest(i)` what it holds: SHA-256, alike for
    items that are alike, which raises as `get`.
    """

    name: str
    classes: tuple[str, ...] | None = None
    size: int | None = None
    get: Callable[[int], Item] | None = None
    stream: Callable[[], Iterator[Item]] | None = None
    labels: Sequence[int | None] | None = None
    digest: Callable[[int], bytes] | None = None

    def jobs(self, limit: int | None = None) -> Iterable[Callable[[], Item]]:
        """Functions that read an item each. Of more items than `limit`, as many that are evenly
        apart (a folder is sorted by class); of a stream, the first ones."""
        if self.size is None:
            assert self.stream is not None
            return islice(_ready(self.stream()), limit)
        count = self.size if limit is None else min(limit, self.size)
        return (self._job(self.place(i, limit)) for i in range(count))

    def place(self, number: int, limit: int | None = None) -> int:
        """Which item the job of this number reads."""
        if self.size is None or limit is None or limit >= self.size:
            return number
        return number * self.size // limit

    def _job(self, index: int) -> Callable[[], Item]:
        get = self.get
        assert get is not None
        return lambda: get(index)

    def count(self, limit: int | None = None) -> int | None:
        """How many items `jobs` reads, where that is known."""
        return self.size if limit is None or self.size is None else min(limit, self.size)

    def take(self, places: Sequence[int]) -> Data:
        """The items at these places, in this order. Raises InputError: the data is a stream."""
        get, digest, labels = self.get, self.digest, self.labels
        if get is None:
            raise InputError(f"{self.name}: gives examples one by one; none can be chosen")
        return replace(
            self,
            size=len(places),
            get=lambda i: get(places[i]),
            labels=None if labels is None else [labels[i] for i in places],
            digest=None if digest is None else lambda i: digest(places[i]),
        )


def _ready(items: Iterable[Item]) -> Iterator[Callable[[], Item]]:
    return (partial(itself, item) for item in items)


def itself(item: Item) -> Item:
    """The job of an item that is there already."""
    return item


def open_data(
    source: object,
    *,
    labels: str | os.PathLike[str] | None = None,
    split: str | None = None,
    prefer: Sequence[str] = TESTING,
) -> Data:
    """The examples that `source` is or holds.

    Args:
        source: the path of a folder of pictures, of a `.npy` or `.npz` file; an array (examples
            along its first axis); a mapping of arrays; a data set or loader; an iterable of
            arrays, of dicts by input name, of `(inputs, label)` pairs; or a function without
            arguments that returns one.
        labels: a CSV file with the class of each picture (default: `labels.csv` in the folder).
        split: which part of a data set that has several (`train`, `test`): a folder in the folder,
            or the ending of arrays' names. By default the first of `prefer` that is there.

    Raises:
        InputError: nothing that can be read as examples.
    """
    if isinstance(source, Data):
        return source
    if isinstance(source, str | os.PathLike):
        path = Path(source)
        if path.is_dir():
            from edgewise.data.folder import open_folder

            return open_folder(path, labels, split, prefer)
        if labels is not None:
            raise InputError(f"{path}: a CSV of labels goes with a folder of pictures")
        from edgewise.data.arrays import open_file

        return open_file(path, split, prefer)
    from edgewise.data.arrays import open_arrays
    from edgewise.data.objects import open_object

    if isinstance(source, np.ndarray):
        return open_arrays("array", {"x": source}, split, prefer)
    if isinstance(source, Mapping) and source:
        return open_arrays("arrays", source, split, prefer)
    return open_object(source)


def choose(split: str | None, found: Sequence[str], prefer: Sequence[str], where: str) -> str:
    """The part of a data set to use. Raises InputError: there is none of that name."""
    if split is not None:
        if split not in found:
            raise InputError(f"{where}: no part is named {split!r}; there are {', '.join(found)}")
        return split
    return next((name for name in prefer if name in found), found[0])
