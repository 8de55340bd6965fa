"""Einstein sums over two tensors as one matrix product between transposes.

Each label is one of: shared by both operands and the result (batch), shared by the operands only
(summed), of one operand and the result (free), or of one operand only (summed beforehand).
"""

from __future__ import annotations

import string
from collections.abc import Sequence
from dataclasses import dataclass

from edgewise.frontends.context import Context, Unsupported
from edgewise.ir.dim import Dim, elements
from edgewise.ir.graph import Value

MAX_RANK = 5  # of operands of BATCH_MATMUL in LiteRT


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


def contract(c: Context, equation: str, x: Value, y: Value) -> Value:
    """The sum over two tensors, as one BATCH_MATMUL."""
    labels = parse(equation, (len(x.shape), len(y.shape)))
    x, labels = reduced(c, x, labels)
    swapped = Equation(labels.y, labels.x, labels.result)
    y, swapped = reduced(c, y, swapped)
    labels = Equation(swapped.y, swapped.x, labels.result)
    batch, summed = labels.batch, labels.summed
    rows, columns = labels.free(labels.x), labels.free(labels.y)
    left = ordered(c, x, labels.x, batch + rows + summed)
    right = ordered(c, y, labels.y, batch + summed + columns)
    if not batch and len(columns) == len(summed) == 1 and 1 < len(left.shape) <= MAX_RANK:
        # the matrix on the right serves every row as it is
        return ordered(c, c.b.batch_matmul(left, right), rows + columns, labels.result)
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
    return ordered(c, c.reshape(product, shape), batch + rows + columns, labels.result)


def reduced(c: Context, x: Value, labels: Equation) -> tuple[Value, Equation]:
    """x summed over the labels that only it has."""
    lone = [i for i, a in enumerate(labels.x) if a not in labels.y + labels.result]
    if not lone:
        return x, labels
    kept = "".join(a for i, a in enumerate(labels.x) if i not in lone)
    return c.b.sum(x, c.ints(lone)), Equation(kept, labels.y, labels.result)


def ordered(c: Context, x: Value, labels: str, wanted: str) -> Value:
    """x with its axes in another order."""
    if sorted(labels) != sorted(wanted):
        raise Unsupported(f"einsum makes axes '{labels}'; its result wants '{wanted}'")
    return c.transpose(x, [labels.index(a) for a in wanted])


def einsum(c: Context, equation: str, *operands: Value) -> Value:
    """Any number of tensors, two at a time from the left."""
    equation, xs = equation.replace(" ", ""), list(operands)
    left, arrow, result = equation.partition("->")
    labels = left.split(",")
    if not arrow:
        free = sorted({a for a in left if left.count(a) == 1 and a.isalpha()})
        result = ("..." if "..." in left else "") + "".join(free)
    if len(labels) != len(xs):
        raise Unsupported(f"einsum '{equation}' of {len(xs)} tensors")
    while len(xs) > 2:
        later = "".join(labels[2:]) + result
        kept = "".join(dict.fromkeys(a for a in labels[0] + labels[1] if a in later and a != "."))
        kept = ("..." if "..." in labels[0] + labels[1] else "") + kept
        xs = [contract(c, f"{labels[0]},{labels[1]}->{kept}", *xs[:2]), *xs[2:]]
        labels = [kept, *labels[2:]]
    if len(xs) == 2:
        return contract(c, f"{labels[0]},{labels[1]}->{result}", *xs)
    return _rearranged(c, xs[0], labels[0], result)


def _rearranged(c: Context, x: Value, labels: str, result: str) -> Value:
    """One tensor: axes that the result does not have are summed, the others transposed."""
    if "..." in labels:
        count = len(x.shape) + 3 - len(labels)
        unused = "".join([a for a in string.ascii_letters if a not in labels][:count])
        labels, result = labels.replace("...", unused), result.replace("...", unused)
    if len(set(labels)) < len(labels) or not set(result) <= set(labels):
        raise Unsupported(f"einsum '{labels}->{result}' takes a diagonal")
    gone = [i for i, a in enumerate(labels) if a not in result]
    if gone:
        x = c.b.sum(x, c.ints(gone))
        labels = "".join(a for a in labels if a in result)
    return c.transpose(x, [labels.index(a) for a in result])


def matmul(c: Context, x: Value, y: Value) -> Value:
    """x @ y as NumPy means it: vectors get an axis that goes again, the leading axes broadcast."""
    left, right = len(x.shape) == 1, len(y.shape) == 1
    x = c.reshape(x, (1, *x.shape)) if left else x
    y = c.reshape(y, (*y.shape, 1)) if right else y
    if y.data is not None and len(y.shape) == 2:
        w = c.b.constant(y.data.T.copy(), name=y.name)
        z = c.b.fully_connected(x, w, keep_num_dims=True)
    else:
        z = c.b.batch_matmul(x, y)
    shape = z.shape[:-1] if right else z.shape
    if left:
        at = len(shape) - (1 if right else 2)
        shape = (*shape[:at], *shape[at + 1 :])
    return c.reshape(z, shape)
