"""Training that can be killed: one epoch after the other by Keras's `fit`, each kept when done.

What an epoch does follows from the seed and its number (order, views, mixtures), and what goes over
from one to the next (weights, the optimizer's variables, the best weights so far) is in the
checkpoint. So a run that goes on from a checkpoint makes the same model as one that was never
stopped.

The learning rate falls by half a cosine from its start to 0. Mixup adds to each example another
one with a share from Beta(a, a): "mixup: Beyond Empirical Risk Minimization" (Zhang et al., 2017).
"""

from __future__ import annotations

import io
import json
import math
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from edgewise.errors import OutputError
from edgewise.files import write_atomically
from edgewise.log import log
from edgewise.metrics import mcnemar
from edgewise.train.backend import keras
from edgewise.train.features import Features
from edgewise.values import dataclass

_UNREADABLE = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile)


EPOCHS = 30  # at most
_STEPS = 16
_CHANCE = 0.05  # that weights are no better than others, though they seem to be


@dataclass(frozen=True, slots=True)
class Options:
    """How a model is fitted. `batch` is the most: few pictures come in smaller batches, so that an
    epoch has _STEPS steps. `patience` epochs without a better validation loss end it; `mixup` is
    the a of its Beta distribution (0: none); `decay` that of the weights (AdamW). `is_careful`:
    with other weights than those it began with more examples of the validation have to be right, by
    more than chance (McNemar's test): a loss may fall by chance, and by surer answers alone."""

    epochs: int = EPOCHS
    rate: float = 1e-3
    batch: int = 32
    patience: int = 8
    decay: float = 1e-4
    smoothing: float = 0.0
    mixup: float = 0.0
    seed: int = 0
    is_careful: bool = False


@dataclass(frozen=True, slots=True)
class Epoch:
    """What one epoch came to: mean losses and accuracies of both parts, and its learning rate."""

    loss: float
    accuracy: float
    validation_loss: float
    validation_accuracy: float
    rate: float


@dataclass(frozen=True, slots=True)
class Fitted:
    """What happened: the epochs, and the number of the one whose weights the model has; -1: those
    it began with."""

    epochs: tuple[Epoch, ...]
    best: int


@dataclass(slots=True)
class _State:
    """What goes over from an epoch to the next."""

    epochs: list[Epoch]
    best: int
    best_loss: float
    best_weights: list[np.ndarray]


