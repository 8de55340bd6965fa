"""A WHILE over the steps of sequences: what recurrent layers become that no operator is.

at = 0
while at < steps:
    y, state.. = step(sequence[:, at].., state..)
    written[:, at] = y
    at = at + 1
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np

from edgewise.ir.build import Builder
from edgewise.ir.dim import Shape
from edgewise.ir.graph import Value
from edgewise.ops.control import While

# From one step of each sequence and the states: the output, and the new states.
Step: TypeAlias = "Callable[[Builder, list[Value], list[Value]], tuple[Value, Sequence[Value]]]"


def over_steps(
    b: Builder,
    name: str,
    steps: Value,
    sequences: Sequence[Value],
    states: Sequence[Value],
    step: Step,
    zeros: Callable[[Shape], Value] | None = None,
) -> list[Value]:
    """The loop over axis 1 of `sequences` [B, T, ...]: the last states; before them, with `zeros`,
    the outputs [B, T, ...] of all steps.

    `steps` is T, an int32 scalar. `step` writes one step with the builder it is given. `zeros`
    makes room for the outputs: float32 zeros of a shape.
    """
    body, test = Builder(f"{name}_body"), Builder(f"{name}_cond")
    body.location = test.location = b.location
    operands = [b.constant(np.array(0, np.int32))]
    if steps.data is None:
        operands.append(steps)
    operands += [*sequences, *states]
    entered = [_enter(body, value) for value in operands]
    at, given = entered[0], entered[len(entered) - len(states) :]
    taken = entered[len(entered) - len(states) - len(sequences) : len(entered) - len(states)]
    y, news = step(body, [body.gather(x, at, axis=1) for x in taken], given)
    results = [body.add(at, body.constant(np.array(1, np.int32)))]
    results += [*entered[1 : len(entered) - len(states)], *news]
    if zeros is not None:
        batch, *rest = y.shape
        operands.append(zeros((batch, sequences[0].shape[1], *rest)))
        room = _enter(body, operands[-1])
        results.append(_written(body, room, y, at))
    outside = [_enter(test, value) for value in operands]
    limit = outside[1] if steps.data is None else test.constant(steps.data)
    test.finish(test.less(outside[0], limit))
    body.finish(*results)
    made = b.node(While(cond=test.graph, body=body.graph), *operands).outputs
    last = list(made[len(entered) - len(states) : len(entered)])
    return last if zeros is None else [made[-1], *last]


def _enter(b: Builder, value: Value) -> Value:
    """An input of a graph for a value outside."""
    count = len(b.graph.inputs)
    return b.graph.add_input(value.type, f"carried_{count}" if count else "at")


def _written(b: Builder, room: Value, y: Value, at: Value) -> Value:
    """`room` with y at one step."""
    rank = len(room.shape)
    row = b.expand_dims(y, b.constant(np.array(1, np.int32)))
    zero = b.constant(np.array(0, np.int32))
    places = [zero, at, *[zero] * (rank - 2)]
    start = b.pack(*places, values_count=rank, axis=0)
    return b.dynamic_update_slice(room, row, start)


def counter(b: Builder, x: Value, axis: int) -> Value:
    """A dimension of x as an int32 scalar."""
    size = x.shape[axis]
    if isinstance(size, int):
        return b.constant(np.array(size, np.int32))
    bounds = (b.constant(np.array([axis + i], np.int32)) for i in (0, 1))
    one = b.constant(np.array([1], np.int32))
    return b.strided_slice(b.shape(x), *bounds, one, shrink_axis_mask=1)


def zeros_sized(b: Builder, x: Value, dims: Shape) -> Value:
    """float32 zeros [dims]; a dimension that is no number is one of x's."""
    zero = b.constant(np.zeros((), np.float32))
    sizes = [
        b.constant(np.array(d, np.int32)) if isinstance(d, int) else counter(b, x, x.shape.index(d))
        for d in dims
    ]
    return b.fill(b.pack(*sizes, values_count=len(sizes), axis=0), zero)
