"""Classifier, detector and segmenter: on networks whose answers follow from the picture, and on
models of others."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import edgewise
import edgewise.ops
from edgewise import metadata
from edgewise.cli.main import cli, run
from edgewise.dtypes import DType
from edgewise.errors import InputError
from edgewise.ir.build import Builder
from edgewise.ir.enums import Padding
from edgewise.ir.types import Quant
from edgewise.ops.detection import DetectionPostProcess
from edgewise.tasks import Box, Guess, ImageClassifier, ImageSegmenter, ObjectDetector, task_of
from tests.ops.cases.detection import SCALES, anchors

COLOURS = ["red", "green", "blue"]
CAT = Path(edgewise.__file__).parent / "assets" / "cat.jpg"


def model_of(b: Builder, *results: object, **said: object) -> edgewise.Model:
    model = edgewise.Model()
    model.add(b.finish(*results))
    return metadata.attach(model, **said) if said else model  # type: ignore[arg-type]


def classifier(**said: object) -> edgewise.Model:
    """Scores are the means of the channels of pixels 0..1."""
    b = Builder()
    x = b.input("image", (1, 8, 8, 3))
    y = b.mean(x, b.constant(np.array([1, 2], np.int32)))
    return model_of(b, y, mean=0.0, std=255.0, **said)


def detector(**said: object) -> edgewise.Model:
    """A box for each of 4 x 4 cells, a quarter of the sides each, that scores its colour."""
    b = Builder()
    x = b.input("image", (1, 8, 8, 3))
    window = {"filter_height": 2, "filter_width": 2, "stride_h": 2, "stride_w": 2}
    cells = b.average_pool_2d(x, padding=Padding.VALID, **window)
    scores = b.reshape(cells, b.constant(np.array([1, 16, 3], np.int32)))
    options = {
        "max_detections": 5,
        "max_classes_per_detection": 1,
        "num_classes": 3,
        "nms_iou_threshold": 0.5,
        **SCALES,
    }
    boxes = b.constant(anchors(4, 4, sides=((0.25, 0.25),)))
    encodings = b.constant(np.zeros((1, 16, 4), np.float32))
    found = b.node(DetectionPostProcess(**options), encodings, scores, boxes)
    return model_of(b, *found.outputs, mean=0.0, std=255.0, **said)


def segmenter(**said: object) -> edgewise.Model:
    """The channel that is largest, of each pixel."""
    b = Builder()
    x = b.input("image", (1, 8, 8, 3))
    return model_of(b, b.arg_max(x, b.constant(np.array(3, np.int32))), **said)


@pytest.fixture
def picture() -> Image.Image:
    """80 x 160 pixels, grey; a red square in a cell, a weaker blue one in another."""
    pixels = np.full((160, 80, 3), 40, np.uint8)
    pixels[40:80, 20:40] = (250, 40, 40)
    pixels[120:160, 60:80] = (40, 40, 200)
    return Image.fromarray(pixels)


def test_a_classifier_takes_paths_pictures_and_pixels(tmp_path: Path) -> None:
    model = classifier(labels=COLOURS)
    model.save(tmp_path / "model.tflite")
    orange = Image.new("RGB", (12, 20), (250, 120, 10))
    orange.save(tmp_path / "ü.png")
    for source in (tmp_path / "model.tflite", str(tmp_path / "model.tflite"), model):
        task = ImageClassifier.load(source)
        for image in (tmp_path / "ü.png", str(tmp_path / "ü.png"), orange, np.asarray(orange)):
            found = task.classify(image, 2)
            assert [(g.index, g.label) for g in found] == [(0, "red"), (1, "green")]
            assert found[0].score == pytest.approx(250 / 255)


def test_a_picture_is_turned_as_its_exif_says(tmp_path: Path, picture: Image.Image) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees
    picture.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "turned.png", exif=exif)
    task = ObjectDetector.load(detector())
    assert task.detect(tmp_path / "turned.png") == task.detect(picture)
    assert task.detect(Image.open(tmp_path / "turned.png")) == task.detect(picture)


def test_labels_and_normalization_can_be_told(tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_text("rouge\nvert\nbleu\n")
    task = ImageClassifier.load(
        classifier(), labels=tmp_path / "names.txt", normalize="-1..1", crop=1.0
    )
    [best] = task.classify(np.full((4, 4, 4), 255, np.uint8), 1)
    assert best == Guess(0, "rouge", 1.0)


def test_a_quantized_input_tells_what_pixels_are() -> None:
    b = Builder()
    x = b.input("image", (1, 4, 4, 3), DType.UINT8, quant=Quant(1 / 128, 128))
    y = b.mean(b.dequantize(x), b.constant(np.array([1, 2], np.int32)))
    task = ImageClassifier.load(model_of(b, y))
    assert task.pixels.said.startswith("pixels as -1..1")
    [best, *_] = task.classify(np.full((9, 9), 255, np.uint8))
    assert best.score == pytest.approx(127 / 128)


def test_a_detector_finds_things_where_they_are(picture: Image.Image) -> None:
    task = ObjectDetector.load(detector())
    found = task.detect(picture)
    assert [(d.index, d.label) for d in found] == [(0, "class 0"), (2, "class 2")]
    assert 1 > found[0].score > 0.75 > found[1].score  # scaling blurs the edges
    assert found[0].box == Box(20, 40, 40, 80)
    assert found[1].box == Box(60, 120, 80, 160)
    assert len(task.detect(picture, least_score=0.75)) == 1
    named = ObjectDetector.load(detector(), labels=COLOURS).detect(picture)
    assert [d.label for d in named] == ["red", "blue"]


def test_a_detector_known_by_its_metadata(picture: Image.Image) -> None:
    """The operator is hidden behind others, and outputs are in another order."""
    b = Builder()
    x = b.input("image", (1, 8, 8, 3))
    boxes = b.constant(np.array([[[0.25, 0.25, 0.5, 0.5], [0, 0, 0, 0]]], np.float32))
    sure = b.reshape(
        b.reduce_max(x, b.constant(np.array([1, 2], np.int32))),
        b.constant(np.array([1, 3], np.int32)),
    )
    score = b.slice(
        sure, b.constant(np.array([0, 0], np.int32)), b.constant(np.array([1, 2], np.int32))
    )
    classes = b.constant(np.array([[2, 0]], np.float32))
    model = edgewise.Model()
    parts = [
        b.add(v, b.constant(np.float32(0)))
        for v in (score, boxes, b.constant(np.array([1], np.float32)), classes)
    ]
    model.add(b.finish(*parts))
    with pytest.raises(InputError, match="a detector ends in DetectionPostProcess"):
        ObjectDetector.load(model)
    names = ("score", "location", "number of detections", "category")
    graph = model.main
    outputs = {
        value.name: metadata.TensorMetadata(name=name)
        for value, name in zip(graph.outputs, names, strict=True)
    }
    said = metadata.attach(model, outputs=outputs, mean=0.0, std=255.0)
    [found] = ObjectDetector.load(said, labels=COLOURS).detect(picture)
    assert (found.label, found.box) == ("blue", Box(20, 40, 40, 80))


def test_a_segmenter_gives_a_class_for_each_pixel() -> None:
    pixels = np.full((160, 80, 3), (250, 40, 40), np.uint8)
    pixels[120:] = (40, 40, 200)
    halves = Image.fromarray(pixels)
    found = ImageSegmenter.load(segmenter(), labels=COLOURS, normalize="0..1").segment(halves)
    assert found.mask.dtype == np.int32
    assert (found.mask == np.where(np.arange(160) < 120, 0, 2)[:, None]).all()
    assert found.shares() == [Guess(0, "red", 0.75), Guess(2, "blue", 0.25)]
    changed = (np.asarray(found.draw(halves)) != pixels).any(2)
    assert (changed == (found.mask == 2)).all()


@pytest.mark.parametrize(("shift", "half"), [(0.0, 0.5), (-100.0, 100.0)])
def test_a_single_score_is_a_probability_or_a_logit(shift: float, half: float) -> None:
    b = Builder()
    x = b.input("image", (1, 4, 4, 1))
    y = b.add(x, b.constant(np.float32(shift)))
    task = ImageSegmenter.load(
        model_of(b, y), normalize="0..1" if shift == 0 else "0..255", labels=["person"]
    )
    pixels = np.array([[0, 250, 90, 130]] * 4, np.uint8)
    scale = 255 if shift == 0 else 1
    expected = (pixels / scale > half).astype(np.int32)
    found = task.segment(pixels)
    assert (found.mask == expected).all()
    assert {g.label for g in found.shares()} == {"background", "person"}


def test_what_a_model_cannot_do_is_told() -> None:
    b = Builder()
    x, y = b.input("left", (1, 4, 4, 3)), b.input("right", (1, 4, 4, 3))
    with pytest.raises(InputError, match="one input; the model takes left, right"):
        ImageClassifier.load(model_of(b, b.add(x, y)))
    b = Builder()
    with pytest.raises(InputError, match=r"needs an input \[N, H, W, 1 or 3\]"):
        ImageClassifier.load(model_of(b, b.relu(b.input("x", (1, 7)))))
    with pytest.raises(InputError, match=r"a segmenter has an output \[1, H, W\]"):
        ImageSegmenter.load(classifier())
    task = ImageClassifier.load(classifier())
    for wrong in (np.zeros((4, 4, 3), np.float32), np.zeros((4, 4, 2), np.uint8)):
        with pytest.raises(InputError, match="pixels are uint8"):
            task.classify(wrong)


def test_run_shows_what_a_task_finds(
    tmp_path: Path,
    picture: Image.Image,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    picture.save("photo.png")
    Path("names.txt").write_text("\n".join(COLOURS))
    detector().save("d.tflite")
    segmenter().save("s.tflite")
    assert (
        run(cli, ["run", "d.tflite", "photo.png", "--labels", "names.txt", "--draw", "d.png"]) == 0
    )
    said = capsys.readouterr().out
    assert re.search(r"  0\.\d{4}  red  at 20, 40 to 40, 80\n", said)
    assert said.endswith("2 found\ndrawn: d.png\n")
    with Image.open("d.png") as drawn:
        assert drawn.size == picture.size
    assert (
        run(cli, ["run", "s.tflite", "photo.png", "--labels", "names.txt", "--draw", "s.jpg"]) == 0
    )
    said = capsys.readouterr().out
    assert re.search(r" +\d\d\.\d%  red\n +\d+\.\d%  blue\ndrawn: s\.jpg\n$", said)
    classifier().save("c.tflite")
    assert run(cli, ["run", "c.tflite", "photo.png", "--draw", "c.png"]) == 1
    assert "--draw needs a picture, and a detector or segmenter" in capsys.readouterr().err
    assert run(cli, ["run", "s.tflite", "photo.png", "--draw", "s.xyz"]) == 1
    assert "s.xyz: a picture is written as .png or .jpg" in capsys.readouterr().err


@pytest.mark.ci
def test_models_of_others(shared_data: Path) -> None:
    """Without metadata the quantized input tells; with it, the model says all."""
    folder = shared_data / "tflite"
    voc = shared_data / "datasets" / "misc" / "pascal_voc_segmentation_labels.txt"
    deeplab = ImageSegmenter.load(
        folder / "vision" / "deeplabv3_mnv2_dm05_pascal_quant.tflite", labels=voc
    )
    assert [g.label for g in deeplab.segment(CAT).shares()] == ["cat", "background"]
    dog = shared_data / "datasets" / "cats_dogs" / "test" / "dog" / "dog.280.jpg"
    assert deeplab.segment(dog).shares()[0].label == "dog"
    selfie = ImageSegmenter.load(folder / "vision" / "selfie_segmentation.tflite")
    person = shared_data / "datasets" / "misc" / "person.bmp"
    [more, less] = selfie.segment(person).shares()
    assert (more.label, less.label) == ("background", "selfie")
    assert 0.3 < less.score < 0.4
    mobilenet = ImageClassifier.load(folder / "classify" / "mobilenet_v1_0.25_224_quant.tflite")
    assert "as the model says" in mobilenet.pixels.said
    assert "cat" in mobilenet.classify(CAT)[0].label.lower()
    assert type(task_of(deeplab.interpreter)) is ImageSegmenter
    assert type(task_of(selfie.interpreter)) is ImageSegmenter
    assert type(task_of(mobilenet.interpreter)).__name__ == "PictureTask"


def ssd_anchors() -> np.ndarray:
    """[1917, 4] of SSD on MobileNet at 300 pixels: 3 boxes on the finest grid, 6 on the others."""
    ratios = (1.0, 2.0, 0.5, 3.0, 1 / 3)
    scales = [*np.linspace(0.2, 0.95, 6), 1.0]
    parts = []
    for level, extent in enumerate((19, 10, 5, 3, 2, 1)):
        scale, following = scales[level : level + 2]
        sides = [(scale / r**0.5, scale * r**0.5) for r in ratios]
        sides.append(((scale * following) ** 0.5,) * 2)
        if level == 0:
            sides = [(0.1, 0.1), *sides[1:3]]
        parts.append(anchors(extent, extent, sides=tuple(sides)))
    return np.concatenate(parts)


@pytest.mark.ci
def test_an_ssd_network_with_its_post_processing(
    shared_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """MobileNetV2 SSD at 300 pixels in int8 (its weights are random): what is found are the
    network's surest boxes, decoded here once more."""
    model = edgewise.load(shared_data / "bench" / "ssd_mobilenet_v2" / "int8.tflite")
    raw = edgewise.Interpreter(model)
    b = Builder(model.main)
    encodings, scores = map(b.dequantize, model.main.outputs)
    grid = ssd_anchors()
    options = {"max_detections": 10, "max_classes_per_detection": 1, "num_classes": 90}
    op = DetectionPostProcess(**options, **SCALES, nms_iou_threshold=0.6)
    model.main.set_outputs(b.node(op, encodings, scores, b.constant(grid)).outputs)
    model.signatures = []
    path = tmp_path / "ssd.tflite"
    model.save(path)
    task = ObjectDetector.load(path, normalize="-1..1")
    with Image.open(CAT) as photo:
        found = task.detect(photo, least_score=0.0)
        width, height = photo.size
    assert len(found) == 10
    assert found == sorted(found, key=lambda one: -one.score)
    types = raw.outputs()
    real = {
        array.shape[-1]: types[name].quant.dequantize(array)[0]
        for name, array in raw(task.tensor(Image.open(CAT).convert("RGB"))).items()
    }
    code, sure = real[4], real[91]
    best = sure[:, 1:].max(1).argmax()
    assert found[0].score == pytest.approx(sure[best, 1:].max())
    tops = np.flatnonzero(sure[:, 1:].max(1) == sure[best, 1:].max())
    corners = []
    for i in tops:
        (y, x, h, w), (dy, dx, dh, dw) = grid[i], code[i]
        cy, cx = y + dy / 10 * h, x + dx / 10 * w
        h, w = h * np.exp(dh / 5), w * np.exp(dw / 5)
        ends = np.array([cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2]).clip(0, 1)
        corners.append(ends * [width, height, width, height])
    box = found[0].box
    mine = np.array([box.left, box.top, box.right, box.bottom])
    assert min(np.abs(mine - other).max() for other in corners) < 0.01
    words = ["run", str(path), str(CAT), "--least-score", "0", "--draw", str(tmp_path / "d.png")]
    assert run(cli, words) == 0
    assert "10 found" in capsys.readouterr().out
    with Image.open(tmp_path / "d.png") as drawn:
        assert drawn.size == (width, height)
