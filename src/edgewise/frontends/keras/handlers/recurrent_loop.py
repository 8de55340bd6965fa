"""Recurrent layers of many or an unknown number of steps: a WHILE around one step.

What the cell computes from the inputs alone is one product for all steps, before the loop. The
loop carries the states, and the output only where it is none of them.
Source: `rnn` in keras/src/backend/tensorflow/rnn.py, Keras 3.15.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edgewise.dtypes import DType
from edgewise.frontends.keras.description import KerasLayer
from edgewise.frontends.keras.handlers.config import flag
from edgewise.frontends.keras.handlers.context import Context
from edgewise.frontends.keras.handlers.recurrent_cells import Cell, State
from edgewise.ir.build import Builder
from edgewise.ir.dim import Shape
from edgewise.ir.graph import Value
from edgewise.ops.over_steps import over_steps


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a layer returns, and how it goes over its sequence."""

    sequences: bool
    state: bool
    backwards: bool
    zero_masked: bool

    @classmethod
    def of(cls, layer: KerasLayer) -> Wanted:
        """From the layer's config."""
        keys = ("return_sequences", "return_state", "go_backwards", "zero_output_for_mask")
        return cls(*(flag(layer, key) for key in keys))


def looped(
    c: Context,
    cell: Cell,
    x: Value,
    initial: Sequence[State],
    mask: Value | None,
    wanted: Wanted,
) -> tuple[Value, list[Value]]:
    """x [B, T, ...] through a loop: the output (of all steps, or the last) and the last states."""
    inputs = cell.project(x)
    sequences = [inputs, *([] if mask is None else [c.cast(mask, DType.BOOL)])]
    if wanted.backwards:
        sequences = [c.b.reverse_v2(v, c.ints([1])) for v in sequences]
    states = [state for state in initial if state is not None] or cell.begin(inputs)
    count = len(states)
    output, place = _output_of(c, cell, inputs, states)
    repeats = mask is not None and not wanted.zero_masked
    is_state = place is not None and (
        mask is None or (repeats and cell.begins_with_zeros and not initial)
    )
    if not is_state and (repeats or not wanted.sequences):
        states = [*states, c.zeros(output)]

    def step(b: Builder, taken: list[Value], given: list[Value]) -> tuple[Value, list[Value]]:
        with c.inside_graph(b):
            y, news = cell.step(taken[0], given[:count])
            if mask is not None:
                counts = c.reshape(taken[1], (y.shape[0], *[1] * (len(y.shape) - 1)))
                kept = given[-1] if repeats else None
                news = [chosen(c, counts, n, s) for n, s in zip(news, given, strict=False)]
                y = news[place] if is_state and place is not None else chosen(c, counts, y, kept)
            return y, [*news, y][: len(given)]

    last = over_steps(
        c.b, "/".join(c.path), c.dim(x.shape[1]), sequences, states, step,
        c.zeros if wanted.sequences else None,
    )  # fmt: skip
    if wanted.sequences:
        return last[0], last[1 : 1 + count]
    return last[place if is_state and place is not None else -1], last[:count]


def _output_of(
    c: Context, cell: Cell, x: Value, states: Sequence[Value]
) -> tuple[Shape, int | None]:
    """The shape of the output, and which of the new states it is, if any: a step for trial."""
    b = Builder("trial")
    with c.inside_graph(b):
        batch, _, *rest = x.shape
        given = [b.graph.add_input(state.type, "state") for state in states]
        y, news = cell.step(b.input("x", (batch, *rest)), given)
    return y.shape, next((i for i, new in enumerate(news) if new is y), None)


def chosen(c: Context, counts: Value, new: Value, old: State) -> Value:
    """`new` where the step counts, else `old` (None is zeros)."""
    return c.b.select_v2(counts, new, c.scalar(0) if old is None else old)
