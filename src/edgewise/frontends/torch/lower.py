"""A PyTorch program as operators: the walk over its nodes, and the Model of a whole program.

Tensors keep PyTorch's layout, channels before the spatial axes; operators that have it otherwise
stand between transposes, which passes move and cancel. Floats of every width are computed in
float32. What depends on constants only is computed here and now.

What cannot be converted is collected: UnsupportedOp lists all of it.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import TypeAlias

import edgewise.ops  # noqa: F401 - registers the operators that handlers build
from edgewise.dtypes import DType
from edgewise.errors import ConversionError, LimitError, ShapeError, UnsupportedOp, listing
from edgewise.frontends.arguments import Argument
from edgewise.frontends.context import MAX_ELEMENTS, computed, fitting
from edgewise.frontends.decompose.fourier import Parts
from edgewise.frontends.torch.context import Context, Handler, Result, Unsupported
from edgewise.frontends.torch.handlers import HANDLERS
from edgewise.frontends.torch.handlers.complex_numbers import COMPLEX
from edgewise.frontends.torch.program import Arg, Body, Program, Ref, TorchNode
from edgewise.frontends.torch.refusal import OF_COMPLEX, why_not
from edgewise.ir.build import Builder
from edgewise.ir.dim import Sym, SymbolicDim, elements
from edgewise.ir.evaluate import evaluate
from edgewise.ir.graph import Location, Value
from edgewise.ir.model import Model, Signature

MAX_NODES = 1_000_000
_Results: TypeAlias = "dict[str, Result | Missing]"


class Missing(Exception):
    """A result is needed that could not be converted; the problem is noted."""


_MISSING = Missing()


def lower(
    program: Program, arguments: Sequence[Argument] = (), outputs: Mapping[str, int] | None = None
) -> Model:
    """The model of a program: one signature, `serving_default`, whose inputs and outputs are
    these, or have the names that the program has for them.

    Raises:
        UnsupportedOp: listing every operation that cannot be converted, with the reason.
        ConversionError: a result is no tensor. FormatError: arguments that do not fit.
    """
    b = Builder("main")
    given = arguments or [
        Argument(name, tuple(Sym(d) if isinstance(d, str) else d for d in shape), dtype)
        for name, dtype, shape in ((i.name, i.dtype, i.shape) for i in program.inputs)
    ]
    inputs = [b.input(item.name, item.shape, computed(item.dtype)) for item in given]
    c = Context(b, program.file, run=run)
    try:
        results = write(c, program, inputs)
    except Unsupported as error:
        raise UnsupportedOp(f"{program.file}: {error}") from error
    outputs = outputs or {n or f"output_{i}": i for i, n in enumerate(program.outputs)}
    names = {place: name for name, place in outputs.items()}
    found = []
    for place, result in enumerate(results):
        name = names[place]
        if isinstance(result, Parts):
            how = "return torch.view_as_real of it"
            raise ConversionError(f"{program.file}: output '{name}' is complex; {how}")
        if not isinstance(result, Value):
            raise ConversionError(f"{program.file}: output '{name}' is no tensor: {result!r:.80}")
        found.append(result)
    graph = b.finish(*found)
    named = {item.name: i for i, item in enumerate(given)}
    signature = Signature("serving_default", graph.name, named, outputs)
    model = Model(signatures=[signature], file=program.file)
    model.add(graph)
    model.add_inner()
    return model


def write(c: Context, program: Program, inputs: Sequence[Value]) -> list[Result]:
    """The program's results on inputs, as operators of the graph of `c`.

    Raises:
        Unsupported: listing every operation that cannot be converted, with the reason.
    """
    given: dict[str, Result] = {
        item.name: x for item, x in zip(program.inputs, inputs, strict=True)
    }
    for name, array in program.constants.items():
        label = "/".join([*c.path, name])
        dtype = computed(DType.of(array.dtype))
        given[name] = c.b.constant(array.astype(dtype.numpy, copy=False), name=label)
    try:
        return run(c, program.body, [given[name] for name in program.body.arguments])
    except Missing:
        lines = [f"{place}: {text}" for place, text in c.problems.items()]
        raise Unsupported(listing(lines, "operation[s] of PyTorch cannot be converted")) from None


def run(c: Context, body: Body, operands: Sequence[Result]) -> list[Result]:
    """The results of a body on operands.

    Raises:
        Missing: one of them needs what cannot be converted, which is noted in `c.problems`.
    """
    results: _Results = dict(zip(body.arguments, operands, strict=True))
    for node in body.nodes:
        results[node.name] = _node(c, node, results)
        if len(c.b.graph) > MAX_NODES:
            raise LimitError(f"{c.file}: MAX_NODES: more than {MAX_NODES} operators")
    return [_bound(result, results) for result in body.results]


def _node(c: Context, node: TorchNode, results: _Results) -> Result | Missing:
    """What one node gives; what stands for it where it has a problem, which is noted."""
    before, where = c.b.location, node.location or Location(node.name)
    path = "/".join([*c.path, where.layer])
    c.b.location = Location(path, *((where.file, where.line) if where.file else c.where or ()))
    place = f"{node.op} '{path}'" + (f" ({where.file}:{where.line})" if where.file else "")
    try:
        _check_handled(node)
        args = [_bound(arg, results) for arg in node.args]
        kwargs = {key: _bound(arg, results) for key, arg in node.kwargs.items()}
        is_complex = any(map(_is_complex, _leaves([args, list(kwargs.values())])))
        handler = _handler(node, COMPLEX if is_complex else HANDLERS)
        with fitting(place, "its arguments", c.file):
            taken = inspect.signature(handler).parameters
            if not any(p.kind is p.VAR_KEYWORD for p in taken.values()):
                kwargs = {k: v for k, v in kwargs.items() if k in taken or k not in _PLACED}
            return _folded(c, handler, args, kwargs)
    except Missing:
        return _MISSING
    except (Unsupported, ShapeError) as problem:
        c.problems[place] = str(problem)
        return _MISSING
    finally:
        c.b.location = before


# Where and how a tensor lies in memory is nothing that a result depends on.
_PLACED = ("device", "layout", "pin_memory", "memory_format", "non_blocking", "copy")


def _is_complex(x: object) -> bool:
    return isinstance(x, Parts) or (isinstance(x, Value) and x.dtype is DType.COMPLEX64)


def _check_handled(node: TorchNode) -> None:
    """Raises Unsupported where nothing handles the operation, whatever its operands are."""
    if not any(name in table for table in (HANDLERS, COMPLEX) for name in (node.op, node.base)):
        raise Unsupported(why_not(node))


def _handler(node: TorchNode, table: Mapping[str, Handler]) -> Handler:
    found = table.get(node.op) or table.get(node.base)
    if found is None:
        raise Unsupported(OF_COMPLEX if table is COMPLEX else why_not(node))
    return found


def _bound(arg: Arg, results: _Results) -> Result:
    """An argument with what references stand for. Raises Missing."""
    if isinstance(arg, Ref):
        found = results[arg.node]
        if isinstance(found, Missing):
            raise found
        return found
    if isinstance(arg, tuple):
        return [_bound(item, results) for item in arg]
    return arg  # type: ignore[return-value]


def _folded(
    c: Context, handler: Handler, args: Sequence[Result], kwargs: Mapping[str, Result]
) -> Result:
    """What the handler gives; constants where all that it takes is constant."""
    given = list(_leaves([list(args), list(kwargs.values())]))
    tensors = [x for x in given if isinstance(x, Value)]
    if not tensors or any(
        isinstance(x, SymbolicDim | Body | Parts)
        or _is_complex(x)
        or (isinstance(x, Value) and x.data is None)
        for x in given
    ):
        return handler(c, *args, **kwargs)
    b = c.b
    c.b = Builder("constants")
    c.b.location = b.location
    try:
        result = handler(c, *args, **kwargs)
        values = _tensors(result)
        if any(not v.type.is_static or int(elements(v.shape)) > MAX_ELEMENTS for v in values):  # type: ignore[arg-type]
            raise Unsupported("its shape depends on the elements of a constant")
        new = [v for v in values if v.data is None]
        known = dict(zip(new, evaluate(c.b.finish(*new), []), strict=True)) if new else {}
    finally:
        c.b = b
    label = tensors[0].name
    made = {v: c.b.constant(array, name=label) for v, array in known.items()}
    return _replaced(result, made)


def _leaves(value: object) -> list[object]:
    if isinstance(value, list | tuple):
        return [leaf for item in value for leaf in _leaves(item)]
    return [value]


def _tensors(result: Result) -> list[Value]:
    """Of a result, parts of complex ones too."""
    parts = [[x.real, x.imag] if isinstance(x, Parts) else [x] for x in _leaves(result)]
    return [x for several in parts for x in several if isinstance(x, Value)]


def _replaced(value: Result, made: Mapping[Value, Value]) -> Result:
    if isinstance(value, list | tuple):
        return [_replaced(item, made) for item in value]
    if isinstance(value, Parts):
        return Parts(made.get(value.real, value.real), made.get(value.imag, value.imag))
    return made.get(value, value) if isinstance(value, Value) else value
