"""Boxes around things: models that end in DetectionPostProcess, as SSD networks do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Unpack

import numpy as np
from PIL import Image, ImageDraw

from edgewise import metadata
from edgewise.errors import InputError
from edgewise.ir.model import Model
from edgewise.ops.detection import DetectionPostProcess
from edgewise.runtime.interpreter import Interpreter
from edgewise.tasks.colours import colour
from edgewise.tasks.picture import Options, Picture, PictureTask, as_picture

LEAST_SCORE = 0.5

# the results of DetectionPostProcess in order, and what metadata calls them
_WORDS = {
    "boxes": ("location", "boxes"),
    "classes": ("category", "categories", "class", "classes"),
    "scores": ("score", "scores"),
    "count": ("number of detections", "count"),
}
Places = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Box:
    """Corners in pixels of the picture, inside of it."""

    left: float
    top: float
    right: float
    bottom: float

    def __str__(self) -> str:
        return f"{self.left:.0f}, {self.top:.0f} to {self.right:.0f}, {self.bottom:.0f}"


@dataclass(frozen=True, slots=True)
class Detection:
    """A thing, how sure the model is of it, and where it is."""

    index: int
    label: str
    score: float
    box: Box


class ObjectDetector(PictureTask):
    """Finds things in pictures. The model is an SSD network with its post-processing: boxes,
    classes, scores and their count are known by the operator they come from, or by the names in the
    metadata.

    Raises:
        InputError: the model has no such outputs.
    """

    sees_all = True

    def __init__(self, interpreter: Interpreter, **options: Unpack[Options]) -> None:
        super().__init__(interpreter, **options)
        places = detection_outputs(interpreter.model, self.signature)
        if places is None:
            names = ", ".join(interpreter.outputs(self.signature))
            raise InputError(
                "a detector ends in DetectionPostProcess, or its metadata names outputs location, "
                f"category, score and number of detections; this model has {names}"
            )
        self._places = places

    def detect(self, image: Picture, *, least_score: float = LEAST_SCORE) -> list[Detection]:
        """What is in a picture, the surest first."""
        picture = as_picture(image)
        return self.read(self.run(picture), picture, least_score=least_score)

    def read(
        self,
        outputs: Mapping[str, np.ndarray],
        picture: Image.Image,
        *,
        least_score: float = LEAST_SCORE,
    ) -> list[Detection]:
        """Detections from what `run` gave for this picture."""
        types = self.interpreter.outputs(self.signature)
        found = {}
        for role, name in self._places.items():
            quant = types[name].quant
            array = outputs[name] if quant is None else quant.dequantize(outputs[name])
            found[role] = array.reshape(-1, 4) if role == "boxes" else array.reshape(-1)
        count = min(len(found["boxes"]), max(0, int(found["count"][0])))
        extent = np.array([picture.height, picture.width] * 2)
        corners = np.clip(found["boxes"], 0, 1) * extent
        detections = []
        for i in np.argsort(-found["scores"][:count], kind="stable"):
            score, index = float(found["scores"][i]), int(found["classes"][i])
            if score >= least_score:
                top, left, bottom, right = map(float, corners[i])
                box = Box(left, top, right, bottom)
                detections.append(Detection(index, self._label(index), score, box))
        return detections

    def _label(self, index: int) -> str:
        known = self.labels or ()
        return known[index] if 0 <= index < len(known) else f"class {index}"


def detection_outputs(model: Model, signature: str | None = None) -> Places | None:
    """Which output holds boxes, classes, scores and their count; None where that is not known."""
    chosen = model.signature(signature)
    graph = model.graphs[chosen.graph]
    places: dict[str, str] = {}
    for name, place in chosen.outputs.items():
        value = graph.outputs[place]
        if value.producer is not None and isinstance(value.producer.op, DetectionPostProcess):
            places[list(_WORDS)[value.index]] = name
    if len(places) < len(_WORDS):
        places = _by_metadata(model, {place: name for name, place in chosen.outputs.items()})
    return places if len(places) == len(_WORDS) else None


def _by_metadata(model: Model, names: Mapping[int, str]) -> dict[str, str]:
    said = metadata.known(model)
    if said is None or not said.subgraph_metadata:
        return {}
    places = {}
    for place, tensor in enumerate(said.subgraph_metadata[0].output_tensor_metadata):
        for role, words in _WORDS.items():
            if (tensor.name or "").lower() in words and place in names:
                places[role] = names[place]
    return places


def draw(picture: Image.Image, found: Sequence[Detection]) -> Image.Image:
    """The picture with the boxes and their labels."""
    drawn = picture.copy()
    pen = ImageDraw.Draw(drawn)
    width = max(2, round(min(drawn.size) / 150))
    for one in reversed(found):  # the surest on top
        box, tone = one.box, colour(one.index)
        pen.rectangle((box.left, box.top, box.right, box.bottom), outline=tone, width=width)
        text = f"{one.label} {one.score:.0%}"
        left, top, right, bottom = pen.textbbox((box.left + 3, box.top + 2), text)
        pen.rectangle((left - 3, top - 2, right + 3, bottom + 2), fill=tone)
        pen.text((box.left + 3, box.top + 2), text, fill="white")
    return drawn
