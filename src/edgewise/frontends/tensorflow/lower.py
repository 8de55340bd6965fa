"""A TensorFlow program as our Model: one graph per signature, its inputs, outputs and state.

Inputs have the name of the signature's argument and stand in the order of the function's arguments,
outputs in the order of its results, as TensorFlow's converter has them. Unknown dimensions are
symbols: `batch` is the first of the first input, axis i of input `x` is `x_i` otherwise. Floats of
every width are computed in float32.

Variables that a signature assigns are shared by all signatures; CALL_ONCE gives them the values of
the file. What cannot be converted is collected: UnsupportedOp lists all of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

import edgewise.ops  # noqa: F401 - registers the operators that handlers build
from edgewise.errors import ConversionError, UnsupportedOp, listing
from edgewise.frontends.tensorflow.context import (
    Context,
    Operand,
    Parts,
    State,
    Unsupported,
    computed,
)
from edgewise.frontends.tensorflow.handlers.resources import initialize, read
from edgewise.frontends.tensorflow.program import Argument, Entry, Program, Variable
from edgewise.frontends.tensorflow.walk import Missing, Walk
from edgewise.ir.build import Builder
from edgewise.ir.dim import Dim, Sym
from edgewise.ir.graph import Graph, Value
from edgewise.ir.model import Model, Signature
from edgewise.ops.state import CallOnce

# Shapes that are given for inputs, by name; None in one is an unknown dimension.
Shapes = Mapping[str, Sequence["int | None"]]


def lower(program: Program, shapes: Shapes | None = None) -> Model:
    """The model of a program. `shapes` replaces what the file says of inputs.

    Raises:
        UnsupportedOp: listing every operation that cannot be converted, with the reason.
        ConversionError: inputs whose rank is unknown, `shapes` that do not fit the inputs.
        FormatError: nodes and attributes that do not fit together.
        LimitError: functions that unfold to more than the walk's limits.
    """
    _check_inputs(program, shapes or {})
    state = State()
    while True:
        count = len(state.variables)
        model = _lowered(program, shapes or {}, state)
        # A variable was read as a constant before a later node assigned it: once more, as state.
        if len(state.variables) == count:
            return model


def _lowered(program: Program, shapes: Shapes, state: State) -> Model:
    walk = Walk()
    problems: dict[str, str] = {}
    names = _graph_names(program)
    model = Model(file=program.file)
    functions = dict(program.functions)  # the walk adds those of TensorFlow 1's control flow
    for entry in program.entries:
        c = Context(
            Builder(names[entry.key]),
            program.file,
            problems=problems,
            functions=functions,
            walk=walk.run,
            state=state,
        )
        inputs = dict(_inputs(c, entry, shapes))
        results = _results(c, entry, walk, inputs)
        if results is None:
            continue
        model.add(_finished(c, entry, results))
        model.signatures.append(_signature(entry, c.b.graph, inputs))
    if problems:
        count = len(problems)
        what = "operation cannot be converted" if count == 1 else "operations cannot be converted"
        lines = "".join(f"\n  - {line}" for line in _grouped(problems))
        raise UnsupportedOp(f"{program.file}: {count} {what}:{lines}")
    _add_bodies(model, state)
    return model


def _grouped(problems: Mapping[str, str]) -> Iterator[str]:
    """One line for problems with one reason, with the places that have it."""
    places: dict[str, list[str]] = {}
    for place, sentence in problems.items():
        places.setdefault(sentence, []).append(place)
    for sentence, found in places.items():
        shown = ", ".join(found[:3]) + (f" and {len(found) - 3} more" if len(found) > 3 else "")
        count = "" if len(found) == 1 else f"{len(found)} nodes: "
        yield f"{sentence} ({count}{shown})"


def _graph_names(program: Program) -> dict[str, str]:
    """`main` for the only signature, its key for one of several."""
    if len(program.entries) == 1:
        return {program.entries[0].key: "main"}
    return {entry.key: entry.key for entry in program.entries}


# -- inputs -----------------------------------------------------------------------------------


def _check_inputs(program: Program, shapes: Shapes) -> None:
    known = [name for entry in program.entries for name in entry.inputs]
    listed = ", ".join(known) or "none"
    problems = [
        f"shapes= names '{name}'; the inputs are {listed}" for name in shapes if name not in known
    ]
    for entry in program.entries:
        for name, place in entry.inputs.items():
            argument = entry.function.arguments[place]
            problem = _problem_of(name, argument, shapes.get(name))
            if problem and problem not in problems:
                problems.append(problem)
    if problems:
        raise ConversionError(f"{program.file}: {listing(problems, 'problem[s] with inputs')}")


def _problem_of(name: str, argument: Argument, given: Sequence[int | None] | None) -> str | None:
    dims = argument.shape.dims
    if argument.dtype is None:
        return f"input '{name}' has a type that tensors of a .tflite model cannot have"
    if given is None and dims is None:
        return (
            f"input '{name}' has no known rank; give its shape: "
            f"shapes={{'{name}': (1, 224, 224, 3)}}, None for a dimension that varies "
            f"(edgewise convert --shape '{name}=1,224,224,3', ? for one that varies)"
        )
    if given is not None and dims is not None:
        fits = len(given) == len(dims) and all(
            g is None or d is None or g == d for g, d in zip(given, dims, strict=True)
        )
        if not fits:
            return f"shapes= says {_shown(given)} for input '{name}'; the model has {_shown(dims)}"
    return None


def _shown(dims: Sequence[int | None]) -> str:
    return "[" + ", ".join("?" if d is None else str(d) for d in dims) + "]"


def _inputs(c: Context, entry: Entry, shapes: Shapes) -> Iterator[tuple[int, Value]]:
    """(position among the function's arguments, input of the graph)."""
    names = {place: name for name, place in entry.inputs.items()}
    for place, argument in enumerate(entry.function.arguments):
        if argument.name in entry.bound:
            continue
        name = names.get(place, argument.name)
        dims = _merged(argument.shape.dims, shapes.get(name))
        if dims is None or argument.dtype is None:
            raise ConversionError(
                f"{c.file}: signature '{entry.key}': argument '{argument.name}' is neither an "
                "input nor known; save the model with its variables"
            )
        is_first = not c.b.graph.inputs
        yield place, c.b.input(name, _symbolic(name, dims, is_first), computed(argument.dtype))


def _merged(
    known: Sequence[int | None] | None, given: Sequence[int | None] | None
) -> Sequence[int | None] | None:
    if known is None or given is None:
        return known if given is None else given
    return [g if d is None else d for d, g in zip(known, given, strict=True)]


def _symbolic(name: str, dims: Sequence[int | None], is_first: bool) -> tuple[Dim, ...]:
    return tuple(
        size if size is not None else Sym("batch" if is_first and axis == 0 else f"{name}_{axis}")
        for axis, size in enumerate(dims)
    )


# -- results ----------------------------------------------------------------------------------


def _results(
    c: Context, entry: Entry, walk: Walk, inputs: Mapping[int, Value]
) -> list[Operand] | None:
    """What the function returns; None where something on the way has a problem."""
    bound = {
        name: c.constant(given, name) if isinstance(given, np.ndarray) else given
        for name, given in entry.bound.items()
    }
    operands = [
        inputs[place] if place in inputs else bound[argument.name]
        for place, argument in enumerate(entry.function.arguments)
    ]
    try:
        return walk.run(c, entry.function, operands, bound)
    except Unsupported as problem:
        c.problems[f"signature '{entry.key}'"] = str(problem)
    except Missing:
        pass
    return None


def _finished(c: Context, entry: Entry, results: Sequence[Operand]) -> Graph:
    outputs = []
    for name, place in sorted(entry.outputs.items(), key=lambda item: item[1]):
        value = results[place]
        if isinstance(value, Variable):
            value = read(c, value)
        if isinstance(value, Parts):
            raise ConversionError(
                f"{c.file}: signature '{entry.key}': output '{name}' is complex; "
                "return tf.math.real and tf.math.imag of it"
            )
        if not isinstance(value, Value):
            raise ConversionError(
                f"{c.file}: signature '{entry.key}': output '{name}' is no tensor; "
                "export a function that returns tensors"
            )
        if value not in outputs and value.producer is not None:
            value.name = name
        outputs.append(value)
    return c.b.finish(*outputs)


def _signature(entry: Entry, graph: Graph, inputs: Mapping[int, Value]) -> Signature:
    places = {place: index for index, place in enumerate(inputs)}
    outputs = sorted(entry.outputs, key=lambda name: entry.outputs[name])
    return Signature(
        entry.key,
        graph.name,
        {name: places[place] for name, place in entry.inputs.items() if place in places},
        {name: index for index, name in enumerate(outputs)},
    )


def _add_bodies(model: Model, state: State) -> None:
    """The graphs that others run; the one that initialises is run first by each signature."""
    entries = list(model.graphs.values())
    if state.variables or state.tables:
        init = initialize(state)
        for graph in entries:
            first = next(iter(graph.nodes), None)
            graph.insert(CallOnce(init=init), (), (), before=first)
    model.add_inner()
