"""Recurrent layers: one operator where there is one, else step by step.

LSTM and SimpleRNN layers become one operator if nothing but their outputs is asked for. All
others are unrolled: the number of steps must be known and at most MAX_STEPS. Masks are honoured:
a step that does not count leaves the states as they are and repeats the output before it (or
gives zeros with `zero_output_for_mask`).
Source: `rnn` in keras/src/backend/tensorflow/rnn.py and keras/src/layers/rnn/rnn.py, Keras 3.15.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edgewise.dtypes import DType
from edgewise.frontends.context import Handler, Structure, Unsupported, values_of
from edgewise.frontends.keras.description import KerasLayer
from edgewise.frontends.keras.handlers.config import flag
from edgewise.frontends.keras.handlers.context import Context
from edgewise.frontends.keras.handlers.recurrent_cells import Cell, State, cell_of
from edgewise.frontends.keras.handlers.recurrent_fused import can_fuse, fused
from edgewise.ir.graph import Value
from edgewise.ir.op import operator

# An unrolled LSTM has 10 operators a step; beyond this a file is no longer of use.
MAX_STEPS = 512


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a layer returns, and how it goes over its sequence."""

    sequences: bool
    state: bool
    backwards: bool
    zero_masked: bool

    @classmethod
    def of(cls, layer: KerasLayer) -> Wanted:
        """From the layer's config.

        Raises:
            Unsupported: the layer keeps its state between calls.
        """
        if flag(layer, "stateful"):
            raise Unsupported(
                "stateful=True keeps the state between calls; return the state and feed it back"
            )
        keys = ("return_sequences", "return_state", "go_backwards", "zero_output_for_mask")
        return cls(*(flag(layer, key) for key in keys))


def recurrent(
    c: Context,
    layer: KerasLayer,
    x: Structure,
    initial_state: Structure | None = None,
    mask: Value | None = None,
) -> Structure:
    """LSTM, GRU, SimpleRNN, and RNN with any of their cells."""
    return run_layer(c, layer, x, initial_state, mask, Wanted.of(layer))


def run_layer(
    c: Context,
    layer: KerasLayer,
    x: Structure,
    initial: Structure | None,
    mask: Value | None,
    wanted: Wanted,
) -> Structure:
    """The layer's result: the output, or a list of it and the states."""
    sequence, states = _inputs(c, x, initial)
    mask = c.mask(sequence) if mask is None else mask
    cell = layer.sublayers["cell"] if layer.class_name == "RNN" else layer
    swaps = flag(layer, "time_major")
    x = c.real(c.transpose(sequence, [1, 0, 2]) if swaps else sequence)
    is_plain = mask is None and not states and not wanted.state
    if is_plain and isinstance(cell, KerasLayer) and can_fuse(cell):
        y = _fused(c, cell, x, wanted)
        news: Sequence[Value] = ()
    else:
        y, news = unrolled(c, cell_of(c, cell), x, states, mask, wanted)
    if wanted.sequences:
        y = c.transpose(y, [1, 0, 2]) if swaps else y
        c.set_mask(y, mask)
    return [y, *news] if wanted.state else y


def _inputs(
    c: Context, x: Structure, initial: Structure | None
) -> tuple[Value, Sequence[Value | None]]:
    """The sequence and the initial states; a call may pass them as one list."""
    first, *rest = values_of(x)
    states = rest if initial is None else values_of(initial)
    return first, [c.real(state) for state in states]


def _fused(c: Context, cell: KerasLayer, x: Value, wanted: Wanted) -> Value:
    x = c.b.reverse_v2(x, c.ints([1])) if wanted.backwards else x
    y = fused(c, cell, x)
    if wanted.sequences:
        return y
    return c.b.strided_slice(
        y, c.ints([0, -1, 0]), c.ints([0, 0, 0]), c.ints([1, 1, 1]),
        begin_mask=0b101, end_mask=0b101, shrink_axis_mask=0b010,
    )  # fmt: skip


def unrolled(
    c: Context,
    cell: Cell,
    x: Value,
    initial: Sequence[State],
    mask: Value | None,
    wanted: Wanted,
) -> tuple[Value, list[Value]]:
    """x [B, T, ...] step by step: the output (of all steps, or the last) and the last states.

    Raises:
        Unsupported: the number of steps is unknown or more than MAX_STEPS.
    """
    steps = x.shape[1]
    if not isinstance(steps, int):
        raise Unsupported("its number of steps must be known; give the model a fixed input shape")
    if not 0 < steps <= MAX_STEPS:
        raise Unsupported(
            f"is written out step by step, for 1 to {MAX_STEPS} steps; it has {steps}."
            " Use LSTM with its default activations, or shorter sequences"
        )
    inputs = _unpacked(c, cell.project(x), steps, wanted.backwards)
    states: list[State] = list(initial) or [None] * cell.state_count
    masks = None if mask is None else _steps_of_mask(c, mask, len(inputs[0].shape), steps, wanted)
    outputs: list[Value] = []
    kept: State = None
    for t, step in enumerate(inputs):
        y, news = cell.step(step, states)
        if masks is not None:
            news = [_chosen(c, masks[t], n, s) for n, s in zip(news, states, strict=True)]
            kept = y = _chosen(c, masks[t], y, None if wanted.zero_masked else kept)
        states = [*news]
        outputs.append(y)
    last = [state for state in states if state is not None]
    if not wanted.sequences:
        return outputs[-1], last
    return c.b.pack(*outputs, values_count=steps, axis=1), last


def _unpacked(c: Context, x: Value, steps: int, backwards: bool) -> list[Value]:
    """The steps along axis 1, in the order they are taken."""
    node = c.b.node(operator("unpack")(num=steps, axis=1), x)
    return list(reversed(node.outputs)) if backwards else list(node.outputs)


def _steps_of_mask(c: Context, mask: Value, rank: int, steps: int, wanted: Wanted) -> list[Value]:
    """The mask [B, T] of each step, with axes of 1 up to `rank`."""
    mask = c.cast(mask, DType.BOOL)
    mask = c.reshape(mask, (mask.shape[0], steps, *[1] * (rank - 1)))
    return _unpacked(c, mask, steps, wanted.backwards)


def _chosen(c: Context, mask: Value, new: Value, old: State) -> Value:
    """`new` where the step counts, else `old` (None is zeros)."""
    return c.b.select_v2(mask, new, c.scalar(0) if old is None else old)


HANDLERS: dict[str, Handler] = dict.fromkeys(("LSTM", "GRU", "SimpleRNN", "RNN"), recurrent)
