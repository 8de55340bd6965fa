"""Keras, imported when something needs it, on the back end that there is."""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import sys
from pathlib import Path
from typing import Any

from edgewise.errors import MissingExtra

BACKENDS = ("jax", "torch", "tensorflow")


def keras() -> Any:  # Any: Keras ships no types
    """The module. Where nothing is said (`KERAS_BACKEND`, Keras's configuration file), it runs on
    the first of BACKENDS that is installed.

    Raises:
        MissingExtra: neither Keras nor a back end.
    """
    if "keras" not in sys.modules:
        if not _is_installed("keras"):
            raise MissingExtra("training", "train")
        wanted = (os.environ.get("KERAS_BACKEND"), _configured(), *BACKENDS)
        found = next((name for name in wanted if name and _is_installed(name)), None)
        if found is None:
            raise MissingExtra("training", "train")
        os.environ.update({"KERAS_BACKEND": found})
    return importlib.import_module("keras")


def _is_installed(name: str) -> bool:
    return importlib.util.find_spec(name) is not None


def _configured() -> str | None:
    """The back end that Keras's configuration file names. Keras writes that file itself, with a
    back end that may not be there."""
    folder = os.environ.get("KERAS_HOME")
    path = (Path(folder) if folder else Path("~/.keras").expanduser()) / "keras.json"
    try:
        found = json.loads(path.read_text("utf-8"))["backend"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found if isinstance(found, str) else None
