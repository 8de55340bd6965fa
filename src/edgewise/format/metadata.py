"""What a model says of itself, as values: the entry `TFLITE_METADATA` and back.

Each class is a table of the metadata schema, with its fields; a table that is absent is None, a
text that is absent is "". What the fields mean stands in the TFLite Metadata guide.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum

import numpy as np

from edgewise.errors import FormatError
from edgewise.format.build import build
from edgewise.format.flatbuffer import decode
from edgewise.format.record import Record, record_type
from edgewise.format.schema_metadata import (
    IDENTIFIER,
    ROOT,
    AssociatedFileType,
    BoundingBoxType,
    ColorSpaceType,
    CoordinateType,
    ScoreTransformationType,
)
from edgewise.values import dataclass


@dataclass(frozen=True, slots=True)
class AssociatedFile:
    """A file that travels with the model: its name there, and what it is for."""

    name: str
    description: str = ""
    type: AssociatedFileType = AssociatedFileType.UNKNOWN
    locale: str = ""
    version: str = ""


Files = tuple[AssociatedFile, ...]


@dataclass(frozen=True, slots=True)
class FeatureProperties:
    """The tensor is plain numbers."""


@dataclass(frozen=True, slots=True)
class ImageSize:
    """Pixels."""

    width: int = 0
    height: int = 0


@dataclass(frozen=True, slots=True)
class ImageProperties:
    """The tensor is a picture. `default_size`: where the model leaves its size open."""

    color_space: ColorSpaceType = ColorSpaceType.UNKNOWN
    default_size: ImageSize | None = None


@dataclass(frozen=True, slots=True)
class AudioProperties:
    """The tensor is sound: Hz, channels."""

    sample_rate: int = 0
    channels: int = 0


@dataclass(frozen=True, slots=True)
class BoundingBoxProperties:
    """The tensor is boxes. `index`: the places of their four numbers; (): in the usual order."""

    index: tuple[int, ...] = ()
    type: BoundingBoxType = BoundingBoxType.UNKNOWN
    coordinate_type: CoordinateType = CoordinateType.RATIO


@dataclass(frozen=True, slots=True)
class ValueRange:
    """Dimensions `min` to `max` of the tensor, both included."""

    min: int = 0
    max: int = 0


ContentProperties = FeatureProperties | ImageProperties | BoundingBoxProperties | AudioProperties


@dataclass(frozen=True, slots=True)
class Content:
    """What a tensor is; `range`: which of its dimensions, None: all but the batch."""

    content_properties: ContentProperties | None = None
    range: ValueRange | None = None


@dataclass(frozen=True, slots=True)
class NormalizationOptions:
    """(value - mean) / std; one number, or one per channel."""

    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class ScoreCalibrationOptions:
    """Scores are calibrated by the file TENSOR_AXIS_SCORE_CALIBRATION."""

    score_transformation: ScoreTransformationType = ScoreTransformationType.IDENTITY
    default_score: float = 0.0


@dataclass(frozen=True, slots=True)
class ScoreThresholdingOptions:
    """Results with lower scores are not shown."""

    global_score_threshold: float = 0.0


@dataclass(frozen=True, slots=True)
class BertTokenizerOptions:
    """Text becomes word pieces of a vocabulary."""

    vocab_file: Files = ()


@dataclass(frozen=True, slots=True)
class SentencePieceTokenizerOptions:
    """Text becomes pieces of a SentencePiece model."""

    sentencePiece_model: Files = ()
    vocab_file: Files = ()


@dataclass(frozen=True, slots=True)
class RegexTokenizerOptions:
    """Text is split where the expression matches."""

    delim_regex_pattern: str = ""
    vocab_file: Files = ()


ProcessUnitOptions = (
    NormalizationOptions
    | ScoreCalibrationOptions
    | ScoreThresholdingOptions
    | BertTokenizerOptions
    | SentencePieceTokenizerOptions
    | RegexTokenizerOptions
)


@dataclass(frozen=True, slots=True)
class ProcessUnit:
    """A step before the model runs or after it."""

    options: ProcessUnitOptions | None = None


@dataclass(frozen=True, slots=True)
class Stats:
    """Largest and smallest value; one number, or one per channel."""

    max: tuple[float, ...] = ()
    min: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class TensorGroup:
    """Tensors that belong together."""

    name: str = ""
    tensor_names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TensorMetadata:
    """One input or output."""

    name: str = ""
    description: str = ""
    dimension_names: tuple[str, ...] = ()
    content: Content | None = None
    process_units: tuple[ProcessUnit, ...] = ()
    stats: Stats | None = None
    associated_files: Files = ()


@dataclass(frozen=True, slots=True)
class CustomMetadata:
    """Bytes with a name."""

    name: str = ""
    data: bytes = b""


@dataclass(frozen=True, slots=True)
class SubGraphMetadata:
    """One graph; its tensors are in the order of the graph's inputs and outputs."""

    name: str = ""
    description: str = ""
    input_tensor_metadata: tuple[TensorMetadata, ...] = ()
    output_tensor_metadata: tuple[TensorMetadata, ...] = ()
    associated_files: Files = ()
    input_process_units: tuple[ProcessUnit, ...] = ()
    output_process_units: tuple[ProcessUnit, ...] = ()
    input_tensor_groups: tuple[TensorGroup, ...] = ()
    output_tensor_groups: tuple[TensorGroup, ...] = ()
    custom_metadata: tuple[CustomMetadata, ...] = ()


