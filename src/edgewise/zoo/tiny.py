"""The four networks of MLPerf Tiny as Models: ResNet8 (pictures of CIFAR-10), DS-CNN (spoken
words), MobileNetV1 0.25 (visual wake words), an autoencoder (sounds of machines).

Their files do not name layers alike: weights are taken in order, by shape.
**Source:** "MLPerf Tiny Benchmark" (Banbury et al., 2021), table 1; reference models at
github.com/mlcommons/tiny (keras_model.py of each task).
"""

from __future__ import annotations

from edgewise.ir import Model, Value
from edgewise.zoo.network import Act, Network, Source

_EPSILON = 1e-3


def resnet8(layers: Source, *, size: int = 32, is_cut: bool = False) -> Model:
    """`image` float32 [1, size, size, 3], pixels 0..255, to `probabilities` [1, classes]."""
    net = Network(layers, epsilon=_EPSILON)
    x = net.conv(net.image(size), 16, 3, act=Act.RELU)
    for channels, stride in ((16, 1), (32, 2), (64, 2)):
        y = net.conv(x, channels, 3, stride=stride, act=Act.RELU)
        y = net.conv(y, channels, 3, act=Act.NONE)
        if stride != 1:
            x = net.conv(x, channels, stride=stride, act=Act.NONE, has_norm=False)
        x = net.activated(net.builder.add(x, y), Act.RELU)
    return _ending(net, net.pooled(x), "ResNet8 (MLPerf Tiny), CIFAR-10, float32", is_cut=is_cut)


def ds_cnn(layers: Source, *, size: int = 49, is_cut: bool = False) -> Model:
    """`spectrum` float32 [1, 49, 10, 1], cepstra of a second of sound, to `probabilities`."""
    net = Network(layers, epsilon=_EPSILON)
    x = net.conv(net.input("spectrum", size, 10, 1), 64, (10, 4), stride=2, act=Act.RELU)
    for _ in range(4):
        x = net.depthwise(x, 3, act=Act.RELU)
        x = net.conv(x, 64, act=Act.RELU)
    title = "DS-CNN (MLPerf Tiny), speech commands, float32"
    return _ending(net, net.pooled(x), title, is_cut=is_cut)


def visual_wake_words(layers: Source, *, size: int = 96, is_cut: bool = False) -> Model:
    """`image` float32 [1, size, size, 3], pixels 0..1, to `probabilities` [1, 2]."""
    net = Network(layers, epsilon=_EPSILON)
    x = net.conv(net.image(size), 8, 3, stride=2, act=Act.RELU)
    widths = (16, 32, 32, 64, 64, 128, 128, 128, 128, 128, 128, 256, 256)
    strides = (1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1)
    for channels, stride in zip(widths, strides, strict=True):
        x = net.depthwise(x, 3, stride=stride, act=Act.RELU)
        x = net.conv(x, channels, act=Act.RELU)
    title = "MobileNetV1 0.25 (MLPerf Tiny), visual wake words, float32"
    return _ending(net, net.pooled(x), title, is_cut=is_cut)


def autoencoder(layers: Source, *, size: int = 640, is_cut: bool = False) -> Model:
    """`spectrum` float32 [1, 640], five frames of 128 mel bands, to itself `again`."""
    net = Network(layers, epsilon=_EPSILON)
    x = net.input("spectrum", size)
    for units in (128, 128, 128, 128, 8):
        x = net.dense(x, units, act=Act.RELU, has_norm=True)
    title = "Autoencoder (MLPerf Tiny), ToyADMOS, float32"
    if is_cut:
        return net.finish(x, "features", title, is_cut=True)
    for units in (128, 128, 128, 128):
        x = net.dense(x, units, act=Act.RELU, has_norm=True)
    return net.finish(net.dense(x, size), "again", title)


def _ending(net: Network, x: Value, title: str, *, is_cut: bool) -> Model:
    if is_cut:
        return net.finish(x, "features", title, is_cut=True)
    return net.finish(net.probabilities(x), "probabilities", title)
