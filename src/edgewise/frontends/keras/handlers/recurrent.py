"""Recurrent layers: one operator where there is one, else step by step.

LSTM and SimpleRNN layers become one operator if nothing but their outputs is asked for. Others of
a few steps are unrolled; of more, or of an unknown number, they become a loop
(`recurrent_loop.py`). Masks are honoured: a step that does not count leaves the states as they are
and repeats the output before it (or gives zeros with `zero_output_for_mask`).
Source: `rnn` in keras/src/backend/tensorflow/rnn.py and keras/src/layers/rnn/rnn.py, Keras 3.15.
"""

from __future__ import annotations

from collections.abc import Sequence

from edgewise.dtypes import DType
from edgewise.frontends.context import Handler, Structure, Unsupported, values_of
from edgewise.frontends.keras.description import KerasLayer
from edgewise.frontends.keras.handlers.config import flag
from edgewise.frontends.keras.handlers.context import Context
from edgewise.frontends.keras.handlers.recurrent_cells import Cell, State, cell_of
from edgewise.frontends.keras.handlers.recurrent_fused import can_fuse, fused
from edgewise.frontends.keras.handlers.recurrent_loop import Wanted, chosen, looped
from edgewise.frontends.keras.handlers.recurrent_memory import Memory
from edgewise.ir.graph import Value
from edgewise.ir.op import operator

# Steps that are written out: 13 operators and 1.8 kB each for a GRU, whose loop has 27 operators
# and 1.5 kB. LiteRT 2.3 on one core takes for 4 steps of 16 units 3 us, and 12 us in a loop; for 16
# steps 12 and 28 us, for 100 104 and 156 us; with 128 units 76 and 103 us for 16 steps, 931 and 806
# us for 100. A layer with `unroll=True` is written out up to MAX_STEPS.
MAX_UNROLLED = 4
MAX_STEPS = 512


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
    memory = Memory.of(c, layer)
    is_one = is_plain and isinstance(cell, KerasLayer) and can_fuse(c, cell, x)
    if is_one and memory.may_fuse:
        assert isinstance(cell, KerasLayer)
        y = _fused(c, cell, x, wanted)
        news: Sequence[Value] = ()
    else:
        made = cell_of(c, cell)
        given = states or memory.read(made, x)
        y, news = stepped(c, layer, made, x, given, mask, wanted)
        memory.write(news)
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


def stepped(
    c: Context,
    layer: KerasLayer,
    cell: Cell,
    x: Value,
    initial: Sequence[State],
    mask: Value | None,
    wanted: Wanted,
) -> tuple[Value, list[Value]]:
    """x [B, T, ...] step by step: the output (of all steps, or the last) and the last states.

    Raises:
        Unsupported: there are no steps.
    """
    steps = x.shape[1]
    if steps == 0:
        raise Unsupported("its sequence has no steps; give it one at least")
    most = MAX_STEPS if flag(layer, "unroll") else MAX_UNROLLED
    write = _unrolled if isinstance(steps, int) and steps <= most else looped
    return write(c, cell, x, initial, mask, wanted)


def _unrolled(
    c: Context,
    cell: Cell,
    x: Value,
    initial: Sequence[State],
    mask: Value | None,
    wanted: Wanted,
) -> tuple[Value, list[Value]]:
    """As `stepped`, for a known number of steps: operators for each."""
    steps = x.shape[1]
    assert isinstance(steps, int)
    inputs = _unpacked(c, cell.project(x), steps, wanted.backwards)
    states: list[State] = list(initial) or [None] * cell.state_count
    masks = None if mask is None else _steps_of_mask(c, mask, len(inputs[0].shape), steps, wanted)
    outputs: list[Value] = []
    kept: State = None
    for t, step in enumerate(inputs):
        y, news = cell.step(step, states)
        if masks is not None:
            news = [chosen(c, masks[t], n, s) for n, s in zip(news, states, strict=True)]
            kept = y = chosen(c, masks[t], y, None if wanted.zero_masked else kept)
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


HANDLERS: dict[str, Handler] = dict.fromkeys(("LSTM", "GRU", "SimpleRNN", "RNN"), recurrent)
