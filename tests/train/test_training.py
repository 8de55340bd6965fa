"""From a folder of pictures to a model: what is written, what a kill costs, what is refused."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

import edgewise
from edgewise import metadata
from edgewise.errors import InputError, OutputError
from edgewise.tasks import ImageClassifier
from edgewise.tasks.classifier import Training
from edgewise.tasks.trained import SUMMARY, TrainedClassifier
from edgewise.tasks.training import train_image_classifier
from edgewise.train.features import Features
from edgewise.train.fit import Options, fit
from tests.tasks.pictures import fill, picture
from tests.train.here import need_keras
from tests.train.networks import backbone_file

keras = need_keras()
pytestmark = [pytest.mark.ci, pytest.mark.filterwarnings("ignore")]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures in parts, and a network to learn on."""
    folder = tmp_path_factory.mktemp("données d'été ☀")
    fill(folder / "pictures/train", 12)
    fill(folder / "pictures/test", 5, start=100)
    backbone_file(folder)
    return folder


def train(data: Path, output: Path, **options: object) -> TrainedClassifier:
    options = {"epochs": 4, "features": data / "kept", **options}
    return train_image_classifier(
        data / "pictures", output, backbone=data / "backbone.tflite", **options
    )


def killing(what: str, after: int) -> Callable[[str], object]:
    """A stage that stops like Ctrl-C once `what` has come so far."""

    @contextmanager
    def stage(name: str) -> Iterator[Callable[[int, int], None]]:
        def advance(done: int, total: int) -> None:
            if name == what and done == after:
                raise KeyboardInterrupt

        yield advance

    return stage


def test_the_model_has_everything_in_it(data, tmp_path):
    made = train(data, tmp_path / "model.tflite", quantized="int8", fine_tune=True, epochs=10)
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "model.json", "model.keras", "model.tflite",
    ]  # fmt: skip
    picture("red", 500).save(tmp_path / "new.png")
    [best, *_] = ImageClassifier.load(tmp_path / "model.tflite").classify(tmp_path / "new.png")
    assert best.label == "red"
    model = edgewise.load(tmp_path / "model.tflite")
    said = metadata.read(model)
    assert said.license == "CC0-1.0"
    assert "of 10 test pictures" in said.description
    assert metadata.normalization(model).mean == (127.5,)
    inside, beside = (
        json.loads(text)
        for text in (model.files[SUMMARY], (tmp_path / "model.json").read_text("utf-8"))
    )
    assert {**beside, "seconds": None} == inside
    assert set(inside["test"]) == {"float32", "int8"}
    assert len(inside["curves"]["head"]["epochs"]) == len(made.head.epochs)
    again = keras.models.load_model(tmp_path / "model.keras")
    x = np.random.default_rng(0).normal(size=(1, 32, 32, 3)).astype(np.float32)
    wanted = edgewise.Interpreter(made.model)(x)["probabilities"]
    np.testing.assert_allclose(keras.ops.convert_to_numpy(again(x)), wanted, atol=1e-5)


@pytest.mark.parametrize(
    ("what", "after"), [("training the head", 3), ("fine-tuning the top blocks", 2)]
)
def test_a_killed_run_goes_on_to_the_same_model(data, tmp_path, what, after):
    whole, killed = tmp_path / "whole.tflite", tmp_path / "killed.tflite"
    options = {"fine_tune": True, "mixup": 0.2, "smoothing": 0.1, "seed": 3}
    train(data, whole, **options)
    with pytest.raises(KeyboardInterrupt):
        train(data, killed, **options, stage=killing(what, after))
    assert (tmp_path / "killed.tflite.training").is_dir()
    assert not killed.exists()
    seen: list[int] = []

    @contextmanager
    def stage(name: str) -> Iterator[Callable[[int, int], None]]:
        yield lambda done, total: seen.append(done) if name == what else None

    train(data, killed, **options, stage=stage)
    assert min(seen, default=after + 1) == after + 1
    assert killed.read_bytes() == whole.read_bytes()
    assert not (tmp_path / "killed.tflite.training").exists()


def test_the_task_trains_too(data, tmp_path):
    known = set(inspect.signature(train_image_classifier).parameters)
    assert set(Training.__annotations__) == known - {"data", "output", "stage"}
    made = ImageClassifier.train(
        data / "pictures", tmp_path / "m.tflite", backbone=data / "backbone.tflite", epochs=2,
        features=data / "kept",
    )  # fmt: skip
    assert made.classes == ("blue", "red")
    [best, *_] = ImageClassifier.load(tmp_path / "m.tflite").classify(picture("red", 501))
    assert best.label == "red"


def test_checkpoints_of_another_plan_are_not_used(data, tmp_path):
    output, other = tmp_path / "model.tflite", tmp_path / "other.tflite"
    with pytest.raises(KeyboardInterrupt):
        train(data, output, seed=1, stage=killing("training the head", 2))
    train(data, output, seed=2)
    train(data, other, seed=2)
    assert output.read_bytes() == other.read_bytes()


