"""Bidirectional: a layer forwards, a layer backwards, their outputs merged.

Source: keras/src/layers/rnn/bidirectional.py, Keras 3.15.
"""

from __future__ import annotations

from dataclasses import replace

from edgewise.errors import FormatError
from edgewise.frontends.context import Handler, Structure, Unsupported, values_of
from edgewise.frontends.keras.description import KerasLayer
from edgewise.frontends.keras.handlers.config import flag
from edgewise.frontends.keras.handlers.context import Context
from edgewise.frontends.keras.handlers.conv_lstm import run_conv_lstm
from edgewise.frontends.keras.handlers.recurrent import HANDLERS as RECURRENT
from edgewise.frontends.keras.handlers.recurrent import run_layer
from edgewise.frontends.keras.handlers.recurrent_loop import Wanted
from edgewise.ir.graph import Value


def bidirectional(
    c: Context,
    layer: KerasLayer,
    x: Structure,
    initial_state: Structure | None = None,
    mask: Value | None = None,
) -> Structure:
    """Both directions on the same sequence; the first half of the states is the forward ones."""
    x, *states = values_of(x)
    states = states if initial_state is None else values_of(initial_state)
    half = len(states) // 2
    halves = (states[:half], states[half:]) if states else (None, None)
    outputs, news, is_sequence = [], [], False
    for key, own in zip(("forward_layer", "backward_layer"), halves, strict=True):
        child = layer.sublayers[key]
        if not isinstance(child, KerasLayer):
            raise Unsupported("it wraps a model; wrap a recurrent layer")
        is_sequence = flag(child, "return_sequences")
        y, *last = _run(c, child, x, own, mask)
        outputs.append(y)
        news += last
    merged = _merged(c, layer, *outputs)
    if is_sequence:
        for value in values_of(merged):
            c.set_mask(value, c.mask(x) if mask is None else mask)
    if not news:
        return merged
    return [*values_of(merged), *news]


def _run(
    c: Context, child: KerasLayer, x: Structure, states: list[Value] | None, mask: Value | None
) -> list[Value]:
    """Output and states of one direction, the output in the order of time."""
    wanted = Wanted.of(child)
    wanted = replace(wanted, zero_masked=wanted.sequences)
    run = run_conv_lstm if child.class_name.startswith("ConvLSTM") else run_layer
    if run is run_layer and child.class_name not in RECURRENT:
        raise Unsupported(f"it wraps a '{child.class_name}'; wrap LSTM, GRU, SimpleRNN or RNN")
    with c.inside(child.name):
        y, *last = values_of(run(c, child, x, states, mask, wanted))
        if wanted.backwards and wanted.sequences:
            y = c.b.reverse_v2(y, c.ints([1]))
    return [y, *last]


def _merged(c: Context, layer: KerasLayer, y: Value, z: Value) -> Structure:
    mode = layer.config.get("merge_mode", "concat")
    if mode == "concat":
        return c.b.concatenation(y, z, axis=len(y.shape) - 1)
    if mode == "sum":
        return c.b.add(y, z)
    if mode == "mul":
        return c.b.mul(y, z)
    if mode == "ave":
        return c.b.mul(c.b.add(y, z), c.scalar(0.5))
    if mode is None:
        return [y, z]
    raise FormatError(f"layer '{layer.name}': merge_mode must be one of Keras's; found {mode!r}")


HANDLERS: dict[str, Handler] = {"Bidirectional": bidirectional}
