"""Biases that take the mean errors of a quantized model, layer after layer.

In: a Model, what `quantize` made of it, and samples. Out: the quantized model with other biases,
so that the mean of every channel that a linear layer computes is the float model's, over samples:

    b - mean(y_q - y) / share        share: of the y that an activation lets vary, dE(act(y)) / db

`compensate` makes up for the mean error of a layer's weights alone. Here all that shifts a mean
counts, the rounding of data among it: it has a mean where a channel has few steps, and noise has
one behind a ReLU. What a layer is given is corrected first, so layers are looked at one after the
other, each with all before it in integers.

The means of a layer in a loop are those of all rounds of all calls. A round gives what it shifts to
the next one, so such a layer is looked at again, and keeps the part of its shift that leaves least.
KL of MNIST by an LSTM as a loop, `static_wi8_ai8`: 1.6e-3 by `compensate` alone, 1.1e-3 with whole
shifts, 9.4e-4 so.

Cost: two runs of every layer on every sample (`walk.py`) in both models, on all cores.

KL on 100 pictures beside calibration, `compensate` alone / and this: `static_wi8_ai8`, MobileNetV1
0.25 at 128 pixels 4.3e-2 / 2.5e-2, at 224 5.3e-2 / 2.2e-2.

**Source:** empirical bias correction, Nagel et al. (2019), appendix D; the share and the shrinking
(James and Stein, 1961) are ours.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from edgewise.data.image import to_type
from edgewise.dtypes import DType
from edgewise.ir.graph import Graph, Node, Value
from edgewise.ir.model import Model
from edgewise.ir.nesting import reachable
from edgewise.ir.types import TensorType
from edgewise.ir.verify import verify
from edgewise.optimize.bodies import deciding, repeated
from edgewise.optimize.match import match
from edgewise.optimize.observe import Sample, arrays_of
from edgewise.optimize.prepared import prepare
from edgewise.optimize.walk import Walk, evenly, in_order
from edgewise.optimize.weights import stored
from edgewise.passes.linear import LINEAR, layout
from edgewise.runtime.calls import FLOAT_BOUNDS

Array = np.ndarray

_ENOUGH = 48  # samples, which are kept; as good as 100 for networks of ImageNet
_LEAST_SHARE = 0.1  # a channel that hardly ever varies is not pushed far for what it does then


def correct_biases(
    quantized: Model, model: Model, samples: Iterable[Sample], *, signature: str | None = None
) -> Model:
    """The quantized model with biases that take its mean errors.

    Args:
        quantized: what `quantize` made of `model` in other types, perhaps with other weights.
        model: the float model.
        samples: arrays as `calibrate` takes them, of which 48 to 95 count, evenly apart.

    Raises:
        InputError: no samples, or arrays that are not those of the inputs.
    """
    given = evenly(samples, _ENOUGH)
    prepared = prepare(model)
    floats = prepared.graphs[prepared.signature(signature).graph]
    result = quantized.copy()
    graph = result.graphs[result.signature(signature).graph]
    walks = [_walk(m, given, signature) for m in (prepared, result)]
    inner = {g.name: g for g in reachable(floats)}
    partners = {g: inner.get(g.name) for g in reachable(graph)} | {graph: floats}
    pairs = ((own, g) for g, own in partners.items() if own is not None)
    twins = {m.second: m.first for pair in pairs for m in match(*pair)}
    held, again = deciding(prepared), repeated(graph)
    for node in in_order(graph):
        twin = twins.get(node)
        if twin is None or twin in held or not (_is_linear(twin) and _has_own_bias(node)):
            continue
        for walk, one in zip(walks, (twin, node), strict=True):
            walk.go(one)
        bounds = FLOAT_BOUNDS[twin.op.activation]
        true, ours = (_seen(w, n, bounds) for w, n in zip(walks, (twin, node), strict=True))
        if not true.keys() & ours.keys():  # no sample reaches it
            continue
        error, share = _apart(ours, true)
        by = -error / np.maximum(share, _LEAST_SHARE)
        _shift(node, by)
        if node.graph in again:
            after, _ = _apart(_seen(walks[1], node, bounds), true)
            _shift(node, (_best(error, after) - 1) * by)
    verify(result)
    return result


def _walk(model: Model, given: list[Sample], signature: str | None) -> Walk:
    entry = model.signature(signature)
    graph = model.graphs[entry.graph]
    return Walk(graph, [_stored(arrays_of(s, entry, len(graph.inputs)), graph) for s in given])


def _is_linear(node: Node) -> bool:
    """A float layer whose results move with the bias, at least between two bounds."""
    is_known = isinstance(node.op, LINEAR) and node.op.activation in FLOAT_BOUNDS
    return is_known and node.output.dtype is DType.FLOAT32


def _seen(walk: Walk, node: Node, bounds: tuple[float, float]) -> dict[int, Array]:
    """Of each sample that reaches a layer, over all runs and by channel, [2, C]: the mean of the
    results, and the share of those between the bounds."""
    quant, (low, high) = node.output.quant, bounds
    found = {}
    for index, runs in enumerate(walk.look(node, node.outputs)):
        real = [_rows(y if quant is None else quant.dequantize(y)) for [y] in runs]
        each = [[_mean(y), _mean((y > low) & (y < high))] for y in real]
        if each:
            found[index] = np.mean(each, axis=0)
    return found


def _apart(ours: Mapping[int, Array], true: Mapping[int, Array]) -> Array:
    """The typical error of the means, and the true share, [2, C]."""
    both = [(ours[i], true[i]) for i in ours if i in true]
    errors = np.stack([y[0] - t[0] for y, t in both])
    return np.stack([_typical(errors), np.mean([t[1] for _, t in both], axis=0)])


def _best(before: Array, after: Array) -> float:
    """The part of a shift that would leave least error, of errors that move in line with it."""
    moved = after - before
    power = float(moved @ moved)
    return min(max(-float(before @ moved) / power, 0.0), 1.0) if power else 1.0


def _stored(arrays: list[Array], graph: Graph) -> list[Array]:
    """What a sample of real numbers is to inputs that are quantized."""
    pairs = zip(arrays, graph.inputs, strict=True)
    return [to_type(x, v.type) if v.quant is not None else x for x, v in pairs]


def _typical(errors: Array) -> Array:
    """The mean error of every channel [C] of those by sample [N, C], less what may be chance."""
    mean, others = errors.mean(0), len(errors) - 1
    if not others:
        return np.zeros_like(mean)
    chance = errors.var(0) / others
    return mean * np.maximum(0.0, 1 - chance / np.maximum(mean**2, np.finfo(np.float64).tiny))


def _has_own_bias(node: Node) -> bool:
    bias = node.optional(layout(node).bias) if isinstance(node.op, LINEAR) else None
    return bias is not None and bias.data is not None and len(bias.uses) == 1


def _shift(node: Node, by: Array) -> None:
    bias = node.operand(layout(node).bias)
    assert bias.data is not None
    assert node.graph is not None
    quant = bias.quant
    real = bias.data if quant is None else quant.dequantize(bias.data)
    moved = real.astype(np.float64) + by.reshape(real.shape)
    if quant is None:
        data = moved.astype(bias.data.dtype)
        value = Value(TensorType.of(data), bias.name, data)
    else:
        given = Value(TensorType.of(moved), bias.name, moved)
        value = stored(given, bias.dtype, quant, bias.name)
    node.graph.set_input(node, layout(node).bias, value)


def _rows(y: Array) -> Array:
    return y.reshape(-1, y.shape[-1])


def _mean(rows: Array) -> Array:
    return rows.mean(0, dtype=np.float64) if len(rows) else np.zeros(rows.shape[1])
