"""The networks of keras.applications that are converted, as data: read here and by the oracle.

One case per kind of network, and those with an argument of their own: widths that are no multiple
of anything, no classifier, pooling, images of any size, no preprocessing inside. Images are small;
what differs between sizes is the padding, and some are odd somewhere. Without another word a case
has ten classes and gives logits: probabilities would hide mistakes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

FOLDER = Path(__file__).with_name("answers") / "applications"
HEADLESS = {"include_top": False}
# Their first layers expect pixels from 0 to 255, unless told that somebody else prepares them.
TAKE_PIXELS = ("EfficientNet", "MobileNetV3", "ConvNeXt")


@dataclass(frozen=True, slots=True)
class Case:
    """`network`: a name in keras.applications; `size`: of the image that is fed; `shape`: of the
    input, where that is another; `options`: other arguments of the function."""

    name: str
    network: str
    size: tuple[int, int]
    shape: tuple[int | None, int | None] | None = None
    options: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))

    def arguments(self) -> dict[str, Any]:
        """What the function is called with; `weights=None` makes them random."""
        given: dict[str, Any] = {"weights": None, "input_shape": (*(self.shape or self.size), 3)}
        if self.options.get("include_top", True):
            given |= {"classes": 10, "classifier_activation": None}
        return given | dict(self.options)

    @property
    def takes_pixels(self) -> bool:
        """Whether numbers from 0 to 255 are expected, not from -1 to 1."""
        prepared = self.options.get("include_preprocessing", True)
        return prepared and self.network.startswith(TAKE_PIXELS)


def _case(network: str, *size: int, like: str = "", shape: Any = None, **options: Any) -> Case:
    name = f"{network}-{like}" if like else network
    return Case(name, network, (size[0], size[-1]), shape, MappingProxyType(options))


# Every network that keras.applications has, once.
FAMILIES = (
    _case("MobileNet", 128),
    _case("MobileNetV2", 96),
    _case("MobileNetV3Small", 96),
    _case("MobileNetV3Large", 64),
    _case("EfficientNetB0", 64),
    _case("EfficientNetB1", 65),
    _case("EfficientNetB2", 64),
    _case("EfficientNetB3", 64),
    _case("EfficientNetB4", 64),
    _case("EfficientNetB5", 64),
    _case("EfficientNetB6", 64),
    _case("EfficientNetB7", 64),
    _case("EfficientNetV2B0", 64),
    _case("EfficientNetV2B1", 63),
    _case("EfficientNetV2B2", 64),
    _case("EfficientNetV2B3", 64),
    _case("EfficientNetV2S", 64),
    _case("EfficientNetV2M", 64),
    _case("EfficientNetV2L", 64),
    _case("ResNet50", 64),
    _case("ResNet101", 64),
    _case("ResNet152", 64),
    _case("ResNet50V2", 64),
    _case("ResNet101V2", 64),
    _case("ResNet152V2", 64),
    _case("DenseNet121", 64),
    _case("DenseNet169", 64),
    _case("DenseNet201", 64),
    _case("InceptionV3", 75),
    _case("InceptionResNetV2", 75),
    _case("Xception", 72),
    _case("VGG16", 32),
    _case("VGG19", 32),
    _case("NASNetMobile", 64),
    _case("NASNetLarge", 64, include_top=False),
    _case("ConvNeXtTiny", 64),
    _case("ConvNeXtSmall", 64),
    _case("ConvNeXtBase", 64),
    _case("ConvNeXtLarge", 32),
    _case("ConvNeXtXLarge", 32),
)

# Their awkward arguments.
VARIANTS = (
    _case("MobileNet", 65, 97, like="narrow", alpha=0.3, dropout=0.2),
    _case("MobileNet", 64, like="multiplied", depth_multiplier=2, alpha=0.25),
    _case("MobileNet", 64, like="softmax", alpha=0.25, classifier_activation="softmax"),
    _case("MobileNetV2", 96, like="wide", alpha=1.3, **HEADLESS, pooling="avg"),
    _case("MobileNetV2", 97, 65, like="any-size", shape=(None, None), **HEADLESS, pooling="max"),
    _case("MobileNetV2", 64, like="headless", alpha=0.35, **HEADLESS),
    _case("MobileNetV3Small", 64, like="minimal", minimalistic=True),
    _case("MobileNetV3Small", 64, like="prepared", alpha=0.75, include_preprocessing=False),
    _case("MobileNetV3Large", 64, like="any-size", shape=(None, None), **HEADLESS, pooling="avg"),
    _case("EfficientNetB0", 64, like="any-size", shape=(None, None), **HEADLESS, pooling="avg"),
    _case("EfficientNetB0", 65, 97, like="softmax", classifier_activation="softmax"),
    _case("EfficientNetV2B0", 64, like="prepared", include_preprocessing=False),
    _case("ResNet50", 65, 97, like="any-size", shape=(None, None), **HEADLESS, pooling="max"),
    _case("ResNet50V2", 64, like="headless", **HEADLESS),
    _case("DenseNet121", 64, like="pooled", **HEADLESS, pooling="max"),
    _case("VGG16", 33, like="pooled", **HEADLESS, pooling="avg"),
    _case("NASNetMobile", 64, like="pooled", **HEADLESS, pooling="avg"),
    _case("ConvNeXtTiny", 64, like="pooled", **HEADLESS, pooling="avg"),
    _case("ConvNeXtTiny", 64, like="prepared", include_preprocessing=False, **HEADLESS),
)

CASES = {case.name: case for case in (*FAMILIES, *VARIANTS)}

# Those that are stored, for machines without TensorFlow: small files, and every kind of layer.
STORED = ("MobileNet-narrow", "MobileNetV2-any-size", "MobileNetV3Small")


def images(case: Case, count: int) -> np.ndarray:
    """Blobs of colour with some noise, [count, H, W, 3]."""
    rng = np.random.RandomState(1)
    height, width = case.size
    blobs = rng.uniform(-1.5, 1.5, (count, height // 8 + 1, width // 8 + 1, 3))
    x = np.repeat(np.repeat(blobs, 8, 1), 8, 2)[:, :height, :width]
    x = np.clip(0.5 * x + rng.uniform(-0.3, 0.3, x.shape), -1, 1)
    return np.asarray(127.5 * (x + 1) if case.takes_pixels else x, np.float32)
