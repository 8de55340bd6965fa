"""ConvLSTM1D, ConvLSTM2D and ConvLSTM3D, step by step.

The convolution of the inputs is one for all steps, the steps being part of the batch. The
recurrent one has stride 1 and keeps the size. Source: keras/src/layers/rnn/conv_lstm.py, 3.15.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgewise.frontends.context import Handler, Structure, values_of
from edgewise.frontends.decompose.windows import as_image
from edgewise.frontends.keras.description import KerasLayer
from edgewise.frontends.keras.handlers.config import is_channels_first, sizes, text
from edgewise.frontends.keras.handlers.context import Context
from edgewise.frontends.keras.handlers.layout import spatial_rank
from edgewise.frontends.keras.handlers.recurrent import stepped
from edgewise.frontends.keras.handlers.recurrent_cells import Cell, State, split
from edgewise.frontends.keras.handlers.recurrent_loop import Wanted
from edgewise.ir.enums import Padding
from edgewise.ir.graph import Value


def conv_lstm(
    c: Context,
    layer: KerasLayer,
    x: Structure,
    initial_state: Structure | None = None,
    mask: Value | None = None,
) -> Structure:
    """[N, T, spatial, C] to [N, T, spatial, F], or the last step of it."""
    return run_conv_lstm(c, layer, x, initial_state, mask, Wanted.of(layer))


def run_conv_lstm(
    c: Context,
    layer: KerasLayer,
    x: Structure,
    initial: Structure | None,
    mask: Value | None,
    wanted: Wanted,
) -> Structure:
    """The layer's result: the output, or a list of it and the two states."""
    first, *rest = values_of(x)
    states = rest if initial is None else values_of(initial)
    mask = c.mask(first) if mask is None else mask
    swap = is_channels_first(layer)

    def last(x: Value) -> Value:
        rank = len(x.shape)
        axis = rank - 1 - spatial_rank(layer)
        return c.transpose(x, [*range(axis), *range(axis + 1, rank), axis]) if swap else x

    def back(x: Value) -> Value:
        rank = len(x.shape)
        axis = rank - 1 - spatial_rank(layer)
        return c.transpose(x, [*range(axis), rank - 1, *range(axis, rank - 1)]) if swap else x

    sequence = last(c.real(first))
    cell = _cell(c, layer)
    given = [last(c.real(s)) for s in states]
    y, news = stepped(c, layer, cell, sequence, given, mask, wanted)
    y = back(y)
    if wanted.sequences:
        c.set_mask(y, mask)
    return [y, *map(back, news)] if wanted.state else y


def _cell(c: Context, layer: KerasLayer) -> Cell:
    rank = spatial_rank(layer)

    def project(x: Value) -> Value:
        n, t, *rest = x.shape
        y = _convolved(
            c, layer, "kernel", c.reshape(x, (n * t, *rest)), c.bias(layer),
            Padding.SAME if text(layer, "padding", "valid").lower() == "same" else Padding.VALID,
            sizes(layer, "strides", rank, 1), sizes(layer, "dilation_rate", rank, 1),
        )  # fmt: skip
        return c.reshape(y, (n, t, *y.shape[1:]))

    def step(x: Value, states: Sequence[State]) -> tuple[Value, list[Value]]:
        h, carry = states
        if h is not None:
            ones = (1,) * rank
            inner = _convolved(c, layer, "recurrent_kernel", h, None, Padding.SAME, ones, ones)
            x = c.b.add(x, inner)
        i, f, g, o = split(c, x, 4)
        new = c.b.mul(_gate(i), c.activate(layer, g))
        if carry is not None:
            new = c.b.add(c.b.mul(_gate(f), carry), new)
        y = c.b.mul(_gate(o), c.activate(layer, new))
        return y, [y, new]

    def _gate(x: Value) -> Value:
        return c.activate(layer, x, "recurrent_activation")

    def begin(x: Value) -> list[Value]:
        batch, _, *space, width = x.shape
        assert isinstance(width, int)
        return [c.zeros((batch, *space, width // 4))] * 2

    return Cell(2, project, step, begin)


def _convolved(
    c: Context,
    layer: KerasLayer,
    name: str,
    x: Value,
    bias: Value | None,
    padding: Padding,
    strides: Sequence[int],
    dilations: Sequence[int],
) -> Value:
    """x [N, spatial, C] with the weights `name`, [spatial, C, F]."""
    kernel = c.weight(layer, name)
    if kernel.ndim == 3:
        kernel, strides, dilations = kernel[np.newaxis], (1, *strides), (1, *dilations)
    window: dict[str, object] = {"padding": padding}
    for letter, stride, rate in zip("dhw"[-len(strides) :], strides, dilations, strict=True):
        window |= {f"stride_{letter}": stride, f"dilation_{letter}_factor": rate}
    if kernel.ndim == 5:
        return c.b.conv_3d(x, c.constant(layer, name, kernel), bias, **window)
    w = c.constant(layer, name, kernel.transpose(3, 0, 1, 2))
    return as_image(c, x, lambda x: c.b.conv_2d(x, w, bias, **window))


HANDLERS: dict[str, Handler] = {f"ConvLSTM{n}D": conv_lstm for n in (1, 2, 3)}
