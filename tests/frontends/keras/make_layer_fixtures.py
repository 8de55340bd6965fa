"""Makes `fixtures/layers.npz`: small Keras models with awkward arguments, and Keras's answers.

Run with a Python that has Keras 3 and TensorFlow: `KERAS_BACKEND=tensorflow python
tests/frontends/keras/make_layer_fixtures.py`. For every case NAME the archive holds `NAME.model`
(the bytes of the `.keras` or `.h5` file), `NAME.x0`, ... and `NAME.y0`, ...
"""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import keras
import numpy as np
from keras import layers as L
from keras.src.applications import convnext, inception_resnet_v2

HERE = Path(__file__).parent
Case = tuple[Callable[[list[object]], object], list[np.ndarray]]
rng = np.random.default_rng(20)


def image(*shape: int, dtype: str = "float32") -> np.ndarray:
    """Random data, batch first."""
    return rng.normal(size=shape).astype(dtype)


def one(layer: object, *inputs: np.ndarray) -> Case:
    """A model of one layer; several inputs are given as a list."""
    return (lambda xs: layer(xs[0] if len(xs) == 1 else xs)), list(inputs)


def cases() -> Iterator[tuple[str, Case]]:
    """Every case with its name."""
    families = (
        convolutions,
        transposed,
        pools,
        activations,
        merges,
        norms,
        shapes,
        others,
        tables,
        of_applications,
    )
    for family in families:
        yield from family()


def convolutions() -> Iterator[tuple[str, Case]]:
    x1, x2, x3 = image(2, 11, 6), image(2, 9, 7, 4), image(2, 6, 5, 7, 4)
    yield "conv1d_causal", one(L.Conv1D(3, 3, padding="causal", dilation_rate=2), x1)
    yield "conv1d_same", one(L.Conv1D(4, 4, 2, "same", groups=2, use_bias=False), x1)
    yield "conv1d_valid", one(L.Conv1D(5, 3, 3, activation="relu"), x1)
    yield "conv2d_same", one(L.Conv2D(3, (3, 2), (2, 3), "same", activation="gelu"), x2)
    yield "conv2d_dilated", one(L.Conv2D(3, 3, dilation_rate=(2, 1), padding="same"), x2)
    yield "conv2d_groups", one(L.Conv2D(6, 3, groups=2), x2)
    yield "conv2d_1x1", one(L.Conv2D(5, 1, activation="softmax"), x2)
    yield "conv3d_same", one(L.Conv3D(2, (2, 3, 1), (2, 1, 2), "same"), x3)
    yield "conv3d_groups", one(L.Conv3D(4, 2, groups=2, dilation_rate=(1, 2, 1)), x3)
    yield "depthwise1d", one(L.DepthwiseConv1D(3, 2, "same", depth_multiplier=2), x1)
    yield "depthwise2d", one(L.DepthwiseConv2D(3, 2, "same", depth_multiplier=3), x2)
    both = L.DepthwiseConv2D((3, 2), 2, "same", dilation_rate=2)
    yield "depthwise2d_dilated", one(L.DepthwiseConv2D(3, dilation_rate=(2, 2)), x2)
    yield "depthwise2d_strided_dilated", one(both, x2)
    yield "separable1d", one(L.SeparableConv1D(5, 3, 2, "same", activation="relu"), x1)
    yield "separable2d", one(L.SeparableConv2D(5, 3, 2, "same", depth_multiplier=2), x2)
    yield "separable2d_valid", one(L.SeparableConv2D(5, (2, 3), use_bias=False), x2)
    first = {"data_format": "channels_first"}
    # no spatial size may equal the channels: Keras's TensorFlow backend then adds a bias along the
    # last axis (`add` in backend/tensorflow/numpy.py takes it for channels_last)
    x2f = image(2, 4, 9, 6)
    yield "depthwise2d_first", one(L.DepthwiseConv2D(3, 2, "same", **first), x2f)
    yield "separable2d_first", one(L.SeparableConv2D(3, 3, activation="softmax", **first), x2f)
    yield "conv3d_first", one(L.Conv3D(2, 2, padding="same", **first), image(2, 3, 4, 5, 6))


