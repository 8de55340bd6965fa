"""Networks of real weights that compute what they did and cannot be quantized as they are.

`gated` adds a squeeze-and-excitation gate behind every depthwise convolution (what MobileNetV3 and
EfficientNet-B0 have and MobileNetV2 and EfficientNet-Lite have not), so far saturated that it is 1.
`damaged` gives channels units far apart: what is written is divided, what reads it is multiplied.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

import edgewise.ops  # noqa: F401  (defines the operators)
from edgewise.api import Model
from edgewise.ir.build import name_values
from edgewise.ir.graph import Graph, Node, Value
from edgewise.ir.infer import result_types
from edgewise.ir.op import Op
from edgewise.ir.types import TensorType
from edgewise.ops.activation import Relu6
from edgewise.ops.arithmetic import Mul
from edgewise.ops.conv import Conv2D, DepthwiseConv2D
from edgewise.ops.reduce import Mean
from edgewise.ops.sigmoid import Logistic
from edgewise.optimize import channel_maxima
from edgewise.optimize.channels import groups
from edgewise.optimize.equalize import apply
from edgewise.optimize.match import layer_name
from edgewise.optimize.observe import Sample

_SQUEEZE = 4  # times fewer channels between the two convolutions of a gate


def gated(model: Model, *, hard: bool, seed: int = 7) -> Model:
    """With gates: `relu6(x + 3) / 6` as in MobileNetV3 (hard), or `logistic(x)` as in EfficientNet;
    biases make them 1."""
    result, rng = model.copy(), np.random.default_rng(seed)
    graph = result.main
    for node in [n for n in graph.nodes if isinstance(n.op, DepthwiseConv2D)]:
        _gate(graph, node, rng, hard)
    graph.tensors = []
    return result


def _gate(graph: Graph, node: Node, rng: np.random.Generator, hard: bool) -> None:
    y, before = node.output, node.next
    channels = y.shape[-1]
    assert isinstance(channels, int)
    few = max(channels // _SQUEEZE, 8)

    def add(op: Op, *inputs: Value) -> Value:
        types = result_types(op, inputs)
        made = Value(types[0], "")
        graph.insert(op, inputs, [made], before=before)
        return made

    def constant(data: np.ndarray) -> Value:
        return Value(TensorType.of(data), "", data)

    def dense(x: Value, o: int, c: int, bias: float) -> Value:
        w = rng.normal(0, 0.01 / np.sqrt(c), (o, 1, 1, c)).astype(np.float32)
        return add(Conv2D(), x, constant(w), constant(np.full(o, bias, np.float32)))

    x = add(Mean(keep_dims=True), y, constant(np.array([1, 2], np.int32)))
    x = dense(add(Relu6(), dense(x, few, channels, 0.0)), channels, few, 9.0 if hard else 20.0)
    if hard:
        gate = add(Mul(), add(Relu6(), x), constant(np.array(1 / 6, np.float32)))
    else:
        gate = add(Logistic(), x)
    users = list(y.uses)
    scaled = add(Mul(), y, gate)
    for user, index in users:
        if isinstance(user, Node) and user is not before and not isinstance(user.op, Mean):
            graph.set_input(user, index, scaled)


def damaged(model: Model, samples: Sequence[Sample], *, spread: float = 2.0) -> Model:
    """The units of channels are drawn from exp(N(0, spread)); what reaches a cap (RELU6) in the
    samples keeps its unit, so that the same is cut off."""
    result, rng = model.copy(), np.random.default_rng(5)
    name_values(result.main)
    measured = channel_maxima(result, samples)
    scales = {}
    for group in groups(result.main):
        s = np.exp(rng.normal(0, spread, group.channels))
        if group.caps:
            s = s / s.max()
        for value, cap in group.caps:
            s = np.minimum(np.maximum(s, measured[value.name] * 1.05 / cap), 1.0)
        scales[group] = s
    apply(result.main, scales)
    result.main.tensors = []
    return result


def free_layers(model: Model) -> set[str]:
    """The layers around values that no cap keeps from any unit: those that `damaged` harms."""
    named = model.copy()
    name_values(named.main)
    found = [group for group in groups(named.main) if not group.caps]
    return {layer_name(n) for group in found for n in (*group.writers, *group.readers)}
