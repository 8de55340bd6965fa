"""From a folder of pictures to a model that can be shipped.

A network of the zoo makes features of the pictures, once (`train/features.py`); a dense layer
learns classes from them and, if asked to, the network's top blocks learn on (`train/transfer.py`).
The model that comes out carries labels, normalization, licence, how it was trained and what it
scores. While it is made, checkpoints lie in a folder next to the output, from which the same
command goes on after a kill; the folder goes when the model is there.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from edgewise import metadata
from edgewise.data import Feeder, Pixels, samples
from edgewise.data.image import CROP, pixels_for
from edgewise.errors import InputError, OutputError, listing
from edgewise.files import check_output, write_atomically
from edgewise.ir.model import Model, Signature
from edgewise.ir.text import print_model
from edgewise.log import log
from edgewise.metrics import Interval, paired_difference
from edgewise.optimize.evaluate import Evaluation, evaluate
from edgewise.tasks.backbone import Backbone, backbone_of
from edgewise.tasks.integers import RECIPES, to_integers
from edgewise.tasks.parts import Parts, parts_of
from edgewise.tasks.trained import TrainedClassifier, save
from edgewise.train.blocks import top_blocks, up_to
from edgewise.train.bridge import from_keras
from edgewise.train.features import Extractor, Features
from edgewise.train.fit import EPOCHS, Fitted, Options
from edgewise.train.transfer import Classifier
from edgewise.values import dataclass

Advance = Callable[[int, int], None]
Stage = Callable[[str], AbstractContextManager[Advance]]

_CALIBRATED = 100  # pictures whose ranges are measured, and at most as many to compare recipes on
# Fine-tuning begins with what the head has learnt: small steps, few epochs
_FINE_RATE, _FINE_EPOCHS, _FINE_PATIENCE = 1e-4, 8, 3
_KEY, _ENDING = "run.txt", "ending.txt"  # in the folder of checkpoints
_FINE_BYTES = 1 << 30  # of features in memory; more pictures have fewer views


@dataclass(frozen=True, slots=True)
class Plan:
    """What was asked for; with the pictures it decides the model."""

    backbone: str
    size: int | None
    views: int
    options: Options
    fine_tune: bool
    crop: float


@contextmanager
def _silent(what: str) -> Iterator[Advance]:
    yield lambda done, total: None


def train_image_classifier(
    data: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    backbone: str | os.PathLike[str] = "mobilenet_v2",
    weights: str | os.PathLike[str] | None = None,
    size: int | None = None,
    epochs: int = EPOCHS,
    views: int = 4,
    fine_tune: bool = False,
    quantized: str | None = None,
    smoothing: float = 0.0,
    mixup: float = 0.0,
    seed: int = 0,
    labels: str | os.PathLike[str] | None = None,
    features: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
    stage: Stage = _silent,
) -> TrainedClassifier:
    """Train a classifier of the pictures in a folder and write it, as `.tflite` (OUTPUT), as
    `.keras` and what happened as `.json` next to it.

    Args:
        data: a folder per class, or folders `train` and `test` (and `val`) of such.
        backbone: a network of the zoo, or a `.tflite` file that ends in features or classes.
        weights: the file of the network's weights, where no package has them.
        size: pixels of a side of the input, of networks that take several.
        epochs: of the head, at most: early stopping ends sooner.
        views: of each picture: the middle, and others cut, mirrored and coloured at random.
        fine_tune: train the network's top blocks, too.
        quantized: "int8": the `.tflite` computes on integers.
        smoothing, mixup: of labels and examples (see `train.fit`).
        seed: of the order, the views and the split into training and validation.
        labels: a CSV file with the class of each picture.
        features: a folder in which features are kept; by default in the user's for caches.
        overwrite: outputs that exist are replaced.
        stage: makes a progress bar of what is done: a context that gives `advance(done, total)`.

    Raises:
        InputError: pictures that cannot be learnt from. OutputError: outputs that cannot be
            written, before any work. MissingExtra: Keras is not installed.
    """
    start = time.perf_counter()
    path = Path(output)
    if path.suffix != ".tflite":
        raise OutputError(f"{path}: the model is a .tflite file; give it that suffix")
    if quantized is not None and quantized not in RECIPES:
        raise InputError(f"quantized: there is {', '.join(RECIPES)}; got {quantized!r}")
    folder = path.with_name(f"{path.name}.training")
    # a run that died while it wrote what it had made goes on
    is_ours = overwrite or (folder / _ENDING).is_file()
    _check_outputs(path, overwrite=is_ours)
    options = Options(epochs=epochs, smoothing=smoothing, mixup=mixup, seed=seed)
    plan = Plan(str(backbone), size, views, options, fine_tune, CROP)
    skipped: list[str] = []
    with stage("looking at the pictures"):
        parts = parts_of(data, labels=labels, seed=seed, skipped=skipped)
        network = backbone_of(backbone, weights, size)
    pixels = pixels_for([network.model], [network.model.main.inputs[0].type])
    kept = None if features is None else Path(features)
    with _run_folder(folder, _key(plan, parts, network)) as is_new:
        if is_new and is_ours:
            _check_outputs(path, overwrite=overwrite)
        trainer = _Trainer(parts, network, pixels, plan, kept, folder, stage)
        head = trainer.fit_head(skipped)
        tuned = trainer.fit_above() if fine_tune else None
        model = _shipped(trainer.classifier.model, network, parts, pixels)
        made = TrainedClassifier(
            trainer.classifier.model, model, model, parts.classes, head, tuned, tuple(skipped)
        )
        made = _measured(made, parts, quantized, stage)
        made.seconds = time.perf_counter() - start
        write_atomically(folder / _ENDING, [], overwrite=True)
        save(made, path, _said(plan, parts, network), folder=folder, overwrite=is_ours)
    return made


def _check_outputs(path: Path, *, overwrite: bool) -> None:
    for suffix in (".tflite", ".keras", ".json"):
        check_output(path.with_suffix(suffix), overwrite=overwrite)


class _Trainer:
    """The steps that Keras takes."""

    def __init__(
        self,
        parts: Parts,
        network: Backbone,
        pixels: Pixels,
        plan: Plan,
        kept: Path | None,
        folder: Path,
        stage: Stage,
    ) -> None:
        self.parts, self.network, self.pixels, self.plan = parts, network, pixels, plan
        self.kept, self.folder, self.stage = kept, folder, stage
        with stage("building the network"):
            self.classifier = Classifier(network.model, len(parts.classes))

    def fit_head(self, skipped: list[str]) -> Fitted:
        """The head, on the whole network's features."""
        training, validation = self._features(self.network.model, self.plan.views, skipped)
        with self.stage("training the head") as advance:
            return self.classifier.fit_head(
                training, validation, self.plan.options, self.folder / "head.npz", advance
            )

    def fit_above(self) -> Fitted:
        """The top blocks with the head, on features up to them."""
        cut = top_blocks(self.network.model.main)
        below = up_to(self.network.model, cut)
        one = 4
        for extent in cut.shape[1:]:
            assert isinstance(extent, int)
            one *= extent
        views = max(1, min(self.plan.views, _FINE_BYTES // (one * (self.parts.training.size or 1))))
        if views < self.plan.views:
            log().warning("fine-tuning sees %d views of each picture: more take 1 GB", views)
        training, validation = self._features(below, views, [])
        own = self.plan.options
        options = Options(
            epochs=_FINE_EPOCHS, rate=_FINE_RATE, patience=_FINE_PATIENCE, batch=own.batch,
            decay=own.decay, smoothing=own.smoothing, mixup=own.mixup, seed=own.seed,
            is_careful=True,
        )  # fmt: skip
        with self.stage("fine-tuning the top blocks") as advance:
            return self.classifier.fit_above(
                cut, training, validation, options, self.folder / "top.npz", advance
            )

    def _features(
        self, network: Model, views: int, skipped: list[str]
    ) -> tuple[Features, Features]:
        with self.stage("features of the pictures") as advance:
            many = Extractor(network, self.pixels, views, self.kept)
            training = many(self.parts.training, skipped=skipped, progress=advance)
            one = Extractor(network, self.pixels, 1, self.kept)
            validation = one(self.parts.validation, skipped=skipped, progress=advance)
        for data, found in ((self.parts.training, training), (self.parts.validation, validation)):
            counts = np.bincount(found.y, minlength=len(self.parts.classes))
            none = [n for n, count in zip(self.parts.classes, counts, strict=True) if not count]
            if none:
                what = "label[s] without a picture that can be read; add some"
                raise InputError(f"{data.name}: {listing(none, what)}")
        return training, validation


def _shipped(keras_model: Any, network: Backbone, parts: Parts, pixels: Pixels) -> Model:
    """The Keras model as a Model for one picture, with what it says of itself."""
    shape = network.model.main.inputs[0].shape
    made = from_keras(keras_model, inputs=(1, *shape[1:]))
    graph = made.main
    graph.inputs[0].name, graph.outputs[0].name = "image", "probabilities"
    made.signatures = [Signature("serving_default", graph.name, {"image": 0}, {"probabilities": 0})]
    made.file = ""
    classes = ", ".join(parts.classes[:10]) + (", ..." if len(parts.classes) > 10 else "")
    return metadata.attach(
        made,
        name=f"Classifier of {classes}",
        description=f"{network.title} with a head trained by Edgewise",
        license=network.license,
        labels=list(parts.classes),
        mean=pixels.normalization.mean,
        std=pixels.normalization.std,
    )


def _measured(
    made: TrainedClassifier, parts: Parts, quantized: str | None, stage: Stage
) -> TrainedClassifier:
    """With integers, where they are wanted, and what both score."""
    if quantized is not None:
        with stage("quantizing") as advance:
            model = made.model
            types = {"image": model.main.inputs[0].type}
            feeder = Feeder(types, pixels_for([model], [*types.values()]))
            seen, probes = (
                [s.feeds[0] for s in samples(data, [feeder], limit=_CALIBRATED, skipped=[])]
                for data in (parts.training, parts.validation)
            )
            integers = to_integers(model, quantized, seen, probes, advance)
            made.shipped, made.recipe, made.floats = (
                integers.model, integers.recipe.to_json(), integers.floats,
            )  # fmt: skip
    if parts.test is None:
        return made
    with stage("testing") as advance:
        made.test = evaluate(made.model, parts.test, progress=advance)
    if quantized is not None:
        with stage("testing the integers") as advance:
            made.test_quantized = evaluate(made.shipped, parts.test, progress=advance)
        made.difference = _difference(made.test, made.test_quantized)
    return made


def _difference(first: Evaluation, second: Evaluation) -> Interval:
    """Accuracy of the second less that of the first, on the same pictures."""
    return paired_difference(first.outcomes.rank < 1, second.outcomes.rank < 1)


def _said(plan: Plan, parts: Parts, network: Backbone) -> dict[str, object]:
    """The beginning of the training summary."""
    options = asdict(plan.options)
    return {
        "backbone": network.title,
        "input": [int(s) for s in network.model.main.inputs[0].shape[1:3] if isinstance(s, int)],
        "pictures": {
            "training": parts.training.size,
            "validation": parts.validation.size,
            "test": None if parts.test is None else parts.test.size,
        },
        "views": plan.views,
        "fine_tune": plan.fine_tune,
        "options": options,
    }


# -- the folder of checkpoints ----------------------------------------------------------------


@contextmanager
def _run_folder(folder: Path, key: str) -> Iterator[bool]:
    """The folder, which stays there when the run is killed or fails, and goes when it ends; whether
    it is new. Checkpoints of another plan or of other pictures are removed."""
    is_new = _read(folder / _KEY) != key
    try:
        if is_new and folder.is_dir():
            shutil.rmtree(folder)
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be written: {error.strerror or error}") from error
    write_atomically(folder / _KEY, [key.encode()], overwrite=True)
    yield is_new
    shutil.rmtree(folder, ignore_errors=True)


def _read(path: Path) -> str:
    try:
        return path.read_text("ascii", "replace")
    except OSError:
        return ""


def _key(plan: Plan, parts: Parts, network: Backbone) -> str:
    digest = hashlib.sha256(json.dumps(asdict(plan), sort_keys=True).encode())
    digest.update(print_model(network.model, elide=True).encode())
    for data in (parts.training, parts.validation):
        for place in range(data.size or 0):
            label = data.labels[place] if data.labels is not None else None
            digest.update(f"{label}".encode())
            try:
                digest.update(data.digest(place) if data.digest is not None else b"")
            except InputError:
                digest.update(b"unreadable")
    return digest.hexdigest()
