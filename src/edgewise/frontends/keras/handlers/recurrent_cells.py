"""Recurrent cells as operators: one step from the projected input and the states.

A state of None is all zeros, as at the first step; what it would contribute is left out.
Source: keras/src/layers/rnn/{lstm,gru,simple_rnn,stacked_rnn_cells}.py, Keras 3.15.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from edgewise.frontends.context import Unsupported, values_of
from edgewise.frontends.keras.description import KerasLayer, KerasModel
from edgewise.frontends.keras.handlers.config import flag, integer
from edgewise.frontends.keras.handlers.context import Context
from edgewise.ir.graph import Value
from edgewise.ir.op import operator

State = Value | None
Step = Callable[[Value, Sequence[State]], tuple[Value, list[Value]]]


@dataclass(frozen=True, slots=True)
class Cell:
    """`project` takes [..., I] to the gates' inputs [..., G]: for all steps at once, or for one.
    `step` takes those of one step and the states to the output and the new states. `begin` makes
    the states before the first step, for x [B, T, ..., G]."""

    state_count: int
    project: Callable[[Value], Value]
    step: Step
    begin: Callable[[Value], list[Value]]
    begins_with_zeros: bool = True


def cell_of(c: Context, layer: KerasLayer | KerasModel) -> Cell:
    """The cell that an LSTM, GRU or SimpleRNN layer holds, or a cell layer itself.

    Raises:
        Unsupported: the cell is none of Keras's own.
    """
    name = layer.class_name
    if isinstance(layer, KerasLayer) and not layer.is_builtin and layer.live is not None:
        return _custom(c, layer)
    if isinstance(layer, KerasModel) or not layer.is_builtin:
        raise Unsupported(f"its cell '{name}' is a custom class; use a built-in cell")
    if name == "StackedRNNCells":
        return _stacked([cell_of(c, child) for child in layer.sublayers.values()])
    make = _CELLS.get(name.removesuffix("Cell"))
    if make is None:
        raise Unsupported(f"its cell '{name}' has no handler; use LSTMCell, GRUCell or others")
    return make(c, layer)


def _custom(c: Context, layer: KerasLayer) -> Cell:
    """A cell of the user's own: its code, and the initial states it says, [1, ...] each."""
    initial: list[np.ndarray] = layer.config["states"]  # type: ignore[assignment]

    def begin(x: Value) -> list[Value]:
        sizes = [c.shape([x.shape[0], *first.shape[1:]]) for first in initial]
        pairs = zip(initial, sizes, strict=True)
        return [c.b.broadcast_to(c.shared(first), size) for first, size in pairs]

    def step(x: Value, states: Sequence[State]) -> tuple[Value, list[Value]]:
        known = [state for state in states if state is not None]
        y, *news = values_of(c.apply(layer, x, known if len(known) == len(initial) else begin(x)))
        return y, news

    is_zero = not any(array.any() for array in initial)
    return Cell(len(initial), lambda x: x, step, begin, is_zero)


def _lstm(c: Context, layer: KerasLayer) -> Cell:
    """i, f, o = sigmoid-like, g = act; c = f*c + i*g; h = o * act(c). Gates in order i, f, g, o."""

    def step(x: Value, states: Sequence[State]) -> tuple[Value, list[Value]]:
        h, carry = states
        z = _plus_recurrent(c, layer, x, h)
        i, f, g, o = split(c, z, 4)
        new = c.b.mul(_gate(c, layer, i), c.activate(layer, g))
        if carry is not None:
            new = c.b.add(c.b.mul(_gate(c, layer, f), carry), new)
        y = c.b.mul(_gate(c, layer, o), c.activate(layer, new))
        return y, [y, new]

    return Cell(2, lambda x: _projected(c, layer, x), step, lambda x: _zeros(c, layer, x, 2))


