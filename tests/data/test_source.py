"""Data from folders, files and objects: the same items in the same order, whatever is wrong."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgewise.data import Data, Feeder, Pixels, Sample, open_data, samples
from edgewise.data.classes import order_of
from edgewise.data.image import NORMALIZATIONS
from edgewise.data.source import TRAINING
from edgewise.dtypes import DType
from edgewise.errors import InputError
from edgewise.ir.dim import Sym
from edgewise.ir.types import Quant, TensorType

RAW = Pixels(NORMALIZATIONS["0..255"], crop=1.0)
PICTURE = {"image": TensorType((Sym("batch"), 4, 4, 3), DType.FLOAT32)}


def read(data: Data, inputs: dict[str, TensorType] = PICTURE, **options: object) -> list[Sample]:
    return list(samples(data, [Feeder(inputs, RAW)], **options))  # type: ignore[arg-type]


def colour(path: Path, value: int, size: tuple[int, int] = (4, 4)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (value, value, value)).save(path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for i, name in enumerate(("dog", "cat", "ant")):
        for k in range(3):
            colour(tmp_path / "pets ü" / name / f"{k}.png", 10 * i + k)
    return tmp_path / "pets ü"


def test_a_folder_per_class(folder: Path) -> None:
    data = open_data(folder)
    assert (data.classes, data.size) == (("ant", "cat", "dog"), 9)
    found = read(data)
    assert [s.name for s in found][:4] == ["ant/0.png", "ant/1.png", "ant/2.png", "cat/0.png"]
    assert [s.label for s in found] == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert [s.feeds[0][0].max() for s in found] == [20, 21, 22, 10, 11, 12, 0, 1, 2]
    assert found[0].feeds[0][0].shape == (1, 4, 4, 3)
    assert [s.name for s in read(data, workers=1)] == [s.name for s in found]


def test_a_limit_takes_of_every_class(folder: Path) -> None:
    assert [s.label for s in read(open_data(folder), limit=3)] == [0, 1, 2]
    assert len(read(open_data(folder), limit=99)) == 9


def test_what_cannot_be_read_is_told_and_left_out(folder: Path) -> None:
    (folder / "cat" / "1.png").write_bytes(b"not a picture")
    (folder / "cat" / "2.png").write_bytes((folder / "dog" / "2.png").read_bytes()[:45])
    (folder / "cat" / ".hidden.png").write_bytes(b"")
    (folder / "cat" / "notes.txt").write_text("cats")
    skipped: list[str] = []
    found = read(open_data(folder), skipped=skipped)
    assert [s.name for s in found if s.label == 1] == ["cat/0.png"]
    assert len(skipped) == 2
    assert "1.png: cannot be read as a picture" in skipped[0]
    for file in folder.rglob("*.png"):
        file.write_bytes(b"")
    with pytest.raises(InputError, match=r"no examples; 9 items cannot be read(.*\n){6}.*4 more"):
        read(open_data(folder))


def test_parts_of_a_data_set(tmp_path: Path) -> None:
    for part in ("train", "test"):
        for name in ("a", "b"):
            colour(tmp_path / part / name / f"{part}.png", 1)
    assert read(open_data(tmp_path))[0].name == "a/test.png"
    assert read(open_data(tmp_path, prefer=TRAINING))[0].name == "a/train.png"
    assert read(open_data(tmp_path, split="train"))[0].name == "a/train.png"
    with pytest.raises(InputError, match="no part is named 'eval'; there are test, train"):
        open_data(tmp_path, split="eval")


@pytest.mark.parametrize("head", ["", "file,class,note\n"])
def test_a_flat_folder_with_a_table(tmp_path: Path, head: str) -> None:
    for i in range(3):
        colour(tmp_path / f"{i}.png", i)
    (tmp_path / "labels.csv").write_text(head + "2.png,7,x\n0.png,3,y\n")
    assert [(s.name, s.label) for s in read(open_data(tmp_path))] == [("2.png", 7), ("0.png", 3)]
    (tmp_path / "names.csv").write_text("class,file\ndog,1.png\ncat,2.png\n")
    data = open_data(tmp_path, labels=tmp_path / "names.csv")
    assert data.classes == ("cat", "dog")
    assert [(s.name, s.label) for s in read(data)] == [("1.png", 1), ("2.png", 0)]


def test_tables_that_are_none(tmp_path: Path) -> None:
    colour(tmp_path / "0.png", 0)
    for text in ("", "0.png\n", "0.png,1\n1.png\n", "\x00"):
        (tmp_path / "labels.csv").write_text(text)
        with pytest.raises(InputError, match=r"labels\.csv"):
            open_data(tmp_path)


def test_folders_without_pictures(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(InputError, match="holds no pictures"):
        open_data(tmp_path)
    (tmp_path / "empty").mkdir()
    colour(tmp_path / "full" / "0.png", 0)
    colour(tmp_path / "stray.png", 0)
    with caplog.at_level(logging.WARNING, "edgewise"):
        assert open_data(tmp_path).classes == ("full",)
    assert "1 pictures outside of class folders" in caplog.text
    assert "without a picture: empty" in caplog.text
    with pytest.raises(InputError, match="no such folder or file"):
        open_data(tmp_path / "nowhere")


def test_a_turned_picture_is_upright(tmp_path: Path) -> None:
    image = Image.fromarray(np.arange(16, dtype=np.uint8).reshape(4, 4)).convert("RGB")
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    image.save(tmp_path / "p.png", exif=exif)
    upright = np.arange(16).reshape(4, 4)[::-1, ::-1]
    assert np.array_equal(read(open_data(tmp_path))[0].feeds[0][0][0, ..., 0], upright)


VALUES = np.arange(24, dtype=np.float32).reshape(6, 4)
VECTOR = {"x": TensorType((1, 4), DType.FLOAT32)}


def test_files_of_arrays(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", VALUES)
    found = read(open_data(tmp_path / "x.npy"), VECTOR)
    assert [s.feeds[0][0].tolist() for s in found] == VALUES[:, None].tolist()
    assert found[1].name == "x.npy[1]"
    labels = np.array([3, 1, 4, 1, 5, 9])
    parts = {"x_train": VALUES[:3], "y_train": labels[:3], "x_test": VALUES[3:]}
    np.savez(tmp_path / "x.npz", **parts, y_test=labels[3:, None])
    assert [s.label for s in read(open_data(tmp_path / "x.npz"), VECTOR)] == [1, 5, 9]
    assert [s.label for s in read(open_data(tmp_path / "x.npz", split="train"), VECTOR)] == [
        3,
        1,
        4,
    ]
    named = {"b": TensorType((1, 1), DType.FLOAT32), "a": TensorType((1, 4), DType.FLOAT32)}
    data = open_data({"a": VALUES, "b": VALUES[:, :1], "labels": np.eye(6)})
    assert [s.label for s in read(data, named)] == list(range(6))
    assert read(data, named)[1].feeds[0][0].tolist() == [[4]]


def test_files_of_arrays_that_are_none(tmp_path: Path) -> None:
    (tmp_path / "x.npy").write_bytes(b"\x93NUMPY")
    np.savez(tmp_path / "x.npz", x=VALUES, y=np.arange(5))
    np.save(tmp_path / "o.npy", np.array([{}]), allow_pickle=True)
    for name, rule in [("x.npy", "NumPy"), ("x.npz", "as long"), ("o.npy", "NumPy array")]:
        with pytest.raises(InputError, match=rule):
            open_data(tmp_path / name)
    with pytest.raises(InputError, match="class numbers"):
        open_data({"x": VALUES, "y": VALUES})


class Tensor:
    """What torch's tensors and TensorFlow's have in common."""

    def __init__(self, array: object) -> None:
        self.array = np.asarray(array)

    def detach(self) -> Tensor:
        return self

    def cpu(self) -> Tensor:
        return self

    def numpy(self) -> np.ndarray:
        return self.array


class Indexed:
    """A torch Dataset: no end but its length."""

    def __len__(self) -> int:
        return 6

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return Tensor(VALUES[index % 6]), index


def batches() -> Iterator[tuple[Tensor, Tensor]]:
    """A loader: the last batch is smaller."""
    for begin in (0, 4):
        yield Tensor(VALUES[begin : begin + 4]), Tensor(np.eye(6)[begin : begin + 4])


class Loader:
    """torch's DataLoader: what is a tuple in its data set comes as a list."""

    dataset, collate_fn = Indexed(), None

    def __len__(self) -> int:
        return 2

    def __iter__(self) -> Iterator[list[Tensor]]:
        return map(list, batches())


