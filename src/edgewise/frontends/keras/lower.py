"""A KerasModel as our Model: the walk over its calls.

Tensors keep Keras's layout unless a layer says `channels_first` (then transposes stand around the
operator). Everything is computed in float32, also under mixed_float16 and mixed_bfloat16 policies.

The model has one signature, `serving_default`, named as TensorFlow's `from_keras_model` names it:
inputs by the name of their InputLayer; outputs by their key if the model returns a dict, else
`output_0`, `output_1`, ... Positions are in the order of `model.inputs` and `model.outputs`.

Layers that cannot be converted are collected: UnsupportedOp lists all of them. Nothing of the file
is executed.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

import edgewise.ops  # noqa: F401 - registers the operators that handlers build
from edgewise.dtypes import DType
from edgewise.errors import (
    ConversionError,
    FormatError,
    LimitError,
    UnsupportedOp,
    listing,
)
from edgewise.frontends.arguments import sizes
from edgewise.frontends.context import Handler, Structure, Unsupported, fitting, values_of
from edgewise.frontends.keras import constants, quantized, training
from edgewise.frontends.keras.description import (
    FunctionRef,
    KerasCall,
    KerasFile,
    KerasLayer,
    KerasModel,
    KerasNode,
    TensorRef,
    flatten,
)
from edgewise.frontends.keras.handlers import HANDLERS, OPERATIONS
from edgewise.frontends.keras.handlers.activations import ACTIVATIONS
from edgewise.frontends.keras.handlers.context import Context
from edgewise.frontends.keras.inputs import graph_input, input_layer, input_type
from edgewise.ir.build import Builder
from edgewise.ir.graph import Value
from edgewise.ir.model import STATELESS, Model, Signature
from edgewise.ir.types import TensorType

# A nested model that is called often is written out as often; a small file must not fill memory.
MAX_NODES = 1_000_000

# Layers with `supports_masking` and the default `compute_mask`. Source: Keras 3.15.
KEEPS_MASK = frozenset((
    "Activation", "ELU", "LeakyReLU", "PReLU", "ReLU", "ThresholdedReLU", "Softmax", "Dense",
    "Identity", "TimeDistributed", "BatchNormalization", "GroupNormalization",
    "LayerNormalization", "UnitNormalization", "Normalization", "Rescaling",
    "ActivityRegularization", "AlphaDropout", "Dropout", "SpatialDropout1D", "SpatialDropout2D",
    "SpatialDropout3D", "GaussianDropout", "GaussianNoise",
))  # fmt: skip
Expand: TypeAlias = (
    "Callable[[Context, KerasLayer, Sequence[object], Mapping[str, object]], Structure]"
)
_Results: TypeAlias = "dict[tuple[str, int], Structure | None]"


class _Missing(Exception):
    """An argument comes from a layer that could not be converted."""


def lower(file: KerasFile, expand: Expand | None = None) -> Model:
    """The model of a Keras file, or of a live one; `expand` makes operators of live layers that
    have no handler.

    Raises:
        UnsupportedOp: listing every layer that cannot be converted, with the reason.
        ConversionError: an input has no known shape.
        FormatError: a config or weights that do not fit the layer.
        LimitError: nested models unfold to more than MAX_NODES operators.
    """
    c, outputs = _walked(file, expand, may_fuse=True)
    if (c.kept or c.variables) and c.forgets:  # no variable tensor may be reset then
        c, outputs = _walked(file, expand, may_fuse=False)
    quantized.tell_rounded([layer for _, layer in c.quantized.values()], file.file)
    graph = c.b.finish(*values_of(outputs))
    c.initialize(graph)
    names = {ref.layer: i for i, ref in enumerate(flatten(file.model.inputs))}
    signature = Signature("serving_default", graph.name, names, _output_names(outputs))
    model = Model(signatures=[signature], description=file.model.name, file=file.file)
    model.add(graph)
    model.add_inner()
    if not c.kept and any(value.is_variable for value in graph.values()):
        model.metadata[STATELESS] = b""
    return model


def _walked(file: KerasFile, expand: Expand | None, *, may_fuse: bool) -> tuple[Context, Structure]:
    """What has been written, and the outputs; `may_fuse` as in `Context`. Raises as `lower`."""
    c = Context(
        Builder("main"), file.file, is_keras_3=_is_keras_3(file), activations=ACTIVATIONS,
        may_fuse=may_fuse,
    )  # fmt: skip
    c.apply = lambda node, *args, **kwargs: _apply(c, node, args, kwargs)
    c.inline = lambda model, values: _inlined(c, model, values)
    c.expand = expand
    refs = flatten(file.model.inputs)
    inputs = [graph_input(c.b, input_layer(file.model, ref)) for ref in refs]
    outputs = _model(c, file.model, inputs)
    if c.problems:
        raise UnsupportedOp(
            f"{file.file}: {listing(c.problems.values(), 'layer[s] cannot be converted')}"
        )
    assert outputs is not None
    return c, outputs


def _is_keras_3(file: KerasFile) -> bool:
    """Keras 1 and 2 mean something else by `hard_sigmoid`."""
    return not file.keras_version.startswith(("0.", "1.", "2."))


def _output_names(outputs: Structure) -> dict[str, int]:
    if isinstance(outputs, Mapping) and all(isinstance(v, Value) for v in outputs.values()):
        return {key: i for i, key in enumerate(sorted(outputs))}
    return {f"output_{i}": i for i in range(len(values_of(outputs)))}


# -- the walk ---------------------------------------------------------------------------------


def _model(c: Context, model: KerasModel, inputs: Sequence[Value]) -> Structure | None:
    """The outputs of `model` on `inputs`; None where a layer on the way has a problem."""
    refs = flatten(model.inputs)
    if len(refs) != len(inputs):
        raise ConversionError(
            f"model '{model.name}' takes {len(refs)} inputs; it is called with {len(inputs)}"
        )
    nodes = {node.name: node for node in model.layers}
    results: _Results = {(r.layer, r.call): x for r, x in zip(refs, inputs, strict=True)}
    for call in model.calls:
        results[call.layer, call.index] = _call(c, nodes[call.layer], call, results)
        if len(c.b.graph) > MAX_NODES:
            raise LimitError(f"{c.file}: MAX_NODES: more than {MAX_NODES} operators")
    try:
        return _bound(c, model.outputs, results)  # type: ignore[return-value]
    except _Missing:
        return None


def _inlined(c: Context, model: KerasModel, inputs: Sequence[Value]) -> Structure:
    """The outputs of traced code, in place of the layer whose code it is. Raises _Missing."""
    outputs = _model(c, model, inputs)
    if outputs is None:
        raise _Missing
    return outputs


def _call(c: Context, node: KerasNode, call: KerasCall, results: _Results) -> Structure | None:
    """One call of a model's graph; None where it has a problem, which is then noted."""
    with c.at(call.within, call.where):
        return _called(c, node, call, results)


