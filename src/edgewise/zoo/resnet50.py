"""ResNet50 as a Model: a 7x7 stem, and sixteen bottleneck blocks in four stages.

**Source:** "Deep Residual Learning for Image Recognition" (He et al., 2015), table 1; the stride in
the first 1x1 layer, names and epsilon as keras/src/applications/resnet.py, Keras 3.15.
"""

from __future__ import annotations

from edgewise.ir import Location, Model, Value
from edgewise.ir.enums import Padding
from edgewise.zoo.layers import Layer
from edgewise.zoo.network import UNNAMED, Act, Names, Network, Source

_EPSILON = 1.001e-5
# filters, blocks, stride
_STAGES = ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2))


def resnet50(layers: Source, *, size: int = 224, is_cut: bool = False) -> Model:
    """`image` float32 [1, size, size, 3], RGB minus the mean of ImageNet's pixels, to
    `probabilities` [1, classes], or cut off, to `features` [1, 2048]. The published weights are for
    BGR; their first kernel is turned.

    Raises:
        FormatError: the weights are not this network's.
    """
    net = Network(_Turned(layers), epsilon=_EPSILON)
    b, image = net.builder, net.image(size)
    # 3 zeros at each side and VALID: a SAME convolution of stride 2 would have 2 and 3
    x = _stem(net, net.padded(image, (3, 3)))
    b.location = Location("pool1_pool")
    x = b.max_pool_2d(
        net.padded(x, (1, 1)),
        padding=Padding.VALID,
        filter_height=3,
        filter_width=3,
        stride_h=2,
        stride_w=2,
    )
    for stage, (filters, blocks, stride) in enumerate(_STAGES, 2):
        for block in range(1, blocks + 1):
            name = f"conv{stage}_block{block}"
            x = _bottleneck(net, x, filters, stride if block == 1 else 1, name, is_first=block == 1)
    x = net.pooled(x)
    if is_cut:
        return net.finish(x, "features", "ResNet50, ImageNet, float32", is_cut=True)
    x = net.probabilities(x, ("predictions", ""))
    return net.finish(x, "probabilities", "ResNet50, ImageNet, float32")


def _stem(net: Network, x: Value) -> Value:
    return net.conv(
        x, 64, 7, stride=2, act=Act.RELU, names=("conv1_conv", "conv1_bn"), padding=Padding.VALID
    )


def _bottleneck(
    net: Network, x: Value, filters: int, stride: int, name: str, *, is_first: bool
) -> Value:
    def conv(x: Value, part: int, channels: int, kernel: int, act: Act, stride: int = 1) -> Value:
        names = (f"{name}_{part}_conv", f"{name}_{part}_bn")
        return net.conv(x, channels, kernel, stride=stride, act=act, names=names)

    shortcut = conv(x, 0, 4 * filters, 1, Act.NONE, stride) if is_first else x
    y = conv(x, 1, filters, 1, Act.RELU, stride)
    y = conv(y, 2, filters, 3, Act.RELU)
    y = conv(y, 3, 4 * filters, 1, Act.NONE)
    return net.activated(net.builder.add(shortcut, y), Act.RELU)


class _Turned:
    """The layers of a network that was trained on BGR, for RGB."""

    def __init__(self, layers: Source) -> None:
        self._layers = layers

    def take(
        self,
        shape: tuple[int | None, ...],
        *,
        has_norm: bool = True,
        names: Names = UNNAMED,
        is_depthwise: bool = False,
    ) -> Layer:
        """See `Source`."""
        layer = self._layers.take(shape, has_norm=has_norm, names=names, is_depthwise=is_depthwise)
        if names[0] != "conv1_conv":
            return layer
        return Layer(layer.name, layer.kernel[..., ::-1].copy(), layer.bias, layer.norm)

    @property
    def is_empty(self) -> bool:
        """See `Source`."""
        return self._layers.is_empty
