"""The building blocks of the zoo's networks.

A network is a function that calls these in order, and takes the weights of each from a `Source`;
what comes out is a Graph with batch norms of their own, which `convert` folds.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Protocol

import numpy as np

import edgewise.ops  # noqa: F401  (defines what the builder calls)
from edgewise.errors import InputError
from edgewise.ir import Builder, Location, Model, Signature, Value
from edgewise.ir.enums import Padding
from edgewise.zoo.layers import Layer

INPUT = "image"
Names = tuple[str, str]
UNNAMED: Names = ("", "")


class Act(Enum):
    """What follows a layer: the builder's operator of that name."""

    NONE = ""
    RELU = "relu"
    RELU6 = "relu6"
    HARD_SWISH = "hard_swish"


class Source(Protocol):
    """Where weights are from: a torch checkpoint (`layers.Layers`), in the order of the network, or
    a Keras file (`keras_weights.KerasLayers`), by the names that Keras Applications has."""

    def take(
        self,
        shape: tuple[int | None, ...],
        *,
        has_norm: bool = True,
        names: Names = UNNAMED,
        is_depthwise: bool = False,
    ) -> Layer:
        """The layer with a kernel of this shape [O, KH, KW, I] or [O, I]. Raises FormatError."""
        ...

    @property
    def is_empty(self) -> bool:
        """Nothing is left."""
        ...


