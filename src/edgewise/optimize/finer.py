"""Finer steps for what depthwise layers read: units of channels, and copies in idle channels.

In: a float Model and samples. Out: a float Model that computes the same, in which

- channels that only depthwise layers read fill the range of their tensor: these layers have a scale
  for each channel's weights, which bears any unit. Other inputs reach beyond the samples, and less
  often where the samples differ little: a channel is given room for max + (max - mean), of the
  samples' own maxima;
- channels that can compute nothing but zero (the first layers of MobileNets have a quarter and
  more) carry copies of the channels whose rounding weighs most, as measured on eight samples, where
  the next depthwise layer sums it up. n copies that are 1/n of a step apart, each weighed by 1/n,
  round like one with steps of 1/n.

That costs nothing. `widen` gives narrow tensors idle channels for more copies: of MobileNetV1 0.25
at 128 pixels those of 8 and 16 channels. It takes a quarter more multiplications, twice the memory
of data, 0.5 % of the file and, where kernels compute 16 or 32 channels at a time, 2 % of the time
(LiteRT's, too, on a Xeon with AVX-512). Tensors of 32 channels would take a fifth of the time for a
twentieth of the KL.

KL of `static_wi8_ai8` on pictures beside calibration, against without: MobileNetV1 0.25 at 128
pixels 0.48 (units alone 0.85, copies that are not apart 0.87), at 224 0.80 (0.96), MobileNetV2 with
a probe 0.40, EfficientNet-Lite0 0.96, keyword spotting 0.51, MNIST 0.92. With room for the samples
alone Lite0 is worse (1.33), as features of rare classes are met later; with other readers than
depthwise layers, too (1.54). Channels of MobileNetV1 vary by a tenth around numbers far from zero;
moving those away would be worth more, but what depthwise layers pad with, zero, must be a number of
the tensor. Weights fitted to the rounded data that they read take 5 % of a layer's error at most.
With `widen` the KL of MobileNetV1 at 128 pixels is 0.57 of what it is without, at 224 0.45. Copies
that are apart behind the depthwise layer, too, change nothing more: they read what is rounded by
chance. Choosing copies as if all errors were of chance gave both idle channels of the first layer
of MobileNetV1 to one channel, and left another one 2.6e-3 of its KL of 3.6e-3: measured ones take
2 % at 128 pixels (7 where `shift_channels` follows) and 12 at 224.

**Source:** ours; splitting channels, Zhao et al. (2019), "Improving Neural Network Quantization
without Retraining using Outlier Channel Splitting", there with channels added.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from edgewise.ir.build import name_values
from edgewise.ir.enums import Activation
from edgewise.ir.graph import Graph, Node, Value
from edgewise.ir.infer import result_types
from edgewise.ir.model import Model
from edgewise.ir.verify import verify
from edgewise.ops.conv import Conv2D, DepthwiseConv2D
from edgewise.ops.pad import Pad
from edgewise.optimize.channels import Group, groups
from edgewise.optimize.equalize import apply, below_caps, set_constant
from edgewise.optimize.observe import Sample, observe
from edgewise.optimize.walk import evenly
from edgewise.passes.linear import channels_in, channels_out, constant_weights, layout, wide
from edgewise.runtime.calls import FLOAT_BOUNDS
from edgewise.values import dataclass

Array = np.ndarray

MOST = 16  # times finer steps: more would lie beyond 8 bits of the others'
_SURE = 2.0  # how far inputs of an idle channel may exceed the samples'
LEVELS = 255  # steps of 8 bits
FROM_ZERO = (Activation.RELU, Activation.RELU6)
_TRIED = 8  # samples on which noise is measured
_FEW = 16  # channels: kernels compute 16 or 32 of them at a time


def finer_steps(model: Model, samples: Iterable[Sample], *, threads: int | None = None) -> Model:
    """The model with other units and copies of channels in its main graph; the same one where no
    depthwise layer reads what may change.

    Raises:
        InputError: no samples, or arrays that are not those of the inputs.
    """
    result = model.copy()
    graph = result.main
    name_values(graph)
    found = _depthwise(graph)
    if not found:
        return model
    given = list(samples) if isinstance(samples, Iterator) else samples
    read = [n.operand(layout(n).x) for g in found for n in g.writers if isinstance(n.op, Conv2D)]
    wanted = dict.fromkeys([*(v for g in found for v in g.values), *read])
    reaches = _reaches(wanted, observe(result, given, threads=threads))
    scales = {group: _filling(group, reaches) for group in found}
    apply(graph, scales)
    most = {value: reach.most for value, reach in reaches.items()}
    blocks = {g: block for g in found if (block := _block(g)) is not None}
    steps = {b: float((_most(g, reaches) / scales[g]).max()) / LEVELS for g, b in blocks.items()}
    steps = {block: step for block, step in steps.items() if _idle(block, most).any() and step}
    few = observe(result, evenly(given, _TRIED), threads=threads) if steps else ()
    noises = _noises(steps, few)
    for block, step in steps.items():
        sources = _share(graph, block, step, _idle(block, most), noises[block])
        y = block.depthwise.output
        if y in most:
            most[y] = most[y][sources]
    return finished(result)


def widen(model: Model) -> Model:
    """The model with as many channels again, idle ones, between convolutions and depthwise layers
    in its main graph where they are few; the same one where there are none. `finer_steps` gives
    them copies."""
    result = model.copy()
    graph = result.main
    few = [(g, _block(g)) for g in _depthwise(graph) if g.channels <= _FEW]
    found = [(group, block) for group, block in few if block is not None]
    if not found:
        return model
    name_values(graph)
    for group, block in found:
        _add_channels(graph, group, block)
    return finished(result)


def finished(model: Model) -> Model:
    """The model, whose main graph has been changed: named anew and verified."""
    model.main.tensors = []  # positions in the file that was read; no longer true
    name_values(model.main)
    verify(model)
    return model


def _depthwise(graph: Graph) -> list[Group]:
    """Groups that only depthwise layers read."""
    return [g for g in groups(graph) if all(isinstance(n.op, DepthwiseConv2D) for n in g.readers)]


@dataclass(frozen=True, slots=True)
class _Reach:
    """Of a value by channel [C] the largest |element| of all samples, and the mean of the largest
    of each."""

    most: Array
    mean: Array

    @property
    def expected(self) -> Array:
        """What other inputs may reach."""
        return 2 * self.most - self.mean


def _reaches(
    values: Iterable[Value], observations: Iterable[dict[Value, Array]]
) -> dict[Value, _Reach]:
    totals: dict[Value, Array] = {}
    most: dict[Value, Array] = {}
    wanted, count = list(values), 0
    for seen in observations:
        count += 1
        for value in wanted:
            x = np.abs(seen[value])
            largest = x.max(tuple(range(x.ndim - 1)), initial=0).astype(np.float64)
            most[value] = np.maximum(most.get(value, 0), largest)
            totals[value] = totals.get(value, 0) + largest
    return {value: _Reach(most[value], totals[value] / count) for value in wanted}


def _most(group: Group, reaches: dict[Value, _Reach]) -> Array:
    return np.asarray(np.max([reaches[v].most for v in group.values], axis=0))


def _filling(group: Group, reaches: dict[Value, _Reach]) -> Array:
    """The scales [C] under which channels fill the range of the largest."""
    most = _most(group, reaches)
    expected = {v.name: reaches[v].expected for v in group.values}
    top = float(most.max())
    if not top:
        return np.ones_like(most)
    largest = np.max(list(expected.values()), axis=0)
    scales = np.where(most > 0, np.clip(largest / top, 1 / MOST, 1.0), 1.0)
    return np.where(most > 0, below_caps(group, scales, expected), 1.0)


# -- idle channels ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Block:
    """A convolution, a depthwise one that alone reads it, and a pointwise one that alone reads
    that. All have constant weights and biases."""

    first: Node
    depthwise: Node
    pointwise: Node


def _block(group: Group) -> _Block | None:
    """The block around a group; None where there is another."""
    first, depthwise = group.writers[0], group.readers[0]
    pointwise, *others = depthwise.output.consumers or [first]
    is_chain = not (group.writers[1:] or group.readers[1:] or others or depthwise.output.is_output)
    between = [v.producer for v in group.values if v.producer is not first]
    if not is_chain or not all(n is not None and isinstance(n.op, Pad) for n in between):
        return None
    if not isinstance(first.op, Conv2D) or not isinstance(pointwise.op, Conv2D):
        return None
    nodes = (first, depthwise, pointwise)
    if any(constant_weights(n) is not True or n.optional(layout(n).bias) is None for n in nodes):
        return None
    is_known = first.op.activation in FROM_ZERO and depthwise.op.activation in FLOAT_BOUNDS
    shapes = [node.operand(layout(node).w).shape for node in nodes]
    is_whole = channels_in(first) == shapes[0][3] and channels_in(pointwise) == shapes[2][3]
    is_single = shapes[1][3] == group.channels and shapes[2][1:3] == (1, 1)
    return _Block(*nodes) if is_known and is_whole and is_single else None


def _add_channels(graph: Graph, group: Group, block: _Block) -> None:
    """Channels of zeros, as many as there are."""
    for node in (block.first, block.depthwise, block.pointwise):
        places = layout(node)
        axis = places.input_axis if node is block.pointwise else places.output_axis
        w, b = _numbers(node)
        set_constant(graph, node, places.w, _with_zeros(w, axis))
        if node is not block.pointwise:
            set_constant(graph, node, places.bias, _with_zeros(b, 0))
    for node in graph.nodes:
        if node is block.depthwise or set(node.outputs) & set(group.values):
            [node.output.type] = result_types(node.op, node.inputs)


def _with_zeros(data: Array, axis: int) -> Array:
    return np.concatenate([data, np.zeros_like(data)], axis)


def _idle(block: _Block, most: dict[Value, Array]) -> Array:
    """Which channels between the first two layers can be nothing but zero [C]."""
    w, b = _numbers(block.first)
    read = most[block.first.operand(layout(block.first).x)]
    idle = b + _SURE * (np.abs(w) * read).sum((1, 2, 3)) <= 0
    return np.zeros_like(idle) if idle.all() else idle


def _share(
    graph: Graph, block: _Block, step: float, idle: Array, noises: tuple[Array, Array]
) -> Array:
    """Make idle channels copies, each of the channel of which that takes most noise. Of which
    channel each is a copy then [C]."""
    layers = [_numbers(node) for node in (block.first, block.depthwise, block.pointwise)]
    (w, b), (v, c), (u, d) = layers  # [C, H, W, I], [1, H, W, C], [O, 1, 1, C] and biases
    sources = np.arange(len(idle))
    low, high = FLOAT_BOUNDS[block.depthwise.op.activation]
    d += u[:, 0, 0, idle] @ np.clip(c[idle], low, high)  # what they have been: constants
    before, behind = noises
    counts = np.where(idle, 0, 1)
    for channel in np.flatnonzero(idle):
        # n copies that are apart round like one with steps of 1/n; what is rounded behind the
        # depthwise layer is a mean of n roundings
        n = np.maximum(counts, 1)
        gain = before * (1 / n**2 - 1 / (n + 1) ** 2) + behind * (1 / n - 1 / (n + 1))
        sources[channel] = np.argmax(np.where(idle, -1.0, gain))
        counts[sources[channel]] += 1
    for source in np.flatnonzero(counts):
        channels, count = np.flatnonzero(sources == source), counts[source]
        apart = ((np.arange(count) + 0.5) / count - 0.5) * step
        w[channels], v[..., channels] = w[source], v[..., [source]]
        u[..., channels] = u[..., [source]] / count
        b[channels] = b[source] + apart
        c[channels] = c[source] - apart * v[..., source].sum()
    for node, (weights, bias) in zip(
        (block.first, block.depthwise, block.pointwise), layers, strict=True
    ):
        set_constant(graph, node, layout(node).w, weights)
        set_constant(graph, node, layout(node).bias, bias)
    return sources


def _noises(
    steps: Mapping[_Block, float], observations: Iterable[dict[Value, Array]]
) -> dict[_Block, tuple[Array, Array]]:
    """The power of what rounding each channel adds behind a block, where the next depthwise layer
    sums it up: in steps before its depthwise layer, as measured, and behind it, as of chance [C].

    What varies by a few steps has errors that are alike in neighbours, which filters sum up: of
    channels like these the power is up to nine times that of chance.
    """
    found: dict[_Block, tuple[Array, Array]] = {}
    for seen in observations:
        for block, step in steps.items():
            y = seen[block.first.output].astype(np.float64)
            error = np.rint(y / step) * step - y
            v, op = _numbers(block.depthwise)[0][0], block.depthwise.op
            assert isinstance(op, DepthwiseConv2D)
            taps = _taps(error, v.shape[:2])[:, :: op.stride_h, :: op.stride_w]
            error = np.einsum("nhwcij,ijc->nhwc", taps, v)
            u, f = _numbers(block.pointwise)[0][:, 0, 0], _filters(block)
            taps = _taps(error - error.mean((0, 1, 2)), f.shape[:2])
            alike = np.einsum("nhwcij,nhwckl->cijkl", taps, taps, optimize=True)
            alike /= np.prod(error.shape[:3])
            before = np.einsum("ijo,cijkl,klo,oc->c", f, alike, f, u**2, optimize=True)
            behind = step**2 / 12 * ((f**2).sum((0, 1)) @ u**2)
            known = found.get(block, (0.0, 0.0))
            found[block] = (known[0] + before, known[1] + behind)
    return found


def _taps(x: Array, size: tuple[int, ...]) -> Array:
    """[N, H, W, C] -> what filters of a size see [N, H, W, C, h, w]; edges are repeated."""
    pads = [(n // 2, n - 1 - n // 2) for n in size]
    padded = np.pad(x, ((0, 0), *pads, (0, 0)), mode="edge")
    return sliding_window_view(padded, size, (1, 2))


def _filters(block: _Block) -> Array:
    """Of the depthwise layer that reads what the block gives, [h, w, O]; of none, ones."""
    y, count = block.pointwise.output, channels_out(block.pointwise)
    for node in [r for n in y.consumers for r in (n.output.consumers if _is_pad(n) else [n])]:
        w = node.operand(layout(node).w) if isinstance(node.op, DepthwiseConv2D) else None
        if w is not None and w.data is not None and w.shape[3] == count:
            return wide(w)[0]
    return np.ones((1, 1, count))


def _is_pad(node: Node) -> bool:
    return isinstance(node.op, Pad)


def _numbers(node: Node) -> tuple[Array, Array]:
    """Weights and bias."""
    return wide(node.operand(layout(node).w)), wide(node.operand(layout(node).bias))
