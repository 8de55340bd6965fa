"""Weights moved to the grid they will be stored on, so that what is lost there is lost least.

In: a float Model, the recipe it will be quantized with, samples. Out: a float Model whose weights
lie on that grid, `w = q * scale`, so that `quantize` finds the same scales and stores q exactly:

    model = compensate(model, "static_wi4_ai8", samples)
    small = quantize(model, "static_wi4_ai8", samples=samples)

Three things are decided for each linear layer, from the moments of what it reads:

- clipping: below 8 bits, a smaller scale than the largest weight asks for, where the sum of squared
  errors is least (each weighed by the power of its input), among 24 ratios from 1 to 0.4;
- rounding: of each weight to the nearest, or for the layer's result (`rounding.py`);
- the bias makes up for the mean of the error, b + (w - q * scale) mean(x). **Source:** Nagel et al.
  (2019), section 4.2, with measured means.

Layers are looked at alone: each reads what it does in the float model. Layers of more than
`_MOST` inputs stay as they are: moments of 8192 take half a gigabyte, and minutes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import Enum

import numpy as np

from edgewise.dtypes import DType
from edgewise.errors import QuantizationError, listing
from edgewise.ir.build import name_values
from edgewise.ir.graph import Graph, Node, Value
from edgewise.ir.model import Model
from edgewise.ir.types import TensorType
from edgewise.ir.verify import verify
from edgewise.optimize.equalize import set_constant
from edgewise.optimize.moments import ROUNDED, Moments, as_matrix, batches, from_matrix, moments
from edgewise.optimize.observe import Sample, observe
from edgewise.optimize.prepared import LITERT, prepare
from edgewise.optimize.recipe import Mode, Recipe, Scheme
from edgewise.optimize.rounding import descend, gptq, nearest, shrunk
from edgewise.optimize.rules import channel_axis, narrow, static_scheme
from edgewise.optimize.spared import schemes
from edgewise.optimize.weights import block_scale, weight_scale
from edgewise.passes.linear import layout
from edgewise.passes.target import Target, load_target

Array = np.ndarray
# by a layer (the name of its result), its weights' type and block: the weights and bias decided
Fitted = dict[tuple[str, DType, int], tuple[Array, Array | None]]

_RATIOS = np.linspace(1.0, 0.4, 24)
_MOST = 8192  # inputs of an output
_MOST_SHOWN = 10


class Rounding(Enum):
    """How weights become integers."""

    NEAREST = "each to the nearest"
    LAYER = "together, for the layer's result"


def compensate(
    model: Model,
    recipe: Recipe | str,
    samples: Iterable[Sample],
    *,
    rounding: Rounding = Rounding.LAYER,
    clip: bool = True,
    correct_biases: bool = True,
    target: str | None = LITERT,
    signature: str | None = None,
    threads: int | None = None,
    known: Fitted | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Model:
    """The float model with weights on the grid of the recipe.

    Only layers that quantization gives symmetric integer weights change, and of those the ones
    whose weights nothing else reads.

    Args:
        samples: arrays as `calibrate` takes them, a list or a `Streamed`; gone through once for
            every half gigabyte of moments.
        target: as in `quantize`, which has to be given the same.
        known: layers that were fitted before, of the same model by the same samples and options;
            what is fitted now is added.
        progress: called with the layers done and all.

    Raises:
        InputError: no samples, or arrays that are not those of the inputs.
        QuantizationError: the recipe cannot be read; layers that read what is not finite, by name.
    """
    recipe = Recipe.of(recipe)
    observed = prepare(model)
    result = observed.copy()
    name = observed.signature(signature).graph
    twins = dict(zip(observed.graphs[name].nodes, result.graphs[name].nodes, strict=True))
    table = None if target is None else load_target(target)
    asked = schemes(observed.graphs[name], recipe)
    stored = {node: _stored(node, scheme, recipe, table) for node, scheme in asked.items()}
    fitted = {} if known is None else known
    keys = {n: (n.output.name, s.weight, s.block) for n, s in stored.items() if s is not None}
    nodes = [node for node, key in keys.items() if key not in fitted]
    done = 0
    for batch in batches(nodes):
        measured = moments(batch, observe(observed, samples, signature=signature, threads=threads))
        broken = [str(n) for n, found in measured.items() if not np.isfinite(found.second).all()]
        if broken:
            raise QuantizationError(
                listing(broken, "layers read numbers that are not finite", most=_MOST_SHOWN)
                + "\nCheck the samples' normalization, and the model"
            )
        for node, found in measured.items():
            scheme = stored[node]
            assert scheme is not None
            layer = _Layer(node, scheme, found)
            fitted[keys[node]] = layer.fit(rounding, clip, correct_biases)
            done += 1
            if progress is not None:
                progress(done, len(nodes))
    for node, key in keys.items():
        _store(result.graphs[name], twins[node], *fitted[key])
    for graph in result.graphs.values():
        name_values(graph)
    verify(result)
    return result


def _stored(node: Node, scheme: Scheme, recipe: Recipe, target: Target | None) -> Scheme | None:
    """What `quantize` makes of a node that is to have a scheme; None where its weights are not for
    this."""
    if not isinstance(node.op, ROUNDED):
        return None
    places = layout(node)
    w, bias = node.operand(places.w), node.optional(places.bias)
    if w.data is None or w.dtype is not DType.FLOAT32 or len(w.uses) > 1:
        return None
    if bias is not None and (bias.data is None or len(bias.uses) > 1):
        return None
    if node.operand(places.x).is_constant or as_matrix(node, w.data).shape[2] > _MOST:
        return None
    if scheme.mode is Mode.STATIC:
        found = static_scheme(node, scheme, target)
        if isinstance(found, str) or found.data is DType.UINT8:
            return None
        return found
    if scheme.mode not in (Mode.DYNAMIC, Mode.WEIGHT_ONLY):
        return None
    narrowed = narrow(node, scheme, target, recipe.min_elements)
    return None if isinstance(narrowed, str) else narrowed.scheme


class _Layer:
    """One linear layer on its grid: w, scale [G, O, K] or what broadcasts to it."""

    def __init__(self, node: Node, scheme: Scheme, found: Moments) -> None:
        self._node, self._scheme, self._found = node, scheme, found
        places = layout(node)
        data = node.operand(places.w).data
        assert data is not None
        self._shape, self._w = data.shape, as_matrix(node, data)
        self._block = (
            scheme.block if data.ndim == 2 and data.shape[-1] % (scheme.block or 1) == 0 else 0
        )
        self._top = scheme.weight.range[1]
        self._quant_axis = channel_axis(node.op.declared(places.w), scheme.weight)
        bias = node.optional(places.bias)
        self._bias = None if bias is None else bias.data

    def fit(
        self, rounding: Rounding, clip: bool, correct_biases: bool
    ) -> tuple[Array, Array | None]:
        """Weights on the grid in the shape of the node's, and its bias."""
        w, top = self._w, self._top
        h = self._found.covariance if correct_biases else self._found.second
        h = shrunk(h.astype(np.float64), self._found.count)
        scale = self._scale(clip and self._scheme.weight is not DType.INT8)
        q = nearest(w, scale, -top, top)
        if rounding is Rounding.LAYER:
            q = descend(w, gptq(w, h, scale, -top, top), h, scale, -top, top)
        q = self._telling(q, scale)
        lost = w - q * scale
        bias = self._bias
        if correct_biases:
            shift = np.einsum("gok,gk->go", lost, self._found.mean.astype(np.float64)).reshape(-1)
            bias = shift if bias is None else bias.astype(np.float64).reshape(-1) + shift
            bias = bias.astype(np.float32)
        return from_matrix(self._node, q * scale, self._shape).astype(np.float32), bias

    def _scale(self, clip: bool) -> Array:
        """The scales that `quantize` chooses, or smaller ones."""
        candidates = [self._stored_scale(self._w * r) for r in (_RATIOS if clip else _RATIOS[:1])]
        power = np.maximum(np.diagonal(self._found.second, axis1=1, axis2=2)[:, None, :], 1e-12)
        errors = []
        for scale in candidates:
            e = (self._w - nearest(self._w, scale, -self._top, self._top) * scale) ** 2 * power
            errors.append(self._summed(e))
        best = np.argmin(np.stack(errors), axis=0)
        return np.take_along_axis(np.stack(candidates), best[None], 0)[0]

    def _stored_scale(self, w: Array) -> Array:
        """The scales of weights, as they are stored, broadcastable to [G, O, K]."""
        data = from_matrix(self._node, w, self._shape)
        if self._block:
            quant = block_scale(data, self._scheme.weight, self._block)
            return np.repeat(quant.scale.astype(np.float64), self._block, 1)[None]
        quant = weight_scale(data, self._scheme.weight, self._quant_axis)
        scale = np.broadcast_to(quant.scale.astype(np.float64), self._w.shape[0] * self._w.shape[1])
        return scale.reshape(self._w.shape[0], -1, 1)

    def _summed(self, errors: Array) -> Array:
        """Errors [G, O, K] summed over the weights of each scale, in the shape of the scales."""
        if self._block:
            parts = errors.reshape(*errors.shape[:2], -1, self._block).sum(3)
            return np.repeat(parts, self._block, 2)
        if self._quant_axis is None:
            return np.full((*errors.shape[:2], 1), errors.sum())
        return errors.sum(2, keepdims=True)

    def _telling(self, q: Array, scale: Array) -> Array:
        """q with the largest weight of each scale at the end of the grid, so that the scale can be
        read off the weights: q * scale / top."""
        is_one = self._quant_axis is None and not self._block
        shape = (1, -1) if is_one else (-1, self._block or q.shape[2])  # a row for every scale
        rows, exact = q.reshape(shape).copy(), (self._w / scale).reshape(shape)
        at, lines = np.abs(exact).argmax(1), np.arange(len(rows))
        largest = exact[lines, at]
        untold = (np.abs(rows).max(1) < self._top) & (largest != 0)
        rows[lines[untold], at[untold]] = np.copysign(self._top, largest[untold])
        return rows.reshape(q.shape)


def _store(graph: Graph, node: Node, weights: Array, bias: Array | None) -> None:
    places = layout(node)
    set_constant(graph, node, places.w, weights)
    if bias is not None and node.optional(places.bias) is not None:
        set_constant(graph, node, places.bias, bias)
    elif bias is not None:
        name = f"{node.operand(places.w).name}/bias"
        graph.set_input(node, places.bias, Value(TensorType.of(bias), name, bias))
