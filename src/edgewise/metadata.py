"""TFLite metadata: what a model says of itself, and the files that travel with it.

    model = metadata.attach(model, labels=labels, mean=127.5, std=127.5, description="Birds")
    model.save("birds.tflite")
    metadata.labels(edgewise.load("birds.tflite"))

Android's task library reads what `attach` writes; `edgewise run` takes labels and normalization
from it. `read` and `store` have every field of the metadata schema (`ModelMetadata`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from edgewise.errors import FormatError, InputError
from edgewise.format.metadata import (
    AssociatedFile,
    AudioProperties,
    BertTokenizerOptions,
    BoundingBoxProperties,
    Content,
    CustomMetadata,
    FeatureProperties,
    ImageProperties,
    ImageSize,
    ModelMetadata,
    NormalizationOptions,
    ProcessUnit,
    RegexTokenizerOptions,
    ScoreCalibrationOptions,
    ScoreThresholdingOptions,
    SentencePieceTokenizerOptions,
    Stats,
    SubGraphMetadata,
    TensorGroup,
    TensorMetadata,
    ValueRange,
    decode_metadata,
    encode_metadata,
    everything_in,
)
from edgewise.format.schema_metadata import (
    AssociatedFileType,
    BoundingBoxType,
    ColorSpaceType,
    CoordinateType,
    ScoreTransformationType,
)
from edgewise.ir.graph import Value
from edgewise.ir.model import Model

__all__ = [
    "AssociatedFile",
    "AssociatedFileType",
    "AudioProperties",
    "BertTokenizerOptions",
    "BoundingBoxProperties",
    "BoundingBoxType",
    "ColorSpaceType",
    "Content",
    "CoordinateType",
    "CustomMetadata",
    "FeatureProperties",
    "ImageProperties",
    "ImageSize",
    "ModelMetadata",
    "NormalizationOptions",
    "ProcessUnit",
    "RegexTokenizerOptions",
    "ScoreCalibrationOptions",
    "ScoreThresholdingOptions",
    "ScoreTransformationType",
    "SentencePieceTokenizerOptions",
    "Stats",
    "SubGraphMetadata",
    "TensorGroup",
    "TensorMetadata",
    "ValueRange",
    "attach",
    "labels",
    "normalization",
    "read",
    "store",
]

ENTRY = "TFLITE_METADATA"
_CLASSES = (AssociatedFileType.TENSOR_AXIS_LABELS, AssociatedFileType.TENSOR_VALUE_LABELS)
_COLORS = {1: ColorSpaceType.GRAYSCALE, 3: ColorSpaceType.RGB}

Numbers = float | Sequence[float]


def read(model: Model) -> ModelMetadata | None:
    """What the model says of itself; None where it says nothing. Raises FormatError."""
    data = model.metadata.get(ENTRY)
    return None if data is None else decode_metadata(data, model.file or "model")


def known(model: Model) -> ModelMetadata | None:
    """What the model says of itself; None where it says nothing that can be read."""
    try:
        return read(model)
    except FormatError:
        return None


def store(model: Model, metadata: ModelMetadata, files: Mapping[str, bytes] | None = None) -> Model:
    """A copy of the model that says this; `files` are added to those that travel with it.

    Raises:
        InputError: a file that is named is not there. FormatError: a value out of its range.
    """
    made = model.copy()
    made.files.update(files or {})
    named = [v.name for v in everything_in(metadata) if isinstance(v, AssociatedFile)]
    missing = sorted(set(named) - set(made.files))
    if missing:
        raise InputError(
            f"the metadata names {', '.join(missing)}; give the contents with files={{name: bytes}}"
        )
    newest = replace(metadata, min_parser_version=_parser_version(metadata))
    made.metadata[ENTRY] = encode_metadata(newest)
    return made


def attach(
    model: Model,
    *,
    name: str | None = None,
    description: str | None = None,
    version: str | None = None,
    author: str | None = None,
    license: str | None = None,
    labels: Sequence[str] | Mapping[str, Sequence[str]] | None = None,
    mean: Numbers | None = None,
    std: Numbers | None = None,
    inputs: Mapping[str, TensorMetadata] | None = None,
    outputs: Mapping[str, TensorMetadata] | None = None,
    files: Mapping[str, bytes] | None = None,
) -> Model:
    """A copy of the model that says more of itself; what is not given stays as it is.

    Args:
        labels: of the classes, for the output with as many elements in its last dimension; or by
            name of the output.
        mean, std: an input becomes (value - mean) / std, pixels being 0..255: one number, or one
            per channel. Of the picture, or the only input.
        inputs, outputs: by name, instead of what is made up from their types.
        files: more files that travel with the model, by name.

    Raises:
        InputError: labels or a normalization that fit no input or output, names of none.
    """
    known = read(model) or ModelMetadata()
    graph, more = model.main, dict(files or {})
    first, *others = known.subgraph_metadata or (SubGraphMetadata(),)
    ins = _tensors(first.input_tensor_metadata, _named(model, "inputs"), inputs, "input")
    outs = _tensors(first.output_tensor_metadata, _named(model, "outputs"), outputs, "output")
    if mean is not None or std is not None:
        place = _place_of_picture(graph.inputs)
        ins[place] = _normalized(ins[place], mean, std)
    if labels is not None:
        by_output = labels if isinstance(labels, Mapping) else {"": labels}
        for output, texts in by_output.items():
            place = _place_of_classes(outs, graph.outputs, output, len(texts))
            file = "labels.txt" if len(by_output) == 1 else f"labels_{output}.txt"
            more[file] = _label_file(texts)
            outs[place] = _labelled(outs[place], file)
    first = replace(first, input_tensor_metadata=tuple(ins), output_tensor_metadata=tuple(outs))
    said = replace(
        known,
        name=known.name if name is None else name,
        description=known.description if description is None else description,
        version=known.version if version is None else version,
        author=known.author if author is None else author,
        license=known.license if license is None else license,
        subgraph_metadata=(first, *others),
    )
    return store(model, said, more)


def labels(model: Model, output: int | None = None) -> list[str] | None:
    """The labels of an output (None: the first that has some); None where there are none.

    Raises:
        FormatError: the entry is damaged.
    """
    known = read(model)
    if known is None or not known.subgraph_metadata:
        return None
    tensors = known.subgraph_metadata[0].output_tensor_metadata
    chosen = tensors if output is None else tensors[output : output + 1]
    for file in (file for tensor in chosen for file in tensor.associated_files):
        if file.type in _CLASSES and file.name in model.files:
            return model.files[file.name].decode("utf-8", "replace").splitlines()
    return None


def normalization(model: Model, input: int = 0) -> NormalizationOptions | None:
    """What an input's values go through before the model; None where it does not say, or not in
    numbers that can be divided by. Raises FormatError: the entry is damaged."""
    known = read(model)
    if known is None or not known.subgraph_metadata:
        return None
    for tensor in known.subgraph_metadata[0].input_tensor_metadata[input : input + 1]:
        for unit in tensor.process_units:
            options = unit.options
            if isinstance(options, NormalizationOptions) and options.mean and all(options.std):
                return options if options.std else None
    return None


# -- tensors ----------------------------------------------------------------------------------


def _named(model: Model, which: str) -> list[tuple[str, Value]]:
    """Inputs or outputs of the main graph with the names that its users know them by."""
    graph = model.main
    values = graph.inputs if which == "inputs" else list(graph.outputs)
    names = [value.name for value in values]
    for signature in model.signatures:
        if signature.graph == graph.name:
            for name, place in getattr(signature, which).items():
                names[place] = name
            break
    return list(zip(names, values, strict=True))


def _tensors(
    known: Sequence[TensorMetadata],
    named: Sequence[tuple[str, Value]],
    given: Mapping[str, TensorMetadata] | None,
    what: str,
) -> list[TensorMetadata]:
    given = given or {}
    unknown = sorted(given.keys() - {name for name, _ in named})
    if unknown:
        names = ", ".join(name for name, _ in named)
        raise InputError(f"no {what} is named {', '.join(unknown)}; {what}s are {names}")
    if len(known) != len(named):  # of another model
        known = [TensorMetadata(name=name, content=_content(value)) for name, value in named]
    return [given.get(name, tensor) for (name, _), tensor in zip(named, known, strict=True)]


def _content(value: Value) -> Content:
    channels = _channels(value)
    if channels is None:
        return Content(FeatureProperties())
    return Content(ImageProperties(_COLORS[channels]))


def _channels(value: Value) -> int | None:
    """1 or 3 of a picture [N, H, W, C]; None of other tensors."""
    shape = value.type.shape or ()
    last = shape[-1] if len(shape) == 4 else None
    return last if isinstance(last, int) and last in _COLORS else None


def _place_of_picture(inputs: Sequence[Value]) -> int:
    places = [i for i, value in enumerate(inputs) if _channels(value) is not None]
    places = places or list(range(len(inputs)))
    if len(places) != 1:
        names = ", ".join(value.name for value in inputs)
        raise InputError(f"mean and std need one input; the model has {names}. Give inputs=")
    return places[0]


def _normalized(
    tensor: TensorMetadata, mean: Numbers | None, std: Numbers | None
) -> TensorMetadata:
    if mean is None or std is None:
        raise InputError("mean and std belong together; give both")
    options = NormalizationOptions(_numbers(mean), _numbers(std))
    if not all(options.std) or len(options.mean) != len(options.std):
        raise InputError(f"std must be as many numbers as mean, none of them 0; got {std!r}")
    others = [u for u in tensor.process_units if not isinstance(u.options, NormalizationOptions)]
    return replace(tensor, process_units=(ProcessUnit(options), *others))


def _numbers(given: Numbers) -> tuple[float, ...]:
    return tuple(map(float, given)) if isinstance(given, Sequence) else (float(given),)


def _place_of_classes(
    tensors: Sequence[TensorMetadata], values: Sequence[Value], name: str, count: int
) -> int:
    """The output that these labels are for. Raises InputError."""
    sizes = [(v.type.shape or (None,))[-1] for v in values]
    shown = ", ".join(f"{t.name} ({n})" for t, n in zip(tensors, sizes, strict=True))
    if name:
        places = [i for i, tensor in enumerate(tensors) if tensor.name == name]
    else:
        places = [i for i, n in enumerate(sizes) if n == count] or [
            i for i, n in enumerate(sizes) if not isinstance(n, int)
        ]
    if not places or (isinstance(sizes[places[0]], int) and sizes[places[0]] != count):
        raise InputError(f"{count} labels fit no output; outputs are {shown}")
    return places[0]


def _label_file(texts: Iterable[str]) -> bytes:
    lines = list(texts)
    broken = [text for text in lines if len(text.splitlines()) > 1]
    if broken:
        raise InputError(f"a label is one line; got {broken[0]!r}")
    return "".join(f"{line}\n" for line in lines).encode()


def _labelled(tensor: TensorMetadata, file: str) -> TensorMetadata:
    what = AssociatedFile(file, "Labels of the classes.", AssociatedFileType.TENSOR_AXIS_LABELS)
    others = [f for f in tensor.associated_files if f.type not in _CLASSES and f.name != file]
    return replace(tensor, associated_files=(what, *others))


# What a parser must be new enough for; the rest is of the first version.
_SINCE: dict[object, str] = {
    AssociatedFileType.VOCABULARY: "1.0.1",
    BertTokenizerOptions: "1.1.0",
    SentencePieceTokenizerOptions: "1.1.0",
    TensorGroup: "1.2.0",
    RegexTokenizerOptions: "1.2.1",
    AudioProperties: "1.3.0",
    AssociatedFileType.SCANN_INDEX_FILE: "1.4.0",
    CustomMetadata: "1.5.0",
}


def _parser_version(metadata: ModelMetadata) -> str:
    """The oldest schema version that has all that is said."""
    found = ["1.0.0"]
    for value in everything_in(metadata):
        found.append(_SINCE.get(type(value), "1.0.0"))
        if isinstance(value, AssociatedFile):
            found.append("1.4.1" if value.version else _SINCE.get(value.type, "1.0.0"))
        if isinstance(value, SubGraphMetadata):
            units = value.input_process_units or value.output_process_units
            found.append("1.1.0" if units else "1.0.0")
    return max(found, key=lambda text: [int(part) for part in text.split(".")])
