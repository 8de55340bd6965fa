"""Keras 3 models in memory, on any back end: no file is written and nothing is run.

A functional model is the walk over its nodes; layers that no handler knows, and subclassed models,
are traced: their `call` runs on symbolic tensors. Where a layer's code calls the back end itself,
that traces the layer (`backends.py`), or, being TensorFlow, the model. Keras is imported, which the
model has done.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from typing import Any

from edgewise.errors import ConversionError, UnsupportedOp
from edgewise.frontends.context import Unsupported
from edgewise.frontends.keras.archive import Archive
from edgewise.frontends.keras.description import KerasFile, KerasModel
from edgewise.frontends.keras.live import custom
from edgewise.frontends.keras.live.describe import graph_of
from edgewise.frontends.keras.live.inputs import arguments, build
from edgewise.frontends.keras.live.trace import Tracer, whole
from edgewise.frontends.keras.lower import lower
from edgewise.frontends.keras.weights import is_random_state
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
    try:
        if graph is not None and inputs is None:
            root = tracer.describer.model(graph, model)
        else:
            root = _traced(tracer, model, inputs)
        return lower(KerasFile(root, "live", keras.__version__, model.name), tracer.expand)
    except ConversionError as refused:
        if "TensorFlow" not in tracer.called or keras.backend.backend() != "tensorflow":
            raise
        from edgewise.frontends.keras.live.native import read_native

        return read_native(model, inputs, refused)


def read_with_objects(file: KerasFile, objects: Mapping[str, object]) -> Model:
    """A Keras file whose own classes and functions the caller gives, by their names in the file.

    Raises:
        ConversionError: as `lower`; a class does not fit the file; Keras is not installed.
    """
    need_keras(objects)
    tracer = Tracer()
    return lower(custom.with_objects(file, objects, tracer), tracer.expand)


def read_subclass(
    archive: Archive, cls: type, objects: Mapping[str, object], inputs: object = None
) -> Model:
    """The subclassed model in a `.keras` archive, of the caller's class. Raises as `read_live`."""
    need_keras(objects)
    model: Any = custom.make(cls, archive.config, objects)
    shapes = archive.config.get("build_config")
    if isinstance(shapes, dict):
        model._build_shapes_dict = shapes.get("shapes_dict", shapes)
    args, kwargs = arguments(model, inputs)
    build(model, args, kwargs)
    weights = {
        "/".join(part for part in path.split("/") if part != "vars"): archive.store.array(path)
        for path in archive.store.arrays("")
        if not is_random_state(path)
    }
    custom.load(model, weights, model.name)
    return read_live(model, inputs)


def need_keras(objects: Mapping[str, object]) -> None:
    """Raises ConversionError where Keras is not installed."""
    if importlib.util.find_spec("keras") is None:
        raise ConversionError(
            f"custom_objects={sorted(objects)}: your classes and functions are Keras's to run;"
            " install it with a back end: pip install keras jax"
        )


def _traced(tracer: Tracer, model: Any, inputs: object) -> KerasModel:
    args, kwargs = arguments(model, inputs)
    if inputs is not None:
        build(model, args, kwargs)
    try:
        return tracer.traced(model, args, kwargs)
    except Unsupported as error:
        if id(model) in tracer.native:
            return whole(model, args, kwargs)
        raise UnsupportedOp(f"'{model.name}' ({type(model).__name__}): {error}") from error