class Network:
    """Appends layers to one graph.

    `symmetric`: windows are padded alike on both sides, as torch does; else as TensorFlow's SAME.
    """

    def __init__(self, layers: Source, *, epsilon: float, symmetric: bool = False) -> None:
        self.layers, self._epsilon, self._symmetric = layers, epsilon, symmetric
        self.builder = Builder()
        self._input = INPUT

    def image(self, size: int, channels: int = 3) -> Value:
        """The input, float32 [1, size, size, channels]."""
        return self.builder.input(INPUT, (1, size, size, channels))

    def input(self, name: str, *shape: int) -> Value:
        """The input of a network that sees no pictures, float32 [1, *shape]."""
        self._input = name
        return self.builder.input(name, (1, *shape))

    def conv(
        self,
        x: Value,
        channels: int | None,
        kernel: int | tuple[int, int] = 1,
        *,
        stride: int = 1,
        act: Act = Act.RELU6,
        names: Names = UNNAMED,
        has_norm: bool = True,
        padding: Padding | None = None,
    ) -> Value:
        """A convolution, its batch norm and activation; with a bias where the weights have one."""
        height, width = (kernel, kernel) if isinstance(kernel, int) else kernel
        shape = (channels, height, width, _channels(x))
        layer = self.layers.take(shape, names=names, has_norm=has_norm)
        b = self._at(layer)
        if padding is None:
            x, padding = self._padded(x, height, stride)
        w = b.constant(layer.kernel, name=layer.name)
        y = b.conv_2d(x, w, self._bias(layer), padding=padding, stride_h=stride, stride_w=stride)
        return self.activated(self._norm(y, layer), act)

    def depthwise(
        self,
        x: Value,
        kernel: int | None,
        *,
        stride: int = 1,
        act: Act = Act.RELU6,
        names: Names = UNNAMED,
        padding: Padding | None = None,
    ) -> Value:
        """A depthwise convolution (`kernel` None: of the weights' size), its norm, activation."""
        shape = (_channels(x), kernel, kernel, 1)
        layer = self.layers.take(shape, names=names, is_depthwise=True)
        b = self._at(layer)
        if padding is None:
            x, padding = self._padded(x, layer.kernel.shape[1], stride)
        w = b.constant(layer.kernel.transpose(3, 1, 2, 0), name=layer.name)
        y = b.depthwise_conv_2d(
            x, w, self._bias(layer), padding=padding, stride_h=stride, stride_w=stride
        )
        return self.activated(self._norm(y, layer), act)

    def inverted_residual(
        self,
        x: Value,
        channels: int | None,
        *,
        expansion: int,
        stride: int,
        kernel: int | None,
        name: str = "",
    ) -> Value:
        """Expand 1x1, depthwise, project 1x1; x is added where nothing changes its shape."""
        names: dict[str, Names] = {
            part: (f"{name}_{part}", f"{name}_{part}_bn") if name else UNNAMED
            for part in ("expand", "depthwise", "project")
        }
        y = x
        if expansion != 1:
            y = self.conv(x, _channels(x) * expansion, names=names["expand"])
        y = self.depthwise(y, kernel, stride=stride, names=names["depthwise"])
        y = self.conv(y, channels, act=Act.NONE, names=names["project"])
        return self.builder.add(y, x) if stride == 1 and y.shape == x.shape else y

    def dense(
        self,
        x: Value,
        units: int | None,
        *,
        act: Act = Act.NONE,
        names: Names = UNNAMED,
        has_norm: bool = False,
    ) -> Value:
        """A fully connected layer of x [1, C]."""
        layer = self.layers.take((units, _channels(x)), has_norm=has_norm, names=names)
        b = self._at(layer)
        y = b.fully_connected(x, b.constant(layer.kernel, name=layer.name), self._bias(layer))
        return self.activated(self._norm(y, layer), act)

    def activated(self, x: Value, act: Act) -> Value:
        """x with its activation."""
        return x if act is Act.NONE else getattr(self.builder, act.value)(x)

    def pooled(self, x: Value, *, keep: bool = False) -> Value:
        """The mean over height and width, [1, C], or (`keep`) [1, 1, 1, C]."""
        self.builder.location = Location("pooling")
        axes = self.builder.constant(np.array([1, 2], np.int32))
        return self.builder.mean(x, axes, keep_dims=keep)

    def flat(self, x: Value) -> Value:
        """x [1, 1, 1, C] as [1, C]."""
        return self.builder.reshape(x, self.builder.constant(np.array([1, -1], np.int32)))

    def probabilities(self, x: Value, names: Names = UNNAMED) -> Value:
        """A classifier with softmax of x [1, C]."""
        return self.softmax(self.dense(x, None, names=names))

    def softmax(self, x: Value) -> Value:
        """Scores [1, C] as probabilities."""
        self.builder.location = Location("softmax")
        return self.builder.softmax(x, label="probabilities")

    def finish(self, y: Value, output: str, description: str, *, is_cut: bool = False) -> Model:
        """The model with one signature, of its input to `output`.

        Raises:
            InputError: weights are left, and the network is whole (`is_cut` False).
        """
        if not is_cut and not self.layers.is_empty:
            raise InputError(
                f"{description}: the file has more weights; are they another network's?"
            )
        model = Model(description=description)
        graph = model.add(self.builder.finish(y))
        names: Sequence[dict[str, int]] = ({self._input: 0}, {output: 0})
        model.signatures = [Signature("serving_default", graph.name, *names)]
        return model

    def _at(self, layer: Layer) -> Builder:
        self.builder.location = Location(layer.name)
        return self.builder

    def _bias(self, layer: Layer) -> Value | None:
        if layer.bias is None:
            return None
        return self.builder.constant(layer.bias, name=f"{layer.name}.bias")

    def _norm(self, x: Value, layer: Layer) -> Value:
        if layer.norm is None:
            return x
        parts = zip(("gamma", "beta", "mean", "variance"), layer.norm, strict=True)
        constants = [self.builder.constant(p, name=f"{layer.name}/{n}") for n, p in parts]
        return self.builder.batch_norm(x, *constants, epsilon=self._epsilon)

    def _padded(self, x: Value, kernel: int, stride: int) -> tuple[Value, Padding]:
        """x and the padding that is left: SAME is symmetric where the stride is 1."""
        if not self._symmetric or stride == 1 or kernel == 1:
            return x, Padding.SAME
        edge = (kernel - 1) // 2
        return self.padded(x, (edge, edge)), Padding.VALID

    def padded(self, x: Value, edges: tuple[int, int]) -> Value:
        """x with so many zeros before and behind its height and width."""
        pads = np.array([(0, 0), edges, edges, (0, 0)], np.int32)
        return self.builder.pad(x, self.builder.constant(pads))


def scaled(channels: float, *, least: int = 8) -> int:
    """Channels to a multiple of 8, not below `least`, nor below 90 %."""
    rounded = max(least, int(channels + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * channels else rounded


def _channels(x: Value) -> int:
    channels = x.shape[-1]
    assert isinstance(channels, int)
    return channels
