"""Recording what Python code does with symbolic tensors: Keras's own nodes, in order.

Inside `recording`, every `keras.ops` function and every layer that is called on a KerasTensor
leaves a `Recorded` call: with the path of the layers around it and the line of the user's code
that made it. Layers that `opens` names are not recorded: their `call` runs, and leaves its own
calls. No back end computes anything that depends on an input.

Keras is changed for that long (and put back): variables and arrays take KerasTensors as the other
operand, as they take tensors when a model runs; what a graph cannot hold (random numbers, updates
of variables) is refused; nodes are taken off the user's layers again.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from edgewise.frontends.keras.description import LiveFunction
from edgewise.frontends.user_code import is_user_code

_OPERATORS = {
    "add": "add", "sub": "subtract", "mul": "multiply", "truediv": "true_divide",
    "floordiv": "floor_divide", "mod": "mod", "pow": "power", "matmul": "matmul",
    "lt": "less", "le": "less_equal", "gt": "greater", "ge": "greater_equal",
    "eq": "equal", "ne": "not_equal", "and": "logical_and", "or": "logical_or",
}  # fmt: skip


class Refused(Exception):
    """What traced code does and a graph cannot; the text is the reason and the way out."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """A call of an operation or layer: its arguments, its flat outputs, and where it stands."""

    operation: Any  # keras.Operation: Keras is not imported for its types
    args: tuple[object, ...]
    kwargs: dict[str, object]
    outputs: tuple[object, ...]
    within: tuple[str, ...]
    where: tuple[str, int] | None


@dataclass
class Recorder:
    """The calls so far, and the names of the layers whose `call` is running; `failed` is the
    innermost layer whose `call` raised."""

    opens: Callable[[object], bool]
    calls: list[Recorded] = field(default_factory=list)
    within: list[str] = field(default_factory=list)
    failed: object = None

    def enter(self, layer: Any, args: tuple[object, ...], kwargs: dict[str, object]) -> object:
        """The results of a layer within the one that is traced."""
        self.within.append(layer.name)
        try:
            return call_of(layer)(*args, **kwargs)
        except Exception:
            self.failed = layer if self.failed is None else self.failed
            raise
        finally:
            self.within.pop()


def call_of(layer: Any) -> Callable[..., object]:
    """The function that a layer runs: `call`, or `quantized_call`; a function is itself."""
    if isinstance(layer, LiveFunction):
        return layer.function
    is_quantized = getattr(layer, "quantization_mode", None) is not None
    found: Callable[..., object] = layer.quantized_call if is_quantized else layer.call
    return found


@contextlib.contextmanager
def recording(
    opens: Callable[[object], bool], sizes: frozenset[int] = frozenset()
) -> Iterator[Recorder]:
    """Records until the end of the block. `sizes` stand for unknown ones: ranges up to them
    and triangles of them are calls, too."""
    import keras
    from keras.src.ops.node import Node

    recorder, nodes = Recorder(opens), []
    make_node, call_layer = Node.__init__, keras.Layer.symbolic_call

    def record(
        node: Any, operation: Any, call_args: Any = (), call_kwargs: Any = None, outputs: Any = None
    ) -> None:
        if isinstance(operation, keras.Layer) and opens(operation):
            return  # its own calls are recorded
        make_node(node, operation, call_args, call_kwargs or {}, outputs)
        nodes.append(node)
        recorder.calls.append(
            Recorded(
                operation,
                tuple(call_args),
                dict(call_kwargs or {}),
                tuple(node.outputs),
                tuple(recorder.within),
                user_line(sys._getframe(1)),
            )
        )

    def symbolic_call(layer: Any, *args: object, **kwargs: object) -> object:
        if opens(layer):
            return recorder.enter(layer, args, kwargs)
        return call_layer(layer, *args, **kwargs)

    was_filtering = keras.config.is_traceback_filtering_enabled()
    with patched(
        (Node, "__init__", record),
        (keras.Layer, "symbolic_call", symbolic_call),
        (keras.Layer, "add_loss", lambda layer, loss: None),
        *_operands(keras),
        *_refusals(keras),
        *_sized(keras, sizes),
    ):
        keras.config.disable_traceback_filtering()
        try:
            yield recorder
        finally:
            if was_filtering:
                keras.config.enable_traceback_filtering()
            for node in reversed(nodes):
                _detach(node)


def _operands(keras: Any) -> Iterator[tuple[Any, str, object]]:
    """Variables and arrays to the left of a KerasTensor leave the operation to it."""
    tensor, variable = keras.KerasTensor, keras.Variable
    yield tensor, "__array_ufunc__", None
    yield tensor, "__getitem__", _indexed(tensor.__getitem__)
    yield tensor, "__jax_array__", _ABSENT
    for name, operation in _OPERATORS.items():
        yield variable, f"__{name}__", _operand(keras, getattr(variable, f"__{name}__"), operation)


def _indexed(own: Any) -> object:
    """KerasTensors take x[None] and x[..., 0], but of single keys only a number; arrays any."""
    return lambda self, key: own(self, key if isinstance(key, int | tuple | list) else (key,))


def _operand(keras: Any, own: Any, operation: str) -> object:
    def method(self: Any, other: Any) -> Any:
        if isinstance(other, keras.KerasTensor):
            return getattr(keras.ops, operation)(self, other)
        return own(self, other)

    return method


def _sized(keras: Any, sizes: frozenset[int]) -> Iterator[tuple[Any, str, object]]:
    """`arange` of an unknown size, and what makes a triangle of an array of one, is a call, and
    what is made of it stays symbolic."""
    from keras.src.ops import numpy as functions

    arange, triangles = functions.arange, {"tril": functions.Tril, "triu": functions.Triu}

    def symbolic_arange(start: Any, stop: Any = None, step: Any = None, dtype: Any = None) -> Any:
        if any(type(end) is int and end in sizes for end in (start, stop)):
            return functions.Arange(dtype).symbolic_call(start, stop, step)
        return arange(start, stop, step, dtype)

    def triangle(own: Any, made: Any) -> Callable[..., Any]:
        def function(x: Any, k: int = 0) -> Any:
            if not sizes.isdisjoint(getattr(x, "shape", ())[-2:]):
                return made(k=k).symbolic_call(x)
            return own(x, k)

        return function

    changed = {name: triangle(getattr(functions, name), made) for name, made in triangles.items()}
    for name, function in {"arange": symbolic_arange, **changed}.items():
        for module in (functions, keras.ops, keras.ops.numpy):
            yield module, name, function


@contextlib.contextmanager
def refusing() -> Iterator[None]:
    """Inside, what a graph cannot hold (random numbers, updates of variables) is refused."""
    import keras

    with patched(*_refusals(keras)):
        yield


def _refusals(keras: Any) -> Iterator[tuple[Any, str, object]]:
    def assign(variable: Any, *args: object, **kwargs: object) -> None:
        raise Refused(
            f"its call() updates the variable '{variable.name}'; a converted model has no such"
            " state: return the value and feed it back"
        )

    def draw(generator: Any, *args: object, **kwargs: object) -> None:
        raise Refused(
            "its call() draws random numbers, which a converted model cannot; draw them only"
            " where `training` is true"
        )

    for name in ("assign", "assign_add", "assign_sub"):
        yield keras.Variable, name, assign
    yield keras.random.SeedGenerator, "next", draw


_ABSENT = object()


@contextlib.contextmanager
def patched(*changes: tuple[Any, str, object]) -> Iterator[None]:
    """Attributes of classes changed inside the block; `_ABSENT` takes one away."""
    before = []
    try:
        for owner, name, value in changes:
            before.append((owner, name, owner.__dict__.get(name, _ABSENT)))
            _set(owner, name, value)
        yield
    finally:
        for owner, name, value in reversed(before):
            _set(owner, name, value)


def _set(owner: Any, name: str, value: object) -> None:
    if value is not _ABSENT:
        setattr(owner, name, value)
    elif name in owner.__dict__:
        delattr(owner, name)


def _detach(node: Any) -> None:
    """Takes a node off the layers it stands on: tracing leaves a model as it was."""
    for nodes in (
        node.operation._inbound_nodes,
        *(
            parent._outbound_nodes
            for tensor in node.input_tensors
            if (parent := tensor._keras_history.operation) is not None
        ),
    ):
        for index in range(len(nodes) - 1, -1, -1):
            if nodes[index] is node:
                del nodes[index]


def user_line(frame: Any) -> tuple[str, int] | None:
    """File and line of the innermost frame that is the user's own code."""
    while frame is not None:
        if is_user_code(frame.f_code.co_filename):
            return frame.f_code.co_filename, frame.f_lineno
        if frame.f_globals.get("__name__") == "edgewise.frontends.keras.live.trace":
            return None
        frame = frame.f_back
    return None
