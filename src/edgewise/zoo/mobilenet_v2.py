"""MobileNetV2 as a Model, from a torch checkpoint's tensors.

A stem, seventeen inverted residual blocks in seven stages, a 1x1 head of 1280, global mean, and
a classifier where the weights have one.
**Source:** "MobileNetV2: Inverted Residuals and Linear Bottlenecks" (Sandler et al., 2018), table
2; padding and epsilon as in the torch implementations that carry the weights.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from edgewise.ir import Model
from edgewise.zoo.layers import Layers
from edgewise.zoo.network import Network

SIZE = 224
_EPSILON = 1e-5
# stride, expansion, output channels, repeats
_STAGES = (
    (1, 1, 16, 1),
    (2, 6, 24, 2),
    (2, 6, 32, 3),
    (2, 6, 64, 4),
    (1, 6, 96, 3),
    (2, 6, 160, 3),
    (1, 6, 320, 1),
)


def mobilenet_v2(
    weights: Mapping[str, np.ndarray], size: int = SIZE, *, file: str = "checkpoint"
) -> Model:
    """`image` float32 [1, size, size, 3], normalised as ImageNet's pixels, to `features` [1, 1280],
    or to `probabilities` [1, classes] where the weights have a classifier. Width 1.0.

    Raises:
        FormatError: the weights are not this network's.
    """
    net = Network(Layers(weights, file), epsilon=_EPSILON, symmetric=True)
    x = net.conv(net.image(size), 32, 3, stride=2)
    for first_stride, expansion, channels, repeats in _STAGES:
        for repeat in range(repeats):
            stride = first_stride if repeat == 0 else 1
            x = net.inverted_residual(x, channels, expansion=expansion, stride=stride, kernel=3)
    x = net.pooled(net.conv(x, 1280))
    if net.layers.is_empty:
        return net.finish(x, "features", "MobileNetV2 1.0 without classifier, ImageNet, float32")
    x = net.probabilities(x)
    return net.finish(x, "probabilities", "MobileNetV2 1.0, ImageNet, float32")