def fit(
    model: Any,  # a Keras model from features to probabilities; Keras ships no types
    training: Features,
    validation: Features,
    options: Options,
    *,
    checkpoint: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Fitted:
    """Fit the trainable weights of a model in place, to those of the epoch whose validation loss
    was the least; the weights it began with count as one.

    Args:
        checkpoint: a file that is written after every epoch, and gone on from where it is there.
        progress: called with (epochs done, at most).
    """
    options = replace(options, batch=min(options.batch, math.ceil(len(training.y) / _STEPS)))
    steps = options.epochs * math.ceil(len(training.y) / options.batch)
    optimizers = keras().optimizers
    optimizer = optimizers.AdamW(
        optimizers.schedules.CosineDecay(options.rate, steps), weight_decay=options.decay
    )
    model.compile(optimizer, "categorical_crossentropy", metrics=["accuracy"])
    optimizer.build(model.trainable_variables)
    classes = model.output_shape[-1]
    seen = np.eye(classes, dtype=np.float32)[validation.y]
    began = _numbers(model.weights)
    state = _resumed(model, optimizer, checkpoint)
    if state is None:
        first = _score(model, validation, seen, options)
        state = _State([], -1, first[0], began)
    for number in range(len(state.epochs), options.epochs):
        if number - 1 - max(state.best, -1) >= options.patience:
            break
        rate = float(keras().ops.convert_to_numpy(optimizer.learning_rate))
        x, y = _epoch(training, classes, options, number)
        told = model.fit(x, y, batch_size=options.batch, epochs=1, shuffle=False, verbose=0).history
        loss, accuracy = _score(model, validation, seen, options)
        done = Epoch(float(told["loss"][-1]), float(told["accuracy"][-1]), loss, accuracy, rate)
        state.epochs.append(done)
        if loss < state.best_loss:
            state.best, state.best_loss = number, loss
            state.best_weights = _numbers(model.weights)
        if checkpoint is not None:
            _keep(checkpoint, model, optimizer, state)
        if progress is not None:
            progress(number + 1, options.epochs)
    best, weights = state.best, state.best_weights
    if options.is_careful and not _is_clear(model, validation, (began, weights), options):
        best, weights = -1, began
    _assign(model.weights, weights)
    return Fitted(tuple(state.epochs), best)


def _is_clear(
    model: Any, data: Features, pair: tuple[list[np.ndarray], list[np.ndarray]], options: Options
) -> bool:
    """With the second weights more examples are right than with the first, by more than chance."""
    right = []
    for weights in pair:
        _assign(model.weights, weights)
        found = model.predict(data.x[:, 0], batch_size=options.batch, verbose=0)
        right.append(found.argmax(1) == data.y)
    before, after = right
    gained, lost = int(np.sum(after & ~before)), int(np.sum(before & ~after))
    return gained > lost and mcnemar(gained, lost) < _CHANCE


def _score(model: Any, data: Features, y: np.ndarray, options: Options) -> tuple[float, float]:
    """(loss, accuracy) on the pictures as they are."""
    loss, accuracy = model.evaluate(data.x[:, 0], y, batch_size=options.batch, verbose=0)
    return float(loss), float(accuracy)


def _epoch(
    data: Features, classes: int, options: Options, number: int
) -> tuple[np.ndarray, np.ndarray]:
    """The examples of an epoch in their order: one view of each picture, and class probabilities
    [N, classes], smoothed and mixed."""
    rng = np.random.default_rng([options.seed, number])
    order = rng.permutation(len(data.y))
    chosen = rng.integers(data.x.shape[1], size=len(order))
    x, y = data.x[order, chosen], np.eye(classes, dtype=np.float32)[data.y[order]]
    y = y * np.float32(1 - options.smoothing) + np.float32(options.smoothing / classes)
    if options.mixup > 0:
        share = rng.beta(options.mixup, options.mixup, len(order)).astype(np.float32)
        other = rng.permutation(len(order))
        wide = share.reshape(-1, *[1] * (x.ndim - 1))
        x = x * wide + x[other] * (1 - wide)
        y = y * share[:, None] + y[other] * (1 - share[:, None])
    return x, y


# -- checkpoints ------------------------------------------------------------------------------


def _keep(path: Path, model: Any, optimizer: Any, state: _State) -> None:
    """Write the checkpoint. A disk that is full costs the checkpoint, not the training."""
    arrays = {
        **_numbered("weight", _numbers(model.weights)),
        **_numbered("best", state.best_weights),
        **_numbered("optimizer", _numbers(optimizer.variables)),
    }
    said = {
        "epochs": [[getattr(e, name) for name in Epoch.__slots__] for e in state.epochs],
        "best": state.best,
        "best_loss": state.best_loss,
    }
    stream = io.BytesIO()
    np.savez(stream, said=np.frombuffer(json.dumps(said).encode(), np.uint8), **arrays)  # type: ignore[arg-type]
    try:
        write_atomically(path, [stream.getbuffer()], overwrite=True)
    except OutputError as error:
        log().warning("no checkpoint: %s", error)


def _resumed(model: Any, optimizer: Any, path: Path | None) -> _State | None:
    """The state of a checkpoint, its weights in the model; None where there is none that fits."""
    if path is None or not path.is_file():
        return None
    try:
        with np.load(path, allow_pickle=False) as kept:
            said = json.loads(bytes(kept["said"]))
            groups = [
                _group(kept, name, variables)
                for name, variables in (
                    ("weight", model.weights),
                    ("best", model.weights),
                    ("optimizer", optimizer.variables),
                )
            ]
        epochs = [Epoch(*map(float, row)) for row in said["epochs"]]
        state = _State(epochs, int(said["best"]), float(said["best_loss"]), groups[1])
    except (*_UNREADABLE, TypeError) as error:
        log().warning(
            "%s: a checkpoint that cannot be used (%s); training begins anew", path, error
        )
        return None
    _assign(model.weights, groups[0])
    _assign(optimizer.variables, groups[2])
    return state


def _numbered(name: str, arrays: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
    return {f"{name}_{i}": array for i, array in enumerate(arrays)}


def _group(kept: Mapping[str, np.ndarray], name: str, variables: Sequence[Any]) -> list[np.ndarray]:
    """The arrays of a name. Raises ValueError, KeyError: they do not fit the variables."""
    arrays = [kept[f"{name}_{i}"] for i in range(len(variables))]
    if any(a.shape != tuple(v.shape) for a, v in zip(arrays, variables, strict=True)):
        raise ValueError(f"another shape of {name}")
    return arrays


def _numbers(variables: Sequence[Any]) -> list[np.ndarray]:
    """Copies of what variables hold."""
    return [np.array(keras().ops.convert_to_numpy(variable.value)) for variable in variables]


def _assign(variables: Sequence[Any], arrays: Sequence[np.ndarray]) -> None:
    for variable, array in zip(variables, arrays, strict=True):
        variable.assign(array)
