"""Makes `fixtures/recurrent.npz` and others: models of recurrent, attention and preprocessing
layers and of keras.ops, and Keras's answers.

Run with a Python that has Keras 3, TensorFlow and SciPy: `KERAS_BACKEND=tensorflow python
tests/frontends/keras/make_operation_fixtures.py`. For every case NAME an archive holds `NAME.model`
(the bytes of the `.keras` file), `NAME.x0`, ... and `NAME.y0`, ...
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import keras
import numpy as np
from keras import ops as O

L = keras.layers
HERE = Path(__file__).parent
Case = tuple[str, Callable[..., object], list[np.ndarray]]
rng = np.random.default_rng(21)
IDS = np.array([[1, 2, 0, 3, 4, 0], [0, 0, 1, 2, 0, 0], [3, 1, 4, 2, 0, 0]], "int32")


def image(*shape: int, low: float = -1, high: float = 1) -> np.ndarray:
    """Random data, batch first."""
    return rng.uniform(low, high, shape).astype("float32")


def truth(*shape: int) -> np.ndarray:
    """Random bools; the first of a row is True."""
    found = rng.random(shape) > 0.4
    found[..., 0] = True
    return found


def embedded(x: object) -> object:
    """Vectors for ids, with a mask."""
    return L.Embedding(5, 3, mask_zero=True)(x)


# -- recurrent layers ---------------------------------------------------------------------------


def recurrent() -> Iterator[Case]:
    x = image(3, 5, 3)
    for name, layer, states in (("lstm", L.LSTM, 2), ("gru", L.GRU, 1), ("rnn", L.SimpleRNN, 1)):
        for label, arguments in {
            "last": {},
            "sequence": {"return_sequences": True},
            "backwards": {"return_sequences": True, "go_backwards": True},
            "backwards_last": {"go_backwards": True},
            "state": {"return_state": True, "return_sequences": True},
            "relu": {"activation": "relu", "use_bias": False},
            "softsign": {"activation": "softsign", "return_sequences": True},
        }.items():
            yield f"{name}_{label}", (lambda x, make=layer, a=arguments: make(4, **a)(x)), [x]
        yield f"{name}_mask", (lambda x, make=layer: make(4)(embedded(x))), [IDS]
        yield (
            f"{name}_mask_sequence",
            (lambda x, make=layer: L.GRU(2)(make(4, return_sequences=True)(embedded(x)))),
            [IDS],
        )
        yield (
            f"{name}_mask_zero",
            (
                lambda x, make=layer: make(
                    4, return_sequences=True, zero_output_for_mask=True, go_backwards=True
                )(embedded(x))
            ),
            [IDS],
        )
        yield (
            f"{name}_initial",
            (lambda x, *s, make=layer: make(4, return_state=True)(x, initial_state=list(s))),
            [x, *(image(3, 4) for _ in range(states))],
        )
    yield "lstm_mask_given", (lambda x, m: L.LSTM(4)(x, mask=m)), [x, truth(3, 5)]
    yield "lstm_hard", (lambda x: L.LSTM(4, recurrent_activation="hard_sigmoid")(x)), [x]
    before = {"reset_after": False, "return_sequences": True}
    yield "gru_before", (lambda x: L.GRU(4, **before)(x)), [x]
    yield "gru_before_mask", (lambda x: L.GRU(4, **before)(embedded(x))), [IDS]
    for mode in ("concat", "sum", "mul", "ave", None):
        layer = L.LSTM(3, return_sequences=True)
        yield (
            f"bi_{mode}",
            (lambda x, make=layer, m=mode: L.Bidirectional(make, merge_mode=m)(x)),
            [x],
        )
    yield "bi_last", (lambda x: L.Bidirectional(L.GRU(3))(x)), [x]
    yield (
        "bi_mask",
        (lambda x: L.Bidirectional(L.LSTM(3, return_sequences=True))(embedded(x))),
        [IDS],
    )
    yield "bi_states", (lambda x: L.Bidirectional(L.LSTM(3, return_state=True))(x)), [x]
    other = L.LSTM(2, go_backwards=True, activation="relu")
    yield "bi_other", (lambda x: L.Bidirectional(L.GRU(3), backward_layer=other)(x)), [x]
    cells = [L.LSTMCell(4), L.GRUCell(3), L.SimpleRNNCell(2)]
    yield "cells", (lambda x: L.RNN(cells, return_sequences=True)(x)), [x]
    masked = [L.LSTMCell(4), L.GRUCell(3, reset_after=False)]
    yield "cells_mask", (lambda x: L.RNN(masked)(embedded(x))), [IDS]
    yield "cell", (lambda x: L.RNN(L.LSTMCell(4), return_sequences=True)(x)), [x]
    yield "steps_of_steps", (lambda x: L.TimeDistributed(L.LSTM(3))(x)), [image(2, 3, 4, 2)]
    yield "conv1d", (lambda x: L.ConvLSTM1D(2, 3, return_sequences=True)(x)), [image(2, 3, 7, 2)]
    grid = image(2, 3, 6, 5, 2)
    yield (
        "conv2d",
        (lambda x: L.ConvLSTM2D(3, (3, 2), strides=2, padding="same", return_state=True)(x)),
        [grid],
    )
    yield (
        "conv2d_mask",
        (lambda x, m: L.ConvLSTM2D(2, 3, dilation_rate=2, return_sequences=True)(x, mask=m)),
        [grid, truth(2, 3)],
    )
    yield "conv3d", (lambda x: L.ConvLSTM3D(2, 2, padding="same")(x)), [image(1, 2, 3, 4, 3, 2)]
    yield (
        "bi_conv2d",
        (lambda x: L.Bidirectional(L.ConvLSTM2D(2, 3, return_sequences=True))(x)),
        [grid],
    )


# -- attention ----------------------------------------------------------------------------------


def attention() -> Iterator[Case]:
    q, v, k = image(2, 4, 6), image(2, 5, 3), image(2, 5, 4)
    many, group = L.MultiHeadAttention, L.GroupQueryAttention
    shown = {"return_attention_scores": True}
    yield "many_self", (lambda x: many(2, 3)(x, x)), [q]
    yield "many_cross", (lambda x, y: many(2, 3, value_dim=5)(x, y, **shown)), [q, v]
    yield (
        "many_three",
        (lambda x, y, z: many(3, 2, value_dim=4, output_shape=8, use_bias=False)(x, y, z)),
        [q, v, k],
    )
    yield "many_causal", (lambda x: many(2, 3)(x, x, use_causal_mask=True)), [q]
    yield (
        "many_mask",
        (lambda x, y, m: many(2, 3)(x, y, attention_mask=m)),
        [q, v, truth(2, 4, 5)],
    )
    yield (
        "many_mask_scores",
        (lambda x, y, m: many(2, 3)(x, y, attention_mask=m, use_causal_mask=True, **shown)),
        [q, v, truth(2, 4, 5)],
    )
    yield "many_embedded", (lambda x: many(2, 3)(embedded(x), embedded(x))), [IDS]
    grid = image(2, 3, 4, 5)
    yield "many_axis", (lambda x: many(2, 3, attention_axes=(2,))(x, x, **shown)), [grid]
    yield "many_axes", (lambda x: many(2, 3)(x, x, **shown)), [grid]
    yield "many_window", (lambda x: many(2, 3, sliding_window=2)(x, x)), [q]
    yield "many_gate", (lambda x: many(2, 3, use_gate=True)(x, x)), [q]
    yield "group", (lambda x: group(3, 4, 2)(x, x, use_causal_mask=True)), [q]
    yield "group_scores", (lambda x: group(3, 4, 1, use_bias=False)(x, x, **shown)), [q]
    a, b = image(2, 4, 3), image(2, 5, 3)
    for name, layer in (("dot", L.Attention), ("additive", L.AdditiveAttention)):
        yield name, (lambda x, y, make=layer: make(use_scale=True)([x, y], **shown)), [a, b]
        yield (
            f"{name}_causal",
            (lambda x, y, make=layer: make(use_scale=False)([x, y], use_causal_mask=True)),
            [a, b],
        )
        yield (
            f"{name}_mask",
            (lambda x, y, m, n, make=layer: make()([x, y], mask=[m, n])),
            [a, b, truth(2, 4), truth(2, 5)],
        )
        yield f"{name}_embedded", (lambda x, make=layer: make()([embedded(x), embedded(x)])), [IDS]
    concat = L.Attention(use_scale=True, score_mode="concat")
    yield "dot_concat", (lambda x, y: concat([x, y])), [a, b]
    heads = [image(2, 4, 4, 3), image(2, 5, 2, 3), image(2, 5, 2, 3)]
    yield "op_causal", (lambda x, y, z: O.dot_product_attention(x, y, z, is_causal=True)), heads
    yield (
        "op_mask",
        (lambda x, y, z, m: O.dot_product_attention(x, y, z, mask=m, scale=0.3)),
        [*heads, truth(2, 4, 4, 5)],
    )


# -- preprocessing ------------------------------------------------------------------------------


def preprocessing() -> Iterator[Case]:
    x, column = image(2, 4), image(3, 1)
    whole = rng.integers(0, 6, (2, 4)).astype("int32")
    for mode in ("int", "one_hot", "multi_hot", "count"):
        edges = L.Discretization([-0.5, 0.0, 0.4], output_mode=mode)
        yield f"bins_{mode}", (lambda x, make=edges: make(x)), [column if mode == "one_hot" else x]
        if mode != "int":
            layer = L.CategoryEncoding(6, output_mode=mode)
            yield f"categories_{mode}", (lambda x, make=layer: make(x)), [whole]
    counts = L.CategoryEncoding(6, output_mode="count")
    yield "categories_weighted", (lambda x, w: counts(x, count_weights=w)), [whole, x]
    words = [12, 36, 1138, 42]
    ids = np.array([[12, 36, 5, 0], [42, 1138, -7, 12], [99999, 7, 13, 42]])
    for name, arguments in {
        "": {},
        "_mask": {"mask_token": 0},
        "_unknowns": {"num_oov_indices": 3, "mask_token": 5},
        "_wide": {"vocabulary": [12, 36, 10**7, -(10**9)]},
        "_hot": {"output_mode": "multi_hot"},
        "_inverted": {"invert": True},
    }.items():
        layer = L.IntegerLookup(**{"vocabulary": words, **arguments})
        data = ids % 8 if "invert" in arguments else ids
        yield f"lookup{name}", (lambda x, make=layer: make(x)), [data]
    signal = image(2, 300)
    mel = {"fft_length": 64, "sampling_rate": 8000, "num_mel_bins": 8}
    yield "mel", (lambda x: L.MelSpectrogram(sequence_stride=32, top_db=9.0, **mel)(x)), [signal]
    plain = {"power_to_db": False, "mag_exp": 1.0, "window": "hamming", "sequence_length": 48}
    yield "mel_plain", (lambda x: L.MelSpectrogram(sequence_stride=20, **plain, **mel)(x)), [signal]
    for mode in ("log", "psd", "stft"):
        layer = L.STFTSpectrogram(mode, frame_length=16, frame_step=10, fft_length=32)
        yield f"stft_{mode}", (lambda x, make=layer: make(x)), [image(2, 50, 2)]
    layer = L.STFTSpectrogram("magnitude", 16, expand_dims=True, padding="same")
    yield "stft_expanded", (lambda x: layer(x)), [image(2, 50, 2)]


# -- keras.ops ----------------------------------------------------------------------------------


def operations() -> Iterator[Case]:
    yield from elementwise()
    yield from reductions()
    yield from movements()
    yield from networks()


def elementwise() -> Iterator[Case]:
    x, y = image(2, 3, 4, low=-2, high=2), image(2, 3, 4, low=0.2, high=2)
    unary = """abs negative square sign floor ceil round trunc exp exp2 expm1 sin cos tan arctan
    sinh cosh tanh arcsinh erf isnan isinf isfinite nan_to_num reciprocal deg2rad rad2deg relu relu6
    sigmoid silu softplus softsign hard_sigmoid hard_silu hard_tanh log_sigmoid tanh_shrink
    sparse_plus sparse_sigmoid selu gelu elu celu leaky_relu soft_shrink hard_shrink squareplus
    softmax log_softmax sparsemax glu zeros_like ones_like sort argsort tril triu"""
    yield "unary", (lambda x: [getattr(O, name)(x) for name in unary.split()]), [x]
    positive = "sqrt rsqrt log log1p log2 log10"
    yield "positive", (lambda x: [getattr(O, name)(x) for name in positive.split()]), [y]
    small = "arcsin arccos arctanh"
    yield "bounded", (lambda x: [getattr(O, n)(x) for n in small.split()]), [x * 0.45]
    binary = """add subtract multiply divide true_divide floor_divide mod maximum minimum arctan2
    logaddexp hypot fmod divide_no_nan equal not_equal less less_equal greater greater_equal"""
    yield "binary", (lambda x, y: [getattr(O, n)(x, y) for n in binary.split()]), [x, y]
    yield "broadcast", (lambda x, y: [O.add(x, y), O.power(y, 2), 2 / y]), [x, y[:, :1]]
    i, j = (rng.integers(1, 6, (2, 4)).astype("int32") for _ in range(2))
    names = "add subtract multiply true_divide floor_divide mod maximum power equal less"
    yield "integers", (lambda x, y: [getattr(O, n)(x, y) for n in names.split()]), [i, j]
    yield (
        "promoted",
        (lambda i, x: [i + x, i * 2.5, i + 2, O.sqrt(i), O.mean(i, 1), -i, O.abs(i - 3), x > i]),
        [i, image(2, 4)],
    )
    yield (
        "bools",
        (
            lambda x, y: [
                O.logical_and(x, y), O.logical_or(x, y), O.logical_xor(x, y), O.logical_not(x),
                O.any(x, axis=1), O.all(x), O.sum(x, axis=1), O.max(x, axis=1),
                O.cast(x, "float32"), O.where(x, y, False),
            ]
        ),
        [truth(2, 4), truth(2, 4)],
    )  # fmt: skip
    yield (
        "chosen",
        (
            lambda x, y: [
                O.where(x > y, x, 0.0), O.where(x > 0, 1, 0), O.clip(x, -0.5, 0.5),
                O.cast(x, "int32"), O.cast(x, "bool"), O.round(x, decimals=1),
                O.threshold(x, 0.2, -5.0), O.gelu(x, approximate=False), O.softmax(x, axis=1),
                O.elu(x, alpha=0.5), O.celu(x, alpha=0.5), O.leaky_relu(x, negative_slope=0.3),
            ]
        ),
        [x, y],
    )  # fmt: skip


def reductions() -> Iterator[Case]:
    x = image(2, 3, 4, 5)
    for name in ("mean", "sum", "max", "min", "prod", "var", "std", "logsumexp"):
        function = getattr(O, name)
        yield (
            name,
            (
                lambda x, f=function: [
                    f(x), f(x, axis=1), f(x, axis=-1, keepdims=True), f(x, axis=(1, 2)),
                ]
            ),
            [x],
        )  # fmt: skip
    yield (
        "ordered",
        (
            lambda x: [
                O.argmax(x, axis=1), O.argmin(x), O.argmax(x, axis=-1, keepdims=True),
                *O.top_k(x, 3), O.sort(x, axis=1), O.argsort(x, axis=2),
                O.cumsum(x, axis=1), O.cumsum(x),
            ]
        ),
        [x],
    )  # fmt: skip
    yield (
        "norms",
        (
            lambda x: [
                O.norm(x, axis=1), O.norm(x, ord=1, axis=-1), O.norm(x, ord=np.inf, axis=1),
                O.norm(x, axis=(1, 2)), O.normalize(x), O.normalize(x, axis=1, order=1),
                *O.moments(x, axes=[1, 2]), O.average(x, axis=1, weights=np.array([1.0, 2, 3])),
            ]
        ),
        [x],
    )  # fmt: skip


def movements() -> Iterator[Case]:
    x = image(2, 4, 6)
    yield (
        "shaped",
        (
            lambda x: [
                O.reshape(x, (-1, 4, 3, 2)), O.reshape(x, (-1, 8)), O.transpose(x, (0, 2, 1)),
                O.transpose(x), O.swapaxes(x, 1, -1), O.moveaxis(x, (1, 2), (0, 1)),
                O.expand_dims(x, (-1, 1)), O.squeeze(O.expand_dims(x, 2), 2), O.ravel(x),
                O.broadcast_to(O.sum(x, axis=0, keepdims=True), (2, 4, 6)), O.full_like(x, 2.5),
            ]
        ),
        [x],
    )  # fmt: skip
    yield (
        "joined",
        (
            lambda x: [
                O.concatenate([x, O.cast(x > 0, "int32")], axis=-1), O.append(x, x, axis=1),
                O.stack([x, x + 1], axis=1), *O.unstack(x, axis=1), *O.split(x, 3, axis=-1),
                *O.split(x, [1, 4], axis=2), O.hstack([x, x]), O.vstack([x, x]),
            ]
        ),
        [x],
    )  # fmt: skip
    yield (
        "repeated",
        (
            lambda x: [
                O.tile(x, (1, 2, 3)), O.tile(x, (2, 1, 1, 2)), O.repeat(x, 3, axis=1),
                O.repeat(x, [1, 2, 0, 3], axis=1), O.roll(x, (1, -2), axis=(1, 2)), O.roll(x, 5),
                O.flip(x, axis=(1, 2)), O.pad(x, [[0, 0], [1, 2], [0, 3]]),
                O.pad(x, [[0, 0], [1, 2], [0, 3]], constant_values=2.0),
                O.pad(x, [[0, 0], [1, 2], [0, 3]], mode="reflect"),
            ]
        ),
        [x],
    )  # fmt: skip
    yield (
        "indexed",
        (
            lambda x: [
                x[:, 1], x[:, ::2, 1:-1], x[..., 0], x[:, None], x[:, ::-1], x[:, -3:-1, None, ...],
                x[..., None, 1:], x[0], x[:, -1:, ::-2], x[:, 1, None, 2], x[:, 3:1:-1],
                O.take(x, [0, 2, -1], axis=1), O.take(x, [[0, 1], [2, 3]], axis=1),
                O.slice(x, (0, 1, 2), (2, 2, 3)), O.digitize(x, np.array([-0.5, 0.0, 0.5])),
            ]
        ),
        [x],
    )  # fmt: skip
    i = np.array([[0, -1, 2], [3, 1, -4]], "int32")
    yield "taken", (lambda x, i: [O.take(x, i, axis=1), O.one_hot(i, 4), O.multi_hot(i, 4)]), [x, i]
    along = rng.integers(-3, 3, (2, 4, 2)).astype("int32")
    yield "taken_along", (lambda x, i: O.take_along_axis(x, i, axis=-1)), [x, along]
    w, cube = image(6, 3), image(4, 6, 2)
    yield (
        "products",
        (
            lambda x: [
                O.matmul(x, O.transpose(x, (0, 2, 1))), O.matmul(x, w), O.matmul(x, w[:, 0]),
                O.dot(x, w), O.tensordot(x, w, axes=1), O.tensordot(x, cube, [[1, 2], [0, 1]]),
                O.einsum("bij,bkj->bik", x, x), O.einsum("bij->bji", x), O.einsum("bij->b", x),
                O.einsum("bij,jk,kl->bil", x, w, w.T), O.einsum("...j,jk->...k", x, w),
                O.einsum("bij,bij->bi", x, x), O.inner(x, w.T),
            ]
        ),
        [x],
    )  # fmt: skip


def networks() -> Iterator[Case]:
    x, k = image(2, 8, 7, 3), image(3, 2, 3, 4)
    yield (
        "windows",
        (
            lambda x: [
                O.conv(x, k), O.conv(x, k, strides=2, padding="same"),
                O.conv(x, k, dilation_rate=(1, 2)), O.depthwise_conv(x, k[..., :2], padding="same"),
                O.separable_conv(x, k[..., :1], np.ones((1, 1, 3, 5), "float32")),
                O.max_pool(x, 2), O.average_pool(x, (3, 2), strides=1, padding="same"),
                O.image.resize(x, (4, 9)), O.image.rgb_to_grayscale(x),
                O.image.extract_patches(x, (4, 3)),
            ]
        ),
        [x],
    )  # fmt: skip
    g, b = np.arange(3, dtype="float32"), np.ones(3, "float32")
    yield (
        "normalized",
        (
            lambda x: [
                O.layer_normalization(x, axis=-1), O.rms_normalization(x, g, axis=-1),
                O.layer_normalization(x, gamma=g, beta=b, axis=-1, epsilon=1e-3),
                O.batch_normalization(x, g, b * 2, axis=-1, scale=g, offset=b),
            ]
        ),
        [x],
    )  # fmt: skip


# -- writing ------------------------------------------------------------------------------------


def randomize(model: object) -> None:
    """Weights that show every mistake."""
    for weight in model.weights:
        if "stft" in getattr(weight, "path", ""):
            continue
        weight.assign(rng.uniform(-0.6, 0.6, weight.shape))


def write(name: str, cases: Iterator[Case]) -> None:
    """Writes `fixtures/NAME.npz`."""
    arrays: dict[str, np.ndarray] = {}
    for case, build, data in cases:
        keras.backend.clear_session()
        inputs = [keras.Input(x.shape[1:], dtype=str(x.dtype)) for x in data]
        model = keras.Model(inputs, build(*inputs))
        if name != "quantized":  # those are random already
            randomize(model)
        outputs = model(data if len(data) > 1 else data[0], training=False)
        flat = keras.tree.flatten(outputs)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.keras"
            model.save(path)
            arrays[f"{case}.model"] = np.frombuffer(path.read_bytes(), np.uint8)
        arrays |= {f"{case}.x{i}": x for i, x in enumerate(data)}
        arrays |= {f"{case}.y{i}": np.asarray(y) for i, y in enumerate(flat)}
    np.savez_compressed(HERE / "fixtures" / f"{name}.npz", **arrays)


def main() -> None:
    """Writes the archives."""
    for family in (recurrent, attention, preprocessing, operations):
        write(family.__name__, family())


if __name__ == "__main__":
    main()