@pytest.mark.parametrize(
    "source",
    [
        [(row, i) for i, row in enumerate(VALUES)],
        [({"x": row}, np.array([i])) for i, row in enumerate(VALUES)],
        [(row[None], np.eye(6)[i]) for i, row in enumerate(VALUES)],
        Indexed(),
        batches,
        list(batches()),
        Loader(),
    ],
    ids=["pairs", "dicts", "one-hot", "dataset", "function", "batches", "loader"],
)
def test_objects(source: object) -> None:
    data = open_data(source)
    for _ in range(2):  # it can be read again
        found = read(data, VECTOR)
        assert [s.label for s in found] == list(range(6))
        assert [s.feeds[0][0].tolist() for s in found] == VALUES[:, None].tolist()
    assert [s.label for s in read(data, VECTOR, limit=5)] == list(range(5))


def test_an_iterator_gives_its_examples_once() -> None:
    data = open_data(iter(VALUES))
    assert len(read(data, VECTOR)) == 6
    with pytest.raises(InputError, match="used up"):
        read(data, VECTOR)


def test_objects_that_are_no_data() -> None:
    with pytest.raises(InputError, match="got int"):
        open_data(3)
    with pytest.raises(InputError, match=r"list\[0\]: no array of numbers"):
        read(open_data([object()]), VECTOR)
    with pytest.raises(InputError, match=r"list\[0\]: input 'x' takes .* got float64\[3\]"):
        read(open_data([np.zeros(3)]), VECTOR)
    with pytest.raises(InputError, match="a label is a class number"):
        read(open_data([(VALUES[0], np.array([0.5, 0.2]))]), VECTOR)


