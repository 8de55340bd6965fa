"""A layer's own `call` as the back end traces it, where our symbolic tracing is refused.

One module per back end, with `expand(c, layer, args, kwargs)`: the results of the layer on Values,
written into the graph. Only the layer whose code needs it is traced so; those around and inside it
keep their handlers. TensorFlow traces whole models instead (`native.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, TypeAlias

from edgewise.frontends.context import Structure
from edgewise.frontends.keras.handlers.context import Context
from edgewise.frontends.keras.live.blame import NAMES
from edgewise.frontends.keras.live.record import Refused

Expand: TypeAlias = "Callable[[Context, Any, Sequence[object], Mapping[str, object]], Structure]"

_MODULES = {"jax": "native_jax", "torch": "native_torch"}


def tracing() -> Expand | None:
    """What traces a layer with the back end that Keras runs on; None: nothing does."""
    import keras

    name = _MODULES.get(keras.backend.backend())
    if name is None:
        return None
    found: Expand = import_module(f"{__package__}.{name}").expand
    return found


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a layer's code cannot run on symbolic tensors; `library` is what it calls ("" none)."""

    layer: object  # kept, so that its id is not used again
    sentence: str
    library: str

    @property
    def is_native(self) -> bool:
        """It calls the back end that Keras runs on."""
        import keras

        return self.library == NAMES.get(keras.backend.backend())


class Called(Refused):
    """`library` is what the code calls on a symbolic tensor ("" none)."""

    def __init__(self, sentence: str, library: str) -> None:
        super().__init__(sentence)
        self.library = library
