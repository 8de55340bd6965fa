"""Keras files without Keras: `.keras` archives and `.h5` files of Keras 1 to 3 to one description.

`read_keras` gives the description (`description.KerasFile`): layers, calls and weights; `lower`
makes operators of it with the handlers of its layers.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

from edgewise.errors import ConversionError, FormatError
from edgewise.frontends.keras.archive import open_archive
from edgewise.frontends.keras.description import KerasFile
from edgewise.frontends.keras.layers import build_root, root_class
from edgewise.frontends.keras.legacy_weights import attach_legacy
from edgewise.frontends.keras.lower import lower
from edgewise.frontends.keras.source import is_keras_file, is_keras_object, is_live, saved
from edgewise.frontends.keras.weights import attach_v3
from edgewise.ir.model import Model

__all__ = ["is_keras_file", "is_keras_object", "read_file", "read_keras", "read_object"]


def read_keras(source: str | os.PathLike[str] | bytes) -> KerasFile:
    """Reads a model with its weights from a path or from the bytes of a file.

    Nothing in the file is executed or unpickled. Unknown layers and Lambda layers come back like
    any other; converting them is somebody else's decision.

    Raises:
        FormatError: not a Keras file, or a damaged one; names the file.
        ConversionError: a sound file without a usable model: weights only, a subclassed model,
            weights that do not fit the layers.
    """
    file = "model" if isinstance(source, bytes) else Path(source).name
    with _named(file):
        archive = open_archive(source)
        with closing(archive.store):
            model = build_root(archive.config)
            if archive.format == "keras":
                model = attach_v3(model, archive.store, archive.assets)
            else:
                model = attach_legacy(model, archive.store)
    return KerasFile(model, archive.format, archive.keras_version, file)


@contextmanager
def _named(file: str) -> Iterator[None]:
    """Errors of the readers say which file it is."""
    try:
        yield
    except FormatError as error:
        raise FormatError(error.rule, file=file, offset=error.offset) from error
    except ConversionError as error:
        raise ConversionError(f"{file}: {error}") from error


def read_file(
    source: object,
    custom_objects: Mapping[str, object] | None = None,
    inputs: object = None,
) -> Model:
    """A Keras file as a Model. Raises as `read_keras` and `lower.lower`.

    `custom_objects` are the caller's classes and functions by their names in the file; `inputs`
    are for a subclassed model that does not say its own (`live.read_live`).
    """
    assert isinstance(source, str | os.PathLike)
    if custom_objects is None:
        return lower(read_keras(source))
    from edgewise.frontends.keras import live

    with _named(Path(source).name):
        archive = open_archive(source)
    with closing(archive.store):
        cls = root_class(archive.config, custom_objects)
        if cls is not None:
            return live.read_subclass(archive, cls, custom_objects, inputs)
    return live.read_with_objects(read_keras(source), custom_objects)


def read_object(source: object, inputs: object = None) -> Model:
    """A live Keras model as a Model; models of Keras 2 through the file they write of themselves.

    `inputs` are shapes or specs for what the model itself does not know (`live.read_live`).
    """
    if is_live(source):
        from edgewise.frontends.keras import live

        return live.read_live(source, inputs)
    if inputs is not None:
        raise ConversionError("a model of Keras 2 is read through its file; leave inputs= out")
    return lower(read_keras(saved(source)))
