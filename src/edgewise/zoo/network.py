"""What the networks of the zoo are made of: convolutions with batch norms, classifiers.

A network is a function that calls these in order on `Layers`; what comes out is a Graph with batch
norms of their own, which `convert` folds.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

import edgewise.ops  # noqa: F401  (defines what the builder calls)
from edgewise.ir import Builder, Location, Model, Signature, Value
from edgewise.ir.enums import Padding
from edgewise.zoo.layers import Layer, Layers

INPUT = "image"


class Network:
    """Appends layers to one graph.

    `symmetric`: windows are padded alike on both sides, as torch does; else as TensorFlow's SAME.
    """

    def __init__(self, layers: Layers, *, epsilon: float, symmetric: bool = False) -> None:
        self.layers, self._epsilon, self._symmetric = layers, epsilon, symmetric
        self.builder = Builder()

    def image(self, size: int) -> Value:
        """The input, float32 [1, size, size, 3]."""
        return self.builder.input(INPUT, (1, size, size, 3))

    def conv(
        self, x: Value, channels: int | None, kernel: int = 1, *, stride: int = 1, act: bool = True
    ) -> Value:
        """A convolution without bias, its batch norm and (with `act`) RELU6."""
        layer = self.layers.take((channels, kernel, kernel, _channels(x)))
        b = self._at(layer)
        x, padding = self._padded(x, kernel, stride)
        w = b.constant(layer.kernel, name=layer.name)
        y = b.conv_2d(x, w, padding=padding, stride_h=stride, stride_w=stride)
        y = self._norm(y, layer)
        return b.relu6(y) if act else y

    def depthwise(self, x: Value, kernel: int | None, *, stride: int = 1) -> Value:
        """A depthwise convolution (`kernel` None: of the weights' size), its norm and RELU6."""
        layer = self.layers.take((_channels(x), kernel, kernel, 1))
        b = self._at(layer)
        x, padding = self._padded(x, layer.kernel.shape[1], stride)
        w = b.constant(layer.kernel.transpose(3, 1, 2, 0), name=layer.name)
        y = b.depthwise_conv_2d(x, w, padding=padding, stride_h=stride, stride_w=stride)
        return b.relu6(self._norm(y, layer))

    def inverted_residual(
        self, x: Value, channels: int | None, *, expansion: int, stride: int, kernel: int | None
    ) -> Value:
        """Expand 1x1, depthwise, project 1x1; x is added where nothing changes its shape."""
        y = x if expansion == 1 else self.conv(x, _channels(x) * expansion)
        y = self.conv(self.depthwise(y, kernel, stride=stride), channels, act=False)
        return self.builder.add(y, x) if stride == 1 and y.shape == x.shape else y

    def pooled(self, x: Value) -> Value:
        """The mean over height and width, [1, C]."""
        self.builder.location = Location("pooling")
        return self.builder.mean(x, self.builder.constant(np.array([1, 2], np.int32)))

    def probabilities(self, x: Value) -> Value:
        """A classifier with softmax of x [1, C]."""
        layer = self.layers.take((None, _channels(x)), has_norm=False)
        b = self._at(layer)
        bias = None if layer.bias is None else b.constant(layer.bias, name=f"{layer.name}.bias")
        y = b.fully_connected(x, b.constant(layer.kernel, name=layer.name), bias)
        b.location = Location("softmax")
        return b.softmax(y, label="probabilities")

    def finish(self, y: Value, output: str, description: str) -> Model:
        """The model with one signature, `image` to `output`."""
        model = Model(description=description)
        graph = model.add(self.builder.finish(y))
        names: Sequence[dict[str, int]] = ({INPUT: 0}, {output: 0})
        model.signatures = [Signature("serving_default", graph.name, *names)]
        return model

    def _at(self, layer: Layer) -> Builder:
        self.builder.location = Location(layer.name)
        return self.builder

    def _norm(self, x: Value, layer: Layer) -> Value:
        assert layer.norm is not None
        parts = zip(("gamma", "beta", "mean", "variance"), layer.norm, strict=True)
        constants = [self.builder.constant(p, name=f"{layer.name}/{n}") for n, p in parts]
        return self.builder.batch_norm(x, *constants, epsilon=self._epsilon)

    def _padded(self, x: Value, kernel: int, stride: int) -> tuple[Value, Padding]:
        """x and the padding that is left: SAME is symmetric where the stride is 1."""
        if not self._symmetric or stride == 1 or kernel == 1:
            return x, Padding.SAME
        edge = (kernel - 1) // 2
        pads = np.array([[0, 0], [edge, edge], [edge, edge], [0, 0]], np.int32)
        return self.builder.pad(x, self.builder.constant(pads)), Padding.VALID


def _channels(x: Value) -> int:
    channels = x.shape[-1]
    assert isinstance(channels, int)
    return channels
