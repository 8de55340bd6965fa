"""A head on a frozen network, and then its top blocks: what of transfer learning is Keras.

In: features of pictures (`features.py`). Out: one Keras model from pictures to probabilities.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from edgewise.ir.graph import Value
from edgewise.ir.model import Model
from edgewise.train.backend import keras
from edgewise.train.bridge import tensors
from edgewise.train.features import Features
from edgewise.train.fit import Fitted, Options, fit

Progress = Callable[[int, int], None]


class Classifier:
    """A network whose features a dense layer makes class probabilities of; the dense layer is 0 at
    first, so that what it becomes depends on nothing but the data and their order."""

    def __init__(self, network: Model, classes: int) -> None:
        self.network = network
        k = keras()
        self._tensors = tensors(network)
        self._features = self._tensors[network.main.outputs[0]]
        self._head = [
            k.layers.Dense(classes, kernel_initializer="zeros", name="classes"),
            k.layers.Softmax(name="probabilities"),
        ]
        self._probabilities = self._through(self._features)

    @property
    def model(self) -> Any:  # Any: Keras ships no types
        """From pictures to probabilities."""
        return keras().Model(
            self._tensors[self.network.main.inputs[0]], self._probabilities, name="classifier"
        )

    def fit_head(
        self,
        training: Features,
        validation: Features,
        options: Options,
        checkpoint: Path | None = None,
        progress: Progress | None = None,
    ) -> Fitted:
        """The head alone, on features of the whole network."""
        given = keras().Input(tuple(self._features.shape[1:]))
        head = keras().Model(given, self._through(given), name="head")
        return fit(head, training, validation, options, checkpoint=checkpoint, progress=progress)

    def fit_above(
        self,
        cut: Value,
        training: Features,
        validation: Features,
        options: Options,
        checkpoint: Path | None = None,
        progress: Progress | None = None,
    ) -> Fitted:
        """All that is above a value of the network, on features up to it. Batch norms keep their
        statistics: few pictures would give poor ones."""
        top = keras().Model(self._tensors[cut], self._probabilities, name="top")
        for layer in top.layers:
            if isinstance(layer, keras().layers.BatchNormalization):
                layer.trainable = False
        return fit(top, training, validation, options, checkpoint=checkpoint, progress=progress)

    def _through(self, x: Any) -> Any:
        for layer in self._head:
            x = layer(x)
        return x
