"""Keras 3 models in memory, on any back end: no file is written and nothing is run.

A functional model is the walk over its nodes; layers that no handler knows, and subclassed models,
are traced: their `call` runs on symbolic tensors. Keras is imported, which the model has done.
"""

from __future__ import annotations

from typing import Any

from edgewise.errors import UnsupportedOp
from edgewise.frontends.context import Unsupported
from edgewise.frontends.keras.description import KerasFile, KerasModel
from edgewise.frontends.keras.live.describe import graph_of
from edgewise.frontends.keras.live.inputs import arguments, build
from edgewise.frontends.keras.live.trace import Tracer
from edgewise.frontends.keras.lower import lower
from edgewise.ir.model import Model


def read_live(model: Any, inputs: object = None) -> Model:
    """A live model or layer as a Model.

    Args:
        model: of Keras 3.
        inputs: shapes, or specs with `shape` and `dtype`, in the structure that `model.call`
            takes; needed only where the model does not know them.

    Raises:
        ConversionError: the model does not say what it is called with, or cannot be converted.
    """
    import keras

    tracer = Tracer()
    graph = graph_of(model)
    if graph is not None and inputs is None:
        root = tracer.describer.model(graph, model)
    else:
        root = _traced(tracer, model, inputs)
    return lower(KerasFile(root, "live", keras.__version__, model.name), tracer.expand)


def _traced(tracer: Tracer, model: Any, inputs: object) -> KerasModel:
    args, kwargs = arguments(model, inputs)
    if inputs is not None:
        build(model, args)
    try:
        return tracer.traced(model, args, kwargs)
    except Unsupported as error:
        raise UnsupportedOp(f"'{model.name}' ({type(model).__name__}): {error}") from error