def transposed() -> Iterator[tuple[str, Case]]:
    x1, x2, x3 = image(2, 5, 3), image(2, 4, 5, 3), image(1, 3, 2, 4, 3)
    for padding in ("same", "valid"):
        yield f"t1_{padding}", one(L.Conv1DTranspose(4, 3, 2, padding), x1)
        yield f"t2_{padding}", one(L.Conv2DTranspose(4, (3, 2), (2, 3), padding), x2)
        yield f"t2_small_{padding}", one(L.Conv2DTranspose(4, 2, 3, padding), x2)
        yield f"t2_even_{padding}", one(L.Conv2DTranspose(4, 4, 2, padding), x2)
        yield f"t3_{padding}", one(L.Conv3DTranspose(2, 3, 2, padding), x3)
    for extra in (0, 1):
        layer = L.Conv2DTranspose(2, 3, 2, "same", output_padding=extra, activation="relu")
        yield f"t2_same_out{extra}", one(layer, x2)
    yield "t2_valid_out1", one(L.Conv2DTranspose(2, 3, 3, "valid", output_padding=(1, 2)), x2)
    yield "t2_dynamic", (lambda xs: L.Conv2DTranspose(2, 3, 2, "same")(xs[0]), [x2])


def pools() -> Iterator[tuple[str, Case]]:
    x1, x2, x3 = image(2, 11, 3), image(2, 9, 7, 3), image(2, 5, 6, 7, 3)
    for padding in ("same", "valid"):
        for kind in ("Max", "Average"):
            pool = [getattr(L, f"{kind}Pooling{n}D") for n in (1, 2, 3)]
            yield f"{kind}1_{padding}", one(pool[0](3, 2, padding), x1)
            yield f"{kind}2_{padding}", one(pool[1]((3, 2), (2, 1), padding), x2)
            yield f"{kind}3_{padding}", one(pool[2]((2, 3, 2), None, padding), x3)
    for kind in ("Max", "Average"):
        for n, x in enumerate((x1, x2, x3), 1):
            pool = getattr(L, f"Global{kind}Pooling{n}D")
            yield f"Global{kind}{n}", one(pool(keepdims=n == 2), x)
    first = {"data_format": "channels_first"}
    yield "GlobalMax2_first", one(L.GlobalMaxPooling2D(**first), image(2, 3, 5, 4))
    yield "GlobalAverage1_first", one(L.GlobalAveragePooling1D(**first), image(2, 3, 5))
    for kind in ("Average", "Max"):
        pool = [getattr(L, f"Adaptive{kind}Pooling{n}D") for n in (1, 2, 3)]
        yield f"Adaptive{kind}1", one(pool[0](4), x1)
        yield f"Adaptive{kind}2", one(pool[1]((3, 7)), x2)


def activations() -> Iterator[tuple[str, Case]]:
    x = image(3, 4, 6) * 3
    names = """linear relu relu6 sigmoid tanh hard_tanh hard_sigmoid silu hard_silu gelu elu selu
    celu glu softplus softsign exponential mish softmax log_softmax leaky_relu log_sigmoid
    sparse_sigmoid sparse_plus squareplus soft_shrink hard_shrink tanh_shrink sparsemax"""
    for name in names.split():
        yield f"act_{name}", one(L.Activation(name), x)
    for index, arguments in enumerate(
        [
            {"max_value": 6.0}, {"max_value": 2.5}, {"negative_slope": 0.3}, {"threshold": 0.7},
            {"max_value": 3.0, "threshold": 1.5}, {"max_value": 2.0, "negative_slope": 0.1},
            {"max_value": 2.0, "negative_slope": 0.1, "threshold": 0.5},
        ]
    ):  # fmt: skip
        yield f"relu_{index}", one(L.ReLU(**arguments), x)
    yield "leaky_relu", one(L.LeakyReLU(negative_slope=0.15), x)
    yield "elu_alpha", one(L.ELU(alpha=0.4), x)
    yield "prelu", one(L.PReLU(), x)
    yield "prelu_shared", one(L.PReLU(shared_axes=[1, 2]), image(2, 3, 4, 5))
    yield "softmax_axis", one(L.Softmax(axis=1), x)
    yield "softmax_axes", one(L.Softmax(axis=(1, 2)), x)
    yield "dense_layer_as_activation", one(L.Dense(3, activation=L.LeakyReLU(0.4)), x)
    mask = np.array([[1, 1, 0, 1], [0, 0, 0, 1], [1, 0, 1, 1]], bool)
    yield "softmax_mask", (lambda xs: L.Softmax()(xs[0], mask=xs[1]), [image(3, 4), mask])


