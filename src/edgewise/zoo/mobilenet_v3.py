"""MobileNetV3 as a Model: small and large, of any width, and the minimalistic ones, which have
neither squeeze-and-excitation, hard swish nor 5x5 kernels.

**Source:** "Searching for MobileNetV3" (Howard et al., 2019), tables 1 and 2; names, epsilon and
the order of activations as keras/src/applications/mobilenet_v3.py, Keras 3.15.
"""

from __future__ import annotations

import numpy as np

from edgewise.ir import Model, Value
from edgewise.zoo.network import Act, Network, Source, scaled

_EPSILON = 1e-3
_SQUEEZE = 0.25
# expansion, output channels, is a large kernel, stride, squeezes, is hard swish
_Block = tuple[float, int, bool, int, bool, bool]
_SMALL: tuple[_Block, ...] = (
    (1, 16, False, 2, True, False),
    (72 / 16, 24, False, 2, False, False),
    (88 / 24, 24, False, 1, False, False),
    (4, 40, True, 2, True, True),
    (6, 40, True, 1, True, True),
    (6, 40, True, 1, True, True),
    (3, 48, True, 1, True, True),
    (3, 48, True, 1, True, True),
    (6, 96, True, 2, True, True),
    (6, 96, True, 1, True, True),
    (6, 96, True, 1, True, True),
)
_LARGE: tuple[_Block, ...] = (
    (1, 16, False, 1, False, False),
    (4, 24, False, 2, False, False),
    (3, 24, False, 1, False, False),
    (3, 40, True, 2, True, False),
    (3, 40, True, 1, True, False),
    (3, 40, True, 1, True, False),
    (6, 80, False, 2, False, True),
    (2.5, 80, False, 1, False, True),
    (2.3, 80, False, 1, False, True),
    (2.3, 80, False, 1, False, True),
    (6, 112, False, 1, True, True),
    (6, 112, False, 1, True, True),
    (6, 160, True, 2, True, True),
    (6, 160, True, 1, True, True),
    (6, 160, True, 1, True, True),
)


def mobilenet_v3(
    layers: Source,
    *,
    size: int = 224,
    is_large: bool = False,
    width: float = 1.0,
    is_minimalistic: bool = False,
    is_cut: bool = False,
) -> Model:
    """`image` float32 [1, size, size, 3], pixels -1..1, to `probabilities` [1, classes], or cut
    off, to `features`, the mean of the last convolution.

    Raises:
        FormatError: the weights are not this network's.
    """
    net = Network(layers, epsilon=_EPSILON)
    last = Act.RELU if is_minimalistic else Act.HARD_SWISH
    x = net.conv(net.image(size), 16, 3, stride=2, act=last, names=("conv", "conv_bn"))
    for i, (expansion, channels, is_wide, stride, squeezes, is_swish) in enumerate(
        _LARGE if is_large else _SMALL
    ):
        x = _block(
            net,
            x,
            f"expanded_conv_{i}" if i else "expanded_conv",
            expansion if i else 0,
            scaled(channels * width),
            kernel=5 if is_wide and not is_minimalistic else 3,
            stride=stride,
            squeezes=squeezes and not is_minimalistic,
            act=last if is_swish else Act.RELU,
        )
    x = net.conv(x, scaled(6 * _width(x)), act=last, names=("conv_1", "conv_1_bn"))
    kind = f"{'Large' if is_large else 'Small'} {width}{' minimalistic' * is_minimalistic}"
    title = f"MobileNetV3{kind}, ImageNet, float32"
    if is_cut:
        return net.finish(net.pooled(x), "features", title, is_cut=True)
    units = 1280 if is_large else 1024
    units = scaled(units * width) if width > 1 else units
    x = net.pooled(x, keep=True)
    x = net.conv(x, units, act=last, names=("conv_2", ""), has_norm=False)
    x = net.conv(x, None, act=Act.NONE, names=("logits", ""), has_norm=False)
    return net.finish(net.softmax(net.flat(x)), "probabilities", title)


def _block(
    net: Network,
    x: Value,
    name: str,
    expansion: float,
    channels: int,
    *,
    kernel: int,
    stride: int,
    squeezes: bool,
    act: Act,
) -> Value:
    """`expansion` 0: nothing is expanded."""
    y = x
    if expansion:
        wide = scaled(_width(x) * expansion)
        y = net.conv(x, wide, act=act, names=(f"{name}_expand", f"{name}_expand_bn"))
    names = (f"{name}_depthwise", f"{name}_depthwise_bn")
    y = net.depthwise(y, kernel, stride=stride, act=act, names=names)
    if squeezes:
        y = _squeezed(net, y, f"{name}_squeeze_excite")
    names = (f"{name}_project", f"{name}_project_bn")
    y = net.conv(y, channels, act=Act.NONE, names=names)
    return net.builder.add(x, y) if stride == 1 and y.shape == x.shape else y


def _squeezed(net: Network, x: Value, name: str) -> Value:
    """x times relu6(s + 3) / 6, where s is what two 1x1 layers make of its mean."""
    b = net.builder
    y = net.pooled(x, keep=True)
    less = scaled(_width(x) * _SQUEEZE)
    y = net.conv(y, less, act=Act.RELU, names=(f"{name}_conv", ""), has_norm=False)
    y = net.conv(y, _width(x), act=Act.NONE, names=(f"{name}_conv_1", ""), has_norm=False)
    y = b.relu6(b.add(y, b.constant(np.float32(3))))
    return b.mul(x, b.mul(y, b.constant(np.float32(1 / 6))))


def _width(x: Value) -> int:
    channels = x.shape[-1]
    assert isinstance(channels, int)
    return channels