def _gru(c: Context, layer: KerasLayer) -> Cell:
    """z, r = sigmoid-like; h = z*h + (1 - z)*g = g + z*(h - g). Gates in order z, r, g.

    `reset_after`: g = act(x + r * (R h + b)), with a bias of its own for the recurrent part;
    else g = act(x + R (r * h)).
    """
    after = flag(layer, "reset_after", False)
    units = integer(layer, "units")
    bias = None
    if flag(layer, "use_bias", True):
        bias = c.weight(layer, "bias").reshape(2 if after else 1, 3 * units)

    def step(x: Value, states: Sequence[State]) -> tuple[Value, list[Value]]:
        (h,) = states
        xz, xr, xg = split(c, x, 3)
        inner = _recurrent_terms(h)
        z = _gate(c, layer, _sum(c, xz, inner[0]))
        if after:
            r = None if inner[2] is None else _gate(c, layer, _sum(c, xr, inner[1]))
            g = _sum(c, xg, None if r is None or inner[2] is None else c.b.mul(r, inner[2]))
        elif h is None:
            g = xg
        else:
            reset = c.b.mul(_gate(c, layer, _sum(c, xr, inner[1])), h)
            g = c.b.add(xg, c.b.fully_connected(reset, matrix(2, 3)))
        g = c.activate(layer, g)
        y = c.b.add(g, c.b.mul(z, c.b.neg(g) if h is None else c.b.sub(h, g)))
        return y, [y]

    def matrix(first: int, last: int) -> Value:
        w = c.weight(layer, "recurrent_kernel")[:, first * units : last * units]
        return c.constant(layer, f"recurrent_kernel_{first}", w.T)

    def own_bias() -> Value | None:
        if bias is None or not after:
            return None
        return c.constant(layer, "recurrent_bias", bias[1])

    def _recurrent_terms(h: State) -> Sequence[Value | None]:
        """What the state adds to z and r, and with `reset_after` to g."""
        b = own_bias()
        if h is None:
            return (None, None, None) if b is None else split(c, b, 3)
        if after:
            return split(c, c.b.fully_connected(h, matrix(0, 3), b), 3)
        return (*split(c, c.b.fully_connected(h, matrix(0, 2)), 2), None)

    def project(x: Value) -> Value:
        w = c.constant(layer, "kernel", c.weight(layer, "kernel").T)
        b = None if bias is None else c.constant(layer, "input_bias", bias[0])
        return c.b.fully_connected(x, w, b, keep_num_dims=True)

    return Cell(1, project, step, lambda x: _zeros(c, layer, x))


def _simple(c: Context, layer: KerasLayer) -> Cell:
    """h = act(x + R h)."""

    def step(x: Value, states: Sequence[State]) -> tuple[Value, list[Value]]:
        y = c.activate(layer, _plus_recurrent(c, layer, x, states[0]))
        return y, [y]

    return Cell(1, lambda x: _projected(c, layer, x), step, lambda x: _zeros(c, layer, x))


def _stacked(cells: Sequence[Cell]) -> Cell:
    """Every cell's output is the next one's input; the states one after the other."""
    if not cells:
        raise Unsupported("it holds no cells; give it some")

    def step(x: Value, states: Sequence[State]) -> tuple[Value, list[Value]]:
        news: list[Value] = []
        y = x
        for position, cell in enumerate(cells):
            own = states[len(news) : len(news) + cell.state_count]
            y, new = cell.step(y if position == 0 else cell.project(y), own)
            news += new
        return y, news

    def begin(x: Value) -> list[Value]:
        return [state for cell in cells for state in cell.begin(x)]

    return Cell(
        sum(cell.state_count for cell in cells), cells[0].project, step, begin,
        all(cell.begins_with_zeros for cell in cells),
    )  # fmt: skip


def _zeros(c: Context, layer: KerasLayer, x: Value, count: int = 1) -> list[Value]:
    """`count` states of zeros, [B, U] each."""
    return [c.zeros((x.shape[0], integer(layer, "units")))] * count


def split(c: Context, x: Value, count: int) -> Sequence[Value]:
    """Equal parts along the last axis; those of a constant are constants."""
    if x.data is not None:
        return [c.b.constant(part) for part in np.split(x.data, count, -1)]
    axis = c.b.constant(np.array(len(x.shape) - 1, np.int32))
    return c.b.node(operator("split")(num_splits=count), axis, x).outputs


def _projected(c: Context, layer: KerasLayer, x: Value) -> Value:
    w = c.constant(layer, "kernel", c.weight(layer, "kernel").T)
    return c.b.fully_connected(x, w, c.bias(layer), keep_num_dims=True)


def _plus_recurrent(c: Context, layer: KerasLayer, x: Value, h: State) -> Value:
    if h is None:
        return x
    w = c.constant(layer, "recurrent_kernel", c.weight(layer, "recurrent_kernel").T)
    return c.b.add(x, c.b.fully_connected(h, w))


def _gate(c: Context, layer: KerasLayer, x: Value) -> Value:
    return c.activate(layer, x, "recurrent_activation")


def _sum(c: Context, x: Value, y: Value | None) -> Value:
    return x if y is None else c.b.add(x, y)


_CELLS: dict[str, Callable[[Context, KerasLayer], Cell]] = {
    "LSTM": _lstm,
    "GRU": _gru,
    "SimpleRNN": _simple,
}
