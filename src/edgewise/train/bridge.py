"""Model <-> Keras 3: `to_keras` makes a model whose weights train with `fit` on any back end,
`from_keras` brings it back.

The Keras model has stock layers and `keras.ops` only, so its file opens wherever Keras is. Weights
are the layers' variables, with Keras's names and layouts, equal to the model's to the bit; layers
have the names of the values they make ("/" and "." become "_"). Other constants stay constants.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from edgewise.dtypes import DType
from edgewise.errors import ConversionError, UnsupportedOp, listing
from edgewise.frontends.keras import read_object
from edgewise.ir.build import name_values
from edgewise.ir.graph import Graph, Node, Value
from edgewise.ir.model import Model
from edgewise.ops.reshape import Reshape
from edgewise.passes import canonicalize
from edgewise.train.backend import keras
from edgewise.train.forms import FORMS, Context, Untrainable
from edgewise.train.forms.context import keras_name
from edgewise.values import dataclass


def to_keras(model: Model, *, keep_batch: bool = False) -> Any:  # Any: Keras ships no types
    """A functional Keras model that computes what the main graph of `model` does.

    Args:
        keep_batch: the first dimension of inputs stays the number that the model may have there.
            By default it is left open: training takes many examples at a time.

    Raises:
        UnsupportedOp: operators that Keras has no form for, all of them, with the reasons.
        MissingExtra: no Keras here.
    """
    made = tensors(model, keep_batch=keep_batch)
    graph = model.main
    inputs = [made[value] for value in graph.inputs]
    constants = [value.name for value in graph.outputs if value not in made]
    if constants:
        raise ConversionError(f"outputs are constants: {', '.join(constants)}")
    outputs = [made[value] for value in graph.outputs]
    return keras().Model(
        inputs if len(inputs) > 1 else inputs[0],
        outputs if len(outputs) > 1 else outputs[0],
        name=_name(model),
    )


def tensors(model: Model, *, keep_batch: bool = False) -> dict[Value, Any]:
    """The Keras tensor of every value of the main graph, inputs and results: ends of models that
    share layers, whose weights are those of `model`. Arguments and errors as `to_keras`."""
    made = _Made(Context(keras()), {}, [], not keep_batch)
    for value in model.main.inputs:
        _input(made, value)
    for node in model.main.nodes:
        _node(made, node)
    if made.problems:
        where = model.file or model.description or "model"
        what = "operator[s] cannot be trained in Keras"
        raise UnsupportedOp(f"{where}: {listing(made.problems, what)}")
    made.c.fill()
    return made.tensors


def _name(model: Model) -> str:
    """The description as a name that Keras takes."""
    name = "".join(x if x.isalnum() else "_" for x in model.description)
    return name[:40].strip("_") or "model"


def from_keras(model: Any, *, like: Model | None = None, inputs: object = None) -> Model:
    """The Model of a Keras model, canonical.

    Args:
        like: the Model that `to_keras` made it of: signature, metadata and files are taken from
            it, and names and locations where the operators are the same.
        inputs: shapes, where they are to be others than the Keras model's own (a batch of 1).

    Raises:
        ConversionError: layers that cannot be converted; all of them are named.
    """
    found = canonicalize(read_object(model, inputs))
    if like is None:
        return found
    graph, old = found.main, like.main
    ends = ((graph.inputs, old.inputs), (graph.outputs, old.outputs))
    if any(len(new) != len(was) for new, was in ends):
        raise ConversionError("like: another number of inputs or outputs than the Keras model has")
    _name_like(graph, old)
    graph.name = old.name
    others = {name: g for name, g in found.graphs.items() if g is not graph}
    return replace(
        found,
        graphs={graph.name: graph, **others},
        signatures=list(like.signatures),
        description=like.description,
        file=like.file,
        metadata={**like.metadata, **found.metadata},
        files=dict(like.files),
    )


def _name_like(graph: Graph, old: Graph) -> None:
    """Names and locations of `old`: of inputs and outputs, and of all, in its order, where every
    result is made alike. Keras puts branches that are parallel in an order of its own."""
    pairs = [*zip(graph.inputs, old.inputs, strict=True)]
    alike = _alike(graph, old)
    if alike is not None:
        _reorder(graph, [alike[node] for node in old.nodes])
        for new, was in zip(graph.nodes, old.nodes, strict=True):
            new.location = was.location
            if type(was.op) is Reshape and new.output.shape == was.output.shape:
                new.op = was.op  # has an attribute that says the shape again, or not
            values = zip((*new.inputs, *new.outputs), (*was.inputs, *was.outputs), strict=True)
            pairs += [(a, b) for a, b in values if a is not None and b is not None]
    for value, named in [*pairs, *zip(graph.outputs, old.outputs, strict=True)]:
        value.name = named.name
    if alike is None:
        name_values(graph)  # what was named anew may have a name that another has


def _alike(graph: Graph, old: Graph) -> dict[Node, Node] | None:
    """The node that each node of `old` is in `graph`, found from the outputs up; None where the
    graphs differ in more than the order."""
    found: dict[Node, Node] = {}
    left: list[tuple[Value | None, Value | None]] = [*zip(graph.outputs, old.outputs, strict=True)]
    while left:
        value, known = left.pop()
        new = None if value is None else value.producer
        was = None if known is None else known.producer
        if new is None or was is None:
            if new is not was:
                return None
            continue
        if was in found and found[was] is new:
            continue
        if was in found or type(new.op) is not type(was.op) or len(new.inputs) != len(was.inputs):
            return None
        found[was] = new
        left += zip(new.inputs, was.inputs, strict=True)
    is_whole = len(set(found.values())) == len(found) == len(graph) == len(old)
    return found if is_whole else None


def _reorder(graph: Graph, order: list[Node]) -> None:
    """Put all nodes of a graph in this order, which is a topological one."""
    if order == list(graph.nodes):
        return
    outputs = graph.outputs
    graph.set_outputs([])
    for node in reversed(list(graph.nodes)):
        graph.erase(node)
    for node in order:
        made = graph.insert(node.op, node.inputs, node.outputs, name=node.name)
        made.extras = node.extras
    graph.set_outputs(outputs)


@dataclass(frozen=True, slots=True)
class _Made:
    """What has been made: tensors by value, and the problems. None stands for a tensor that could
    not be made."""

    c: Context
    tensors: dict[Value, Any]
    problems: list[str]
    is_open: bool  # the batch


def _input(made: _Made, value: Value) -> None:
    shape = [size if isinstance(size, int) else None for size in value.shape]
    if shape and made.is_open:
        shape[0] = None
    made.tensors[value] = made.c.keras.Input(
        batch_shape=tuple(shape), dtype=value.dtype.text, name=keras_name(value.name)
    )


def _node(made: _Made, node: Node) -> None:
    """The tensors of a node's results; where there is a problem, it is noted."""
    operands = [None if value is None else _operand(made, value) for value in node.inputs]
    if any(value is not None and x is None for value, x in zip(node.inputs, operands, strict=True)):
        made.tensors.update(dict.fromkeys(node.outputs))  # the problem was noted where it began
        if type(node.op) in FORMS:
            return
    made.c.node = node
    try:
        results = _results(made, node, operands)
    except Untrainable as reason:
        made.problems.append(f"{node}: {reason}")
        results = [None] * len(node.outputs)
    made.tensors.update(zip(node.outputs, results, strict=True))


