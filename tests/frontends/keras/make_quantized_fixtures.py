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
    yield from more()


def more() -> Iterator[Case]:
    """Other kinds: both directions of a table, int4 of every layer, per row and in groups of
    several per row, and inputs that Keras rounds."""
    x, ids = image(2, 5, 16), rng.integers(0, 9, (2, 5)).astype("int32")
    weights_only, int4 = {"activation_quantizer": None}, keras.quantizers.Int4QuantizationConfig
    int8 = keras.quantizers.Int8QuantizationConfig
    kinds = {"int8": int8(**weights_only), "int4": int4(**weights_only)}
    for mode, config in kinds.items():
        for tied in (True, False):
            table = L.ReversibleEmbedding(9, 16, tie_weights=tied)
            table.build(ids.shape)
            randomize(table)
            table.quantize(mode, config=config)
            name = f"reversible_{mode}_{'tied' if tied else 'untied'}"
            yield name, (lambda x, make=table: make(make(x), reverse=True)), [ids]
    made = {
        "einsum_int4": (L.EinsumDense("abc,cde->abde", (None, 4, 6), bias_axes="de"), "int4"),
        "heads_int4": (L.MultiHeadAttention(2, 4), "int4"),
        "dense_int4_rows": (L.Dense(7), int4(**weights_only, block_size=-1)),
        "dense_int4_rounded": (L.Dense(7), int4(**weights_only, block_size=4)),
        "embedding_int4_rounded": (L.Embedding(9, 8), int4(**weights_only, block_size=4)),
        "dense_int8_inputs": (L.Dense(7), int8()),
        "einsum_int8_inputs": (L.EinsumDense("abc,cd->abd", (None, 6)), int8()),
    }
    for name, (layer, config) in made.items():
        is_heads, data = name.startswith("heads"), ids if name.startswith("embedding") else x
        layer.build(*[data.shape] * (2 if is_heads else 1))
        randomize(layer)
        config = kinds["int4"] if config == "int4" else config
        parts = layer._flatten_layers(include_self=False) if is_heads else [layer]
        for part in parts:
            if isinstance(part, (L.EinsumDense, L.Dense, L.Embedding)):
                part.quantize(config.mode, config=config)
        call = (lambda x, make=layer: make(x, x)) if is_heads else (lambda x, make=layer: make(x))
        yield name, call, [data]


def main() -> None:
    """Writes the archives."""
    for family in (resizing, quantized):
        write(family.__name__, family())


if __name__ == "__main__":
    main()
