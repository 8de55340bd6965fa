"""The schema of the entry `TFLITE_METADATA`, as rows like those of `schema.py`, to which they are
added when this module is imported: by who reads or writes that entry, not by every reader.

Source: metadata_schema.fbs 1.5.0 of TensorFlow Lite Support (Apache-2.0), checked against the
Python of its package tflite-support 0.4.4.
"""

from __future__ import annotations

from enum import Enum

from edgewise.format.schema import ROWS, UNIONS
from edgewise.format.schema_enums import ENUMS, stored_as

IDENTIFIER = b"M001"
ROOT = "ModelMetadata"

METADATA_ROWS: dict[str, str] = {
    "AssociatedFile": "name:string description:string type:AssociatedFileType locale:string"
    " version:string",
    "FeatureProperties": "",
    "ImageSize": "width:uint height:uint",
    "ImageProperties": "color_space:ColorSpaceType default_size:ImageSize",
    "AudioProperties": "sample_rate:uint channels:uint",
    "BoundingBoxProperties": "index:[uint] type:BoundingBoxType coordinate_type:CoordinateType",
    "ValueRange": "min:int max:int",
    "Content": "content_properties:ContentProperties range:ValueRange",
    "NormalizationOptions": "mean:[float] std:[float]",
    "ScoreCalibrationOptions": "score_transformation:ScoreTransformationType default_score:float",
    "ScoreThresholdingOptions": "global_score_threshold:float",
    "BertTokenizerOptions": "vocab_file:[AssociatedFile]",
    "SentencePieceTokenizerOptions": "sentencePiece_model:[AssociatedFile]"
    " vocab_file:[AssociatedFile]",
    "RegexTokenizerOptions": "delim_regex_pattern:string vocab_file:[AssociatedFile]",
    "ProcessUnit": "options:ProcessUnitOptions",
    "Stats": "max:[float] min:[float]",
    "TensorGroup": "name:string tensor_names:[string]",
    "TensorMetadata": "name:string description:string dimension_names:[string] content:Content"
    " process_units:[ProcessUnit] stats:Stats associated_files:[AssociatedFile]",
    "CustomMetadata": "name:string data:[ubyte:16]",
    "SubGraphMetadata": "name:string description:string input_tensor_metadata:[TensorMetadata]"
    " output_tensor_metadata:[TensorMetadata] associated_files:[AssociatedFile]"
    " input_process_units:[ProcessUnit] output_process_units:[ProcessUnit]"
    " input_tensor_groups:[TensorGroup] output_tensor_groups:[TensorGroup]"
    " custom_metadata:[CustomMetadata]",
    "ModelMetadata": "name:string description:string version:string"
    " subgraph_metadata:[SubGraphMetadata] author:string license:string"
    " associated_files:[AssociatedFile] min_parser_version:string",
}

METADATA_UNIONS: dict[str, tuple[str, ...]] = {
    "ContentProperties": (
        "FeatureProperties",
        "ImageProperties",
        "BoundingBoxProperties",
        "AudioProperties",
    ),
    "ProcessUnitOptions": (
        "NormalizationOptions",
        "ScoreCalibrationOptions",
        "ScoreThresholdingOptions",
        "BertTokenizerOptions",
        "SentencePieceTokenizerOptions",
        "RegexTokenizerOptions",
    ),
}


class AssociatedFileType(Enum):
    """What a file beside the model is for."""

    UNKNOWN = 0
    DESCRIPTIONS = 1  # a readme
    TENSOR_AXIS_LABELS = 2  # a label for each element along the last axis: classes
    TENSOR_VALUE_LABELS = 3  # a label for each value that an element may have
    TENSOR_AXIS_SCORE_CALIBRATION = 4
    VOCABULARY = 5
    SCANN_INDEX_FILE = 6


class ColorSpaceType(Enum):
    """The channels of a picture."""

    UNKNOWN = 0
    RGB = 1
    GRAYSCALE = 2


class BoundingBoxType(Enum):
    """The four numbers of a box."""

    UNKNOWN = 0
    BOUNDARIES = 1  # left, top, right, bottom
    UPPER_LEFT = 2  # x, y, width, height
    CENTER = 3  # x, y, width, height


class CoordinateType(Enum):
    """The unit of a box's numbers."""

    RATIO = 0  # of the picture
    PIXEL = 1


class ScoreTransformationType(Enum):
    """What a score goes through before it is calibrated."""

    IDENTITY = 0
    LOG = 1
    INVERSE_LOGISTIC = 2


METADATA_ENUMS: tuple[type[Enum], ...] = (
    AssociatedFileType,
    ColorSpaceType,
    BoundingBoxType,
    CoordinateType,
    ScoreTransformationType,
)

ROWS.update(METADATA_ROWS)
UNIONS.update(METADATA_UNIONS)
ENUMS.update({kind.__name__: stored_as("byte", kind) for kind in METADATA_ENUMS})
