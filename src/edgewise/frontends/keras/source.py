"""What counts as a Keras source, and a live Keras model as the bytes of a file.

Keras is never imported here: a live model brings its own, which writes the file that we read.
"""

from __future__ import annotations

import os
import sys
import tempfile
import zipfile
from pathlib import Path

from edgewise.errors import ConversionError
from edgewise.frontends.keras.hdf5 import SIGNATURE

SUFFIXES = (".keras", ".h5", ".hdf5")


def is_keras_file(source: object) -> bool:
    """`source` is the path of something named or written like a Keras file."""
    if not isinstance(source, str | os.PathLike):
        return False
    path = Path(source)
    if path.suffix.lower() in SUFFIXES:
        return path.exists()
    try:
        with path.open("rb") as file:
            head = file.read(len(SIGNATURE))
            return head == SIGNATURE or (head.startswith(b"PK") and _has_config(path))
    except OSError:
        return False


def _has_config(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            return "config.json" in archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return False


def is_keras_object(source: object) -> bool:
    """`source` is a model of Keras 3 or of tf_keras, or a layer of Keras 3."""
    return is_live(source) or any(
        base.__name__ == "Model" and base.__module__.split(".")[0] in ("keras", "tf_keras")
        for base in type(source).__mro__
    )


def is_live(source: object) -> bool:
    """`source` is a layer or model of Keras 3; models of Keras 2 are read through their file."""
    keras = sys.modules.get("keras")
    layer = getattr(keras, "Layer", None)
    is_layer = isinstance(layer, type) and isinstance(source, layer)
    return is_layer and str(getattr(keras, "__version__", "")).startswith("3.")


def saved(model: object) -> bytes:
    """The `.keras` archive that the live `model` writes of itself.

    Raises:
        ConversionError: Keras cannot save it.
    """
    save = getattr(model, "save", None)
    if save is None:
        raise ConversionError(f"a Keras model has save(); found {type(model).__name__}")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        try:
            save(str(path))
        except Exception as error:  # whatever the layers of a user raise in get_config
            name = getattr(model, "name", type(model).__name__)
            raise ConversionError(f"Keras cannot save model '{name}': {error}") from error
        return path.read_bytes()
