"""Verifier: what must hold of every model between passes and before anything runs it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from edgewise.dtypes import DType
from edgewise.errors import EdgewiseError, ShapeError, listing
from edgewise.ir.dim import same_dim
from edgewise.ir.graph import Graph, Node, Value
from edgewise.ir.infer import result_types
from edgewise.ir.model import Model
from edgewise.ir.nesting import check_nesting
from edgewise.ir.op import Op
from edgewise.ir.types import Quant, TensorType


def verify(model: Model) -> None:
    """Check every graph and signature.

    Raises:
        ShapeError: listing all problems, each naming graph and node.
    """
    check_nesting(model.graphs.values())
    problems = [f"@{g.name} {p}" for g in model.graphs.values() for p in graph_problems(g)]
    problems += _signature_problems(model)
    if problems:
        raise ShapeError(listing(problems[:50], f"problems in {model.file or 'the model'}"))


def graph_problems(graph: Graph) -> Iterator[str]:
    """Sentences about what is wrong in one graph; none if it is well formed."""
    defined: set[int] = {id(v) for v in graph.inputs}
    for node in graph.nodes:
        for index, value in enumerate(node.inputs):
            if value is None:
                continue
            if (node, index) not in value.uses:
                yield f"{node}: operand {index} does not know its use"
            if id(value) in defined:
                continue
            if value.producer is not None:
                yield f"{node}: operand {index} ({value.name!r}) is read before it is computed"
            elif not (value.is_constant or value.is_variable):
                yield f"{node}: operand {index} ({value.name!r}) is never computed"
        for index, value in enumerate(node.outputs):
            if value.producer is not node or value.index != index:
                yield f"{node}: result {index} does not know its producer"
            defined.add(id(value))
        yield from _type_problems(node)
    for value in graph.outputs:
        known = value.is_constant or value.is_variable or id(value) in defined
        if not known:
            yield f"output {value.name!r} is never computed"
    for value in graph.values():
        yield from _value_problems(value)


def compatible(a: TensorType, b: TensorType) -> bool:
    """The types may describe one tensor: equal dtypes, no dimension known to differ."""
    if a.dtype is not b.dtype:
        return False
    if a.shape is None or b.shape is None:
        return True
    return len(a.shape) == len(b.shape) and all(
        same_dim(x, y) is not False for x, y in zip(a.shape, b.shape, strict=True)
    )


def _type_problems(node: Node) -> Iterator[str]:
    if type(node.op).infer is Op.infer:  # an operator we only carry through
        return
    try:
        types = result_types(node.op, node.inputs, [v.type for v in node.outputs])
    except EdgewiseError as error:
        yield f"{node}: {error}"
        return
    if len(types) != len(node.outputs):
        yield f"{node}: has {len(types)} results; {len(node.outputs)} are declared"
        return
    for value, type_ in zip(node.outputs, types, strict=True):
        if not compatible(value.type, type_):
            yield f"{node}: result {value.name!r} must be {type_}; it is declared {value.type}"


def _value_problems(value: Value) -> Iterator[str]:
    quant, data, type_ = value.quant, value.data, value.type
    if data is not None and (data.shape != type_.shape or data.dtype != type_.dtype.numpy):
        yield f"constant {value.name!r} is declared {type_}; its data is {TensorType.of(data)}"
    if quant is not None:
        yield from _quant_problems(value.name, type_, quant)


def _quant_problems(name: str, type_: TensorType, quant: Quant) -> Iterator[str]:
    if type_.dtype in (DType.INT8, DType.UINT8, DType.INT16):
        low, high = type_.dtype.range
        if not (np.isfinite(quant.scale) & (quant.scale > 0)).all():
            yield f"{name!r}: scales must be positive and finite"
        if not ((quant.zero_point >= low) & (quant.zero_point <= high)).all():
            yield f"{name!r}: zero points must be in [{low}, {high}]"
    if type_.shape is not None and isinstance(problem := quant.fits(type_.shape), str):
        yield f"{name!r}: {problem}"


def _signature_problems(model: Model) -> Iterator[str]:
    for signature in model.signatures:
        graph = model.graphs.get(signature.graph)
        if graph is None:
            yield f"signature {signature.key!r}: no graph @{signature.graph}"
            continue
        for what, names, values in (
            ("input", signature.inputs, graph.inputs),
            ("output", signature.outputs, graph.outputs),
        ):
            for name, index in names.items():
                if not 0 <= index < len(values):
                    yield f"signature {signature.key!r}: {what} {name!r} has position {index}"