def merges() -> Iterator[tuple[str, Case]]:
    a, b, c = image(2, 3, 4), image(2, 3, 4), image(2, 3, 4)
    for kind in ("Add", "Multiply", "Average", "Maximum", "Minimum"):
        yield kind, one(getattr(L, kind)(), a, b, c)
        yield f"{kind}_ranks", one(getattr(L, kind)(), a, image(2, 4))
    yield "Subtract", one(L.Subtract(), a, b)
    yield "Concatenate", one(L.Concatenate(), a, image(2, 3, 2), c)
    yield "Concatenate_1", one(L.Concatenate(axis=1), a, image(2, 2, 4))
    yield "Dot_1", one(L.Dot(axes=1), image(2, 5), image(2, 5))
    yield "Dot_21", one(L.Dot(axes=(2, 1)), image(2, 3, 5), image(2, 5, 4))
    yield "Dot_normalize", one(L.Dot(axes=2, normalize=True), image(2, 3, 5), image(2, 4, 5))
    yield "Dot_4d", one(L.Dot(axes=(1, 2)), image(2, 5, 3, 2), image(2, 4, 5))
    yield "Dot_12", one(L.Dot(axes=(1, 2)), image(2, 5), image(2, 4, 5))


def norms() -> Iterator[tuple[str, Case]]:
    x = image(2, 5, 4, 6)
    for axis in (-1, 1):
        yield f"batchnorm_{axis}", one(L.BatchNormalization(axis=axis, epsilon=0.01), x)
    yield "batchnorm_plain", one(L.BatchNormalization(center=False, scale=False), x)
    for index, axis in enumerate((-1, 1, [1, 2], [-2, -1], [1, 3])):
        yield f"layernorm_{index}", one(L.LayerNormalization(axis=axis), x)
    yield "layernorm_rms", one(L.LayerNormalization(rms_scaling=True), x)
    yield "layernorm_plain", one(L.LayerNormalization(center=False, scale=False), x)
    for groups in (1, 2, -1):
        yield f"groupnorm_{groups}", one(L.GroupNormalization(groups, center=groups != 2), x)
    yield "groupnorm_axis", one(L.GroupNormalization(2, axis=2), x)
    yield "unitnorm", one(L.UnitNormalization(axis=[1, 2]), x)
    yield "rmsnorm", one(L.RMSNormalization(), x)
    yield "spectral", one(L.SpectralNormalization(L.Conv2D(3, 2)), x)
    mean, variance = rng.normal(size=6), rng.uniform(0.5, 2, 6)
    yield "normalization", one(L.Normalization(mean=mean, variance=variance), x)
    yield "normalization_scalar", one(L.Normalization(axis=None, mean=2.0, variance=4.0), x)
    adapted = L.Normalization(axis=(1, 3))
    adapted.adapt(image(8, 5, 4, 6))
    yield "normalization_adapted", one(adapted, x)
    inverse = L.Normalization(mean=mean, variance=variance, invert=True)
    yield "normalization_invert", one(inverse, x)


