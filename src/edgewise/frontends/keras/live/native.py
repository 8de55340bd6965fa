"""A model whose own code calls TensorFlow, as TensorFlow itself traces it.

Keras runs on TensorFlow then: the whole model is one function, whose graph the frontend of
TensorFlow programs reads. TensorFlow is the user's, and loaded.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from edgewise.errors import ConversionError
from edgewise.frontends.keras.live.describe import graph_of
from edgewise.frontends.keras.live.inputs import arguments
from edgewise.frontends.keras.live.trace import Spec, mapped
from edgewise.frontends.tensorflow.source import read_functions
from edgewise.ir.model import Model

_LOG = logging.getLogger("edgewise")


def read_native(model: Any, inputs: object, refused: ConversionError) -> Model:
    """The model as TensorFlow traces it, because our own tracing refused it.

    Raises:
        ConversionError: TensorFlow's graph cannot be converted either; both reasons are told.
    """
    _LOG.info("%s; the model is read as TensorFlow traces it", refused)
    tensorflow: Any = sys.modules["tensorflow"]
    args, kwargs = _arguments(tensorflow, model, inputs)
    try:
        function = tensorflow.function(model).get_concrete_function(*args, **kwargs)
    except Exception as error:  # whatever the user's own code raises while it is traced
        raise ConversionError(f"{refused}\nNor can TensorFlow trace it: {error}") from error
    try:
        return read_functions(function, trackable=model)
    except ConversionError as error:
        raise type(error)(f"{refused}\nIn the graph that TensorFlow traced: {error}") from error


def _arguments(
    tensorflow: Any, model: Any, inputs: object
) -> tuple[Sequence[object], Mapping[str, object]]:
    """What to trace the model with: TensorSpecs in place of tensors."""

    def spec(given: Any) -> object:
        if not isinstance(given, Spec):
            return given
        sizes = [size if isinstance(size, int) else None for size in given.shape]
        return tensorflow.TensorSpec(sizes, given.dtype, given.name)

    if graph_of(model) is not None and inputs is None:
        import keras

        made = keras.tree.map_structure(
            lambda t: tensorflow.TensorSpec(t.shape, t.dtype, t.name), model.input
        )
        return [made], {"training": False}
    args, kwargs = arguments(model, inputs)
    named = {key: mapped(value, spec) for key, value in kwargs.items()}
    if getattr(model, "_call_has_training_arg", False):
        named.setdefault("training", False)
    return [mapped(arg, spec) for arg in args], named
