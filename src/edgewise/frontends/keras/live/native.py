"""A model whose own code calls TensorFlow, as TensorFlow itself traces it.

Keras runs on TensorFlow then: the whole model is one function, whose graph the frontend of
TensorFlow programs reads. TensorFlow is the user's, and loaded.
"""

from __future__ import annotations

import sys
from typing import Any

from edgewise.errors import ConversionError
from edgewise.frontends.keras.live.describe import graph_of
from edgewise.frontends.keras.live.inputs import arguments
from edgewise.frontends.keras.live.trace import symbol
from edgewise.frontends.tensorflow.source import read_functions
from edgewise.ir.model import Model
from edgewise.log import log


def read_native(model: Any, inputs: object, refused: ConversionError) -> Model:
    """The model as TensorFlow traces it, because our own tracing refused it.

    Raises:
        ConversionError: TensorFlow's graph cannot be converted either; both reasons are told.
    """
    import keras

    log().info("%s; the model is read as TensorFlow traces it", refused)
    tensorflow: Any = sys.modules["tensorflow"]

    def spec(given: Any) -> object:
        if not isinstance(given, keras.KerasTensor):
            return given
        return tensorflow.TensorSpec(given.shape, given.dtype, given.name)

    args, kwargs = keras.tree.map_structure(spec, _arguments(model, inputs))
    if getattr(model, "_call_has_training_arg", False):
        kwargs.setdefault("training", False)
    try:
        function = tensorflow.function(model).get_concrete_function(*args, **kwargs)
    except Exception as error:  # whatever the user's own code raises while it is traced
        raise ConversionError(f"{refused}\nNor can TensorFlow trace it: {error}") from error
    try:
        return read_functions(function, trackable=model)
    except ConversionError as error:
        raise type(error)(f"{refused}\nIn the graph that TensorFlow traced: {error}") from error


def _arguments(model: Any, inputs: object) -> tuple[list[object], dict[str, object]]:
    """What the model is called with: KerasTensors."""
    if graph_of(model) is not None and inputs is None:
        return [model.input], {}
    args, kwargs = arguments(model, inputs)
    return [symbol(arg) for arg in args], {key: symbol(value) for key, value in kwargs.items()}