def shapes() -> Iterator[tuple[str, Case]]:
    x1, x2, x3 = image(2, 7, 3), image(2, 6, 5, 3), image(2, 4, 5, 6, 2)
    yield "flatten", one(L.Flatten(), x2)
    yield "flatten_first", one(L.Flatten(data_format="channels_first"), x2)
    yield "reshape", one(L.Reshape((3, -1, 2)), x2)
    yield "permute", one(L.Permute((3, 1, 2)), x2)
    yield "repeat_vector", one(L.RepeatVector(3), image(2, 4))
    yield "cropping1", one(L.Cropping1D((1, 2)), x1)
    yield "cropping2", one(L.Cropping2D(((1, 0), (2, 1))), x2)
    yield "cropping2_first", one(L.Cropping2D(1, data_format="channels_first"), image(2, 3, 5, 6))
    yield "cropping3", one(L.Cropping3D((1, 2, 1)), x3)
    yield "padding1", one(L.ZeroPadding1D((2, 1)), x1)
    yield "padding2", one(L.ZeroPadding2D(((1, 0), (2, 3))), x2)
    yield "padding2_pair", one(L.ZeroPadding2D((1, 2)), x2)
    yield "padding3", one(L.ZeroPadding3D(2), x3)
    yield "up1", one(L.UpSampling1D(3), x1)
    yield "up2", one(L.UpSampling2D((2, 3)), x2)
    yield "up2_bilinear", one(L.UpSampling2D((3, 2), interpolation="bilinear"), x2)
    yield "up2_first", one(L.UpSampling2D(2, data_format="channels_first"), image(2, 3, 4, 5))
    yield "up3", one(L.UpSampling3D((2, 1, 3)), x3)
    steps = L.TimeDistributed
    yield "time_dense", one(steps(L.Dense(4, activation="relu")), x1)
    yield "time_conv", one(steps(L.Conv2D(3, 2, padding="same")), x3)
    inner = keras.Sequential([L.Input((5, 6, 2)), L.Flatten(), L.Dense(3)])
    yield "time_model", one(steps(inner), x3)


def others() -> Iterator[tuple[str, Case]]:
    x = image(2, 6, 5, 3)
    yield "rescaling", one(L.Rescaling([0.5, 2.0, 3.0], offset=[1.0, 0.0, -1.0]), x)
    bytes_ = rng.integers(0, 256, (2, 6, 5, 3)).astype(np.uint8)
    yield "rescaling_uint8", one(L.Rescaling(1 / 127.5, offset=-1.0), bytes_)
    yield "center_crop", one(L.CenterCrop(3, 4), x)
    yield "center_crop_small", one(L.CenterCrop(8, 4), x)
    for name in ("bilinear", "nearest"):
        yield f"resizing_{name}", one(L.Resizing(4, 9, interpolation=name), x)
    yield "resizing_crop", one(L.Resizing(4, 9, crop_to_aspect_ratio=True), x)
    yield "resizing_pad", one(L.Resizing(4, 9, pad_to_aspect_ratio=True, fill_value=0.5), x)
    ids = rng.integers(0, 7, (2, 5)).astype(np.int32)
    yield "embedding", one(L.Embedding(7, 4), ids)
    mean = L.GlobalAveragePooling1D
    yield "mask_embedding", (lambda xs: mean()(L.Embedding(7, 4, mask_zero=True)(xs[0])), [ids])
    # a Sequential model does not write masks down as a graph does
    implicit = [L.Input((5,), dtype="int32"), L.Embedding(7, 4, mask_zero=True), L.Dense(3), mean()]
    yield "mask_implicit", one(keras.Sequential(implicit), ids)
    holes = image(3, 5, 2) * (rng.uniform(size=(3, 5, 1)) > 0.5)
    yield "mask_masking", (lambda xs: mean()(L.Masking()(xs[0])), [holes])
    yield (
        "mask_masking_implicit",
        one(keras.Sequential([L.Input((5, 2)), L.Masking(), mean()]), holes),
    )

    def joined(xs: list[object]) -> object:
        y = L.Concatenate(axis=1)([L.Masking()(xs[0]), xs[1]])
        return L.GlobalAveragePooling1D()(L.Dense(3)(y))

    yield "mask_joined", (joined, [holes, image(3, 4, 2)])
    yield "dense", one(L.Dense(4, activation="tanh", use_bias=False), image(2, 3))
    yield "dense_4d", one(L.Dense(4), x)
    for index, (equation, shape, bias) in enumerate(
        [
            ("abc,cd->abd", (None, 4), "d"), ("...x,xy->...y", (7,), "y"),
            ("abc,bcde->ade", (3, 2), "de"), ("abc,bcd->abd", (3, 2), None),
            ("abcd,cde->abe", (3, 5), "e"), ("ab...,bc->ac...", (2,), "c"),
        ]
    ):  # fmt: skip
        size = image(2, 3, 4, 5) if index in (1, 4, 5) else image(2, 3, 4)
        yield f"einsum_{index}", one(L.EinsumDense(equation, shape, bias_axes=bias), size)
    yield (
        "dropouts",
        (
            lambda xs: L.GaussianNoise(0.3)(L.SpatialDropout2D(0.5)(L.Dropout(0.5)(xs[0]))),
            [x],
        ),
    )
    yield (
        "augmentation",
        (
            lambda xs: L.RandomFlip()(L.RandomRotation(0.3)(L.RandomContrast(0.4)(xs[0]))),
            [x],
        ),
    )
    yield "mixed_float16", one(L.Dense(4, dtype="mixed_float16", activation="relu"), image(2, 3))
    yield "shared_nested", (_shared_nested, [image(2, 6), image(2, 6)])
    yield "two_outputs", (lambda xs: {"b": L.Dense(2)(xs[0]), "a": L.Dense(3)(xs[0])}, [x])


