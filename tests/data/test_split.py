"""Splits by content: the same on every machine, copies together, every class in every part."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgewise.data import Data, open_data, split
from edgewise.errors import InputError
from tests.data.test_source import colour

THREE = {"train": 0.6, "validation": 0.2, "test": 0.2}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for i, name in enumerate(("cat", "dog")):
        for k in range(20):
            colour(tmp_path / "pets ü" / name / f"{k:02}.png", 100 * i + k)
    return tmp_path / "pets ü"


def names(data: Data) -> list[str]:
    assert data.get is not None
    assert data.size is not None
    return [data.get(i).name for i in range(data.size)]


def values(data: Data) -> set[int]:
    assert data.get is not None
    assert data.size is not None
    return {np.asarray(data.get(i).inputs).max() for i in range(data.size)}


def test_every_class_is_divided_by_the_shares(folder: Path) -> None:
    parts = split(open_data(folder), THREE)
    assert {name: data.size for name, data in parts.items()} == {
        "train": 24,
        "validation": 8,
        "test": 8,
    }
    for data in parts.values():
        assert data.labels is not None
        assert list(data.labels).count(0) == list(data.labels).count(1)
        assert data.classes == ("cat", "dog")
    together = [name for data in parts.values() for name in names(data)]
    assert sorted(together) == names(open_data(folder))


def test_names_and_threads_do_not_matter_the_seed_does(folder: Path, tmp_path: Path) -> None:
    first = split(open_data(folder))
    assert names(split(open_data(folder), workers=1)["train"]) == names(first["train"])
    renamed = tmp_path / "other"
    for i, file in enumerate(sorted(folder.rglob("*.png"), reverse=True)):
        (renamed / file.parent.name).mkdir(parents=True, exist_ok=True)
        shutil.copy(file, renamed / file.parent.name / f"{i:03} renamed.png")
    assert values(split(open_data(renamed))["validation"]) == values(first["validation"])
    assert values(split(open_data(folder), seed=1)["validation"]) != values(first["validation"])


def test_copies_never_straddle_parts(folder: Path) -> None:
    """Neither in a class nor between two."""
    for file in sorted((folder / "cat").iterdir()):
        shutil.copy(file, file.with_name(f"copy of {file.name}"))
        shutil.copy(file, folder / "dog" / f"cat {file.name}")
    parts = [values(data) for data in split(open_data(folder), THREE).values()]
    assert sum(map(len, parts)) == len(set.union(*parts)) == 40


def test_more_examples_move_only_those_near_a_cut(folder: Path) -> None:
    before = values(split(open_data(folder))["validation"])
    colour(folder / "cat" / "new.png", 77)
    after = values(split(open_data(folder))["validation"])
    assert len(before ^ after) <= 2


@pytest.mark.parametrize(("count", "sizes"), [(1, (1, 0, 0)), (2, (1, 1, 0)), (3, (1, 1, 1))])
def test_small_classes(tmp_path: Path, count: int, sizes: tuple[int, ...]) -> None:
    for k in range(count):
        colour(tmp_path / "only" / f"{k}.png", k)
    parts = split(open_data(tmp_path), {"train": 0.8, "validation": 0.1, "test": 0.1})
    assert tuple(data.size for data in parts.values()) == sizes


def test_arrays_are_split_by_their_rows() -> None:
    x = np.repeat(np.arange(20, dtype=np.float32), 3)[:, None]
    data = open_data({"x": x, "y": (x[:, 0] % 2).astype(np.int64)})
    parts = split(data, {"train": 3, "validation": 1})
    assert parts["validation"].size == 3 * 4 or parts["validation"].size == 3 * 6
    seen = [{int(d.get(i).inputs[0][0]) for i in range(d.size or 0)} for d in parts.values()]  # type: ignore[misc, index]
    assert seen[0].isdisjoint(seen[1])


def test_files_that_cannot_be_read_are_told(folder: Path) -> None:
    data = open_data(folder)
    (folder / "cat" / "03.png").unlink()
    skipped: list[str] = []
    parts = split(data, skipped=skipped)
    assert sum(d.size or 0 for d in parts.values()) == 39
    assert len(skipped) == 1
    assert "03.png: cannot be read: No such file" in skipped[0]
    shutil.rmtree(folder)
    with pytest.raises(InputError, match="holds nothing that can be read"):
        split(data, skipped=[])


def test_what_cannot_be_split(folder: Path) -> None:
    with pytest.raises(InputError, match="one by one"):
        split(open_data(lambda: iter([np.zeros(3)])))
    with pytest.raises(InputError, match=r"numbers above 0; got \{'train': 0"):
        split(open_data(folder), {"train": 0.0, "test": 1.0})


@pytest.mark.ci
@given(st.integers(0, 200), st.lists(st.floats(0.01, 1), min_size=1, max_size=5))
def test_parts_are_never_empty_without_need(count: int, shares: list[float]) -> None:
    from edgewise.data.split import _ends

    ends = _ends(count, np.cumsum(shares) / sum(shares))
    sizes = np.diff(ends, prepend=0)
    assert ends[-1] == count
    assert sizes.min() >= 0
    assert np.count_nonzero(sizes) == min(count, len(shares))
    assert list(sizes[:count] > 0) == [True] * min(count, len(shares))
