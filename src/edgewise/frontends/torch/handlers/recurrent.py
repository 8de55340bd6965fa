"""LSTM, GRU and simple recurrent layers, of several layers and both directions, and their cells.

Each layer is one product for all steps and a loop over them; the passes make one operator of loops
for which there is one. Source: aten/src/ATen/native/RNN.cpp, PyTorch 2.13.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from edgewise.frontends.torch.context import Context, Handler, Unsupported
from edgewise.frontends.torch.handlers.indexing import select
from edgewise.frontends.torch.handlers.shapes import stack
from edgewise.ir.build import Builder
from edgewise.ir.graph import Value
from edgewise.ir.op import operator
from edgewise.ops.over_steps import over_steps


@dataclass(frozen=True, slots=True)
class _Weights:
    """Of one layer in one direction: w [G U, I], r [G U, P], biases [G U], projection [P, U]; P is
    U where there is no projection."""

    w: Value
    r: Value
    b_w: Value | None = None
    b_r: Value | None = None
    projection: Value | None = None


# One step, from what the input gives to the gates and the states: the new states, output first.
_Step = Callable[[Builder, Value, _Weights, Sequence[Value]], list[Value]]


@dataclass(frozen=True, slots=True)
class _Cell:
    """`adds_biases`: that of the states is added to the input's, else it stands in the step."""

    step: _Step
    adds_biases: bool = True

    def project(self, c: Context, x: Value, weights: _Weights) -> Value:
        """What the input gives to the gates."""
        bias = weights.b_w
        if bias is not None and weights.b_r is not None and self.adds_biases:
            bias = c.b.add(bias, weights.b_r)
        return c.b.fully_connected(x, weights.w, bias, keep_num_dims=True)


def _split(b: Builder, x: Value, count: int) -> Sequence[Value]:
    axis = b.constant(np.array(len(x.shape) - 1, np.int32))
    return b.node(operator("split")(num_splits=count), axis, x).outputs


def _lstm_step(b: Builder, x: Value, weights: _Weights, states: Sequence[Value]) -> list[Value]:
    """c' = f c + i g, h' = o tanh(c'); gates in the order i, f, g, o."""
    h, memory = states
    gates = b.add(x, b.fully_connected(h, weights.r, None))
    i, f, g, o = _split(b, gates, 4)
    kept = b.mul(b.logistic(f), memory)
    memory = b.add(kept, b.mul(b.logistic(i), b.tanh(g)))
    h = b.mul(b.logistic(o), b.tanh(memory))
    if weights.projection is not None:
        h = b.fully_connected(h, weights.projection, None)
    return [h, memory]


def _gru_step(b: Builder, x: Value, weights: _Weights, states: Sequence[Value]) -> list[Value]:
    """h' = (1 - z) n + z h = n + z (h - n), n = tanh(x_n + r h_n); gates in the order r, z, n."""
    (h,) = states
    inner = _split(b, b.fully_connected(h, weights.r, weights.b_r), 3)
    outer = _split(b, x, 3)
    r, z = (b.logistic(b.add(outer[i], inner[i])) for i in (0, 1))
    n = b.tanh(b.add(outer[2], b.mul(r, inner[2])))
    return [b.add(n, b.mul(z, b.sub(h, n)))]


def _simple_step(name: str) -> _Step:
    def step(b: Builder, x: Value, weights: _Weights, states: Sequence[Value]) -> list[Value]:
        made: Value = getattr(b, name)(b.add(x, b.fully_connected(states[0], weights.r, None)))
        return [made]

    return step


_CELLS = {
    "lstm": _Cell(_lstm_step),
    "gru": _Cell(_gru_step, adds_biases=False),
    "rnn_tanh": _Cell(_simple_step("tanh")),
    "rnn_relu": _Cell(_simple_step("relu")),
}


def _layers(cell: _Cell) -> Handler:
    def handler(
        c: Context,
        x: Value,
        hx: Value | Sequence[Value],
        params: Sequence[Value],
        has_biases: bool,
        num_layers: int,
        dropout: float = 0.0,
        train: bool = False,
        bidirectional: bool = False,
        batch_first: bool = False,
    ) -> list[Value]:
        """The outputs of all steps, and the last states of every layer and direction."""
        if train and dropout:
            raise Unsupported("it drops at random while it trains; call eval() first")
        begin = [hx] if isinstance(hx, Value) else list(hx)
        count = len(params) // (num_layers * (1 + bidirectional))
        plain = 2 + 2 * has_biases
        x = x if batch_first else c.moved(x, [1, 0, 2])
        last: list[list[Value]] = [[] for _ in begin]
        for i in range(num_layers):
            outputs = []
            for reverses in (False, True)[: 1 + bidirectional]:
                at = len(last[0])
                group = params[at * count : (at + 1) * count]
                weights = _Weights(*group) if count == plain else _projected(group)
                states = [select(c, state, 0, at) for state in begin]
                y, news = _run(c, cell, x, weights, states, f"{i}{'_reverse' * reverses}")
                outputs.append(y)
                for found, new in zip(last, news, strict=True):
                    found.append(new)
            x = c.b.concatenation(*outputs, axis=2) if bidirectional else outputs[0]
        x = x if batch_first else c.moved(x, [1, 0, 2])
        return [x, *(stack(c, states, 0) for states in last)]

    return handler


def _projected(group: Sequence[Value]) -> _Weights:
    w, r, *biases, projection = group
    return replace(_Weights(w, r, *biases), projection=projection)


def _run(
    c: Context, cell: _Cell, x: Value, weights: _Weights, states: Sequence[Value], name: str
) -> tuple[Value, list[Value]]:
    """x [B, T, I] through one layer in one direction: the outputs, the last states."""
    reverses = name.endswith("_reverse")
    x = cell.project(c, x, weights)
    along = c.ints([1])
    x = c.b.reverse_v2(x, along) if reverses else x

    def step(b: Builder, taken: list[Value], given: list[Value]) -> tuple[Value, list[Value]]:
        news = cell.step(b, taken[0], weights, given)
        return news[0], news

    label = f"{c.b.location.layer if c.b.location else 'layer'}/{name}"
    y, *news = over_steps(c.b, label, c.dim(x.shape[1]), [x], states, step, c.zeros)
    return (c.b.reverse_v2(y, along) if reverses else y), news


def _one(cell: _Cell) -> Handler:
    def handler(
        c: Context,
        x: Value,
        hx: Value | Sequence[Value],
        w_ih: Value,
        w_hh: Value,
        b_ih: Value | None = None,
        b_hh: Value | None = None,
    ) -> Value | list[Value]:
        weights = _Weights(w_ih, w_hh, b_ih, b_hh)
        states = [hx] if isinstance(hx, Value) else list(hx)
        news = cell.step(c.b, cell.project(c, x, weights), weights, states)
        return news[0] if isinstance(hx, Value) else news

    return handler


HANDLERS: dict[str, Handler] = {
    **{f"{name}.input": _layers(cell) for name, cell in _CELLS.items()},
    **{f"{name}_cell": _one(cell) for name, cell in _CELLS.items()},
}
