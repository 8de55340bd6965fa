"""Equalization: channels of one tensor get alike ranges, and the network computes what it did.

A tensor has one scale for all its channels. Where one channel reaches 100 and another 0.1, the
second has two integer steps left; a network can be perfect in floats and useless in 8 bits. The
units of channels are free, though (`channels.py`), and are chosen here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from edgewise.ir.build import name_values
from edgewise.ir.graph import Graph, Node, Value
from edgewise.ir.model import Model
from edgewise.ir.types import TensorType
from edgewise.ir.verify import verify
from edgewise.ops.conv import DepthwiseConv2D
from edgewise.optimize.channels import Group, groups, places
from edgewise.passes.linear import LINEAR, channels_in, layout, per_input, per_output, wide
from edgewise.values import dataclass

Array = np.ndarray
Maxima = Mapping[str, Array]  # by name of a value: the largest |element| of every channel [C]

_ROUNDS = 40  # of passing ranges on from layer to layer
_REST = 1e-3  # the largest change of a scale that counts as none
_LARGEST = 1e4  # scales stay within [1 / this, this]: a dead channel has no range
_MARGIN = 1.05  # how far other inputs than the measured ones may exceed a channel's maximum


@dataclass(frozen=True, slots=True)
class Equalized:
    """What `equalize` did: the model, and for every group the values and the scales [C] that they
    were divided by."""

    model: Model
    scales: tuple[tuple[tuple[str, ...], Array], ...]


def cross_layer(model: Model) -> Equalized:
    """Equalize the ranges of weights: s = sqrt(range of w1's outputs / range of w2's inputs), until
    nothing moves. Needs no data; helps where weights have one scale per tensor.

    Source: Nagel et al. (2019), equation 11; several writers and readers count with their largest.
    """
    return _equalize(model, lambda found: _Weights(found).choose())


def activations(model: Model, maxima: Maxima, *, alpha: float = 0.5) -> Equalized:
    """Equalize the measured ranges of activations, as far as the weights that read them can bear:
    s = a**alpha / w**(1 - alpha), a: the channel's largest |activation|, w: its readers' largest
    |weight|. Depthwise readers have a scale for each channel and bear everything (alpha is 1).

    Args:
        maxima: by the name of a value of the main graph, [C], as `channel_maxima` measures them;
            a group without is left alone.
        alpha: 1: activations are made equal, weights bear it; 0: weights decide alone.

    Sources: SmoothQuant (Xiao et al., 2023), equation 4, here for all linear operators; for
    depthwise networks, activation range equalization as in Yun and Wong, "Do All MobileNets
    Quantize Poorly?" (2021).
    """
    return _equalize(model, lambda found: _by_activations(found, maxima, alpha))


def _equalize(model: Model, choose: Callable[[list[Group]], dict[Group, Array]]) -> Equalized:
    """A copy of the model with the main graph's groups in the units that are chosen."""
    result = model.copy()
    name_values(result.main)
    scales = choose(groups(result.main))
    apply(result.main, scales)
    if scales:
        result.main.tensors = []  # positions in the file that was read; no longer true
        name_values(result.main)
    verify(result)
    told = [(tuple(v.name for v in group.values), s) for group, s in scales.items()]
    return Equalized(result, tuple(told))


def apply(graph: Graph, scales: Mapping[Group, Array]) -> None:
    """Divide the values of each group by its scales [C], in place."""
    before = {node: s for group, s in scales.items() for node in group.readers}
    behind = {node: s for group, s in scales.items() for node in group.writers}
    for node in dict.fromkeys((*before, *behind)):
        into, out, at = before.get(node), behind.get(node), places(node)
        assert at is not None
        bias = None if at.bias is None else node.optional(at.bias)
        if at.bias is not None and bias is not None and out is not None:
            set_constant(graph, node, at.bias, wide(bias) / out)
        set_constant(graph, node, at.weights, _scaled(node, _weights(node), into, out))
    for group, s in scales.items():
        for node, index in group.parameters:
            set_constant(graph, node, index, wide(node.operand(index)) / s)


