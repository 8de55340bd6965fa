"""What follows from a node's operands: the types of its results (the one place where shapes and
dtypes are derived) and its work."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from edgewise.dtypes import DType
from edgewise.errors import EdgewiseError, ShapeError
from edgewise.ir.dim import Shape
from edgewise.ir.graph import Graph, Node, Value
from edgewise.ir.op import FixedRange, Op, Out, Role, SameScale
from edgewise.ir.types import Quant, TensorType, check_sizes


def result_types(
    op: Op,
    operands: Sequence[Value | None],
    declared: Sequence[TensorType | None] = (),
) -> list[TensorType]:
    """Types of the results of `op` on `operands`.

    `declared` gives what is already known of them: quantization is taken from there (integers do
    not determine it), a dtype where the operator leaves it free, a shape where inference cannot
    know even the rank.

    Raises:
        ShapeError: operands the operator does not accept, or results beyond `check_sizes`; the
            message does not name the node.
    """
    check_operands(op, operands)
    shapes = _shapes(op, operands, declared)
    types = []
    for index, shape in enumerate(shapes):
        known = declared[index] if index < len(declared) else None
        dtype = _dtype(op, index, operands, known)
        if shape is None and known is not None:
            shape = known.shape
        check_sizes(shape)
        types.append(TensorType(shape, dtype, _quant(op, dtype, operands, known)))
    return types


def infer_graph(graph: Graph) -> None:
    """Recompute the type of every value from the graph's inputs on; quantization stays.

    Raises:
        ShapeError: naming the first node whose operands do not fit.
    """
    for node in graph.nodes:
        infer_node(node)


def infer_node(node: Node) -> None:
    """Recompute the result types of one node. Raises ShapeError naming it."""
    try:
        types = result_types(node.op, node.inputs, [v.type for v in node.outputs])
    except EdgewiseError as error:
        raise type(error)(f"{node}: {error}") from None
    if len(types) != len(node.outputs):
        raise ShapeError(f"{node}: has {len(types)} results; {len(node.outputs)} are declared")
    for value, type_ in zip(node.outputs, types, strict=True):
        value.type = type_
    for used in (*node.inputs, *node.outputs):
        if used is not None and used.quant is not None and used.type.shape is not None:
            problem = used.quant.fits(used.type.shape)
            if isinstance(problem, str):
                raise ShapeError(f"{node}: {used.name!r}: {problem}")


def check_operands(op: Op, operands: Sequence[Value | None]) -> None:
    """Count, presence and dtypes of the operands. Raises ShapeError."""
    absent = op.operands[len(operands) :]
    if any(not (i.optional or i.variadic) for i in absent):
        names = ", ".join(i.name for i in op.operands)
        raise ShapeError(f"takes {len(op.operands)} operands ({names}); got {len(operands)}")
    for index, operand in enumerate(operands):
        declaration = op.declared(index)
        if operand is None:
            if not declaration.optional:
                raise ShapeError(f"operand {declaration.name!r} is missing")
        elif declaration.dtypes and operand.dtype not in declaration.dtypes:
            allowed = ", ".join(d.text for d in DType if d in declaration.dtypes)
            raise ShapeError(
                f"operand {declaration.name!r} must be one of {allowed}; got {operand.dtype.text}"
            )


def result_declaration(op: Op, index: int) -> Out:
    """The declaration of result `index`; the last one repeats where it is variadic."""
    return op.results[min(index, len(op.results) - 1)]


def _shapes(
    op: Op, operands: Sequence[Value | None], declared: Sequence[TensorType | None]
) -> tuple[Shape | None, ...]:
    if op.graph_fields and len(declared) > op.result_count():
        raise ShapeError(
            f"it must have as many results as its graph, {op.result_count()}; got {len(declared)}"
        )
    count = max(op.result_count(), len(declared))
    if any(o is not None and o.type.shape is None for o in operands):
        variadic = bool(op.results) and op.results[-1].variadic
        return (None,) * (count if variadic else len(op.results))
    padded = list(operands) + [None] * (len(op.operands) - len(operands))
    shapes = op.infer_for(padded, declared)
    if count == 0:
        return ()
    several = isinstance(shapes, tuple) and shapes and isinstance(shapes[0], tuple | None)
    return cast("tuple[Shape | None, ...]", shapes if several else (shapes,))


def _dtype(op: Op, index: int, operands: Sequence[Value | None], known: TensorType | None) -> DType:
    out = result_declaration(op, index)
    if out.free and known is not None:
        return known.dtype
    told = op.result_dtype(index)
    if told is not None:
        return told
    if out.dtype is not None:
        return out.dtype
    if out.attr is not None:
        dtype = getattr(op, out.attr)
        assert isinstance(dtype, DType)
        return dtype
    for declaration, operand in zip(op.operands, operands, strict=False):
        if declaration.name == out.like and operand is not None:
            return operand.dtype
    if known is None:
        raise ShapeError(f"the dtype of result {out.name!r} must be declared")
    return known.dtype


def _quant(
    op: Op, dtype: DType, operands: Sequence[Value | None], known: TensorType | None
) -> Quant | None:
    if known is not None and known.quant is not None:
        return known.quant
    if not dtype.is_integer:
        return None
    if isinstance(op.quantization, FixedRange):
        data = next((o for o in operands if o is not None), None)
        return op.quantization.of(dtype) if data is not None and data.quant is not None else None
    if isinstance(op.quantization, SameScale):
        for index, operand in enumerate(operands):
            if operand is not None and op.declared(index).role is Role.DATA:
                # per-channel scales stay only where declared: the axis may have moved
                shared = operand.quant is not None and operand.quant.scale.size == 1
                return operand.quant if shared and operand.dtype is dtype else None
    return None


def macs_of(node: Node) -> int | None:
    """Multiply-accumulates of a node; None where its shapes are not known."""
    shapes: list[Shape | None] = [None if v is None else v.type.shape for v in node.inputs]
    results = [v.type.shape for v in node.outputs]
    if any(s is None for s in results):
        return None
    macs = node.op.macs(shapes, [s for s in results if s is not None])
    return macs if isinstance(macs, int) else None
