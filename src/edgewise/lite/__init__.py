"""Drop-in for `tf.lite` 2.21: change the import, keep the code.

import edgewise.lite as lite                   # was: import tensorflow as tf; lite = tf.lite
converter = lite.TFLiteConverter.from_keras_model(model)
interpreter = lite.Interpreter(model_content=converter.convert())
"""

from edgewise.lite import experimental, interpreter
from edgewise.lite.converter import (
    OpsSet,
    Optimize,
    RepresentativeDataset,
    TargetSpec,
    TFLiteConverter,
)
from edgewise.lite.interpreter import Interpreter
from edgewise.lite.nearest import no_attribute

__all__ = [
    "Interpreter",
    "OpsSet",
    "Optimize",
    "RepresentativeDataset",
    "TFLiteConverter",
    "TargetSpec",
    "experimental",
    "interpreter",
]


def __getattr__(name: str) -> object:
    raise no_attribute("edgewise.lite", name, __all__)


def __dir__() -> list[str]:
    return __all__
