"""A live model against its conversion: converted, written, read, run by the native runtime."""

from __future__ import annotations

import keras
import numpy as np

import edgewise

TOLERANCE = 3e-4  # of the output's range


def randomize(model: object, seed: int = 3) -> None:
    """Weights that show every mistake: none 0 or 1, variances positive."""
    rng = np.random.default_rng(seed)
    for weight in model.weights:
        value = rng.normal(size=weight.shape) * 0.3
        if "variance" in weight.name:
            value = np.abs(value) + 0.5
        if weight.dtype.startswith("float"):
            weight.assign(value)


def answers(model: object, data: object, **options: object) -> list[np.ndarray]:
    """What Keras says, flat."""
    found = keras.tree.flatten(model(data, training=False, **options))
    return [np.asarray(keras.ops.convert_to_numpy(y)) for y in found]


def converted(
    model: object, data: object, inputs: object = None
) -> tuple[edgewise.Model, list[np.ndarray]]:
    """The Model, and what its file says for the data."""
    made = edgewise.convert(model, inputs=inputs)
    run = edgewise.Interpreter(made.to_bytes())
    outputs = run(*keras.tree.flatten(data))
    return made, list(outputs.values())


def check(model: object, data: object, inputs: object = None) -> edgewise.Model:
    """Both agree; the Model."""
    wanted = answers(model, data)
    made, found = converted(model, data, inputs)
    compare(found, wanted)
    return made


def compare(found: list[np.ndarray], wanted: list[np.ndarray]) -> None:
    """Equal within the tolerance, shapes included."""
    assert [y.shape for y in found] == [y.shape for y in wanted]
    for y, want in zip(found, wanted, strict=True):
        distance = np.abs(y.astype(np.float64) - want).max(initial=0)
        assert distance <= TOLERANCE * max(float(np.ptp(want)), 1e-3)
