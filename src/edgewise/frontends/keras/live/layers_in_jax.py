"""Layers that code which JAX traces calls: those with a handler stay whole, as one primitive each.

Inside `capturing`, a call of such a layer on tensors of the traced function is bound as the
primitive `keras_layer`, whose handler calls the walk over Keras layers. Layers that take or give
an implicit mask are traced with the rest: the primitive would lose it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from edgewise.frontends.context import values_of
from edgewise.frontends.jax.context import Context as JaxContext
from edgewise.frontends.jax.context import Equation, Operand
from edgewise.frontends.keras.handlers.context import Context
from edgewise.frontends.keras.live.describe import is_described
from edgewise.frontends.keras.live.native_call import Arguments
from edgewise.frontends.keras.live.record import patched
from edgewise.frontends.keras.live.trace import mapped
from edgewise.ir.graph import Value

_PRIMITIVE = "keras_layer"


@dataclass(slots=True)
class Capture:
    """One trace: `outer` is JAX's, `handlers` what its primitive is written with."""

    outer: object = None
    handlers: dict[str, Any] = field(default_factory=dict)

    def entered(self, function: Callable[..., object]) -> Callable[..., object]:
        """The function that is traced; its tensors say which trace it is."""

        def within(*arrays: Any) -> object:
            self.outer = getattr(arrays[0], "_trace", None) if arrays else None
            return function(*arrays)

        return within

    def holds(self, x: object) -> bool:
        """It is a tensor of this trace."""
        return getattr(x, "_trace", None) is self.outer

    def takes(self, layer: Any, args: object, kwargs: Mapping[str, object]) -> bool:
        """The call can stand as one primitive."""
        if self.outer is None or not layer.built or not is_described(layer):
            return False
        if kwargs.get("training") or any(map(_gives_mask, layer._flatten_layers())):
            return False
        leaves: list[Any] = []
        mapped([args, kwargs], leaves.append)
        tensors = [x for x in leaves if self.holds(x)]
        others = (x for x in leaves if not self.holds(x))
        plain = all(x is None or isinstance(x, bool | int | float | str) for x in others)
        return bool(tensors) and plain and not any(_mask(x) for x in tensors)


def _gives_mask(layer: Any) -> bool:
    return type(layer).__name__ == "Masking" or bool(getattr(layer, "mask_zero", False))


def _mask(x: Any) -> bool:
    return getattr(x, "_keras_mask", None) is not None


@contextmanager
def capturing(c: Context) -> Iterator[Capture]:
    """Calls of layers with a handler are primitives inside."""
    import keras
    from jax.extend.core import Primitive

    jax: Any = import_module("jax")
    capture = Capture()
    describe = c.describe
    if describe is None:
        yield capture
        return
    primitive: Any = Primitive(_PRIMITIVE)
    primitive.multiple_results = True
    primitive.def_abstract_eval(lambda *tensors, layer, given, results: list(results))
    own = keras.Layer.__call__

    def call(layer: Any, *args: object, **kwargs: object) -> object:
        if not capture.takes(layer, args, kwargs):
            return own(layer, *args, **kwargs)
        found, tensors = Arguments.split(args, kwargs, capture.holds)

        def run(*arrays: Any) -> object:
            given, named = found.filled(arrays)
            return own(layer, *given, **named)

        shapes = jax.eval_shape(run, *(jax.ShapeDtypeStruct(x.shape, x.dtype) for x in tensors))
        leaves, structure = jax.tree.flatten(shapes)
        avals = tuple(jax.core.ShapedArray(leaf.shape, leaf.dtype) for leaf in leaves)
        return jax.tree.unflatten(
            structure, primitive.bind(*tensors, layer=layer, given=found, results=avals)
        )

    def handler(inner: JaxContext, node: Equation, *operands: Operand) -> Sequence[Value]:
        found: Arguments = node.params["given"]
        args, kwargs = found.filled([inner.value(x) for x in operands])
        layer = describe(node.params["layer"])
        with c.at((), node.where):
            if inner.b is c.b:
                return values_of(c.apply(layer, *args, **kwargs))
            with c.inside_graph(inner.b):
                return values_of(c.apply(layer, *args, **kwargs))

    capture.handlers[_PRIMITIVE] = handler
    with patched((keras.Layer, "__call__", call)):
        yield capture
