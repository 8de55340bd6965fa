"""The walk: a jaxpr on operands, written into a graph as operators.

Equations that nothing needs are left out; calls are written out in place. What is known while the
graph is written (weights rearranged, tables of indices) JAX computes itself. What cannot be
converted is collected with its line: all of it is told at once.
"""

from __future__ import annotations

import linecache
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from edgewise.errors import EdgewiseError, LimitError, listing
from edgewise.frontends import context
from edgewise.frontends.jax.context import (
    Context,
    Equation,
    Handler,
    Operand,
    Parts,
    Skipped,
    computed,
)
from edgewise.frontends.jax.handlers import COMPLEX, ELEMENTWISE, HANDLERS, OBJECTS
from edgewise.frontends.jax.refusal import why_not
from edgewise.frontends.jax.tracing import Program, user_line
from edgewise.ir.graph import Location, Value
from edgewise.ir.types import TensorType

MAX_NODES = 1_000_000
MAX_FOLDED = 1 << 24  # elements of a constant that is computed
# Names of the parameter that holds what a primitive calls.
_CALLEE = ("jaxpr", "call_jaxpr", "fun_jaxpr")
_CALLS = frozenset((
    "jit", "pjit", "closed_call", "core_call", "call", "custom_jvp_call", "custom_vjp_call",
    "custom_vjp_call_jaxpr", "custom_lin", "remat", "remat2", "checkpoint", "named_call",
    "xla_call",
))  # fmt: skip


class _Missing:
    """Stands for a result that could not be converted."""


_MISSING = _Missing()


def write(
    c: context.Context,
    program: Program,
    operands: Sequence[Operand],
    further: dict[str, Handler] | None = None,
) -> list[Value]:
    """The results of a traced function on operands, written into the graph of `c`.

    `further` are handlers of primitives that only the caller knows.

    Raises:
        Unsupported: listing every primitive that cannot be converted, with its line and a way out.
    """
    walk = _Walk(further or {})
    inner = Context(
        c.b, c.file, c.path, c.problems, c.where, sizes=program.sizes, walk=walk.inner,
        names=dict(program.names),
    )  # fmt: skip
    before = c.b.location
    try:
        results = walk.run(inner, program.jaxpr.jaxpr, program.jaxpr.consts, operands)
        if not inner.found:
            return [inner.value(result) for result in results]
    finally:
        c.b.location = before
    raise context.Unsupported(_told(inner.found))


def _told(found: dict[str, None]) -> str:
    if len(found) == 1:
        return next(iter(found))
    told = listing(found, "primitive[s] of JAX cannot be converted")
    return told.replace("\n", "\n    ")


class _Walk:
    """One conversion: the handlers that the caller adds, and how deep calls are nested."""

    def __init__(self, further: dict[str, Handler]) -> None:
        self.further = further
        self.depth = 0

    def run(
        self, c: Context, jaxpr: Any, consts: Sequence[Any], operands: Sequence[Any]
    ) -> list[Any]:
        """The results of a jaxpr; `_Missing` among them where something has a problem."""
        known: dict[Any, Any] = {}
        for variables, values in ((jaxpr.constvars, consts), (jaxpr.invars, operands)):
            for variable, value in zip(variables, values, strict=True):
                known[variable] = _operand(c, value)

        def read(atom: Any) -> Any:
            return np.asarray(atom.val, atom.aval.dtype) if hasattr(atom, "val") else known[atom]

        for equation in _needed(jaxpr):
            results = self._equation(c, equation, [read(atom) for atom in equation.invars])
            known.update(zip(equation.outvars, results, strict=True))
            if len(c.b.graph) > MAX_NODES:
                raise LimitError(f"{c.file}: MAX_NODES: more than {MAX_NODES} operators")
        return [read(atom) for atom in jaxpr.outvars]

    def inner(
        self, c: Context, jaxpr: Any, consts: Sequence[Any], operands: Sequence[Any]
    ) -> list[Operand]:
        """`run` for a handler, which needs all results. Raises Skipped."""
        results = self.run(c, jaxpr, consts, operands)
        if any(isinstance(result, _Missing) for result in results):
            raise Skipped
        return results

    def _equation(self, c: Context, equation: Any, operands: list[Any]) -> Sequence[Any]:
        before = c.where
        is_own = self.depth == 0 or before is None  # what JAX keeps of a call may be an older one's
        c.where = (user_line(equation) if is_own else None) or before
        c.b.location = Location("/".join(c.path), *(c.where or ()))
        try:
            return self._results(c, equation, operands)
        except Skipped:
            pass
        except context.Unsupported as error:
            c.found[_sentence(c, equation.primitive.name, str(error))] = None
        except EdgewiseError as error:
            if isinstance(error, LimitError):
                raise
            c.found[_sentence(c, equation.primitive.name, str(error))] = None
        finally:
            c.where = before
        return [_MISSING] * len(equation.outvars)

    def _results(self, c: Context, equation: Any, operands: list[Any]) -> Sequence[Any]:
        name, params = equation.primitive.name, equation.params
        if name in _CALLS:
            return self._called(c, params, operands)
        if all(isinstance(x, np.ndarray) or _is_key(x) for x in operands):
            folded = _folded(equation, operands)
            if folded is not None:
                named = {c.names[id(x)] for x in operands if id(x) in c.names}
                if len(named) == 1 and len(folded) == 1:
                    c.names[id(folded[0])] = named.pop()
                return folded
        handler = self._handler(name, _is_complex(equation, operands))
        if handler is None:
            raise context.Unsupported(why_not(name))
        if any(x is _MISSING for x in operands):
            return [_MISSING] * len(equation.outvars)
        for x in operands:
            if _is_key(x):
                raise context.Unsupported(why_not("random_bits"))
        node = Equation(name, params, tuple(_type(c, v.aval) for v in equation.outvars), c.where)
        made = handler(c, node, *operands)
        return list(made) if isinstance(made, list | tuple) else [made]

    def _handler(self, name: str, is_complex: bool) -> Callable[..., Any] | None:
        """What writes a primitive; None: nothing does."""
        if name in self.further:
            return self.further[name]
        if is_complex and name in COMPLEX:
            return COMPLEX[name]
        if name in OBJECTS:
            return OBJECTS[name]
        if name in ELEMENTWISE:
            return _on_small(ELEMENTWISE[name])
        return _on_whole(HANDLERS[name]) if name in HANDLERS else None

    def _called(self, c: Context, params: dict[str, Any], operands: list[Any]) -> list[Any]:
        callee = next(params[key] for key in _CALLEE if key in params)
        closed = hasattr(callee, "consts")
        self.depth += 1
        try:
            return self.run(
                c, callee.jaxpr if closed else callee, callee.consts if closed else (), operands
            )
        finally:
            self.depth -= 1