def _results(made: _Made, node: Node, operands: list[Any]) -> list[Any]:
    form = FORMS.get(type(node.op))
    types = [value.type for value in (*node.inputs, *node.outputs) if value is not None]
    if any(t.quant is not None for t in types):
        raise Untrainable("is quantized; training needs floats: take the model it was made of")
    if form is None:
        raise Untrainable("has no form in Keras")
    try:
        found = form(made.c, node.op, *operands)
    except Untrainable:
        raise
    except Exception as error:  # whatever Keras says of a layer that it refuses
        raise Untrainable(f"Keras refuses it: {' '.join(str(error).split())[:200]}") from error
    results = found if isinstance(found, list) else [found]
    for value, y in zip(node.outputs, results, strict=True):
        _check(made, value, y)
    return results


def _check(made: _Made, value: Value, y: Any) -> None:
    """The result has the shape that the model says, with the batch open. Raises Untrainable."""
    want = value.shape
    fits = len(want) == len(y.shape) and all(
        have is None or not isinstance(size, int) or have == size
        for have, size in zip(y.shape, want, strict=True)
    )
    if not fits:
        raise Untrainable(f"Keras makes {list(y.shape)} of it; the model says {list(want)}")
    if made.is_open and (not y.shape or y.shape[0] is not None):
        raise Untrainable("its result does not begin with the batch, which is open in training")


def _operand(made: _Made, value: Value) -> Any:
    """A tensor, or the array of a constant; None after a problem. float16 constants are widened:
    everything is trained in float32."""
    if value.data is None:
        return made.tensors.get(value)
    return value.data.astype(np.float32) if value.dtype is DType.FLOAT16 else value.data
