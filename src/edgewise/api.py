"""The verbs: load, convert, save, export. Here the stages are put together.

Readers, frontends and passes are imported by the verbs that need them: who runs a model does not
wait for what converts one.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from edgewise.errors import ConversionError
from edgewise.files import Chunk
from edgewise.ir.model import Model

if TYPE_CHECKING:
    from edgewise.deploy import CExport
    from edgewise.passes import PipelineReport

__all__ = ["Model", "convert", "convert_keras_object", "export_c", "load"]


def load(source: str | os.PathLike[str] | bytes, *, file: str = "") -> Model:
    """The Model in a `.tflite` file.

    Args:
        source: a path, or the file's bytes. Constants are views of the bytes.
        file: the name used in errors; by default the path.

    Raises:
        FormatError: not a `.tflite` file, or one that breaks a rule; with the byte offset.
    """
    from edgewise import format

    return format.load(source, file=file)


def convert(source: object, *, report: PipelineReport | None = None) -> Model:
    """A Model from a trained model in another format, ready to save as `.tflite`.

    What the conversion did to the model's operators, and what it did not and why, is added to
    `report`::

        report = edgewise.passes.PipelineReport()
        edgewise.convert("model.keras", report=report)
        print(report)

    Args:
        source: a Keras file (`.keras`, `.h5`, `.hdf5`), a Keras model object, or a `.tflite`
            file (which is loaded and canonicalized).
        report: a `PipelineReport` to fill in.

    Raises:
        ConversionError: the source is of another kind, or holds layers that cannot be converted;
            all of them are named.
    """
    from edgewise.passes import canonicalize

    if isinstance(source, Model):
        return canonicalize(source, report=report)
    if isinstance(source, str | os.PathLike) and Path(source).suffix == ".tflite":
        return canonicalize(load(source), report=report)
    from edgewise import frontends

    for frontend in frontends.FRONTENDS:
        if frontend.accepts(source):
            return canonicalize(frontend.read(source), report=report)
    raise ConversionError(frontends.refusal(source))


def convert_keras_object(model: object) -> Model:
    """A Model from anything whose `save(path)` writes a `.keras` file; `convert` asks for more
    and recognises Keras models by their class. Raises ConversionError."""
    from edgewise.frontends import keras
    from edgewise.passes import canonicalize

    return canonicalize(keras.read_object(model))


def export_c(
    model: Model,
    folder: str | os.PathLike[str],
    *,
    name: str = "model",
    signature: str | None = None,
    shapes: Mapping[str, Sequence[int]] | None = None,
    overwrite: bool = False,
) -> CExport:
    """Write a model as C sources for a microcontroller: `deploy.c_export.export_c`."""
    from edgewise import deploy

    return deploy.export_c(
        model, folder, name=name, signature=signature, shapes=shapes, overwrite=overwrite
    )


def _tflite(model: Model) -> Iterable[Chunk]:
    from edgewise.format import write
    from edgewise.passes import to_tflite

    return write(to_tflite(model))


Model.formats[".tflite"] = _tflite