def test_nothing_is_lost_where_the_disk_is_full_at_the_end(data, tmp_path, monkeypatch):
    output = tmp_path / "model.tflite"

    def full(path: Path, *_: object, **__: object) -> None:
        raise OutputError(f"{path}: cannot be written: No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("edgewise.tasks.trained.write_atomically", full)
        with pytest.raises(OutputError, match="No space left on device"):
            train(data, output)
    assert (tmp_path / "model.tflite.training" / "head.npz").is_file()
    train(data, output, stage=killing("training the head", 1))  # no epoch is done again
    assert output.is_file()


def test_a_run_that_died_while_it_wrote_goes_on(data, tmp_path, monkeypatch):
    """Two of three files are there, and they are its own; another plan's are not overwritten."""
    output = tmp_path / "model.tflite"

    def die(*_: object) -> bytes:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("edgewise.tasks.trained.write", die)
        with pytest.raises(KeyboardInterrupt):
            train(data, output)
    assert (tmp_path / "model.keras").is_file()
    assert not output.exists()
    before = (tmp_path / "model.keras").read_bytes()
    train(data, output)
    assert sorted(p.suffix for p in tmp_path.iterdir()) == [".json", ".keras", ".tflite"]
    assert (tmp_path / "model.keras").read_bytes() != before  # it tells the time
    output.unlink()
    with monkeypatch.context() as patch:
        patch.setattr("edgewise.tasks.trained.write", die)
        with pytest.raises(KeyboardInterrupt):
            train(data, output, overwrite=True)
    with pytest.raises(OutputError, match=r"model\.keras: exists already"):
        train(data, output, seed=7)


def test_outputs_are_looked_at_before_any_work(data, tmp_path):
    with pytest.raises(OutputError, match="give it that suffix"):
        train(data, tmp_path / "model.onnx")
    with pytest.raises(OutputError, match="does not exist; create it first"):
        train(data, tmp_path / "missing" / "model.tflite")
    (tmp_path / "model.keras").write_text("mine")
    with pytest.raises(OutputError, match="exists already"):
        train(data, tmp_path / "model.tflite")
    (tmp_path / "other.tflite.training").write_text("mine")
    with pytest.raises(OutputError, match=r"other\.tflite\.training: cannot be written"):
        train(data, tmp_path / "other.tflite")
    assert (tmp_path / "model.keras").read_text() == "mine"


def test_a_class_of_broken_pictures_is_named(data, tmp_path):
    fill(tmp_path / "pictures", 4)
    for path in (tmp_path / "pictures" / "red").iterdir():
        path.write_bytes(b"broken")
    with pytest.raises(
        InputError, match=r"1 label with fewer than 2 pictures that can be read.*\n.*red: 0"
    ):
        train_image_classifier(
            tmp_path / "pictures", tmp_path / "m.tflite", backbone=data / "backbone.tflite"
        )


def test_two_pictures_of_each_class_make_a_model(data, tmp_path):
    fill(tmp_path / "pictures", 2)
    made = train_image_classifier(
        tmp_path / "pictures", tmp_path / "m.tflite", backbone=data / "backbone.tflite", epochs=2
    )
    assert made.test is None
    assert (tmp_path / "m.tflite").is_file()


def test_a_damaged_checkpoint_is_not_used(tmp_path, caplog):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(20, 1, 4)).astype(np.float32)
    parts = Features(x, (x[:, 0, 0] > 0).astype(np.int64))

    def head() -> object:
        given = keras.Input((4,))
        return keras.Model(
            given, keras.layers.Dense(2, "softmax", kernel_initializer="zeros")(given)
        )

    path = tmp_path / "c.npz"
    first = fit(head(), parts, parts, Options(epochs=3), checkpoint=path)
    path.write_bytes(path.read_bytes()[:-40])
    assert fit(head(), parts, parts, Options(epochs=3), checkpoint=path) == first
    assert "a checkpoint that cannot be used" in caplog.text
    assert first.epochs[-1].rate < first.epochs[0].rate
    assert first.epochs[-1].loss < first.epochs[0].loss


def test_what_may_be_chance_does_not_replace_good_weights():
    """A head that is right already, and examples that agree with it, or with nothing."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=(60, 1, 4)).astype(np.float32)
    learnt = Features(x, (x[:, 0, 0] > 0).astype(np.int64))
    noise = Features(x, rng.integers(2, size=60))
    given = keras.Input((4,))
    model = keras.Model(given, keras.layers.Dense(2, "softmax", kernel_initializer="zeros")(given))
    careful = Options(epochs=6, rate=0.02, is_careful=True)
    kept = fit(model, noise, noise, careful)
    assert kept.best == -1
    assert min(e.validation_loss for e in kept.epochs) < np.log(2)  # chance would have been taken
    assert not np.any(keras.ops.convert_to_numpy(model.weights[0]))
    assert fit(model, learnt, learnt, careful).best >= 0
