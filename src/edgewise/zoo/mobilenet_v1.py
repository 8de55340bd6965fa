"""MobileNetV1 as a Model: a stem and thirteen depthwise separable blocks, of any width.

**Source:** "MobileNets: Efficient Convolutional Neural Networks for Mobile Vision Applications"
(Howard et al., 2017), table 1; names and epsilon as keras/src/applications/mobilenet.py, Keras
3.15.
"""

from __future__ import annotations

from edgewise.ir import Model
from edgewise.ir.enums import Padding
from edgewise.zoo.network import Act, Network, Source

_EPSILON = 1e-3
# stride, output channels
_BLOCKS = (
    (1, 64),
    (2, 128),
    (1, 128),
    (2, 256),
    (1, 256),
    (2, 512),
    *((1, 512),) * 5,
    (2, 1024),
    (1, 1024),
)


def mobilenet_v1(
    layers: Source, *, size: int = 224, width: float = 1.0, is_cut: bool = False
) -> Model:
    """`image` float32 [1, size, size, 3], pixels -1..1, to `probabilities` [1, classes], or cut
    off, to `features` [1, 1024 * width].

    Raises:
        FormatError: the weights are not this network's.
    """
    net = Network(layers, epsilon=_EPSILON)
    x = net.conv(net.image(size), int(32 * width), 3, stride=2, names=("conv1", "conv1_bn"))
    for i, (stride, channels) in enumerate(_BLOCKS, 1):
        names = (f"conv_dw_{i}", f"conv_dw_{i}_bn")
        if stride == 1:
            x = net.depthwise(x, 3, names=names)
        else:  # SAME where the side is even; of an odd one, Keras loses the last pixel
            x = net.padded(x, (0, 1))
            x = net.depthwise(x, 3, stride=stride, names=names, padding=Padding.VALID)
        x = net.conv(x, int(channels * width), names=(f"conv_pw_{i}", f"conv_pw_{i}_bn"))
    title = f"MobileNetV1 {width}, ImageNet, float32"
    if is_cut:
        return net.finish(net.pooled(x), "features", title, is_cut=True)
    x = net.conv(
        net.pooled(x, keep=True), None, act=Act.NONE, names=("conv_preds", ""), has_norm=False
    )
    return net.finish(net.softmax(net.flat(x)), "probabilities", title)
