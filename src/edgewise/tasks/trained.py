"""What training a classifier gives, and its files."""

from __future__ import annotations

import importlib.util
import json
import os
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from edgewise import metadata
from edgewise.errors import InputError, OutputError
from edgewise.files import Chunk, check_output, write_atomically
from edgewise.format import write
from edgewise.ir.model import Model
from edgewise.metrics import Interval
from edgewise.optimize.evaluate import Evaluation
from edgewise.passes import to_tflite
from edgewise.train.fit import Fitted

SUMMARY = "training.json"  # travels with the model


@dataclass(slots=True)
class TrainedClassifier:
    """`keras` and `model` (float32) compute the same; `shipped` is what the `.tflite` file holds.
    `head` and `tuned` are the curves. What the model scores on pictures that it has not seen, where
    there are some: `test` in floats, `test_quantized` in integers, and their paired `difference`.
    `recipe` made the integers (JSON, as `edgewise quantize --recipe` reads it), and `floats`
    operators stayed float32.
    """

    keras: Any  # Keras ships no types
    model: Model
    shipped: Model
    classes: tuple[str, ...]
    head: Fitted
    tuned: Fitted | None
    skipped: tuple[str, ...]
    test: Evaluation | None = None
    test_quantized: Evaluation | None = None
    difference: Interval | None = None
    recipe: str | None = None
    floats: int = 0
    seconds: float = 0.0

    def export(self, folder: str | os.PathLike[str]) -> None:
        """Write a SavedModel, which TensorFlow has to be there for.

        Raises:
            InputError: it is not. OutputError: the folder exists.
        """
        if importlib.util.find_spec("tensorflow") is None:
            raise InputError("a SavedModel is TensorFlow's: pip install tensorflow")
        if Path(folder).exists():
            raise OutputError(f"{folder}: exists already; choose another name")
        self.keras.export(str(folder), format="tf_saved_model", verbose=False)

    def as_json(self) -> dict[str, object]:
        """What happened, as plain data: scores and curves."""
        scores: dict[str, object] = {}
        for name, found in (("float32", self.test), ("int8", self.test_quantized)):
            if found is not None:
                scores[name] = {"accuracy": asdict(found.top1), "examples": found.examples}
        curves = {
            name: {"best": fitted.best, "epochs": [asdict(epoch) for epoch in fitted.epochs]}
            for name, fitted in (("head", self.head), ("top_blocks", self.tuned))
            if fitted is not None
        }
        return {
            "classes": list(self.classes),
            "test": scores,
            "int8_less_float32": self.difference and asdict(self.difference),
            "recipe": self.recipe and json.loads(self.recipe),
            "curves": curves,
            "skipped": list(self.skipped),
            "seconds": round(self.seconds, 2),
        }


def save(
    made: TrainedClassifier,
    path: Path,
    said: Mapping[str, object],
    *,
    folder: Path,
    overwrite: bool,
) -> None:
    """Write the `.tflite` file, and next to it `.json` and `.keras`; `shipped` and `model` carry
    the summary then. All are made in `folder`, on the same disk, so that what a kill leaves half
    done lies there. Raises OutputError."""
    summary = {**said, **made.as_json()}
    own = {**summary, "seconds": None}  # the same training gives the same file
    text = json.dumps(own, indent=1).encode()
    note = ""
    scored = made.test_quantized or made.test
    if scored is not None:
        note = f", {scored.top1.percent()} of {scored.examples} test pictures"
    for name in ("model", "shipped"):
        model: Model = getattr(made, name)
        known = metadata.read(model)
        description = f"{known.description if known is not None else ''}{note}"
        setattr(made, name, metadata.attach(model, description=description, files={SUMMARY: text}))
    whole = json.dumps(summary, indent=1).encode()
    put = partial(_put, folder=folder, overwrite=overwrite)
    put(path.with_suffix(".keras"), [_keras_file(made.keras)])
    put(path.with_suffix(".json"), [whole])
    put(path, write(to_tflite(made.shipped)))


def _put(target: Path, chunks: Iterable[Chunk], *, folder: Path, overwrite: bool) -> None:
    """Write a file in the folder, and move it to its place."""
    check_output(target, overwrite=overwrite)
    ready = folder / target.name
    write_atomically(ready, chunks, overwrite=True)
    try:
        ready.replace(target)
    except OSError as error:
        raise OutputError(f"{target}: cannot be written: {error.strerror or error}") from error


def _keras_file(model: Any) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        try:
            model.save(path)
            return path.read_bytes()
        except OSError as error:
            raise OutputError(f"{folder}: cannot be written: {error.strerror or error}") from error
