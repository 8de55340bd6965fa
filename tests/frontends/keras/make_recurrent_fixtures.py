"""Makes `fixtures/loops.npz`: recurrent networks of any batch and time, and Keras's answers.

Run with a Python that has Keras 3 and TensorFlow: `KERAS_BACKEND=tensorflow python
tests/frontends/keras/make_recurrent_fixtures.py [NAME ...]`; with names, the others are kept. For
every case NAME the archive holds
`NAME.model` (the bytes of the `.keras` file), `NAME.saved` (a zip of its export as a SavedModel),
and for its calls in order `NAME.NUMBER.x0`, ... and `NAME.NUMBER.y0`, ... Arrays of a call that is
long are multiples of 1/8, which a file holds in few bytes.
"""

from __future__ import annotations

import io
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import keras
import numpy as np

L = keras.layers
HERE = Path(__file__).parent
Build = Callable[..., object]
Case = tuple[str, Build, list[tuple[tuple[int | None, ...], str]], list[list[np.ndarray]]]
rng = np.random.default_rng(22)
# Batch and time of the calls: one file for all of them.
SIZES = ((1, 1), (3, 2), (1, 7), (2, 600))
FEATURES = 3


def signal(*shape: int) -> np.ndarray:
    """Random multiples of 1/8."""
    return (rng.integers(-8, 9, shape) / 8).astype("float32")


def words(batch: int, time: int) -> np.ndarray:
    """Random ids, 0 among them."""
    return rng.integers(0, 5, (batch, time)).astype("int32")


def plain(name: str, build: Build, sizes: tuple[tuple[int, int], ...] = SIZES) -> Case:
    """A case on [B, T, FEATURES]."""
    return name, build, [((None, FEATURES), "float32")], [[signal(*s, FEATURES)] for s in sizes]


def masked(name: str, build: Build) -> Case:
    """A case on embedded words, of which 0 does not count."""

    def made(x: object) -> object:
        return build(L.Embedding(5, FEATURES, mask_zero=True)(x))

    return name, made, [((None,), "int32")], [[words(*size)] for size in SIZES]


def cases() -> Iterator[Case]:
    """Every case."""
    short = SIZES[:3]
    all_steps = {"return_sequences": True}
    yield plain("lstm", lambda x: L.LSTM(4)(L.LSTM(3, **all_steps)(x)))
    yield plain("lstm_states", lambda x: L.LSTM(4, return_state=True)(x))
    yield plain("lstm_hard", lambda x: L.LSTM(4, recurrent_activation="hard_sigmoid")(x))
    yield masked("lstm_masked", lambda x: L.LSTM(4)(L.LSTM(3, **all_steps)(x)))
    yield plain("gru", lambda x: L.GRU(3)(L.GRU(4, **all_steps)(x)))
    yield plain("gru_before", lambda x: L.GRU(4, reset_after=False, go_backwards=True)(x))
    yield plain("gru_steps", lambda x: L.GRU(2, go_backwards=True, **all_steps)(x), short)
    yield masked("gru_masked", lambda x: L.GRU(4, reset_after=False)(L.GRU(3, **all_steps)(x)))
    zero = {"zero_output_for_mask": True}
    yield masked("gru_zeros", lambda x: L.GRU(3)(L.GRU(4, **all_steps, **zero)(x)))
    yield masked("gru_zeros_last", lambda x: L.GRU(3, go_backwards=True, **zero)(x))
    yield plain("simple", lambda x: L.SimpleRNN(3)(L.SimpleRNN(4, **all_steps)(x)))
    yield masked("simple_masked", lambda x: L.SimpleRNN(4, activation="relu", return_state=True)(x))
    yield plain("cells", lambda x: L.RNN([L.LSTMCell(3), L.GRUCell(4), L.SimpleRNNCell(2)])(x))
    yield masked("cells_masked", lambda x: L.RNN([L.GRUCell(3), L.LSTMCell(2)], **all_steps)(x))
    for mode in ("concat", "sum", "mul", "ave"):
        yield plain(
            f"two_ways_{mode}",
            lambda x, m=mode: L.Bidirectional(L.GRU(3, **all_steps), merge_mode=m)(x),
            short,
        )
    yield plain(
        "two_ways_apart",
        lambda x: L.Bidirectional(L.LSTM(3, return_state=True), merge_mode=None)(x),
    )
    yield masked("two_ways_masked", lambda x: L.Bidirectional(L.LSTM(3, **all_steps))(x))
    yield plain("decoder", _decoder)
    yield (
        "unrolled",
        lambda x: L.GRU(3, unroll=True)(x),
        [((6, FEATURES), "float32")],
        [[signal(b, 6, FEATURES)] for b in (1, 3)],
    )
    yield (
        "given_states",
        lambda x, h: L.GRU(4, return_state=True)(x, initial_state=h),
        [((None, FEATURES), "float32"), ((4,), "float32")],
        [[signal(b, t, FEATURES), signal(b, 4)] for b, t in SIZES],
    )
    yield (
        "given_mask",
        lambda x, m: L.LSTM(4, **all_steps)(x, mask=m),
        [((None, FEATURES), "float32"), ((None,), "bool")],
        [[signal(b, t, FEATURES), rng.random((b, t)) > 0.4] for b, t in short],
    )
    yield (
        "each",
        lambda x: L.TimeDistributed(L.GRU(3))(x),
        [((4, 7, FEATURES), "float32")],
        [[signal(b, 4, 7, FEATURES)] for b in (1, 3)],
    )
    for rank, space in ((1, (7,)), (2, (5, 4)), (3, (3, 4, 3))):
        layer = getattr(L, f"ConvLSTM{rank}D")
        yield (
            f"convolved_{rank}",
            lambda x, make=layer: make(2, 3, padding="same", **all_steps)(x),
            [((None, *space, 2), "float32")],
            [[signal(b, t, *space, 2)] for b, t in ((1, 1), (3, 2), (1, 7))],
        )


