"""Data sets are taken apart so that nothing is learnt that is tested, or it is said why not."""

from __future__ import annotations

import itertools
import logging
import shutil

import pytest

from edgewise.data import folder
from edgewise.errors import InputError
from edgewise.tasks.parts import parts_of

from .pictures import fill


def digests(data) -> set[bytes]:
    return {data.digest(i) for i in range(data.size)}


def test_a_folder_without_parts_is_split_by_contents(tmp_path):
    fill(tmp_path, 20)
    for number in range(5):
        shutil.copy(tmp_path / "red" / f"{number}.png", tmp_path / "red" / f"copy{number}.png")
    parts = parts_of(tmp_path)
    assert parts.classes == ("blue", "red")
    found = [digests(d) for d in (parts.training, parts.validation, parts.test)]
    assert all(not one & other for one, other in itertools.combinations(found, 2))
    assert sum(map(len, found)) == 40


def test_the_seed_moves_the_validation_part_and_never_the_test_part(tmp_path):
    fill(tmp_path / "train", 10)
    fill(tmp_path / "test", 4, start=50)
    one, other = parts_of(tmp_path, seed=1), parts_of(tmp_path, seed=2)
    assert digests(one.validation) != digests(other.validation)
    assert digests(one.test) == digests(other.test)
    assert one.training.size == 16


def test_what_is_tested_is_not_learnt(tmp_path, caplog):
    fill(tmp_path / "train", 10)
    fill(tmp_path / "test", 3)  # the same pictures
    with caplog.at_level(logging.WARNING):
        parts = parts_of(tmp_path)
    assert "6 pictures are in" in caplog.text
    assert not digests(parts.test) & (digests(parts.training) | digests(parts.validation))


def test_a_validation_part_of_the_folder_is_taken(tmp_path):
    fill(tmp_path / "train", 3)
    fill(tmp_path / "val", 2, start=9)
    parts = parts_of(tmp_path)
    assert (parts.training.size, parts.validation.size, parts.test) == (6, 4, None)


def test_two_pictures_of_each_class_are_enough(tmp_path):
    fill(tmp_path, 2)
    parts = parts_of(tmp_path)
    assert (parts.training.size, parts.validation.size, parts.test) == (2, 2, None)


def test_empty_class_folders_are_told(tmp_path, caplog):
    fill(tmp_path, 3)
    (tmp_path / "green").mkdir()
    with caplog.at_level(logging.WARNING):
        assert parts_of(tmp_path).classes == ("blue", "red")
    assert "class folders without a picture: green" in caplog.text


def test_a_path_with_spaces_and_other_letters(tmp_path):
    folder = tmp_path / "мои фото ✨"
    fill(folder, 3, ("кошка №1", "hund äöü"))
    assert parts_of(folder).classes == ("hund äöü", "кошка №1")


@pytest.mark.parametrize("broken", range(6))
def test_a_broken_picture_is_no_picture_of_a_part(tmp_path, broken):
    """Wherever its contents send it."""
    fill(tmp_path, 6)
    file = tmp_path / "red" / f"{broken}.png"
    file.write_bytes(file.read_bytes()[:900])
    parts = parts_of(tmp_path)
    for part in (parts.training, parts.validation, parts.test):
        assert {part.labels[place] for place in range(part.size) if opens(part, place)} == {0, 1}


def opens(part, place) -> bool:
    try:
        part.get(place)
    except InputError:
        return False
    return True


def test_classes_of_broken_pictures_are_refused(tmp_path):
    fill(tmp_path, 5)
    for number in range(1, 5):
        (tmp_path / "red" / f"{number}.png").write_bytes(b"broken")
    with pytest.raises(
        InputError, match=r"1 label with fewer than 2 pictures that can be read.*\n  - red: 1"
    ):
        parts_of(tmp_path)


def test_files_that_cannot_be_opened_are_told(tmp_path, caplog, monkeypatch):
    """As of somebody else, whom they are closed to."""
    fill(tmp_path, 4)
    for number in range(3):
        (tmp_path / "red" / f"{number}.png").unlink()
        (tmp_path / "red" / f"{number}.png").mkdir()
    whole = folder.open_folder(tmp_path, None, None, ())
    closed = [tmp_path / "red" / f"{number}.png" for number in range(3)]
    files = [*sorted((tmp_path / "blue").iterdir()), *closed, tmp_path / "red" / "3.png"]
    data = folder._data(tmp_path, files, [0] * 4 + [1] * 4, whole.classes)
    monkeypatch.setattr("edgewise.tasks.parts.open_data", lambda *_, **__: data)
    with pytest.raises(InputError, match=r"fewer than 2 pictures that can be read.*\n  - red: 1"):
        parts_of(tmp_path)
    assert caplog.text.count("cannot be read: Is a directory") == 3


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        ({"red": 5}, "a classifier tells two classes or more apart; found only red"),
        ({"red": 5, "blue": 1}, "1 label with fewer than 2 pictures"),
        ({}, "holds no pictures"),
    ],
)
def test_too_little_is_refused(tmp_path, counts, said):
    for kind, count in counts.items():
        fill(tmp_path, count, (kind,))
    with pytest.raises(InputError, match=said):
        parts_of(tmp_path)


def test_other_classes_in_the_test_part_are_refused(tmp_path):
    fill(tmp_path / "train", 4)
    fill(tmp_path / "test", 2, ("red", "yellow"))
    with pytest.raises(InputError, match="the parts of a data set have the same classes"):
        parts_of(tmp_path)
