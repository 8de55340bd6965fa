"""The call of a live layer, whose tensors the back end's own tracing puts in."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

from edgewise.frontends.keras.live.record import call_of
from edgewise.frontends.keras.live.trace import mapped
from edgewise.ir.graph import Value

IsTensor: TypeAlias = "Callable[[object], bool]"


@dataclass(frozen=True, slots=True)
class _Place:
    """Stands for the tensor of this number among the arguments."""

    index: int


@dataclass(frozen=True, slots=True, eq=False)
class Arguments:
    """Of a call, with places for tensors."""

    args: tuple[object, ...]
    kwargs: Mapping[str, object]

    @classmethod
    def split(
        cls, args: Sequence[object], kwargs: Mapping[str, object], is_tensor: IsTensor
    ) -> tuple[Arguments, list[Any]]:
        """The arguments, and the tensors among them, in order."""
        tensors: list[Any] = []

        def place(x: object) -> object:
            if not is_tensor(x):
                return x
            tensors.append(x)
            return _Place(len(tensors) - 1)

        places = tuple(mapped(arg, place) for arg in args)
        return cls(places, {key: mapped(value, place) for key, value in kwargs.items()}), tensors

    def filled(self, tensors: Sequence[object]) -> tuple[list[object], dict[str, object]]:
        """The arguments with these tensors."""

        def tensor(x: object) -> object:
            return tensors[x.index] if isinstance(x, _Place) else x

        named = {key: mapped(value, tensor) for key, value in self.kwargs.items()}
        return [mapped(arg, tensor) for arg in self.args], named


@dataclass(frozen=True, slots=True)
class Call:
    """`values` are the tensors among the arguments, in order."""

    layer: Any
    arguments: Arguments
    values: tuple[Value, ...]

    @classmethod
    def of(cls, layer: Any, args: Sequence[object], kwargs: Mapping[str, object]) -> Call:
        """The layer on arguments with Values in them; not in training."""
        if getattr(layer, "_call_has_training_arg", False):
            kwargs = {"training": False, **kwargs}
        arguments, values = Arguments.split(args, kwargs, lambda x: isinstance(x, Value))
        return cls(layer, arguments, tuple(values))

    def run(self, tensors: Sequence[object]) -> object:
        """What the layer's own code returns for tensors of the back end's."""
        given, named = self.arguments.filled(tensors)
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
