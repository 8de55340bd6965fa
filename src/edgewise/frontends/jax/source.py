"""A function that `jax.jit` made as a Model.

Inputs have the names of the function's parameters; outputs are `output_0`, ... or the keys of the
dict that it returns.
"""

from __future__ import annotations

from typing import Any

import edgewise.ops  # noqa: F401 - registers the operators that handlers build
from edgewise.errors import ConversionError, UnsupportedOp
from edgewise.frontends.arguments import arguments, result_places
from edgewise.frontends.context import Context, Unsupported
from edgewise.frontends.jax.context import computed
from edgewise.frontends.jax.tracing import traced
from edgewise.frontends.jax.walk import write
from edgewise.ir.build import Builder
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
    specs = arguments(name, function, inputs, _HOW)
    c = Context(Builder("main"), name)
    values = [c.b.input(name, shape, computed(dtype.numpy)) for name, shape, dtype in specs]
    try:
        program = traced(function, [(shape, dtype.numpy) for _, shape, dtype in specs])
    except Unsupported as error:
        raise UnsupportedOp(f"{name}: {error}") from error
    except Exception as error:  # whatever the user's own code raises while it is traced
        raise ConversionError(f"{name}: JAX cannot trace it for these inputs: {error}") from error
    try:
        results = write(c, program, values)
    except Unsupported as error:
        raise UnsupportedOp(f"{name}: {error}") from error
    graph = c.b.finish(*results)
    outputs = result_places(program.structure, len(results))
    named = {value.name: i for i, value in enumerate(values)}
    signature = Signature("serving_default", graph.name, named, outputs)
    model = Model(signatures=[signature], description=name, file=name)
    model.add(graph)
    model.add_inner()
    return model
