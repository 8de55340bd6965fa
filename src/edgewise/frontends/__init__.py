"""Foreign model -> Model. A frontend says what it accepts and reads it; nothing is executed.

To add a format, write `frontends/NAME/` with `accepts(source)` and `read(source)`, and list it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edgewise.frontends import keras
from edgewise.ir.model import Model


@dataclass(frozen=True, slots=True)
class Frontend:
    """A source format: its name, whether a source is one, and how to read it."""

    name: str
    accepts: Callable[[object], bool]
    read: Callable[[object], Model]


FRONTENDS = (
    Frontend("Keras file (.keras, .h5)", keras.is_keras_file, keras.read_file),
    Frontend("Keras model object", keras.is_keras_object, keras.read_object),
)


def refusal(source: object) -> str:
    """Why no frontend takes `source`, and what one would take."""
    known = "; ".join(frontend.name for frontend in FRONTENDS)
    if isinstance(source, str | os.PathLike):
        path = Path(source)
        if not path.exists():
            return f"{path}: does not exist; check the path"
        if path.is_dir() and (path / "saved_model.pb").exists():
            return (
                f"{path}: is a SavedModel, which this version does not read yet; save the model as "
                "a Keras file: model.save('model.keras')"
            )
        what = "a directory" if path.is_dir() else f"a file with suffix {path.suffix!r}"
        return f"{path}: is {what}; the sources this version reads: {known}"
    kind = f"{type(source).__module__}.{type(source).__qualname__}"
    return f"a {kind} object cannot be converted; the sources this version reads: {known}"
