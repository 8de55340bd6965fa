"""Drop-in for `tf.lite` 2.21: change the import, keep the code.

import edgewise.lite as lite                   # was: import tensorflow as tf; lite = tf.lite
converter = lite.TFLiteConverter.from_keras_model(model)
interpreter = lite.Interpreter(model_content=converter.convert())
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgewise.lite import experimental, interpreter
    from edgewise.lite.converter import (
        OpsSet,
        Optimize,
        RepresentativeDataset,
        TargetSpec,
        TFLiteConverter,
    )
    from edgewise.lite.interpreter import Interpreter

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
    """Names are imported when they are first used: an interpreter needs no converter."""
    if name not in __all__:
        from edgewise.lite.nearest import no_attribute

        raise no_attribute("edgewise.lite", name, __all__)
    if name in ("experimental", "interpreter"):
        return import_module(f"edgewise.lite.{name}")
    home = "interpreter" if name == "Interpreter" else "converter"
    found = globals()[name] = getattr(import_module(f"edgewise.lite.{home}"), name)
    return found


def __dir__() -> list[str]:
    return __all__