QUANTIZED = TensorType((1, 4, 4, 3), DType.INT8, Quant(0.5, -3))


def test_what_arrays_mean(caplog: pytest.LogCaptureFixture) -> None:
    """Bytes are pixels, the input's own integers go in as they are, the rest are real numbers."""
    half = Feeder({"image": QUANTIZED}, Pixels(NORMALIZATIONS["0..1"]))

    def first(array: np.ndarray, feeder: Feeder = half) -> object:
        (sample,) = samples(open_data([array]), [feeder])
        assert sample.feeds[0][0].shape == (1, 4, 4, 3)
        assert sample.feeds[0][0].dtype == next(iter(feeder.inputs.values())).dtype.numpy
        return sample.feeds[0][0][0, 0, 0, 0]

    one = np.ones((4, 4, 3))
    assert first((one * 7).astype(np.int8)) == 7
    assert first(one * 7) == 7 / 0.5 - 3
    assert first((one * 7).astype(np.int64)) == 7 / 0.5 - 3
    assert first((one * 255).astype(np.uint8)) == 1 / 0.5 - 3
    assert first(np.full((6, 9, 3), 255, np.uint8)) == 1 / 0.5 - 3  # of another size
    bytes_ = Feeder({"image": TensorType((1, 4, 4, 3), DType.UINT8, Quant(0.5, 0))}, half.pixels)
    assert first((one * 255).astype(np.uint8), bytes_) == 255
    asked = Feeder(bytes_.inputs, Pixels(NORMALIZATIONS["0..1"], is_given=True))
    assert first((one * 255).astype(np.uint8), asked) == 2
    with caplog.at_level(logging.WARNING, "edgewise"):
        assert first(np.moveaxis(one * 7, -1, 0)) == 7 / 0.5 - 3  # [C, H, W]


def test_the_order_of_classes() -> None:
    assert order_of(None, 10)(3) == 3
    assert order_of(None, 1001)(3) == 4
    assert order_of(None, 1001, first=0)(3) == 3
    named = order_of(["Tabby_cat", "dog"], 3, ["dog", "bird", "tabby cat"])
    assert [named(i) for i in (0, 1, 2)] == [2, 0, -1]
    wnids = order_of(["n01443537", "n15075141"], 1001)
    assert [wnids(i) for i in (0, 1)] == [2, 1000]
    assert order_of(["b", "a"], 2)(1) == 1
    with pytest.raises(InputError, match="10 outputs and the data 2 classes"):
        order_of(["a", "b"], 10)
    with pytest.raises(InputError, match="not among ImageNet's 1000 classes: n00000001"):
        order_of(["n00000001"], 1000)
