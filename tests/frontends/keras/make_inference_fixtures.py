"""Makes `fixtures/inference.npz`: layers that only training needs, one by one, as Keras runs them.

Run with a Python that has Keras 3 and TensorFlow: `KERAS_BACKEND=tensorflow python -m
tests.frontends.keras.make_inference_fixtures`. `names` holds the classes of `keras.layers`.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator

import numpy as np
from keras import layers as L

from tests.frontends.keras.make_operation_fixtures import HERE, Case, write

rng = np.random.default_rng(26)
STEPS = rng.normal(size=(2, 5, 3)).astype(np.float32)
VOLUME = rng.normal(size=(2, 4, 5, 6, 2)).astype(np.float32)
IMAGES = rng.uniform(20, 230, (2, 6, 5, 3)).astype(np.float32)
IMAGES[1, ..., 2] = 77  # a channel without contrast
# With arguments that change every image, were they in training.
AUGMENTATIONS: dict[str, dict[str, object]] = {
    "AugMix": {}, "CutMix": {}, "MixUp": {}, "RandAugment": {"factor": 1.0},
    "RandomBrightness": {"factor": (0.5, 0.5)}, "RandomColorDegeneration": {"factor": 1.0},
    "RandomColorJitter": {"brightness_factor": 0.5, "hue_factor": 0.5},
    "RandomContrast": {"factor": (0.9, 0.9)}, "RandomElasticTransform": {"factor": 1.0},
    "RandomErasing": {"factor": 1.0}, "RandomFlip": {"mode": "vertical"},
    "RandomGaussianBlur": {"factor": 1.0}, "RandomGrayscale": {"factor": 1.0},
    "RandomHue": {"factor": 1.0}, "RandomInvert": {"factor": 1.0},
    "RandomPerspective": {"factor": 1.0}, "RandomPosterization": {"factor": 3},
    "RandomRotation": {"factor": (0.4, 0.4)}, "RandomSaturation": {"factor": (0.9, 0.9)},
    "RandomSharpness": {"factor": 1.0}, "RandomShear": {"x_factor": 1.0},
    "RandomTranslation": {"height_factor": 0.4, "width_factor": 0.4},
    "RandomZoom": {"height_factor": (0.5, 0.5)},
    "Solarization": {"addition_factor": 0.5, "threshold_factor": 0.5},
}  # fmt: skip


def inference() -> Iterator[Case]:
    """Every case."""
    for name, arguments in AUGMENTATIONS.items():
        yield name, getattr(L, name)(**arguments), [IMAGES]
    yield "pipeline", L.Pipeline([L.RandomFlip(), L.AutoContrast(), L.Rescaling(0.1)]), [IMAGES]
    yield "contrast", L.AutoContrast(), [IMAGES]
    yield "contrast_of_units", L.AutoContrast(value_range=(0, 1)), [IMAGES / 255]
    yield "contrast_of_bytes", L.AutoContrast(), [IMAGES.astype(np.uint8)]
    for layer in (L.AlphaDropout(0.4), L.GaussianDropout(0.4), L.SpatialDropout1D(0.4)):
        yield type(layer).__name__, layer, [STEPS]
    yield "SpatialDropout3D", L.SpatialDropout3D(0.4), [VOLUME]
    yield "ActivityRegularization", L.ActivityRegularization(0.3, 0.2), [STEPS]
    yield "Identity", L.Identity(), [STEPS]
    ids = np.array([[0, 7, 9, 9], [3, 0, 7, 7]], np.int64)
    masked = L.IntegerLookup(vocabulary=[7, 9], mask_token=0, output_mode="count")
    yield "integers_masked", masked, [ids]
    for kind in ("Average", "Max"):
        yield f"Adaptive{kind}3", getattr(L, f"Adaptive{kind}Pooling3D")((2, 3, 4)), [VOLUME]


def main() -> None:
    """Writes the archive, and the names into it."""
    write("inference", inference())
    file = HERE / "fixtures" / "inference.npz"
    named = {value for _, value in inspect.getmembers(L, inspect.isclass)}
    names = np.array(sorted(layer.__name__ for layer in named if issubclass(layer, L.Layer)))
    np.savez_compressed(file, **dict(np.load(file)), names=names)


if __name__ == "__main__":
    main()
