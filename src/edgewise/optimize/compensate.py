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

Layers follow each other: each is fitted to what it reads where those before it are on their grid,
and its weights first make up for a part of what is wrong there (`rounding.fitted`). Of more than
127 samples 64 to 127 count, evenly apart. Layers of more than `_MOST` inputs stay as they are:
moments of 8192 take half a gigabyte, and minutes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import Enum

import numpy as np

from edgewise.dtypes import DType
from edgewise.errors import InputError, QuantizationError, listing
from edgewise.ir.build import name_values
from edgewise.ir.graph import Graph, Node, Value
from edgewise.ir.model import Model
from edgewise.ir.types import TensorType
from edgewise.ir.verify import verify
from edgewise.optimize.equalize import set_constant
from edgewise.optimize.moments import ROUNDED, Moments, as_matrix, from_matrix, moments
from edgewise.optimize.observe import Sample, arrays_of
from edgewise.optimize.prepared import LITERT, prepare
from edgewise.optimize.recipe import Mode, Recipe, Scheme
from edgewise.optimize.rounding import chance, descend, fitted, gptq, less, nearest
from edgewise.optimize.rules import channel_axis, narrow, static_scheme
from edgewise.optimize.spared import schemes
from edgewise.optimize.walk import Walk, evenly
from edgewise.optimize.weights import block_scale, weight_scale
from edgewise.passes.linear import layout
from edgewise.passes.target import Target, load_target

Array = np.ndarray
# by a layer (the name of its result), its weights' type and block, after all before it: the weights
# and bias decided
Fitted = dict[tuple[tuple[str, DType, int], ...], tuple[Array, Array | None]]

_RATIOS = np.linspace(1.0, 0.4, 24)
_ENOUGH = 64  # samples, which are kept
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
        samples: arrays as `calibrate` takes them; gone through once.
        target: as in `quantize`, which has to be given the same.
        known: layers that were fitted before, of the same model by the same samples and options;
            what is fitted now is added.
        progress: called with the layers done and all.

    Raises:
        InputError: no samples, or arrays that are not those of the inputs.
        QuantizationError: the recipe cannot be read; layers that read what is not finite, by name.
    """
    recipe = Recipe.of(recipe)
    true = prepare(model)
    result = true.copy()
    entry = true.signature(signature)
    graph = result.graphs[entry.graph]
    twins = dict(zip(graph.nodes, true.graphs[entry.graph].nodes, strict=True))
    table = None if target is None else load_target(target)
    asked = schemes(graph, recipe)
    stored = {node: _stored(node, scheme, recipe, table) for node, scheme in asked.items()}
    layers = {node: scheme for node, scheme in stored.items() if scheme is not None}
    given = [arrays_of(s, entry, len(graph.inputs)) for s in evenly(samples, _ENOUGH)]
    if not given:
        raise InputError("calibration needs at least one sample; got none")
    walks = [Walk(g, given, threads=threads) for g in (true.graphs[entry.graph], graph)]
    decided = {} if known is None else known
    key: tuple[tuple[str, DType, int], ...] = ()
    broken = []
    for done, (node, scheme) in enumerate(layers.items(), 1):
        key += ((node.output.name, scheme.weight, scheme.block),)
        if key not in decided:
            place = layout(node).x
            places = [twins[node].operand(place), node.operand(place)]
            for walk, x in zip(walks, places, strict=True):
                walk.go(x)
            looks = [walk.look(x) for walk, x in zip(walks, places, strict=True)]
            found = moments(node, zip(*looks, strict=True))
            if not np.isfinite(found.second).all():
                broken.append(str(node))
                continue
            decided[key] = _Layer(node, scheme, found, correct_biases).fit(rounding, clip)
        _store(graph, node, *decided[key])
        if progress is not None:
            progress(done, len(layers))
    if broken:
        raise QuantizationError(
            listing(broken, "layers read numbers that are not finite", most=_MOST_SHOWN)
            + "\nCheck the samples' normalization, and the model"
        )
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
    """One linear layer on its grid: w, scale [G, O, K] or what broadcasts to it. `w` is what the
    weights are to be there, `exact` what they were."""

    def __init__(self, node: Node, scheme: Scheme, found: Moments, correct_biases: bool) -> None:
        self._node, self._scheme, self._found = node, scheme, found
        places = layout(node)
        data = node.operand(places.w).data
        assert data is not None
        self._shape, self._exact = data.shape, as_matrix(node, data)
        self._block = (
            scheme.block if data.ndim == 2 and data.shape[-1] % (scheme.block or 1) == 0 else 0
        )
        self._top = scheme.weight.range[1]
        self._quant_axis = channel_axis(node.op.declared(places.w), scheme.weight)
        bias = node.optional(places.bias)
        self._bias = None if bias is None else bias.data
        self._corrects = correct_biases
        parts = (found.second, found.gaps)
        if correct_biases:
            parts = (found.covariance, found.varying_gaps)
        share = chance(parts[0], found.count)
        self._h, gaps = (less(part.astype(np.float64), share) for part in parts)
        self._w = fitted(self._exact, self._h, gaps)

    def fit(self, rounding: Rounding, clip: bool) -> tuple[Array, Array | None]:
        """Weights on the grid in the shape of the node's, and its bias."""
        w, h, top = self._w, self._h, self._top
        scale = self._scale(clip and self._scheme.weight is not DType.INT8)
        q = nearest(w, scale, -top, top)
        if rounding is Rounding.LAYER:
            q = descend(w, gptq(w, h, scale, -top, top), h, scale, -top, top)
        q = self._telling(q, scale)
        weights = from_matrix(self._node, q * scale, self._shape).astype(np.float32)
        return weights, self._corrected(q * scale) if self._corrects else self._bias

    def _corrected(self, w: Array) -> Array:
        """The bias with which the means are those of the float model."""
        mean, gap = (m.astype(np.float64) for m in (self._found.mean, self._found.gap))
        true, ours = (
            np.einsum("gok,gk->go", *pair) for pair in ((self._exact, mean + gap), (w, mean))
        )
        shift = (true - ours).reshape(-1)
        bias = 0.0 if self._bias is None else self._bias.astype(np.float64).reshape(-1)
        return np.asarray((bias + shift).astype(np.float32))

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