def _called(c: Context, node: KerasNode, call: KerasCall, results: _Results) -> Structure | None:
    try:
        args = tuple(_bound(c, arg, results) for arg in call.args)
        kwargs = {key: _bound(c, value, results) for key, value in call.kwargs.items()}
        if c.is_keras_3 and not call.is_traced:
            kwargs.pop("training", None)  # a functional model of Keras 3 calls with its own
    except _Missing:
        stand_ins = _stand_ins(node)
        if stand_ins is None:
            _note_class(c, node)
            return None
        args, kwargs = (stand_ins,), {}
    try:
        return _apply(c, node, args, kwargs)
    except _Missing:
        return None


def _apply(
    c: Context, node: KerasNode, args: Sequence[object], kwargs: Mapping[str, object]
) -> Structure:
    """A layer or nested model on bound arguments. Raises _Missing; the problem is noted."""
    with c.inside(node.name) as path, c.called_with(kwargs.get("training")):
        if isinstance(node, KerasModel):
            outputs = _model(c, node, _model_inputs(node, args[0] if args else []))
            if outputs is None:
                raise _Missing
            return outputs
        try:
            y = _layer(c, node, args, kwargs)
        except Unsupported as problem:
            c.problems[path] = f"'{path}' ({node.class_name}): {problem}"
            raise _Missing from None
        if node.class_name in KEEPS_MASK and args and isinstance(args[0], Value):
            for value in values_of(y):
                c.masks.setdefault(value, c.masks[args[0]]) if args[0] in c.masks else None
        return y


def _layer(
    c: Context, layer: KerasLayer, args: Sequence[object], kwargs: Mapping[str, object]
) -> Structure:
    """By the handler of its class; what has none or refuses, by its own code where that is live."""
    try:
        layer = c.quantized.setdefault(id(layer), (layer, quantized.readable(layer)))[1]
        handler = _handler(layer)
        if c.training:
            training.check(layer)
        return _handled(c, layer, handler, args, kwargs)
    except Unsupported as problem:
        if layer.live is None or c.expand is None:
            raise
        try:
            return c.expand(c, layer, args, kwargs)
        except Unsupported as other:
            raise (problem if layer.is_builtin and not layer.has_code else other) from None


