"""Einstein sums over two tensors as one matrix product between transposes.

Each label is one of: shared by both operands and the result (batch), shared by the operands only
(summed), of one operand and the result (free), or of one operand only (summed beforehand).
"""

from __future__ import annotations

import string
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edgewise.frontends.keras.description import KerasLayer
from edgewise.frontends.keras.handlers.context import Context, Unsupported
from edgewise.ir.dim import Dim, elements
from edgewise.ir.graph import Value


@dataclass(frozen=True, slots=True)
class Equation:
    """Labels of the operands and the result, one letter per axis."""

    x: str
    y: str
    result: str

    @property
    def batch(self) -> str:
        """Labels of both operands and of the result."""
        return "".join(a for a in self.x if a in self.y and a in self.result)

    @property
    def summed(self) -> str:
        """Labels of both operands that the result does not have."""
        return "".join(a for a in self.x if a in self.y and a not in self.result)

    def free(self, operand: str) -> str:
        """Labels of one operand and of the result only."""
        other = self.y if operand == self.x else self.x
        return "".join(a for a in operand if a not in other and a in self.result)


def parse(equation: str, ranks: tuple[int, int]) -> Equation:
    """`ab...,bc->ac...` with letters for the ellipsis.

    Raises:
        Unsupported: it is no sum over two operands, or an operand has a label twice.
    """
    left, arrow, result = equation.replace(" ", "").partition("->")
    operands = left.split(",")
    if not arrow or len(operands) != 2:
        raise Unsupported(f"einsum '{equation}'; write it with two operands and a result")
    unused = [a for a in string.ascii_letters if a not in equation]
    hidden = max(
        [rank + 3 - len(labels) for labels, rank in zip(operands, ranks, strict=True)
         if "..." in labels], default=0,
    )  # fmt: skip
    spread = []
    for labels, rank in zip(operands, ranks, strict=True):
        count = rank + 3 - len(labels)
        inside = "".join(unused[:hidden][hidden - count :]) if count > 0 else ""
        spread.append(labels.replace("...", inside))
    x, y = spread
    result = result.replace("...", "".join(unused[:hidden]))
    for labels, rank in ((x, ranks[0]), (y, ranks[1])):
        if len(set(labels)) < len(labels) or len(labels) != rank:
            raise Unsupported(f"einsum '{equation}' on tensors of ranks {ranks[0]} and {ranks[1]}")
    return Equation(x, y, result)


def dense(c: Context, layer: KerasLayer, name: str, equation: str, x: Value) -> Value:
    """The sum over x and the layer's weight `name`, as one FULLY_CONNECTED where that is enough."""
    w = c.weight(layer, name)
    labels = parse(equation, (len(x.shape), w.ndim))
    if labels.batch:
        return contract(c, equation, x, c.constant(layer, name, w))
    x, labels = _reduced(c, x, labels)
    free, new = labels.free(labels.x), labels.free(labels.y)
    lone = tuple(i for i, a in enumerate(labels.y) if a not in new + labels.summed)
    kept = [a for a in labels.y if a in new + labels.summed]
    w = w.sum(lone).transpose([kept.index(a) for a in new + labels.summed])
    count = len(new)
    matrix = w.reshape(int(np.prod(w.shape[:count])), int(np.prod(w.shape[count:])))
    rows = _ordered(c, x, labels.x, free + labels.summed)
    shape = rows.shape[: len(free)]
    rows = c.reshape(rows, (*shape, matrix.shape[1]))
    y = c.b.fully_connected(rows, c.constant(layer, name, matrix), keep_num_dims=True)
    return _ordered(c, c.reshape(y, (*shape, *w.shape[:count])), free + new, labels.result)


def contract(c: Context, equation: str, x: Value, y: Value) -> Value:
    """The sum over two tensors, as one BATCH_MATMUL."""
    labels = parse(equation, (len(x.shape), len(y.shape)))
    x, labels = _reduced(c, x, labels)
    swapped = Equation(labels.y, labels.x, labels.result)
    y, swapped = _reduced(c, y, swapped)
    labels = Equation(swapped.y, swapped.x, labels.result)
    batch, summed = labels.batch, labels.summed
    rows, columns = labels.free(labels.x), labels.free(labels.y)
    left = _ordered(c, x, labels.x, batch + rows + summed)
    right = _ordered(c, y, labels.y, batch + summed + columns)
    count = len(batch)
    outer = left.shape[:count]
    heights = left.shape[count : count + len(rows)]
    widths = right.shape[count + len(summed) :]
    inner = elements(right.shape[count : count + len(summed)])
    product = c.b.batch_matmul(
        c.reshape(left, (*outer, elements(heights), inner)),
        c.reshape(right, (*outer, inner, elements(widths))),
    )
    shape: Sequence[Dim] = (*outer, *heights, *widths)
    return _ordered(c, c.reshape(product, shape), batch + rows + columns, labels.result)


def _reduced(c: Context, x: Value, labels: Equation) -> tuple[Value, Equation]:
    """x summed over the labels that only it has."""
    lone = [i for i, a in enumerate(labels.x) if a not in labels.y + labels.result]
    if not lone:
        return x, labels
    kept = "".join(a for i, a in enumerate(labels.x) if i not in lone)
    return c.b.sum(x, c.ints(lone)), Equation(kept, labels.y, labels.result)


def _ordered(c: Context, x: Value, labels: str, wanted: str) -> Value:
    """x with its axes in another order."""
    if sorted(labels) != sorted(wanted):
        raise Unsupported(f"einsum makes axes '{labels}'; its result wants '{wanted}'")
    return c.transpose(x, [labels.index(a) for a in wanted])