def _is_complex(equation: Any, operands: Sequence[Any]) -> bool:
    """Complex numbers go in, or come out."""
    if any(isinstance(x, Parts) or (isinstance(x, np.ndarray) and x.dtype.kind == "c")
           for x in operands):  # fmt: skip
        return True
    dtypes = [getattr(v.aval, "dtype", None) for v in equation.outvars]
    return any(getattr(dtype, "kind", "") == "c" for dtype in dtypes)  # keys have no kind


def _on_small(handler: Handler) -> Handler:
    """Element by element: what only repeats itself stays small."""

    def of(c: Context, node: Equation, *operands: Operand) -> Operand:
        y = handler(c, node, *(c.small(x) for x in operands))
        assert isinstance(y, Value)
        return c.fitted(c.cast(y, node.dtype), node.shape)

    return of


def _on_whole(handler: Handler) -> Handler:
    return lambda c, node, *operands: handler(c, node, *(c.value(x) for x in operands))


def _operand(c: Context, x: Any) -> Any:
    """A constant as NumPy's array; keys of random numbers stay as they are."""
    if x is _MISSING or _is_key(x) or not hasattr(x, "dtype") or hasattr(x, "producer"):
        return x
    if isinstance(x, np.ndarray):
        return x if type(x) is np.ndarray else np.asarray(x)
    array = np.asarray(x)
    if id(x) in c.names:
        c.names[id(array)] = c.names[id(x)]
    return array


def _is_key(x: Any) -> bool:
    """An array whose element type is JAX's own."""
    dtype = getattr(x, "dtype", None)
    return dtype is not None and not isinstance(dtype, np.dtype) and hasattr(dtype, "_rules")


def _type(c: Context, aval: Any) -> TensorType:
    return TensorType(c.sizes.dims(aval.shape), computed(aval.dtype))


def _needed(jaxpr: Any) -> Iterator[Any]:
    """The equations that the results need, in order."""
    wanted = {atom for atom in jaxpr.outvars if not hasattr(atom, "val")}
    kept = []
    for equation in reversed(jaxpr.eqns):
        if any(variable in wanted for variable in equation.outvars):
            kept.append(equation)
            wanted |= {atom for atom in equation.invars if not hasattr(atom, "val")}
    return reversed(kept)


def _folded(equation: Any, operands: Sequence[Any]) -> list[Any] | None:
    """The results of an equation of constants; None where they are too large, or of unknown
    size."""
    sizes = [math.prod(v.aval.shape) for v in equation.outvars if _is_sized(v.aval)]
    if len(sizes) < len(equation.outvars) or equation.primitive.name == "dim_as_value":
        return None
    if equation.primitive.name == "broadcast_in_dim":
        return [_repeated(equation, operands[0])]
    if sum(sizes) > MAX_FOLDED:
        return None
    from jax.extend.core import ClosedJaxpr, Jaxpr, jaxpr_as_fun

    pairs = zip(equation.invars, operands, strict=True)
    variables = {atom: operand for atom, operand in pairs if not hasattr(atom, "val")}
    one = Jaxpr((), tuple(variables), tuple(equation.outvars), [equation])
    try:
        results = jaxpr_as_fun(ClosedJaxpr(one, ()))(*variables.values())
    except Exception:  # JAX itself cannot run it: then a handler may write it
        return None
    return [r if _is_key(r) else np.asarray(r) for r in results]


def _is_sized(aval: Any) -> bool:
    return hasattr(aval, "shape") and all(isinstance(size, int) for size in aval.shape)


def _repeated(equation: Any, x: np.ndarray) -> np.ndarray:
    """A constant repeated along axes, without memory for it."""
    shape, axes = equation.params["shape"], equation.params["broadcast_dimensions"]
    sizes = [1] * len(shape)
    for axis, size in zip(axes, x.shape, strict=True):
        sizes[axis] = size
    return np.broadcast_to(x.reshape(sizes), shape)


def _sentence(c: Context, name: str, problem: str) -> str:
    if c.where is None:
        return f"the primitive {name}: {problem}"
    file, line = c.where
    text = linecache.getline(file, line).strip()
    return f"{file}:{line}" + (f" `{text}`" if text else "") + f", the primitive {name}: {problem}"
