"""Python code as a functional graph: a layer's `call` on symbolic tensors.

`expand` makes operators of a layer that no handler knows: it runs the layer's own `call` on
KerasTensors, and lowers what was recorded as if a file had said it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from edgewise.frontends.context import Structure, Unsupported
from edgewise.frontends.keras.description import (
    KerasCall,
    KerasLayer,
    KerasModel,
    KerasNode,
    LiveFunction,
    ModelKind,
    TensorRef,
)
from edgewise.frontends.keras.handlers.context import Context
from edgewise.frontends.keras.live.backends import Called, Refusal, tracing
from edgewise.frontends.keras.live.blame import reason
from edgewise.frontends.keras.live.describe import (
    Describer,
    input_layer,
    is_described,
    opaque,
    unique,
)
from edgewise.frontends.keras.live.record import Recorded, Refused, call_of, recording
from edgewise.frontends.keras.live.sizes import ATTEMPTS, Numbers, Untold, known, merged, stand_ins
from edgewise.frontends.keras.nodes import references
from edgewise.frontends.keras.variables import snake_case
from edgewise.ir.dim import Dim, symbols
from edgewise.ir.graph import Value


@dataclass(frozen=True, slots=True)
class Spec:
    """A tensor that code is traced with."""

    name: str
    shape: tuple[Dim, ...]
    dtype: str


class _Again(Exception):
    """A layer inside is left to the back end; trace once more."""


@dataclass
class Tracer:
    """Traces layers for one conversion.

    `pending` are weights of layers that are not built yet; `called` the libraries whose functions
    refused symbolic tensors; `native` the layers that are left to the back end's own tracing.
    """

    describer: Describer = field(default_factory=Describer)
    called: set[str] = field(default_factory=set)
    known: dict[object, KerasModel] = field(default_factory=dict)
    pending: dict[int, Mapping[str, np.ndarray]] = field(default_factory=dict)
    native: dict[int, Refusal] = field(default_factory=dict)

    def expand(
        self, c: Context, layer: KerasLayer, args: Sequence[object], kwargs: Mapping[str, object]
    ) -> Structure:
        """The results of a live layer on Values. Raises Unsupported where it cannot be traced."""
        values: list[Value] = []

        def spec(x: object) -> object:
            if not isinstance(x, Value):
                return x
            values.append(x)
            return Spec(f"x{len(values)}", x.shape, x.dtype.text)

        specs = tuple(mapped(arg, spec) for arg in args)
        is_function = isinstance(layer.live, LiveFunction)  # it takes no mask, no training
        given = {} if is_function else kwargs
        named = {key: mapped(value, spec) for key, value in given.items()}
        if id(layer.live) in self.pending:
            self._fill(layer.live, specs, named, "/".join(c.path))
        trace = tracing()
        if id(layer.live) not in self.native:
            try:
                model = self.traced(layer.live, specs, named)
            except Unsupported:
                if trace is None or id(layer.live) not in self.native:
                    raise
            else:
                return c.inline(model, values)
        assert trace is not None
        c.describe = self.describer.node
        try:
            return trace(c, layer.live, args, given)
        except Unsupported as error:
            refusal = self.native[id(layer.live)]
            raise (error if refusal.is_native else Unsupported(refusal.sentence)) from error

    def _fill(
        self, layer: Any, args: Sequence[object], kwargs: Mapping[str, object], where: str
    ) -> None:
        """Builds a layer that was made of its config, and gives it its weights."""
        from edgewise.frontends.keras.live.custom import load

        try:
            layer(*(symbol(arg) for arg in args), **{k: symbol(v) for k, v in kwargs.items()})
        except Exception as error:
            raise Unsupported(reason(error)[0]) from error
        load(layer, self.pending.pop(id(layer)), where)

    def traced(
        self, layer: Any, args: Sequence[object], kwargs: Mapping[str, object]
    ) -> KerasModel:
        """The graph of a live layer for arguments with Specs in place of tensors.

        Raises:
            Unsupported: with the reason and the line of code.
        """
        key = (id(layer), repr(args), repr(kwargs))
        if key not in self.known:
            try:
                self.known[key] = self._settled(layer, args, kwargs)
            except Refused as error:
                raise Unsupported(str(error)) from error
        return self.known[key]

    def _settled(
        self, layer: Any, args: Sequence[object], kwargs: Mapping[str, object]
    ) -> KerasModel:
        """`_traced`, once more for each layer inside that is left to the back end."""
        left = len(self.native)
        while True:
            try:
                return self._traced(layer, args, kwargs)
            except _Again:
                continue
            except Refused as error:
                if len(self.native) > left:  # the back end cannot trace the layer inside either
                    raise Refused(list(self.native.values())[left].sentence) from error
                if tracing() is not None:
                    library = error.library if isinstance(error, Called) else ""
                    self.native[id(layer)] = Refusal(layer, str(error), library)
                raise

    def _traced(
        self, layer: Any, args: Sequence[object], kwargs: Mapping[str, object]
    ) -> KerasModel:
        specs = _specs([args, kwargs])
        unknown = {s for spec in specs for s in symbols(spec.shape)}
        for attempt in range(ATTEMPTS):
            numbers = stand_ins(unknown, attempt)
            traces = [self._trace(layer, args, kwargs, each) for each in numbers]
            try:
                calls, outputs, layers = (
                    merged([trace[part] for trace in traces], numbers) for part in range(3)
                )
                break
            except Untold:
                if attempt == ATTEMPTS - 1:
                    raise
        assert isinstance(calls, tuple)
        assert isinstance(layers, dict)
        inputs = [input_layer(s.name, s.shape, s.dtype) for s in specs]
        return KerasModel(
            ModelKind.FUNCTIONAL, type(layer).__name__, getattr(layer, "name", "function"),
            (*inputs, *layers.values()), calls, [TensorRef(s.name) for s in specs], outputs,
        )  # fmt: skip

    def _trace(
        self,
        layer: Any,
        args: Sequence[object],
        kwargs: Mapping[str, object],
        numbers: Numbers,
    ) -> tuple[tuple[KerasCall, ...], object, dict[str, KerasNode]]:
        """The calls, outputs and layers of one trace."""
        import keras

        refs: dict[int, TensorRef] = {}
        kept = []

        def tensor(spec: object) -> object:
            if not isinstance(spec, Spec):
                return spec
            shape = tuple(known(dim, numbers) for dim in spec.shape)
            made = keras.KerasTensor(shape, spec.dtype, name=spec.name)
            kept.append(made)
            refs[id(made)] = TensorRef(spec.name)
            return made

        given = [mapped(arg, tensor) for arg in args]
        named = {key: mapped(value, tensor) for key, value in kwargs.items()}
        if getattr(layer, "_call_has_training_arg", False):
            named.setdefault("training", False)
        sizes = frozenset(n + k for n in numbers.values() for k in (-1, 0, 1))
        with recording(self._opens, sizes) as recorder:
            context = layer._get_call_context() if hasattr(layer, "_get_call_context") else None
            try:
                if context is not None:
                    context.training = named.get("training", False)
                outputs = call_of(layer)(*given, **named)
            except Refused:
                raise
            except Exception as error:
                sentence, library = reason(error)
                self.called.add(library)
                inner = recorder.failed
                if inner is not None and id(inner) not in self.native and tracing() is not None:
                    self.native[id(inner)] = Refusal(inner, sentence, library)
                    raise _Again from error
                raise Called(sentence, library) from error
            finally:
                if context is not None:
                    layer._maybe_reset_call_context()
            return self._described(recorder.calls, outputs, refs)

    def _opens(self, layer: object) -> bool:
        """The layer's own code runs, too: no handler knows it, and it is not left to the back
        end."""
        return not is_described(layer) and id(layer) not in self.native

    def _described(
        self, recorded: Sequence[Recorded], outputs: object, refs: dict[int, TensorRef]
    ) -> tuple[tuple[KerasCall, ...], object, dict[str, KerasNode]]:
        names: dict[int, str] = {}
        layers: dict[str, KerasNode] = {}
        counts: dict[str, int] = {}
        calls = []
        for call in recorded:
            node = self.describer.node(call.operation)
            stem = snake_case(node.class_name) if _is_function(node) else node.name
            name = names.get(id(call.operation)) or unique(stem, {**layers, **_input_names(refs)})
            names[id(call.operation)] = name
            layers.setdefault(name, self.describer.named(call.operation, name))
            index = counts.get(name, 0)
            counts[name] = index + 1
            args = tuple(self.describer.argument(arg, refs) for arg in call.args)
            kwargs = {k: self.describer.argument(v, refs) for k, v in call.kwargs.items()}
            calls.append(KerasCall(name, index, args, kwargs, call.within, call.where, True))
            for i, tensor in enumerate(call.outputs):
                refs[id(tensor)] = TensorRef(name, index, i)
        results = _without_nones(self.describer.argument(outputs, refs))
        kept = _needed(calls, results)
        used = {call.layer for call in kept}
        return kept, results, {name: node for name, node in layers.items() if name in used}


def whole(layer: Any, args: Sequence[object], kwargs: Mapping[str, object]) -> KerasModel:
    """A model that is one call of the layer."""
    node = opaque(layer)
    specs = _specs([args, kwargs])
    inputs = [input_layer(spec.name, spec.shape, spec.dtype) for spec in specs]

    def reference(x: object) -> object:
        return TensorRef(x.name) if isinstance(x, Spec) else x

    given = tuple(mapped(arg, reference) for arg in args)
    named = {key: mapped(value, reference) for key, value in kwargs.items()}
    call = KerasCall(node.name, 0, given, named, is_traced=True)
    return KerasModel(
        ModelKind.FUNCTIONAL, node.class_name, node.name, (*inputs, node), (call,),
        [TensorRef(spec.name) for spec in specs], TensorRef(node.name, 0, None),
    )  # fmt: skip


def _input_names(refs: Mapping[int, TensorRef]) -> dict[str, None]:
    return {ref.layer: None for ref in refs.values()}


def _is_function(node: KerasNode) -> bool:
    """Named by Keras with a number that depends on what was made before."""
    import keras

    return isinstance(node, KerasLayer) and not isinstance(node.live, keras.Layer)


def _needed(calls: Sequence[KerasCall], outputs: object) -> tuple[KerasCall, ...]:
    """The calls that the outputs need. Code computes more: masks, statistics."""
    wanted = {(ref.layer, ref.call) for ref in references(outputs)}
    kept = []
    for call in reversed(calls):
        if (call.layer, call.index) in wanted:
            kept.append(call)
            found = references([call.args, dict(call.kwargs)])
            wanted |= {(ref.layer, ref.call) for ref in found}
    return tuple(reversed(kept))


def _without_nones(value: object) -> object:
    if isinstance(value, dict):
        return {k: _without_nones(v) for k, v in value.items() if v is not None}
    if isinstance(value, list):
        return [_without_nones(item) for item in value if item is not None]
    return value


def _specs(value: object) -> list[Spec]:
    found: list[Spec] = []

    def note(x: object) -> object:
        if isinstance(x, Spec):
            found.append(x)
        return x

    mapped(value, note)
    return found


def symbol(value: object) -> object:
    """KerasTensors in place of Specs, sizes None where they are unknown."""
    import keras

    def tensor(spec: object) -> object:
        if not isinstance(spec, Spec):
            return spec
        shape = [size if isinstance(size, int) else None for size in spec.shape]
        return keras.KerasTensor(shape, spec.dtype, name=spec.name)

    return mapped(value, tensor)


def mapped(value: object, change: Callable[[object], object]) -> object:
    """The structure with changed leaves."""
    if isinstance(value, Mapping):
        return {key: mapped(item, change) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(mapped(item, change) for item in value)
    return change(value)
