"""What `edgewise data check` finds in folders with one thing wrong each."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgewise.data import image, open_data
from edgewise.data.check import DataReport, Weight, check_data
from edgewise.errors import InputError


def photo(path: Path, seed: int, size: tuple[int, int] = (48, 40)) -> None:
    """A picture that looks like no other: coloured blocks, drawn by seed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    blocks = np.random.default_rng(seed).integers(0, 256, (17, 17, 3)).astype(np.uint8)
    Image.fromarray(blocks).resize(size, Image.Resampling.BICUBIC).save(path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Nothing is wrong with it: two parts of two classes of ten."""
    seeds = iter(range(1000))
    for part in ("train", "test"):
        for name in ("cat", "dög"):
            for k in range(10):
                photo(tmp_path / "my photos" / part / name / f"{k}.png", next(seeds))
    return tmp_path / "my photos"


def found(report: DataReport) -> list[tuple[str, str]]:
    return [(f.weight.value, f.what) for f in report.findings]


def test_nothing_is_wrong(folder: Path) -> None:
    report = check_data(folder)
    assert found(report) == []
    assert report.counts == {n: {"train": 10, "test": 10} for n in ("cat", "dög")}
    assert report.parts == ("train", "test")
    assert report.sizes()["median_width"] == 48


def test_the_same_picture_in_two_parts_and_in_two_classes(folder: Path) -> None:
    shutil.copy(folder / "train/cat/1.png", folder / "test/cat/other name.png")
    shutil.copy(folder / "train/cat/2.png", folder / "train/dög/2 again.png")
    shutil.copy(folder / "train/cat/3.png", folder / "train/cat/3 again.png")
    report = check_data(folder)
    assert found(report) == [
        ("error", "2 pictures are the same in several classes"),
        ("error", "2 pictures are the same in several parts"),
        ("warning", "2 pictures are the same, within a class"),
    ]
    assert report.findings[1].groups == (("train/cat/1.png", "test/cat/other name.png"),)
    assert report.errors == 2


def test_pictures_that_look_alike(folder: Path) -> None:
    again = Image.open(folder / "train/dög/4.png")
    again.resize((72, 60)).save(folder / "test/dög/saved again.jpg", quality=60)
    [finding] = check_data(folder).findings
    assert (finding.weight, finding.what) == (
        Weight.WARNING,
        "2 pictures are nearly the same in several parts",
    )
    assert finding.groups == (("train/dög/4.png", "test/dög/saved again.jpg"),)


def test_many_pictures_are_compared_by_equal_bits(folder: Path, monkeypatch) -> None:
    monkeypatch.setattr("edgewise.data.check._MOST_COMPARED", 3)
    brighter = np.asarray(Image.open(folder / "train/dög/4.png")) // 2 * 2
    Image.fromarray(brighter).save(folder / "train/dög/4.png")
    Image.fromarray(brighter + np.uint8(1)).save(folder / "test/dög/brighter.png")
    [finding] = check_data(folder).findings
    assert finding.groups == (("train/dög/4.png", "test/dög/brighter.png"),)


def test_files_that_cannot_be_read(folder: Path) -> None:
    (folder / "train/cat/0.png").write_bytes(b"GIF89a, or so it says")
    half = (folder / "train/cat/1.png").read_bytes()
    (folder / "train/cat/1.png").write_bytes(half[: len(half) // 2])
    (folder / "train/cat/2.png").write_bytes(b"")
    (folder / "train/dög/notes.txt").write_text("dogs")
    report = check_data(folder)
    assert found(report) == [
        ("error", "3 files cannot be read"),
        ("warning", "1 class of fewer than 10 pictures in train: cat (7)"),
        ("note", "1 file left out: no picture by the suffix"),
    ]
    assert len(report.findings[0].groups) == 3
    assert report.findings[2].groups == (("train/dög/notes.txt",),)


def test_classes(folder: Path) -> None:
    (folder / "train" / "emu").mkdir()
    for k in range(10, 60):
        photo(folder / "train" / "cat" / f"{k}.png", 100 + k)
    assert found(check_data(folder / "train")) == [
        ("error", "1 class without a picture: emu"),
    ]
    shutil.rmtree(folder / "train" / "emu")
    assert found(check_data(folder / "train")) == [
        ("warning", "classes are of unlike size: cat has 60 pictures, dög 10"),
    ]
    shutil.rmtree(folder / "train" / "cat")
    assert found(check_data(folder / "train")) == [
        ("error", "there is one class, dög; nothing can be told apart"),
    ]
    assert found(check_data(folder / "train" / "dög")) == [
        ("error", "pictures have no classes: no folder per class, no CSV"),
    ]


def test_two_pictures_of_each_class(tmp_path: Path) -> None:
    for k, name in enumerate(("a", "a", "b", "b")):
        photo(tmp_path / name / f"{k}.png", k, (20, 20))
    assert found(check_data(tmp_path)) == [
        ("warning", "2 classes of fewer than 10 pictures: a (2), b (2)"),
        ("warning", "4 pictures below 32 pixels on a side"),
    ]


def test_a_csv_of_classes(tmp_path: Path) -> None:
    lines = ["file,class"]
    for k in range(20):
        photo(tmp_path / f"{k}.png", k)
        lines.append(f"{k}.png,{'left' if k % 2 else 'right'}")
    (tmp_path / "labels.csv").write_text("\n".join([*lines, "missing.png,left"]))
    report = check_data(tmp_path)
    assert found(report) == [("error", "1 file cannot be read")]
    assert "no such picture" in report.findings[0].groups[0][0]
    assert report.counts == {"left": {"": 10}, "right": {"": 10}}


def test_a_huge_picture_is_not_decoded(folder: Path, monkeypatch) -> None:
    file = folder / "train/cat/0.png"
    monkeypatch.setattr(image, "MAX_PIXELS", 48 * 40)
    photo(file, 7, (48, 41))
    with pytest.raises(InputError, match=r"at most; got 48 x 41\. Scale it down"):
        image.open_picture(file)
    assert found(check_data(folder))[0] == ("error", "1 file cannot be read")


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_a_decompression_bomb(tmp_path: Path) -> None:
    """What says that it has 4 G pixels, in 70 bytes."""
    import struct
    import zlib

    def chunk(kind: bytes, data: bytes) -> bytes:
        crc = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", crc)

    head = struct.pack(">IIBBBBB", 65000, 65000, 8, 2, 0, 0, 0)
    data = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    (tmp_path / "bomb.png").write_bytes(b"\x89PNG\r\n\x1a\n" + data)
    with pytest.raises(InputError, match=r"bomb\.png: .* more than \d+ million pixels\. Scale"):
        image.open_picture(tmp_path / "bomb.png")


def test_what_may_not_be_opened(folder: Path, monkeypatch) -> None:
    """As root every file can be: the system's answer is put in its place."""
    real = Image.open

    def refuse(path: Path) -> Image.Image:
        if path.name == "0.png":
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(Image, "open", refuse)
    report = check_data(folder)
    assert found(report)[0] == ("error", "4 files cannot be read")
    assert "0.png: cannot be read: Permission denied" in report.findings[0].groups[0][0]

    def closed(_: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", closed)
    with pytest.raises(InputError, match="my photos: cannot be read: Permission denied"):
        open_data(folder)


def test_what_is_no_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder"):
        check_data(tmp_path / "nothing")
    with pytest.raises(InputError, match="holds no pictures"):
        check_data(tmp_path)
