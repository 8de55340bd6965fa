"""MobileNetV2 as a Model, from a torch checkpoint or a Keras file.

A stem, seventeen inverted residual blocks in seven stages, a 1x1 head of 1280, global mean, and
a classifier where the weights have one.
**Source:** "MobileNetV2: Inverted Residuals and Linear Bottlenecks" (Sandler et al., 2018), table
2; padding and epsilon as in the torch implementations that carry the weights, or, with names, as
keras/src/applications/mobilenet_v2.py, Keras 3.15.
"""

from __future__ import annotations

from edgewise.ir import Model
from edgewise.zoo.network import Network, Source, scaled

SIZE = 224
_EPSILON, _TORCH_EPSILON = 1e-3, 1e-5
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
    layers: Source,
    *,
    size: int = SIZE,
    width: float = 1.0,
    is_torch: bool = False,
    is_cut: bool = False,
) -> Model:
    """`image` float32 [1, size, size, 3], normalised (of torch's weights as ImageNet's pixels, of
    Keras's to -1..1), to `features` [1, 1280 * max(1, width)], or to `probabilities` [1, classes]
    where the weights have a classifier and it is not cut off.

    Raises:
        FormatError: the weights are not this network's.
    """
    epsilon = _TORCH_EPSILON if is_torch else _EPSILON
    net = Network(layers, epsilon=epsilon, symmetric=is_torch)
    names = ("Conv1", "bn_Conv1")
    x = net.conv(net.image(size), scaled(32 * width), 3, stride=2, names=names)
    block = 0
    for first_stride, expansion, channels, repeats in _STAGES:
        for repeat in range(repeats):
            x = net.inverted_residual(
                x,
                scaled(channels * width),
                expansion=expansion,
                stride=first_stride if repeat == 0 else 1,
                kernel=3,
                name=f"block_{block}" if block else "expanded_conv",
            )
            block += 1
    head = scaled(1280 * width) if width > 1 else 1280
    x = net.pooled(net.conv(x, head, names=("Conv_1", "Conv_1_bn")))
    title = f"MobileNetV2 {width}"
    if is_cut or net.layers.is_empty:
        title = f"{title} without classifier, ImageNet, float32"
        return net.finish(x, "features", title, is_cut=True)
    x = net.probabilities(x, ("predictions", ""))
    return net.finish(x, "probabilities", f"{title}, ImageNet, float32")