def _handled(
    c: Context,
    layer: KerasLayer,
    handler: Handler,
    args: Sequence[object],
    kwargs: Mapping[str, object],
) -> Structure:
    given = {key: v for key, v in kwargs.items() if key != "training" and v is not None}
    accepted = inspect.signature(handler).parameters
    if not any(p.kind is p.VAR_KEYWORD for p in accepted.values()):
        extra = [key for key in given if key not in accepted]
        if extra:
            raise Unsupported(f"the call's argument {', '.join(extra)}; leave it out")
    where = f"layer '{'/'.join(c.path)}' ({layer.class_name})"
    with fitting(where, "its config, weights and inputs", c.file):
        return handler(c, layer, *args, **given)


def _model_inputs(model: KerasModel, structure: object) -> list[Value]:
    """The Values for a nested model's inputs; a dict may name them by InputLayer."""
    if isinstance(structure, Mapping) and not isinstance(model.inputs, Mapping):
        names = [ref.layer for ref in flatten(model.inputs)]
        if set(names) <= structure.keys():
            structure = [structure[name] for name in names]
    return values_of(structure)  # type: ignore[arg-type]


def _bound(c: Context, value: object, results: _Results) -> object:
    """An argument with Values in place of references. Raises _Missing."""
    if isinstance(value, TensorRef):
        if (value.layer, value.call) not in results:
            raise FormatError(
                f"layer '{value.layer}' gives a tensor, but is no input of its model", file=c.file
            )
        found = results[value.layer, value.call]
        if found is None:
            raise _Missing
        return found if value.tensor is None else _output(c, value, values_of(found))
    if isinstance(value, Mapping):
        return {key: _bound(c, item, results) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_bound(c, item, results) for item in value]
    if isinstance(value, slice):
        return slice(*(_bound(c, part, results) for part in (value.start, value.stop, value.step)))
    return constants.value_of(c, value)


def _output(c: Context, ref: TensorRef, values: Sequence[Value]) -> Value:
    """The Value that `ref` names among the outputs of its call. Raises FormatError."""
    assert ref.tensor is not None
    if ref.tensor >= len(values):
        raise FormatError(
            f"layer '{ref.layer}' has {len(values)} outputs; output {ref.tensor} is used",
            file=c.file,
        )
    return values[ref.tensor]


# -- problems ---------------------------------------------------------------------------------


def _handler(layer: KerasLayer) -> Handler:
    """The handler of a layer's class. Raises Unsupported with the reason there is none."""
    if layer.class_name == "Lambda" or layer.has_code:
        raise Unsupported(
            "holds Python code, which is never executed; use keras.ops or built-in layers instead,"
            f" or give the function: convert(path, custom_objects={{'{_code_name(layer)}': ...}})"
        )
    if not layer.is_builtin:
        raise Unsupported(
            "is a custom class; give the class: convert(path, custom_objects="
            f"{{'{layer.registered_name or layer.class_name}': ...}})"
        )
    if any("lora_" in name for name in layer.weights):
        raise Unsupported("has LoRA weights; save in the .keras format, which merges them")
    table = OPERATIONS if layer.is_operation else HANDLERS
    handler = table.get(layer.class_name)
    if handler is None:
        kind = "keras.ops operation" if layer.is_operation else "layer class"
        raise Unsupported(f"the {kind} has no handler in this version; use others")
    return handler


def _code_name(layer: KerasLayer) -> str:
    """The name under which a caller gives the function of a Lambda."""
    function = layer.config.get("function")
    return function.name if isinstance(function, FunctionRef) else layer.name


def _stand_ins(node: KerasNode) -> Structure | None:
    """Tensors of the right shape for a call whose arguments could not be converted, so that its
    own problems are found as well; None where the file does not say the shape."""
    if isinstance(node, KerasModel):
        layers = [input_layer(node, ref) for ref in flatten(node.inputs)]
        return [Value(input_type(layer), layer.name) for layer in layers]
    shape = node.build_config.get("input_shape")
    if not isinstance(shape, list) or not shape or node.is_operation:
        return None
    if not all(size is None or type(size) is int for size in shape):
        return None
    return Value(TensorType(sizes(node.name, shape), DType.FLOAT32), node.name)


def _note_class(c: Context, node: KerasNode) -> None:
    """Note the layer if no handler takes its class."""
    if isinstance(node, KerasModel):
        return
    with c.inside(node.name) as path:
        try:
            _handler(node)
        except Unsupported as problem:
            c.problems[path] = f"'{path}' ({node.class_name}): {problem}"