@dataclass(frozen=True, slots=True)
class ModelMetadata:
    """The whole model."""

    name: str = ""
    description: str = ""
    version: str = ""
    subgraph_metadata: tuple[SubGraphMetadata, ...] = ()
    author: str = ""
    license: str = ""
    associated_files: Files = ()
    min_parser_version: str = ""


_CLASSES: dict[str, type] = {
    cls.__name__: cls
    for cls in (
        *(AssociatedFile, FeatureProperties, ImageSize, ImageProperties, AudioProperties),
        *(BoundingBoxProperties, ValueRange, Content, NormalizationOptions),
        *(ScoreCalibrationOptions, ScoreThresholdingOptions, BertTokenizerOptions),
        *(SentencePieceTokenizerOptions, RegexTokenizerOptions, ProcessUnit, Stats, TensorGroup),
        *(TensorMetadata, CustomMetadata, SubGraphMetadata, ModelMetadata),
    )
}


def decode_metadata(data: bytes, file: str = "model") -> ModelMetadata:
    """The values of an entry. Raises FormatError."""
    if data[4:8] != IDENTIFIER:
        rule = f"TFLITE_METADATA has the identifier {IDENTIFIER!r}; found {data[4:8]!r}"
        raise FormatError(rule, file=file, offset=4)
    found = _value(decode(data, root=ROOT, file=f"TFLITE_METADATA of {file}"))
    assert isinstance(found, ModelMetadata)
    return found


def encode_metadata(metadata: ModelMetadata) -> bytes:
    """The entry for these values. Raises FormatError: a value that its field cannot hold."""
    chunks = build(_record(metadata), file="TFLITE_METADATA", identifier=IDENTIFIER)
    return b"".join(bytes(chunk) for chunk in chunks)


def everything_in(value: object) -> Iterator[object]:
    """The values of a metadata value, at any depth, itself first."""
    yield value
    if isinstance(value, tuple):
        for item in value:
            yield from everything_in(item)
    elif type(value).__name__ in _CLASSES:
        for name in _names(value):
            yield from everything_in(getattr(value, name))


def _names(value: object) -> tuple[str, ...]:
    return tuple(record_type(type(value).__name__).table.by_name)


def _record(value: object) -> Record:
    """Values at their default are left out."""
    fields: dict[str, object] = {}
    for name in _names(value):
        field = getattr(value, name)
        if isinstance(field, Enum | int | float):
            fields[name] = field
        elif field:
            fields[name] = _stored(field)
    return record_type(type(value).__name__)(**fields)


def _stored(value: object) -> object:
    if isinstance(value, tuple):
        return [_stored(item) for item in value]
    return _record(value) if type(value).__name__ in _CLASSES else value


def _value(record: Record) -> object:
    fields = {}
    for name, field in record.items():
        if field is not None:
            fields[name] = _loaded(field)
    return _CLASSES[record.table.name](**fields)


def _loaded(field: object) -> object:
    if isinstance(field, Record):
        return _value(field)
    if isinstance(field, list):
        return tuple(_loaded(item) for item in field)
    if isinstance(field, np.ndarray):
        return field.tobytes() if field.dtype == np.uint8 else tuple(field.tolist())
    return field
