"""Weights and biases of a layer on the grid that they will be stored on.

In: a node, its scheme, one of its gates (`readers.py`), the moments of what its weights meet. Out:
other constants by operand, weights `q * scale` from which `quantize` reads the same scales and
integers.
"""

from __future__ import annotations

from enum import Enum
from itertools import accumulate

import numpy as np

from edgewise.dtypes import DType
from edgewise.ir.graph import Node
from edgewise.optimize.moments import Moments, as_matrix, from_matrix
from edgewise.optimize.readers import Gate
from edgewise.optimize.recipe import Scheme
from edgewise.optimize.rounding import chance, descend, fitted, gptq, less, nearest
from edgewise.optimize.rules import scale_axis
from edgewise.optimize.weights import block_scale, weight_scale

Array = np.ndarray

_RATIOS = np.linspace(1.0, 0.4, 24)


class Rounding(Enum):
    """How weights become integers."""

    NEAREST = "each to the nearest"
    LAYER = "together, for the layer's result"


class Layer:
    """One gate of a node: a linear layer with weights w [G, O, K], of one operand or more."""

    def __init__(self, node: Node, scheme: Scheme, gate: Gate) -> None:
        self._parts = [_Part(node, scheme, index) for index in gate.weights]
        self._weight, self._gate = scheme.weight, gate
        self._w = np.concatenate([part.matrix for part in self._parts], axis=2)
        widths = [part.matrix.shape[2] for part in self._parts]
        ends = accumulate(widths)
        self._columns = [slice(end - k, end) for k, end in zip(widths, ends, strict=True)]
        bias = node.optional(gate.bias)
        self._bias = None if bias is None else bias.data

    def fit(
        self, found: Moments, rounding: Rounding, *, clip: bool, correct_biases: bool
    ) -> dict[int, Array]:
        """The constants by operand."""
        sides = (found.second, found.gaps)
        if correct_biases:
            sides = (found.covariance, found.varying_gaps)
        share = chance(sides[0], found.count)
        h, gaps = (less(side.astype(np.float64), share) for side in sides)
        w, top = fitted(self._w, h, gaps), self._weight.range[1]
        power = np.maximum(np.diagonal(found.second, axis1=1, axis2=2)[:, None, :], 1e-12)
        ratios = _RATIOS if clip and self._weight is not DType.INT8 else _RATIOS[:1]
        scales = [
            part.scale(w[..., own], power[..., own], ratios)
            for part, own in zip(self._parts, self._columns, strict=True)
        ]
        scale = np.concatenate(scales, axis=2)
        q = nearest(w, scale, -top, top)
        if rounding is Rounding.LAYER:
            q = descend(w, gptq(w, h, scale, -top, top), h, scale, -top, top)
        decided = {}
        for part, own in zip(self._parts, self._columns, strict=True):
            q[..., own] = part.telling(q[..., own], w[..., own] / scale[..., own])
            decided[part.index] = part.stored(q[..., own] * scale[..., own])
        if correct_biases:
            decided[self._gate.bias] = self._corrected(q * scale, found)
        return decided

    def _corrected(self, w: Array, found: Moments) -> Array:
        """The bias with which the means are those of the float model."""
        mean, gap = (m.astype(np.float64) for m in (found.mean, found.gap))
        true, ours = (np.einsum("gok,gk->go", *p) for p in ((self._w, mean + gap), (w, mean)))
        bias = 0.0 if self._bias is None else self._bias.astype(np.float64).reshape(-1)
        return np.asarray((bias + (true - ours).reshape(-1)).astype(np.float32))


class _Part:
    """Weights of one operand, with their scales."""

    def __init__(self, node: Node, scheme: Scheme, index: int) -> None:
        data = node.operand(index).data
        assert data is not None
        self._node, self._dtype, self.index = node, scheme.weight, index
        self._shape, self.matrix = data.shape, as_matrix(node, data)
        is_whole = data.ndim == 2 and data.shape[-1] % (scheme.block or 1) == 0
        self._block = scheme.block if is_whole else 0
        self._axis = scale_axis(node.op.declared(index), scheme)

    def stored(self, w: Array) -> Array:
        """In the shape of the operand."""
        return from_matrix(self._node, w, self._shape).astype(np.float32)

    def scale(self, w: Array, power: Array, ratios: Array) -> Array:
        """The scales that `quantize` chooses [G, O, K], or smaller ones by the ratios where errors,
        weighed by `power`, are less."""
        candidates = [self._scale(w * ratio) for ratio in ratios]
        top = self._dtype.range[1]
        errors = [
            self._summed((w - nearest(w, scale, -top, top) * scale) ** 2 * power)
            for scale in candidates
        ]
        best = np.argmin(np.stack(errors), axis=0)
        chosen = np.take_along_axis(np.stack(candidates), best[None], 0)[0]
        return np.broadcast_to(chosen, w.shape)

    def _scale(self, w: Array) -> Array:
        """The scales of weights, as they are stored, broadcastable to [G, O, K]."""
        data = from_matrix(self._node, w, self._shape)
        if self._block:
            quant = block_scale(data, self._dtype, self._block)
            return np.repeat(quant.scale.astype(np.float64), self._block, 1)[None]
        quant = weight_scale(data, self._dtype, self._axis)
        scale = np.broadcast_to(quant.scale.astype(np.float64), w.shape[0] * w.shape[1])
        return scale.reshape(w.shape[0], -1, 1)

    def _summed(self, errors: Array) -> Array:
        """Errors [G, O, K] summed over the weights of each scale, in the shape of the scales."""
        if self._block:
            parts = errors.reshape(*errors.shape[:2], -1, self._block).sum(3)
            return np.repeat(parts, self._block, 2)
        if self._axis is None:
            return np.full((*errors.shape[:2], 1), errors.sum())
        return errors.sum(2, keepdims=True)

    def telling(self, q: Array, exact: Array) -> Array:
        """q with the largest weight of each scale at the end of the grid, so that the scale can be
        read off the weights: q * scale / top. `exact`: what q was rounded from."""
        is_one = self._axis is None and not self._block
        shape = (1, -1) if is_one else (-1, self._block or q.shape[2])  # a row for every scale
        rows, exact = q.reshape(shape).copy(), exact.reshape(shape)
        at, lines = np.abs(exact).argmax(1), np.arange(len(rows))
        largest, top = exact[lines, at], self._dtype.range[1]
        untold = (np.abs(rows).max(1) < top) & (largest != 0)
        rows[lines[untold], at[untold]] = np.copysign(top, largest[untold])
        return rows.reshape(q.shape)
