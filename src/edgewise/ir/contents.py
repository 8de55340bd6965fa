"""What is known of a shape operand before the model runs.

A converter writes a reshape of a dynamic batch as SHAPE, STRIDED_SLICE, PACK, RESHAPE. The operand
of that RESHAPE is no constant, yet every element of it is a known Dim. `contents` finds it by
running the references of the producers on arrays of Dims. The walk is bounded in depth, elements
and terms, because it also runs on files of strangers.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from edgewise.errors import EdgewiseError
from edgewise.ir.dim import Dim, Expr
from edgewise.ir.graph import Value

_MAX_DEPTH = 8  # the longest chain seen in converted models has 5 operators
_MAX_ELEMENTS = 64
_MAX_TERMS = 16


def contents(operand: Any) -> np.ndarray | None:
    """The elements of an integer operand as an object array of Dims; None where unknown."""
    return _contents(operand, _MAX_DEPTH, {})


def dims(operand: Any) -> tuple[Dim, ...] | None:
    """The elements of a shape operand, flat; None where unknown."""
    known = contents(operand)
    return None if known is None else tuple(known.reshape(-1))


def integers(operand: Any) -> tuple[int, ...] | None:
    """The elements of an integer operand (axes, sizes), flat; None unless all are integers."""
    known = dims(operand)
    if known is None:
        return None
    found = tuple(d for d in known if isinstance(d, int))
    return found if len(found) == len(known) else None


def _contents(operand: Any, depth: int, memo: dict[int, np.ndarray | None]) -> np.ndarray | None:
    if operand.data is not None:
        return _as_dims(operand.data) if operand.dtype.is_integer else None
    node = operand.producer if isinstance(operand, Value) else None
    if node is None or depth == 0 or operand.index > 0 or not operand.dtype.is_integer:
        return None
    if operand.quant is not None:
        return None
    if id(operand) not in memo:
        known = [None if v is None else _contents(v, depth - 1, memo) for v in node.inputs]
        try:
            memo[id(operand)] = _bounded(node.op.contents(node.inputs, known))
        except (EdgewiseError, ArithmeticError, IndexError, TypeError, ValueError):
            memo[id(operand)] = None  # the verifier reports the producer; here it is just unknown
    return memo[id(operand)]


def _as_dims(data: np.ndarray) -> np.ndarray | None:
    return data.astype(object) if data.size <= _MAX_ELEMENTS else None


def _bounded(known: np.ndarray | None) -> np.ndarray | None:
    if known is None or known.size > _MAX_ELEMENTS:
        return None
    for dim in known.reshape(-1):
        if isinstance(dim, Expr) and (
            len(dim.terms) > _MAX_TERMS or any(len(atoms) > _MAX_TERMS for atoms, _ in dim.terms)
        ):
            return None
    return known
