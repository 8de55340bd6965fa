"""What the weights of a layer meet: vectors [G, N, K], one linear layer y = w x + b for each gate.

In: a node, and what it reads and computes. Out: `Reader`s, each of some gates that meet the same
vectors. A convolution or a fully connected layer has one gate; an LSTM has four, each of two
matrices that meet [x_t, h_t-1] together; a bidirectional layer has a reader for each direction.
Layers that normalise what a gate sums up, or have an auxiliary input, are left out.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgewise.ir.graph import Node
from edgewise.ops.bidirectional import BidirectionalSequenceLSTM, BidirectionalSequenceRNN
from edgewise.ops.conv import Conv2D, DepthwiseConv2D
from edgewise.ops.fully_connected import FullyConnected
from edgewise.ops.lstm import UnidirectionalSequenceLSTM
from edgewise.ops.rnn import UnidirectionalSequenceRNN
from edgewise.ops.window import windows
from edgewise.passes.linear import layout
from edgewise.values import dataclass

Array = np.ndarray

_VECTORS = 256  # of one sample; neighbouring pixels tell little that is new
_CONVOLUTIONS = (Conv2D, DepthwiseConv2D)
_RECURRENT = (
    *(UnidirectionalSequenceLSTM, UnidirectionalSequenceRNN),
    *(BidirectionalSequenceLSTM, BidirectionalSequenceRNN),
)
_GATES, _MATRICES = 4, 8  # of an LSTM
_NORMS, _OPERANDS = slice(20, 24), 17
_AUXILIARY = {BidirectionalSequenceLSTM: 39, BidirectionalSequenceRNN: 9}


@dataclass(frozen=True, slots=True)
class Gate:
    """Operands of weights whose columns stand side by side, and that of the bias."""

    weights: tuple[int, ...]
    bias: int


@dataclass(frozen=True, slots=True)
class Reader:
    """Gates that meet the same vectors. `is_backward`: from the end of a sequence on."""

    gates: tuple[Gate, ...]
    is_backward: bool = False


def readers(node: Node) -> tuple[Reader, ...]:
    """The readers of a node; none where its weights cannot be rounded together."""
    if isinstance(node.op, (*_CONVOLUTIONS, FullyConnected)):
        places = layout(node)
        return (Reader((Gate((places.w,), places.bias),)),)
    if not isinstance(node.op, _RECURRENT) or _is_special(node):
        return ()
    if isinstance(node.op, UnidirectionalSequenceRNN):
        return (Reader((Gate((1, 2), 3),)),)
    if isinstance(node.op, BidirectionalSequenceRNN):
        return tuple(Reader((Gate((i, i + 1), i + 2),), i > 1) for i in (1, 5))
    directions = (1,) if isinstance(node.op, UnidirectionalSequenceLSTM) else (1, 1 + _OPERANDS)
    return tuple(
        Reader(
            tuple(
                Gate((i, i + _GATES), i + _MATRICES + 3)
                for i in range(first, first + _GATES)
                if node.optional(i) is not None
            ),
            first > 1,
        )
        for first in directions
    )


def _is_special(node: Node) -> bool:
    auxiliary = _AUXILIARY.get(type(node.op))
    if auxiliary is not None:
        return node.optional(auxiliary) is not None
    return isinstance(node.op, UnidirectionalSequenceLSTM) and any(
        v is not None for v in node.inputs[_NORMS]
    )


def is_recurrent(node: Node) -> bool:
    """What the weights meet depends on the node's results."""
    return isinstance(node.op, _RECURRENT)


def vectors(node: Node, reader: Reader, x: Array, results: Sequence[Array] = ()) -> Array:
    """Vectors that the weights meet, float32 [G, N, K]; of more than `_VECTORS` pixels or steps
    every n-th one. `results`: of the node, where it is recurrent."""
    w = node.operand(reader.gates[0].weights[0]).data
    assert w is not None
    x = x.astype(np.float32, copy=False)
    if is_recurrent(node):
        rows = _steps(node, reader, x, results)
        return rows[:: _every(len(rows))][None]
    if isinstance(node.op, FullyConnected):
        rows = x.reshape(-1, w.shape[1])
        return rows[:: _every(len(rows))][None]
    assert isinstance(node.op, _CONVOLUTIONS)
    view = windows(x, *node.op.axes(w.shape), node.op.padding)
    n, oh, ow, kh, kw, c = view.shape
    picked = np.arange(n * oh * ow)[:: _every(n * oh * ow)]
    taps = view[picked // (oh * ow), picked // ow % oh, picked % ow]  # [N, KH, KW, C]
    if isinstance(node.op, DepthwiseConv2D):
        return np.ascontiguousarray(taps.reshape(len(picked), kh * kw, c).transpose(2, 0, 1))
    per_group = w.shape[3]
    parts = taps.reshape(len(picked), kh, kw, c // per_group, per_group)
    return np.ascontiguousarray(
        parts.transpose(3, 0, 1, 2, 4).reshape(c // per_group, len(picked), -1)
    )


def _steps(node: Node, reader: Reader, x: Array, results: Sequence[Array]) -> Array:
    """[x_t, h_t-1] of all steps [T * B, K]; h is zero at the beginning."""
    recurrent = node.operand(reader.gates[0].weights[1]).data
    assert recurrent is not None
    units = recurrent.shape[1]
    y = results[-1 if reader.is_backward else 0]  # both directions may be joined
    y = y[..., -units:] if reader.is_backward else y[..., :units]
    if not getattr(node.op, "time_major", False):
        x, y = x.swapaxes(0, 1), y.swapaxes(0, 1)
    start = np.zeros_like(y[:1])
    before = [y[1:], start] if reader.is_backward else [start, y[:-1]]
    rows = np.concatenate([x, np.concatenate(before)], axis=-1)
    return np.asarray(rows.reshape(-1, rows.shape[-1]))


def _every(count: int) -> int:
    """A step that leaves about `_VECTORS`; odd, so that columns of pixels are not picked alone."""
    return max(count // _VECTORS, 1) | 1
