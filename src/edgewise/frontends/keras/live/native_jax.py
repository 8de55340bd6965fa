"""A layer's own call as JAX traces it, where it calls functions of JAX itself.

The layer's weights are constants of the graph under the names that Keras gives them. Layers inside
keep their handlers (`layers_in_jax.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from edgewise.frontends.context import Structure, Unsupported
from edgewise.frontends.jax.tracing import traced
from edgewise.frontends.jax.walk import write
from edgewise.frontends.keras.handlers.context import Context
from edgewise.frontends.keras.live.blame import reason
from edgewise.frontends.keras.live.layers_in_jax import capturing
from edgewise.frontends.keras.live.record import Refused, call_of, refusing
from edgewise.frontends.keras.live.trace import mapped
from edgewise.ir.graph import Value


@dataclass(frozen=True, slots=True)
class _Place:
    """Stands for the tensor of this number among the arguments."""

    index: int


def expand(
    c: Context, layer: Any, args: Sequence[object], kwargs: Mapping[str, object]
) -> Structure:
    """The results of a live layer on Values.

    Raises:
        Unsupported: JAX cannot trace it, or what it traced cannot be converted; with the lines.
    """
    values: list[Value] = []

    def place(x: object) -> object:
        if not isinstance(x, Value):
            return x
        values.append(x)
        return _Place(len(values) - 1)

    places = [mapped(arg, place) for arg in args]
    named = {key: mapped(value, place) for key, value in kwargs.items()}
    if getattr(layer, "_call_has_training_arg", False):
        named.setdefault("training", False)

    def function(*arrays: Any) -> object:
        def array(x: object) -> object:
            return arrays[x.index] if isinstance(x, _Place) else x

        given = [mapped(arg, array) for arg in places]
        with _called_with(layer, named.get("training", False)):
            return call_of(layer)(*given, **{key: mapped(v, array) for key, v in named.items()})

    arguments = [(value.shape, value.dtype.numpy) for value in values]
    names = {id(v.value): v.path for v in getattr(layer, "variables", ())}
    try:
        with refusing(), capturing(c) as capture:
            program = traced(capture.entered(function), arguments, names)
    except Refused as error:
        raise Unsupported(str(error)) from error
    except Unsupported:
        raise
    except Exception as error:  # whatever the user's own code raises while it is traced
        raise Unsupported(reason(error)[0]) from error
    results = write(c, program, values, capture.handlers)
    return _structure(program.structure, results)


@contextmanager
def _called_with(layer: Any, training: object) -> Iterator[None]:
    """Layers inside are called with this `training`, as Keras tells them."""
    if not hasattr(layer, "_get_call_context"):
        yield
        return
    layer._get_call_context().training = training
    try:
        yield
    finally:
        layer._maybe_reset_call_context()


def _structure(numbered: object, results: Sequence[Value]) -> Structure:
    """What the layer returned, with its results."""
    if isinstance(numbered, Mapping):
        return {key: _structure(item, results) for key, item in numbered.items()}
    if isinstance(numbered, list):
        return [_structure(item, results) for item in numbered]
    assert isinstance(numbered, int)
    return results[numbered]
