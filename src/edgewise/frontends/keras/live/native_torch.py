"""A layer's own call as PyTorch traces it, where it calls functions of PyTorch itself.

The layer's weights are constants of the graph under the names that Keras gives them.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from edgewise.errors import ConversionError
from edgewise.frontends.context import Structure, Unsupported
from edgewise.frontends.decompose.fourier import Parts
from edgewise.frontends.keras.handlers.context import Context
from edgewise.frontends.keras.live.blame import reason
from edgewise.frontends.keras.live.native_call import Call
from edgewise.frontends.keras.live.record import Refused, refusing
from edgewise.frontends.torch import context as torch_context
from edgewise.frontends.torch.lower import run, write
from edgewise.frontends.torch.tracing import traced
from edgewise.ir.graph import Value


def expand(
    c: Context, layer: Any, args: Sequence[object], kwargs: Mapping[str, object]
) -> Structure:
    """The results of a live layer on Values.

    Raises:
        Unsupported: PyTorch cannot trace it, or what it traced cannot be converted; with the lines.
    """
    import keras

    call = Call.of(layer, args, kwargs)
    variables = {variable.path: variable for variable in getattr(layer, "variables", ())}
    returned: list[object] = []

    def function(tensors: Sequence[Any], weights: Mapping[str, Any]) -> list[object]:
        held = [(variables[path], tensor) for path, tensor in weights.items()]
        with keras.StatelessScope(state_mapping=held):
            returned[:] = [call.run(tensors)]
        return list(keras.tree.flatten(returned[0]))

    arguments = [(value.shape, value.dtype) for value in call.values]
    try:
        with refusing():
            weights = {path: v.value for path, v in variables.items()}
            program = traced(function, arguments, weights, layer, _names(layer))
    except Refused as error:
        raise Unsupported(str(error)) from error
    except (Unsupported, ConversionError) as error:
        raise Unsupported(f"its call() cannot be traced: {error}") from error
    except Exception as error:  # whatever the user's own code raises while it is traced
        raise Unsupported(reason(error)[0]) from error
    inner = torch_context.Context(c.b, c.file, list(c.path), where=c.where, run=run)
    inner._dims = c._dims
    try:
        results = write(inner, program, call.values)
    except Unsupported as error:
        raise Unsupported(f"its call() as PyTorch traces it: {error}") from error
    if any(isinstance(result, Parts) for result in results):
        raise Unsupported("its call() returns what is complex; return torch.view_as_real of it")
    if not all(isinstance(result, Value) for result in results):
        raise Unsupported("its call() returns what is no tensor; return tensors only")
    packed: Structure = keras.tree.pack_sequence_as(returned[0], results)
    return packed


def _names(layer: Any) -> dict[str, str]:
    """By the paths of tensors in modules of PyTorch's: those that the user's code has. Keras wraps
    a module, as `module`, and lists its tensors once more, without names."""
    torch: Any = sys.modules["torch"]
    if not isinstance(layer, torch.nn.Module):
        return {}
    listed: dict[str, int] = {}
    named: dict[int, str] = {}
    for tensors in (layer.named_parameters, layer.named_buffers):
        for path, tensor in tensors(remove_duplicate=False):
            listed[path] = id(tensor)
            parts = path.split(".")
            owners = [layer.get_submodule(".".join(parts[:i])) for i in range(len(parts))]
            wraps = [type(owner).__name__ == "TorchModuleWrapper" for owner in owners]
            kept = [
                part for part, wrapped in zip(parts, wraps, strict=True)
                if not (wrapped and part == "module")
            ]  # fmt: skip
            if "_torch_params" not in parts:
                named.setdefault(id(tensor), "/".join(kept))
    return {path: named[tensor] for path, tensor in listed.items() if tensor in named}
