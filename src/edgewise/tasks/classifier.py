"""Pictures to class names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Unpack

import numpy as np

from edgewise.optimize.evaluate import scores_of
from edgewise.runtime.interpreter import Interpreter
from edgewise.tasks.classify import Guess, top
from edgewise.tasks.picture import Options, Picture, PictureTask, as_picture


class ImageClassifier(PictureTask):
    """Tells what a picture shows.

        classifier = ImageClassifier.load("model.tflite")
        [best, *others] = classifier.classify("photo.jpg")
        print(best.label, best.score)

    Raises:
        InputError: the model has no output that could be scores of classes.
    """

    def __init__(self, interpreter: Interpreter, **options: Unpack[Options]) -> None:
        super().__init__(interpreter, **options)
        outputs = interpreter.outputs(self.signature)
        self._output, self._scores = scores_of(outputs, interpreter.model.file or "model")

    def classify(self, image: Picture, count: int = 5) -> list[Guess]:
        """The `count` best classes of a picture, best first."""
        return self.read(self.run(as_picture(image)), count)

    def read(self, outputs: Mapping[str, np.ndarray], count: int = 5) -> list[Guess]:
        """The best classes from what `run` gave."""
        return top(outputs[self._output], count, self.labels, self._scores.quant)
