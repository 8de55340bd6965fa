"""Layers that do nothing at inference: dropout, noise, regularization, random augmentation.

Source: keras/src/layers/regularization and preprocessing/image_preprocessing, and
applications/convnext.py (StochasticDepth), Keras 3.15.
RandomCrop is in images.py: what it does at inference depends on the version of Keras.
"""

from __future__ import annotations

from edgewise.frontends.context import Handler
from edgewise.frontends.keras.description import KerasLayer
from edgewise.frontends.keras.handlers.context import Context
from edgewise.ir.graph import Value


def identity(c: Context, layer: KerasLayer, x: Value, mask: object = None) -> Value:
    """x itself."""
    return x


_NAMES = """Identity Dropout SpatialDropout1D SpatialDropout2D SpatialDropout3D GaussianNoise
GaussianDropout AlphaDropout ActivityRegularization AugMix CutMix MixUp RandAugment
RandomBrightness RandomColorDegeneration RandomColorJitter RandomContrast RandomElasticTransform
RandomErasing RandomFlip RandomGaussianBlur RandomGrayscale RandomHeight RandomHue RandomInvert
RandomPerspective RandomPosterization RandomRotation RandomSaturation RandomSharpness RandomShear
RandomTranslation RandomWidth RandomZoom Solarization StochasticDepth"""

HANDLERS: dict[str, Handler] = dict.fromkeys(_NAMES.split(), identity)
