"""Biases that take the mean errors of a quantized model, layer after layer.

In: a Model, what `quantize` made of it, and samples. Out: the quantized model with other biases,
so that the mean of every channel that a linear layer computes is the float model's, over samples:

    b - mean(y_q - y) / share        share: of the y that an activation lets vary, dE(act(y)) / db

`compensate` makes up for the mean error of a layer's weights alone. Here all that shifts a mean
counts, the rounding of data among it: it has a mean where a channel has few steps, and noise has
one behind a ReLU. What a layer is given is corrected first, so layers are looked at one after the
other, each with all before it in integers.

Cost: two runs of every layer on every sample (`walk.py`), on all cores.

KL on 100 pictures beside calibration, `compensate` alone / and this: `static_wi8_ai8`, MobileNetV1
0.25 at 128 pixels 4.3e-2 / 2.5e-2, at 224 5.3e-2 / 2.2e-2.

**Source:** empirical bias correction, Nagel et al. (2019), appendix D; the share and the shrinking
(James and Stein, 1961) are ours.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from edgewise.data.image import to_type
from edgewise.dtypes import DType
from edgewise.ir.enums import Activation
from edgewise.ir.graph import Graph, Node, Value
from edgewise.ir.model import Model
from edgewise.ir.types import TensorType
from edgewise.ir.verify import verify
from edgewise.optimize.match import match
from edgewise.optimize.observe import Sample, arrays_of, observe
from edgewise.optimize.prepared import prepare
from edgewise.optimize.walk import Walk, evenly
from edgewise.optimize.weights import stored
from edgewise.passes.linear import LINEAR, layout
from edgewise.runtime.calls import FLOAT_BOUNDS
from edgewise.runtime.workers import cores
from edgewise.values import dataclass

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
    true = _observed(prepared, given, signature)
    result = quantized.copy()
    entry = result.signature(signature)
    graph = result.graphs[entry.graph]
    arrays = [_stored(arrays_of(sample, entry, len(graph.inputs)), graph) for sample in given]
    twins = {m.second: m.first for m in match(floats, graph)}
    walk = Walk(graph, arrays)
    for node in graph.nodes:
        found = true.get(twins.get(node)) if isinstance(node.op, LINEAR) else None
        if found is not None and (bias := _own_bias(node)) is not None:
            walk.go(node.operand(layout(node).x))
            off = _typical(_means(walk, node.output) - found.means)
            _shift(graph, node, bias, -off / np.maximum(found.share, _LEAST_SHARE))
    verify(result)
    return result


@dataclass(frozen=True, slots=True)
class _True:
    """Of a float layer's results: the mean of every channel by sample [N, C], and the share of
    those that move with the bias [C]."""

    means: Array
    share: Array


def _observed(
    prepared: Model, given: list[Sample], signature: str | None
) -> dict[Node | None, _True]:
    """What each linear layer computes."""
    graph = prepared.graphs[prepared.signature(signature).graph]
    ends: dict[Value, tuple[float, float]] = {}
    for node in graph.nodes:
        act = getattr(node.op, "fused_activation_function", Activation.NONE)
        if (
            isinstance(node.op, LINEAR)
            and act in FLOAT_BOUNDS
            and node.output.dtype is DType.FLOAT32
        ):
            ends[node.output] = FLOAT_BOUNDS[act]  # between them it moves with the bias
    means: dict[Value, list[Array]] = {value: [] for value in ends}
    shares: dict[Value, list[Array]] = {value: [] for value in ends}
    for seen in observe(prepared, given, signature=signature, threads=cores()):
        for value, (low, high) in ends.items():
            y = _rows(seen[value])
            means[value].append(_mean(y))
            shares[value].append(_mean((y > low) & (y < high)))
    return {v.producer: _True(np.stack(means[v]), np.mean(shares[v], axis=0)) for v in ends}


def _means(walk: Walk, value: Value) -> Array:
    """The mean of every channel of a value, sample by sample [N, C]."""
    quant = value.quant
    found = (y if quant is None else quant.dequantize(y) for y in walk.look(value))
    return np.stack([_mean(_rows(y)) for y in found])


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


def _own_bias(node: Node) -> Value | None:
    bias = node.optional(layout(node).bias)
    return None if bias is None or bias.data is None or len(bias.uses) > 1 else bias


def _shift(graph: Graph, node: Node, bias: Value, by: Array) -> None:
    assert bias.data is not None
    quant = bias.quant
    real = bias.data if quant is None else quant.dequantize(bias.data)
    moved = real.astype(np.float64) + by.reshape(real.shape)
    if quant is None:
        data = moved.astype(bias.data.dtype)
        value = Value(TensorType.of(data), bias.name, data)
    else:
        given = Value(TensorType.of(moved), bias.name, moved)
        value = stored(given, bias.dtype, quant, bias.name)
    graph.set_input(node, layout(node).bias, value)


def _rows(y: Array) -> Array:
    return y.reshape(-1, y.shape[-1])


def _mean(rows: Array) -> Array:
    return rows.mean(0, dtype=np.float64) if len(rows) else np.zeros(rows.shape[1])
