"""A function that `jax.jit` made as a Model.

Inputs have the names of the function's parameters; outputs are `output_0`, ... or the keys of the
dict that it returns. A size of None is unknown: `batch` where it is the first, axis i of input `x`
is `x_i` otherwise; sizes that are given one name are equal.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import numpy as np

import edgewise.ops  # noqa: F401 - registers the operators that handlers build
from edgewise.dtypes import DType
from edgewise.errors import ConversionError, UnsupportedOp
from edgewise.frontends.context import Context, Unsupported
from edgewise.frontends.jax.context import computed
from edgewise.frontends.jax.tracing import traced
from edgewise.frontends.jax.walk import write
from edgewise.ir.build import Builder
from edgewise.ir.dim import Dim, Shape, Sym
from edgewise.ir.model import Model, Signature

_HOW = "convert(function, inputs=[(None, 224, 224, 3)]), one per argument"


def read_function(source: object, inputs: object = None) -> Model:
    """The Model of a jitted function of arrays.

    Args:
        source: what `jax.jit` returned.
        inputs: a list with a shape per argument, a pair of shape and dtype, or anything with
            `shape` and `dtype`.

    Raises:
        ConversionError: `inputs` is missing or no such list, or the function fails on them.
        UnsupportedOp: listing every primitive that cannot be converted.
    """
    function: Any = getattr(source, "__wrapped__", source)
    name = getattr(function, "__name__", "function")
    if not isinstance(inputs, list | tuple) or not inputs:
        raise ConversionError(f"{name}: say what the function is called with: {_HOW}")
    specs = [_spec(parameter, given) for parameter, given in _named(function, inputs)]
    c = Context(Builder("main"), name)
    values = [c.b.input(n, shape, computed(dtype)) for n, shape, dtype in specs]
    try:
        program = traced(function, [(shape, dtype) for _, shape, dtype in specs])
    except Unsupported as error:
        raise UnsupportedOp(f"{name}: {error}") from error
    except Exception as error:  # whatever the user's own code raises while it is traced
        raise ConversionError(f"{name}: JAX cannot trace it for these inputs: {error}") from error
    try:
        results = write(c, program, values)
    except Unsupported as error:
        raise UnsupportedOp(f"{name}: {error}") from error
    graph = c.b.finish(*results)
    outputs = _outputs(program.structure, len(results))
    named = {value.name: i for i, value in enumerate(values)}
    signature = Signature("serving_default", graph.name, named, outputs)
    model = Model(signatures=[signature], description=name, file=name)
    model.add(graph)
    model.add_inner()
    return model


def _named(function: Any, inputs: Sequence[object]) -> list[tuple[str, object]]:
    try:
        names = list(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        names = []
    names += [f"input_{i}" for i in range(len(names), len(inputs))]
    return list(zip(names, inputs, strict=False))


def _spec(name: str, given: Any) -> tuple[str, Shape, np.dtype]:
    """Name, shape and element type of an argument. Raises ConversionError."""
    dtype: Any = "float32"
    if isinstance(given, list | tuple) and len(given) == 2 and isinstance(given[0], list | tuple):
        given, dtype = given
    elif hasattr(given, "shape") and hasattr(given, "dtype"):
        given, dtype = tuple(given.shape), given.dtype
    if not isinstance(given, list | tuple) or not all(
        size is None or isinstance(size, int | str) for size in given
    ):
        raise ConversionError(f"input '{name}': {given!r:.60} is no shape; {_HOW}")
    try:
        element = DType.of(dtype).numpy
    except ValueError as error:
        raise ConversionError(f"input '{name}': {error}") from error
    return name, tuple(_dim(name, axis, size) for axis, size in enumerate(given)), element


def _dim(name: str, axis: int, size: int | str | None) -> Dim:
    if isinstance(size, str):
        return Sym(size)
    return size if size is not None else Sym(f"{name}_{axis}" if axis else "batch")


def _outputs(structure: object, count: int) -> dict[str, int]:
    if isinstance(structure, dict) and all(isinstance(v, int) for v in structure.values()):
        return {str(key): place for key, place in structure.items()}
    return {f"output_{i}": i for i in range(count)}
