"""Functions of a running TensorFlow -> Program: `tf.function`s, concrete functions, modules.

The caller has TensorFlow; it is not imported here. A function gives its graph as bytes, read as any
file's, and what its captured arguments stand for: variables and tables with their values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np

from edgewise.dtypes import DType
from edgewise.errors import ConversionError
from edgewise.frontends.tensorflow.graph_def import program_of_graph_def
from edgewise.frontends.tensorflow.program import (
    Entry,
    Function,
    Program,
    Resource,
    Table,
    TFShape,
    Variable,
)
from edgewise.frontends.tensorflow.source import DEFAULT, functions_of, is_concrete, is_polymorphic

MAX_OBJECTS = 100_000  # that the search for tables looks at


def read_concrete_functions(
    functions: object,
    trackable: object = None,
    *,
    inputs: Sequence[object] | None = None,
    signature_keys: Sequence[str] | None = None,
) -> Program:
    """The program of functions of a running TensorFlow: one signature each.

    The only function is `serving_default`; of several, each has the name of its graph, as
    TensorFlow's converter names them.

    Args:
        functions: a `tf.function`, a concrete function, a list of them, or an object that has
            functions with signatures (a loaded SavedModel, a `tf.Module`).
        trackable: the object that holds the tables that the functions look up.
        inputs: `tf.TensorSpec`s to trace a `tf.function` with that has no signature.
        signature_keys: of an object with several signatures, those to read.

    Raises:
        ConversionError: a function without a signature, or what is no function of TensorFlow's.
        FormatError: a graph that cannot be read.
    """
    named = _named(functions, inputs, signature_keys)
    tables = cache(lambda: _tables((trackable, *_items(functions))))
    resources: dict[int, Resource] = {}
    entries: list[Entry] = []
    library: dict[str, Function] = {}
    producer = ""
    for key, function in named.items():
        graph: Any = function.graph
        program = program_of_graph_def(
            graph.as_graph_def().SerializeToString(),
            inputs=_inputs(function),
            outputs=_outputs(function),
            bound=_bound(function, resources, tables),
            key=key,
            file=graph.name,
        )
        producer = program.producer
        entries += program.entries
        for name, body in program.functions.items():
            # graphs of one runtime may use a name for what one of them traced anew
            library.setdefault(name, body)
    return Program(tuple(entries), library, next(iter(named.values())).graph.name, producer)


def _items(functions: object) -> Sequence[object]:
    return functions if isinstance(functions, list | tuple) else [functions]


def _named(
    functions: object, inputs: Sequence[object] | None, keys: Sequence[str] | None
) -> dict[str, Any]:
    """Concrete functions by the key of their signature."""
    found: dict[str, Any] = {}
    for item in _items(functions):
        if is_concrete(item) or is_polymorphic(item):
            concrete = _concrete(item, inputs)
            found[concrete.graph.name if concrete.graph.name not in found else ""] = concrete
            continue
        given = functions_of(item)
        wanted = list(given) if keys is None else list(keys)
        lost = [key for key in wanted if key not in given]
        if lost or not given:
            raise ConversionError(
                f"a {type(item).__name__}: has no signature {', '.join(lost) or 'at all'}; there "
                f"are {', '.join(given) or 'none'}. Give one of its functions"
            )
        found |= {key: _concrete(given[key], inputs) for key in wanted}
    if "" in found:
        raise ConversionError("two functions have one name; name them apart with name=")
    if len(found) == 1 and keys is None:
        return {DEFAULT: next(iter(found.values()))}
    return found


def _concrete(function: Any, inputs: Sequence[object] | None) -> Any:
    """The concrete function, traced with `inputs` where it has no signature."""
    if is_concrete(function):
        return function
    try:
        return function.get_concrete_function(*(inputs or ()))
    except Exception as error:  # whatever the user's own code raises while it is traced
        name = getattr(function, "__name__", "function")
        raise ConversionError(
            f"function '{name}': it cannot be traced; give a concrete function, "
            f"f.get_concrete_function(tf.TensorSpec(shape, dtype)). TensorFlow says: {error}"
        ) from error


def _inputs(function: Any) -> dict[str, str]:
    captured = {id(tensor) for _, tensor in function.graph.captures}
    fed = [tensor for tensor in function.inputs if id(tensor) not in captured]
    return {tensor.op.name: tensor.name for tensor in fed}


def _outputs(function: Any) -> dict[str, str]:
    """Results by name, as `tf.saved_model.save` names them: keys of a dict, else by number."""
    tensors = function.outputs
    structure = function.structured_outputs
    if isinstance(structure, Mapping) and len(structure) == len(tensors):
        return {key: t.name for key, t in zip(sorted(structure), tensors, strict=True)}
    return {f"output_{i}": tensor.name for i, tensor in enumerate(tensors)}


# -- what is captured -------------------------------------------------------------------------


def _bound(
    function: Any, resources: dict[int, Resource], tables: Callable[[], Mapping[int, Any]]
) -> dict[str, Resource | np.ndarray]:
    """What the captured placeholders of a function stand for. Raises ConversionError."""
    bound: dict[str, Resource | np.ndarray] = {}
    variables = {id(variable.handle): variable for variable in function.graph.variables}
    for outside, inside in function.graph.captures:
        name = inside.op.name
        if id(outside) in variables:
            made = resources.setdefault(id(outside), _variable(variables[id(outside)]))
            bound[name] = made
        elif hasattr(outside, "numpy") and outside.dtype.name not in ("resource", "variant"):
            bound[name] = np.asarray(outside.numpy())
        elif id(outside) in tables():
            bound[name] = resources.setdefault(id(outside), _table(tables()[id(outside)]))
        else:
            raise ConversionError(
                f"function '{function.graph.name}': what it captures as '{name}' is not known; "
                "give the object that holds its tables: from_concrete_functions([f], trackable)"
            )
    return bound


def _variable(variable: Any) -> Variable:
    try:
        value = np.asarray(variable.numpy())
    except Exception:  # not initialised: only TensorFlow knows the class of its error
        value = None
    shape = TFShape(None if variable.shape.rank is None else tuple(variable.shape.as_list()))
    dtype = DType.of(variable.dtype.as_numpy_dtype)
    return Variable(variable.name.partition(":")[0], dtype, shape, value)


def _table(table: Any) -> Table:
    keys, values = (np.asarray(tensor.numpy()) for tensor in table.export())
    return Table(table.name, DType.of(keys.dtype), DType.of(values.dtype), keys, values)


def _tables(objects: Iterable[object]) -> dict[int, Any]:
    """Tables that the objects hold, by the identity of their handles."""
    found: dict[int, Any] = {}
    seen: set[int] = set()
    waiting = [item for item in objects if item is not None]
    while waiting and len(seen) < MAX_OBJECTS:
        item = waiting.pop()
        if id(item) in seen:
            continue
        seen.add(id(item))
        if hasattr(item, "resource_handle") and hasattr(item, "export"):
            found[id(item.resource_handle)] = item
        waiting += _children(item)
    return found


def _children(item: object) -> Iterator[object]:
    if isinstance(item, Mapping):
        yield from item.values()
    elif isinstance(item, list | tuple):
        yield from item
    elif type(item).__module__.split(".")[0] not in ("builtins", "numpy"):
        yield from getattr(item, "__dict__", {}).values()
