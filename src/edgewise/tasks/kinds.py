"""Which task a model is for."""

from __future__ import annotations

from typing import Unpack

from edgewise import metadata
from edgewise.ir.model import Model
from edgewise.ir.types import TensorType
from edgewise.runtime.interpreter import Interpreter
from edgewise.tasks.detect import ObjectDetector, detection_outputs
from edgewise.tasks.picture import Options, PictureTask
from edgewise.tasks.segment import ImageSegmenter, is_map


def task_of(interpreter: Interpreter, **options: Unpack[Options]) -> PictureTask:
    """A detector where the outputs are detections, a segmenter where one is a class for each pixel
    (or scores, and the metadata calls the model a segmenter); else just a model that takes a
    picture, whose outputs may be scores of classes, or anything.

    Raises:
        InputError: the model takes something else than one picture.
    """
    signature = options.get("signature")
    if detection_outputs(interpreter.model, signature) is not None:
        return ObjectDetector(interpreter, **options)
    maps = [t for t in interpreter.outputs(signature).values() if is_map(t)]
    if any(_are_classes(type_) for type_ in maps) or (maps and _is_segmenter(interpreter.model)):
        return ImageSegmenter(interpreter, **options)
    return PictureTask(interpreter, **options)


def _are_classes(type_: TensorType) -> bool:
    return type_.dtype.is_integer and type_.quant is None and len(type_.shape or ()) == 3


def _is_segmenter(model: Model) -> bool:
    said = metadata.known(model)
    return said is not None and "segment" in (said.name or "").lower()
