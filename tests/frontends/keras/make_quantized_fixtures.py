"""Makes `fixtures/resizing.npz` and `quantized.npz` as `make_operation_fixtures.py` makes others.

Run as that one, in this folder: `KERAS_BACKEND=tensorflow python make_quantized_fixtures.py`.
"""

from __future__ import annotations

from collections.abc import Iterator

import keras
from make_operation_fixtures import Case, image, randomize, rng, write

L = keras.layers


def resizing() -> Iterator[Case]:
    """Every interpolation, larger and smaller, with antialiasing where the method has it."""
    x = image(2, 9, 7, 3)
    for name in ("nearest", "bilinear", "bicubic", "area", "lanczos3", "lanczos5"):
        for height, width in ((5, 4), (14, 11)):
            for smooth in (False, True):
                layer = L.Resizing(height, width, interpolation=name, antialias=smooth)
                yield f"{name}_{height}_{smooth}", (lambda x, make=layer: make(x)), [x]
    crop = L.Resizing(6, 12, interpolation="bicubic", crop_to_aspect_ratio=True)
    yield "crop", (lambda x: crop(x)), [x]
    pad = L.Resizing(6, 12, "lanczos3", pad_to_aspect_ratio=True, fill_value=0.5)
    yield "pad", (lambda x: pad(x)), [x]
    for name in ("bicubic", "lanczos5"):
        layer = L.UpSampling2D((2, 3), interpolation=name)
        yield f"up_{name}", (lambda x, make=layer: make(x)), [x]


def quantized() -> Iterator[Case]:
    """Weights in int8 and int4; inputs as they are, which Keras would round as well."""
    x, ids = image(2, 5, 16), rng.integers(0, 9, (2, 5)).astype("int32")
    kinds = {"int8": keras.quantizers.Int8QuantizationConfig}
    kinds["int4"] = keras.quantizers.Int4QuantizationConfig
    for mode, kind in kinds.items():
        layers = {"dense": L.Dense(7, activation="relu"), "embedding": L.Embedding(9, 7)}
        if mode == "int8":
            layers["einsum"] = L.EinsumDense("abc,cde->abde", (None, 4, 6), bias_axes="de")
            layers["swapped"] = L.EinsumDense("abc,dce->aebd", (6, 5, 4))
        for name, layer in layers.items():
            data = ids if name == "embedding" else x
            layer.build(data.shape)
            randomize(layer)
            layer.quantize(mode, config=kind(activation_quantizer=None))
            yield f"{name}_{mode}", (lambda x, make=layer: make(x)), [data]
    heads = L.MultiHeadAttention(2, 4)
    heads.build(x.shape, x.shape)
    randomize(heads)
    for part in heads._flatten_layers(include_self=False):
        if isinstance(part, L.EinsumDense):
            part.quantize("int8", config=kinds["int8"](activation_quantizer=None))
    yield "heads_int8", (lambda x: heads(x, x)), [x]


def main() -> None:
    """Writes the archives."""
    for family in (resizing, quantized):
        write(family.__name__, family())


if __name__ == "__main__":
    main()
