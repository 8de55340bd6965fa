"""The call of a live layer, whose tensors the back end's own tracing puts in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from edgewise.frontends.keras.live.record import call_of
from edgewise.frontends.keras.live.trace import mapped
from edgewise.ir.graph import Value


@dataclass(frozen=True, slots=True)
class _Place:
    """Stands for the tensor of this number among the arguments."""

    index: int


@dataclass(frozen=True, slots=True)
class Call:
    """`values` are the tensors among the arguments, in order."""

    layer: Any
    args: tuple[object, ...]
    kwargs: Mapping[str, object]
    values: tuple[Value, ...]

    @classmethod
    def of(cls, layer: Any, args: Sequence[object], kwargs: Mapping[str, object]) -> Call:
        """The layer on arguments with Values in them; not in training."""
        values: list[Value] = []

        def place(x: object) -> object:
            if not isinstance(x, Value):
                return x
            values.append(x)
            return _Place(len(values) - 1)

        places = tuple(mapped(arg, place) for arg in args)
        named = {key: mapped(value, place) for key, value in kwargs.items()}
        if getattr(layer, "_call_has_training_arg", False):
            named.setdefault("training", False)
        return cls(layer, places, named, tuple(values))

    def run(self, tensors: Sequence[object]) -> object:
        """What the layer's own code returns for tensors of the back end's."""

        def tensor(x: object) -> object:
            return tensors[x.index] if isinstance(x, _Place) else x

        given = [mapped(arg, tensor) for arg in self.args]
        named = {key: mapped(value, tensor) for key, value in self.kwargs.items()}
        with _called_with(self.layer, named.get("training", False)):
            return call_of(self.layer)(*given, **named)


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
