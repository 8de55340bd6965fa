"""EfficientNet-Lite 0 to 4 as Models, from a checkpoint's tensors.

The network: a stem, seven stages of inverted residual blocks (expand 1x1, depthwise, project 1x1,
each with batch norm; ReLU6; no squeeze-and-excitation), a 1x1 head, global mean, classifier. The
variants are deeper, wider and see larger pictures.
**Source:** "EfficientNet: Rethinking Model Scaling" (Tan and Le, 2019) and the Lite variants'
published table (`efficientnet_lite_params`): stem, head, and the depth of the first and the last
stage are not scaled.
"""

from __future__ import annotations

import math

from edgewise.ir import Model
from edgewise.values import dataclass
from edgewise.zoo.network import Network, Source, scaled

_EPSILON = 1e-3
# stride, expansion, kernel, output channels, repeats
_STAGES = (
    (1, 1, 3, 16, 1),
    (2, 6, 3, 24, 2),
    (2, 6, 5, 40, 2),
    (2, 6, 3, 80, 3),
    (1, 6, 5, 112, 3),
    (2, 6, 5, 192, 4),
    (1, 6, 3, 320, 1),
)


@dataclass(frozen=True, slots=True)
class Variant:
    """Width and depth multipliers; pixels of a side of the input."""

    width: float
    depth: float
    size: int


VARIANTS = (
    Variant(1.0, 1.0, 224),
    Variant(1.0, 1.1, 240),
    Variant(1.1, 1.2, 260),
    Variant(1.2, 1.4, 280),
    Variant(1.4, 1.8, 300),
)


def efficientnet_lite(
    layers: Source, number: int = 0, *, size: int | None = None, is_cut: bool = False
) -> Model:
    """The classifier with softmax: `image` float32 [1, S, S, 3], (pixel - 127) / 128, to
    `probabilities` [1, 1000], or cut off, to `features` [1, 1280]; S is `VARIANTS[number].size`.

    Raises:
        FormatError: the weights are not this network's.
    """
    variant = VARIANTS[number]
    net = Network(layers, epsilon=_EPSILON)
    x = net.conv(net.image(size or variant.size), 32, 3, stride=2)
    for index, (first_stride, expansion, kernel, channels, repeats) in enumerate(_STAGES):
        is_end = index in (0, len(_STAGES) - 1)
        for repeat in range(repeats if is_end else math.ceil(repeats * variant.depth)):
            x = net.inverted_residual(
                x,
                scaled(channels * variant.width),
                expansion=expansion,
                stride=first_stride if repeat == 0 else 1,
                kernel=kernel,
            )
    x = net.pooled(net.conv(x, 1280))
    title = f"EfficientNet-Lite{number}, ImageNet, float32"
    if is_cut:
        return net.finish(x, "features", title, is_cut=True)
    return net.finish(net.probabilities(x), "probabilities", title)
