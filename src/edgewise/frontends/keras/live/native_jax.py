"""A layer's own call as JAX traces it, where it calls functions of JAX itself.

The layer's weights are constants of the graph under the names that Keras gives them. Layers inside
keep their handlers (`layers_in_jax.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from edgewise.frontends.context import Structure, Unsupported
from edgewise.frontends.jax.tracing import traced
from edgewise.frontends.jax.walk import write
from edgewise.frontends.keras.handlers.context import Context
from edgewise.frontends.keras.live.blame import reason
from edgewise.frontends.keras.live.layers_in_jax import capturing
from edgewise.frontends.keras.live.native_call import Call
from edgewise.frontends.keras.live.record import Refused, refusing
from edgewise.ir.graph import Value


def expand(
    c: Context, layer: Any, args: Sequence[object], kwargs: Mapping[str, object]
) -> Structure:
    """The results of a live layer on Values.

    Raises:
        Unsupported: JAX cannot trace it, or what it traced cannot be converted; with the lines.
    """
    call = Call.of(layer, args, kwargs)
    arguments = [(value.shape, value.dtype.numpy) for value in call.values]
    names = {id(v.value): v.path for v in getattr(layer, "variables", ())}
    try:
        with refusing(), capturing(c) as capture:
            function = capture.entered(lambda *arrays: call.run(arrays))
            program = traced(function, arguments, names)
    except Refused as error:
        raise Unsupported(str(error)) from error
    except Unsupported:
        raise
    except Exception as error:  # whatever the user's own code raises while it is traced
        raise Unsupported(reason(error)[0]) from error
    results = write(c, program, call.values, capture.handlers)
    return _structure(program.structure, results)


def _structure(numbered: object, results: Sequence[Value]) -> Structure:
    """What the layer returned, with its results."""
    if isinstance(numbered, Mapping):
        return {key: _structure(item, results) for key, item in numbered.items()}
    if isinstance(numbered, list):
        return [_structure(item, results) for item in numbered]
    assert isinstance(numbered, int)
    return results[numbered]
