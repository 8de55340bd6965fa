"""Calls with `training=True`: what depends on the batch or is random has no meaning at inference.

Source: `call` of the layers of Keras 3.15. A BatchNormalization that is not trainable uses its
moving statistics in training, too.
"""

from __future__ import annotations

from edgewise.frontends.context import Unsupported
from edgewise.frontends.keras.description import KerasLayer
from edgewise.frontends.keras.handlers import identity

# identity at inference, and these by their statistics or their `dropout`
_STATISTICS = ("BatchNormalization", "SpectralNormalization")
_RANDOM = frozenset(identity.HANDLERS) - {"Identity", "ActivityRegularization"}
_RATES = ("dropout", "recurrent_dropout")


def check(layer: KerasLayer) -> None:
    """Refuses a layer that would compute something else in training.

    Raises:
        Unsupported: it would.
    """
    if layer.is_operation or not layer.is_builtin:
        return
    if layer.class_name in _STATISTICS and layer.trainable:
        raise Unsupported(
            "is called with training=True, which normalizes by the statistics of the batch; call"
            " it with training=False, or set trainable=False"
        )
    rate = layer.config.get("rate", 1.0)
    is_random = layer.class_name in (*_RANDOM, "RandomCrop") and rate != 0
    if is_random or any(layer.config.get(key) for key in _RATES):
        raise Unsupported(
            "is called with training=True, which makes its result random; call it with"
            " training=False"
        )
