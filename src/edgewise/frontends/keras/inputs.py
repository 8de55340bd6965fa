"""Inputs of a Keras model: InputLayers as inputs of the graph.

Unknown dimensions are symbols: the first of every input is `batch`, axis i of input `x` is `x_i`.
float16, bfloat16 and float64 inputs become float32, in which everything is computed.
"""

from __future__ import annotations

from collections.abc import Mapping

from edgewise.dtypes import FLOATS, DType
from edgewise.errors import ConversionError, FormatError, UnsupportedOp
from edgewise.frontends.arguments import sizes
from edgewise.frontends.context import fitting
from edgewise.frontends.keras.description import KerasLayer, KerasModel, TensorRef
from edgewise.frontends.keras.layers import input_shape
from edgewise.ir.build import Builder
from edgewise.ir.graph import Value
from edgewise.ir.types import TensorType


def input_layer(model: KerasModel, ref: TensorRef) -> KerasLayer:
    """The InputLayer that an input of the model refers to."""
    layer = model.layer(ref.layer)
    if not isinstance(layer, KerasLayer):
        raise FormatError(f"model '{model.name}': input '{ref.layer}' must be an InputLayer")
    return layer


def graph_input(b: Builder, layer: KerasLayer) -> Value:
    """An InputLayer as an input of the graph."""
    type_ = input_type(layer)
    assert type_.shape is not None
    return b.input(layer.name, type_.shape, type_.dtype)


def input_type(layer: KerasLayer) -> TensorType:
    """Shape and element type of an InputLayer.

    Raises:
        ConversionError: the file does not say its shape.
        UnsupportedOp: it is sparse or ragged, or of a dtype no operator takes.
    """
    with fitting(f"layer '{layer.name}'", "its config"):
        return _input_type(layer)


def _input_type(layer: KerasLayer) -> TensorType:
    shape = input_shape(layer)
    if shape is None:
        raise ConversionError(
            f"layer '{layer.name}': its shape is not in the file. Build the model before saving:"
            " begin it with keras.Input(shape), or call model.build(input_shape)."
        )
    name = layer.config.get("dtype") or "float32"
    found = next((d for d in DType if d.text == _dtype_name(name)), None)
    for kind in ("sparse", "ragged"):
        if layer.config.get(kind):
            raise UnsupportedOp(f"layer '{layer.name}': {kind} inputs; feed a dense tensor")
    if found is None:
        raise UnsupportedOp(f"layer '{layer.name}': inputs of dtype {name!r:.40}")
    return TensorType(sizes(layer.name, shape), DType.FLOAT32 if found in FLOATS else found)


def _dtype_name(name: object) -> str:
    config = getattr(name, "config", None)  # a policy in place of a dtype
    name = config.get("name", "float32") if isinstance(config, Mapping) else name
    return str(name).removeprefix("mixed_")