class _Weights:
    """Chooses scales by the ranges of weights. Caps do not scale: their groups stay."""

    def __init__(self, found: list[Group]) -> None:
        self._scales = {group: np.ones(group.channels) for group in found if not group.caps}
        self._before = {node: group for group in self._scales for node in group.readers}
        self._behind = {node: group for group in self._scales for node in group.writers}
        self._weights = {n: _over_taps(n) for n in (*self._before, *self._behind)}

    def choose(self) -> dict[Group, Array]:
        """The scales of all groups."""
        for _ in range(_ROUNDS):
            moved = 0.0
            for group in self._scales:
                out = _largest([self._range(n, out=True) for n in group.writers])
                into = _largest([self._range(n, out=False) for n in group.readers])
                step = np.sqrt(_ratio(out, into))
                self._scales[group] = _bounded(self._scales[group] * step)
                moved = max(moved, float(np.abs(np.log(step)).max()))
            if moved < _REST:
                break
        return self._scales

    def _range(self, node: Node, *, out: bool) -> Array:
        """The largest |weight| of every output or input channel, as scaled so far."""
        before, behind = self._before.get(node), self._behind.get(node)
        into = None if before is None else self._scales[before]
        behind_it = None if behind is None else self._scales[behind]
        return _range(node, _scaled(node, self._weights[node], into, behind_it), out=out)


def _by_activations(found: list[Group], maxima: Maxima, alpha: float) -> dict[Group, Array]:
    chosen = {}
    for group in found:
        known = [maxima[v.name] for v in group.values if v.name in maxima]
        largest = _largest(known) if known else np.zeros(group.channels)
        is_live = largest > 0
        if not is_live.any():
            continue
        scales = np.where(is_live, largest, 1.0)
        bearing = [n for n in group.readers if not isinstance(n.op, DepthwiseConv2D)]
        if bearing:
            w = _largest([_range(n, _weights(n)) for n in bearing])
            scales = _ratio(scales**alpha, w ** (1 - alpha))
        # the unit of a whole tensor is free: the middle channel keeps its own
        scales = np.where(is_live, scales / np.exp(np.log(scales[is_live]).mean()), 1.0)
        chosen[group] = below_caps(group, _bounded(scales), maxima)
    return chosen


def below_caps(group: Group, scales: Array, maxima: Maxima) -> Array:
    """Scales under which caps cut off what they did: a channel that reaches its cap keeps its
    unit, the others stay below it, y / s < cap."""
    if not group.caps:
        return scales
    scales = scales / scales.max()
    for value, cap in group.caps:
        largest = maxima.get(value.name)
        if largest is None:
            return np.ones_like(scales)
        scales = np.minimum(np.maximum(scales, largest * _MARGIN / cap), 1.0)
    return scales


def _range(node: Node, w: Array, *, out: bool = False) -> Array:
    """The largest |weight| of every input channel [C], or output channel [O]."""
    w = np.abs(w)
    if not isinstance(node.op, LINEAR):
        return w.reshape(-1)
    places = layout(node)
    if out:
        return np.asarray(w.max(tuple(i for i in range(w.ndim) if i != places.output_axis)))
    channels = channels_in(node)
    assert channels is not None
    if isinstance(node.op, DepthwiseConv2D):
        return np.asarray(w.reshape(-1, channels, w.shape[3] // channels).max((0, 2)))
    w = np.moveaxis(w, (places.output_axis, places.input_axis), (0, 1))
    w = w.reshape(*w.shape[:2], -1).max(2)  # [O, C / groups]
    groups = channels // w.shape[1]
    return np.asarray(w.reshape(groups, -1, w.shape[1]).max(1).reshape(channels))


def _over_taps(node: Node) -> Array:
    """The largest |weight| over the taps of a window, which scales do not tell apart."""
    w = np.abs(_weights(node))
    if w.ndim < 4:
        return w
    channels = (layout(node).output_axis, layout(node).input_axis)
    return np.asarray(w.max(tuple(i for i in range(w.ndim) if i not in channels), keepdims=True))


def _scaled(node: Node, w: Array, into: Array | None, out: Array | None) -> Array:
    """Weights that read `x / into` and write `y / out`."""
    if not isinstance(node.op, LINEAR):
        return np.asarray(w * (1.0 if into is None else into) / (1.0 if out is None else out))
    if into is not None:
        w = w * per_input(node, into)
    return w if out is None else np.asarray(w / per_output(node, out))


def _weights(node: Node) -> Array:
    at = places(node)
    assert at is not None
    return wide(node.operand(at.weights))


def set_constant(graph: Graph, node: Node, index: int, data: Array) -> None:
    """Another constant of the same type as operand, under the old one's name."""
    old = node.operand(index)
    stored = data.astype(old.dtype.numpy)
    graph.set_input(node, index, Value(TensorType.of(stored), old.name, stored))


def _largest(ranges: list[Array]) -> Array:
    return np.asarray(np.max(np.stack(ranges), axis=0))


def _ratio(a: Array, b: Array) -> Array:
    """a / b, 1 where either is nothing: a channel that nobody writes or reads."""
    is_used = (a > 0) & (b > 0)
    return np.where(is_used, a, 1.0) / np.where(is_used, b, 1.0)


def _bounded(scales: Array) -> Array:
    return np.clip(scales, 1 / _LARGEST, _LARGEST)