def tables() -> Iterator[tuple[str, Case]]:
    """Tables that are read forwards and backwards; and a crop that is none at inference."""
    yield "random_crop", one(L.RandomCrop(4, 5), image(2, 9, 7, 3))
    ids = np.array([[3, 0, 7], [1, 1, 9]], np.int32)
    for name, arguments in (("tied", {}), ("untied", {"tie_weights": False})):
        table = L.ReversibleEmbedding(10, 4, logit_soft_cap=0.7, **arguments)
        yield f"reversible_{name}", ((lambda xs, t=table: t(t(xs[0]), reverse=True)), [ids])


def of_applications() -> Iterator[tuple[str, Case]]:
    """Layers that keras.applications defines for its own networks."""
    a, b = image(2, 4, 3, 5), image(2, 4, 3, 5)
    yield "scaled_sum", one(inception_resnet_v2.CustomScaleLayer(0.17), a, b)
    yield "layer_scale", one(convnext.LayerScale(1e-6, 5), a)
    yield "stochastic_depth", one(convnext.StochasticDepth(0.3), a)


def _shared_nested(xs: list[object]) -> object:
    a, b = keras.Input((6,)), keras.Input((6,))
    layer = L.Dense(6, activation="tanh")
    inner = keras.Model([a, b], [layer(a), layer(layer(b))], name="inner")
    p, q = inner([xs[0], xs[1]])
    r, s = inner([q, p])
    return [L.Add()([p, s]), r]


def randomize(model: object) -> None:
    """Weights that show every mistake: none 0 or 1, variances positive."""
    for weight in model.weights:
        value = rng.normal(size=weight.shape) * 0.5
        if "variance" in weight.name:
            value = np.abs(value) + 0.5
        if "adapt" not in weight.path and weight.dtype.startswith("float"):
            weight.assign(value)


def main() -> None:
    """Writes the archive."""
    arrays: dict[str, np.ndarray] = {}
    for name, (build, data) in cases():
        keras.utils.set_random_seed(1)
        inputs = [keras.Input(x.shape[1:], dtype=str(x.dtype)) for x in data]
        try:
            model = keras.Model(inputs, build(inputs))
            if name != "normalization_adapted":
                randomize(model)
            outputs = keras.tree.flatten(model(data, training=False))
        except Exception as error:  # this version of Keras or its CPU kernels cannot run the case
            warnings.warn(f"{name} left out: {str(error)[:200]}", stacklevel=1)
            continue
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.keras"
            model.save(path)
            arrays[f"{name}.model"] = np.frombuffer(path.read_bytes(), np.uint8)
        arrays |= {f"{name}.x{i}": x for i, x in enumerate(data)}
        arrays |= {f"{name}.y{i}": np.asarray(y) for i, y in enumerate(outputs)}
    np.savez_compressed(HERE / "fixtures" / "layers.npz", **arrays)


if __name__ == "__main__":
    main()
