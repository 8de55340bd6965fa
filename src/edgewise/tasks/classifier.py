"""Pictures to class names."""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, TypedDict, Unpack

import numpy as np

from edgewise.optimize.evaluate import scores_of
from edgewise.runtime.interpreter import Interpreter
from edgewise.tasks.classify import Guess, top
from edgewise.tasks.picture import Options, Picture, PictureTask, as_picture

if TYPE_CHECKING:
    from edgewise.tasks.trained import TrainedClassifier

Path = str | os.PathLike[str]


class Training(TypedDict, total=False):
    """The options of `train_image_classifier`, which tells what they mean."""

    backbone: Path
    weights: Path | None
    size: int | None
    epochs: int
    views: int
    fine_tune: bool
    quantized: str | None
    smoothing: float
    mixup: float
    seed: int
    labels: Path | None
    features: Path | None
    overwrite: bool


class ImageClassifier(PictureTask):
    """Tells what a picture shows.

        classifier = ImageClassifier.load("model.tflite")
        [best, *others] = classifier.classify("photo.jpg")
        print(best.label, best.score)

    `ImageClassifier.train("photos", "model.tflite")` makes one, of a folder per class.

    Raises:
        InputError: the model has no output that could be scores of classes.
    """

    def __init__(self, interpreter: Interpreter, **options: Unpack[Options]) -> None:
        super().__init__(interpreter, **options)
        outputs = interpreter.outputs(self.signature)
        self._output, self._scores = scores_of(outputs, interpreter.model.file or "model")

    @staticmethod
    def train(data: Path, output: Path, **options: Unpack[Training]) -> TrainedClassifier:
        """Make a classifier of the pictures in a folder, as `train_image_classifier` does, which is
        imported now: who runs a model does not wait for it."""
        made: TrainedClassifier = import_module("edgewise.tasks.training").train_image_classifier(
            data, output, **options
        )
        return made

    def classify(self, image: Picture, count: int = 5) -> list[Guess]:
        """The `count` best classes of a picture, best first."""
        return self.read(self.run(as_picture(image)), count)

    def read(self, outputs: Mapping[str, np.ndarray], count: int = 5) -> list[Guess]:
        """The best classes from what `run` gave."""
        return top(outputs[self._output], count, self.labels, self._scores.quant)
