"""What drafts consist of: steps without memory, in groups that run as one."""

from __future__ import annotations

import math
from collections.abc import Iterator
from enum import Enum, auto

import numpy as np

from edgewise.ir.graph import Node, Value
from edgewise.runtime.calls import Call, Packed
from edgewise.values import dataclass


class Bound(Enum):
    """The places of control flow in the list of groups."""

    BEGIN = auto()
    MIDDLE = auto()  # the first range (test, then) ends, the second (body, otherwise) begins
    END = auto()


@dataclass(frozen=True, slots=True)
class Mark:
    """Where the ranges of an IF or WHILE meet. `condition`: what is read at this place."""

    bound: Bound
    is_loop: bool
    condition: Value | None = None


Draft = Call | Node | Mark


@dataclass(slots=True)
class Group:
    """Steps that run as one: a kernel call and those locked to it, one Host operator, or one mark.
    The number is that of the node that a step belongs to."""

    steps: list[tuple[int, Draft]]
    is_shared: bool = True  # among the threads, where its work is not small

    @property
    def head(self) -> Draft:
        """The step that the others follow."""
        return self.steps[0][1]


def elements(what: Value | np.ndarray | Packed) -> int:
    """Elements of a value whose shape is known."""
    if not isinstance(what, Value):
        return what.size
    return math.prod([d for d in what.shape if isinstance(d, int)])


def values_of(step: Draft) -> Iterator[Value]:
    """The values that a step reads or writes."""
    if isinstance(step, Mark):
        yield from () if step.condition is None else (step.condition,)
    elif isinstance(step, Node):
        yield from (v for v in (*step.inputs, *step.outputs) if v is not None)
    else:
        yield from (v for v in step.operands if isinstance(v, Value))


def is_variable(value: Value) -> bool:
    """State that survives an inference."""
    return value.is_variable and value.producer is None