def _decoder(x: object) -> object:
    """The last states of one layer are the first of another."""
    _, h, c = L.LSTM(4, return_state=True)(x)
    y = L.LSTM(4, return_sequences=True, go_backwards=True)(x, initial_state=[h, c])
    return L.TimeDistributed(L.Dense(2))(y)[:, -1]


def kept() -> Iterator[tuple[str, Callable[[], object]]]:
    """Networks that keep their states from call to call, of batch 2 and any time."""

    def of(*made: object) -> object:
        return keras.Sequential([L.Input(batch_shape=(2, None, FEATURES)), *made])

    yield "kept_lstm", lambda: of(L.LSTM(4, stateful=True))
    yield "kept_gru", lambda: of(L.GRU(4, stateful=True))
    yield (
        "kept_and_not",
        lambda: of(
            L.LSTM(3, stateful=True, return_sequences=True),
            L.Bidirectional(L.GRU(2, stateful=True, return_sequences=True)),
            L.LSTM(3),
        ),
    )


def randomize(model: object) -> None:
    """Weights that show every mistake; states stay zeros."""
    for layer in model._flatten_layers():
        for weight in layer._trainable_variables:
            weight.assign(rng.uniform(-0.6, 0.6, weight.shape))


def stored(model: object) -> tuple[np.ndarray, np.ndarray]:
    """The bytes of both kinds of files."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        model.save(path)
        model.export(Path(folder) / "saved", verbose=False)
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as file:
            for part in sorted((Path(folder) / "saved").rglob("*")):
                if part.is_file() and part.name != "fingerprint.pb":
                    name = part.relative_to(Path(folder) / "saved").as_posix()
                    info = zipfile.ZipInfo(name)
                    file.writestr(info, part.read_bytes(), zipfile.ZIP_DEFLATED, 9)
        files = (path.read_bytes(), packed.getvalue())
    return tuple(np.frombuffer(data, np.uint8) for data in files)


def main() -> None:
    """Writes the archive."""
    file, names = HERE / "fixtures" / "loops.npz", sys.argv[1:]
    arrays: dict[str, np.ndarray] = dict(np.load(file)) if names else {}

    def is_wanted(name: str) -> bool:
        if names and name not in names:
            return False
        for key in [key for key in arrays if key.partition(".")[0] == name]:
            del arrays[key]
        keras.backend.clear_session()
        keras.utils.set_random_seed(1)
        return True

    def note(name: str, model: object, calls: list[list[np.ndarray]]) -> None:
        arrays[f"{name}.model"], arrays[f"{name}.saved"] = stored(model)
        for number, data in enumerate(calls):
            outputs = model(data if len(data) > 1 else data[0], training=False)
            arrays.update({f"{name}.{number}.x{i}": x for i, x in enumerate(data)})
            flat = keras.tree.flatten(outputs)
            arrays.update({f"{name}.{number}.y{i}": np.asarray(y) for i, y in enumerate(flat)})

    for name, build, specs, calls in filter(lambda case: is_wanted(case[0]), cases()):
        inputs = [
            keras.Input(shape, dtype=kind, name=f"x{i}") for i, (shape, kind) in enumerate(specs)
        ]
        model = keras.Model(inputs, build(*inputs))
        randomize(model)
        note(name, model, calls)
    for name, make in filter(lambda case: is_wanted(case[0]), kept()):
        model = make()
        randomize(model)
        note(name, model, [[signal(2, time, FEATURES)] for time in (3, 3, 3, 1)])
    np.savez_compressed(file, **arrays)


if __name__ == "__main__":
    main()
