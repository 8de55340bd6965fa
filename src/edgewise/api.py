"""The verbs: load, convert, save, export. Here the stages are put together.

Readers, frontends and passes are imported by the verbs that need them: who runs a model does not
wait for what converts one.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeGuard

from edgewise.files import Chunk
from edgewise.ir.model import Model
from edgewise.log import log

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


def convert(
    source: object,
    *,
    inputs: object = None,
    custom_objects: Mapping[str, object] | None = None,
    outputs: Sequence[str] | None = None,
    shapes: Mapping[str, Sequence[int | None]] | None = None,
    signature_keys: Sequence[str] | None = None,
    tags: Iterable[str] | None = None,
    trackable: object = None,
    target: str | None = None,
    report: PipelineReport | None = None,
) -> Model:
    """A Model from a trained model in another format, ready to save as `.tflite`.

    What the conversion did to the model's operators, and what it did not and why, is added to
    `report`::

        report = edgewise.passes.PipelineReport()
        edgewise.convert("model.keras", report=report)
        print(report)

    Args:
        source: a Keras file (`.keras`, `.h5`, `.hdf5`), a Keras model in memory (of any back
            end: functional, sequential or subclassed, with layers of your own), the folder of a
            TensorFlow SavedModel, a frozen graph (`.pb`), a `tf.function` or concrete function or
            a list of them, a function that `jax.jit` made, a module of PyTorch (converted as it
            infers), what `torch.export.export` returned or the file of it (`.pt2`), or a `.tflite`
            file (which is loaded and canonicalized).
        inputs: what a model or function in memory is called with, where it does not know: a shape
            such as `(None, 224, 224, 3)`, or anything with `shape` and `dtype`, in the lists or
            dicts that the model takes. Of a frozen graph, the names of the tensors that go in.
        custom_objects: classes and functions of your own by their names in a Keras file. Only
            these are run, and Keras is needed for them.
        outputs: of a frozen graph, the names of the tensors that come out.
        shapes: of SavedModels, graphs and functions, the shapes of inputs by name, where the
            source leaves them open; None in one is a dimension that varies.
        signature_keys: of a SavedModel with several signatures, those to convert; by default
            `serving_default` or the only one.
        tags: of a SavedModel with several graphs, the tags of the one to convert (`serve`).
        trackable: the object that holds the lookup tables that functions use.
        target: the release that has to run the `.tflite` file, such as `litert-2.3`: operators
            that it does not have, or not for these dtypes, are refused here, all at once. None:
            any file that can be written.
        report: a `PipelineReport` to fill in.

    Raises:
        ConversionError: the source is of another kind, or holds layers that cannot be converted;
            all of them are named. Or the target is not known.
        UnsupportedOp: operators that the target does not run.
    """
    from edgewise.passes import canonicalize, load_target, to_tflite

    if target is not None:
        load_target(target)  # a name that is not known is refused before the work
    options = {
        "inputs": inputs,
        "custom_objects": custom_objects,
        "outputs": outputs,
        "shapes": shapes,
        "signature_keys": signature_keys,
        "tags": tags,
        "trackable": trackable,
    }
    is_source = not isinstance(source, Model) and not _is_tflite(source)
    read = _read(source, options)
    model = canonicalize(read, fuse_loops=is_source, target=target, report=report)
    if target is not None:
        to_tflite(model, target)
    return model


def _read(source: object, options: Mapping[str, object]) -> Model:
    """The model that a source holds, as its reader made it. Raises ConversionError."""
    if isinstance(source, Model):
        return source
    if _is_tflite(source):
        return load(source)
    from edgewise import frontends

    return frontends.read(source, options)


def _is_tflite(source: object) -> TypeGuard[str | os.PathLike[str]]:
    return isinstance(source, str | os.PathLike) and Path(source).suffix == ".tflite"


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


def _tflite(model: Model, target: str | None) -> Iterable[Chunk]:
    from edgewise.format import write
    from edgewise.passes import to_tflite

    lowered = to_tflite(model, target)
    if lowered.is_stateless:
        log().warning(
            "%s: LiteRT keeps the state of recurrent layers from run to run; call "
            "reset_all_variables() there before each sequence (Edgewise's interpreters do)",
            model.file or "the model",
        )
    return write(lowered)


Model.formats[".tflite"] = _tflite
