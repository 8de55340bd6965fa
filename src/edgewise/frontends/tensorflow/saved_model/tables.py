"""Contents of lookup tables, from the operations that fill them.

`InitializeTableV2`, `LookupTableImportV2`: constant keys and values.
`InitializeTableFromTextFileV2`: a line for each entry; keys and values are a column, the whole line
(-2), or the line's number (-1).

**Source:** tensorflow/core/kernels/lookup_util.cc and core/lib/io/inputbuffer.cc, TensorFlow 2.21.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from edgewise.dtypes import DType
from edgewise.errors import ConversionError, listing
from edgewise.frontends.tensorflow.program import Ref, Table, TFNode
from edgewise.frontends.tensorflow.saved_model.assets import Assets
from edgewise.frontends.tensorflow.tracing import Frame

FROM_TENSORS = frozenset(
    {"InitializeTable", "InitializeTableV2", "LookupTableImport", "LookupTableImportV2"}
)
FROM_FILE = frozenset({"InitializeTableFromTextFile", "InitializeTableFromTextFileV2"})
TABLES = frozenset({"HashTable", "HashTableV2", "AnonymousHashTable"})
MUTABLE_TABLES = frozenset(
    {"MutableHashTable", "MutableHashTableV2", "AnonymousMutableHashTable"}
    | {"MutableHashTableOfTensors", "MutableHashTableOfTensorsV2"}
)
_WHOLE_LINE, _LINE_NUMBER = -2, -1


Filling = tuple[Frame, TFNode]


def fillings(frames: Iterable[Frame]) -> dict[tuple[Frame, Ref], Filling]:
    """The nodes that fill tables, by the handle of the table in the frame where it was made."""
    found: dict[tuple[Frame, Ref], Filling] = {}
    for frame in frames:
        for node in frame.nodes.values():
            if node.op in FROM_TENSORS | FROM_FILE and len(node.inputs) > 1:
                found.setdefault(frame.origin(node.inputs[0]), (frame, node))
    return found


def filled_table(made: TFNode, filling: Filling | None, assets: Assets) -> Table | str:
    """The table that the node `made` makes, or a sentence why its contents are not known.

    Args:
        made: a `HashTableV2`.
        filling: the node that fills it, and where that stands.
        assets: vocabulary files.

    Raises:
        ConversionError: a vocabulary file is missing or does not fit.
    """
    if filling is None:
        return f"nothing fills table '{made.name}'"
    key_dtype, value_dtype = made.attrs.get("key_dtype"), made.attrs.get("value_dtype")
    if not isinstance(key_dtype, DType) or not isinstance(value_dtype, DType):
        return f"table '{made.name}' is from {key_dtype!r} to {value_dtype!r}"
    frame, node = filling
    if node.op in FROM_TENSORS:
        arrays = [frame.constant(ref) for ref in node.inputs[1:3]]
        pair = tuple(array for array in arrays if array is not None)
    else:
        name = frame.asset(node.inputs[1])
        if name is None:
            return f"table '{made.name}' is filled from a file that is no asset"
        content = assets.read(name)
        pair = from_text(content, node, key_dtype, value_dtype, f"{assets.folder}/assets/{name}")
    return table(made.name, key_dtype, value_dtype, pair)


def table(
    name: str, key_dtype: DType, value_dtype: DType, pair: tuple[np.ndarray, ...]
) -> Table | str:
    """A table of these keys and values, or a sentence why they are none."""
    if len(pair) != 2:
        return f"table '{name}' is filled with tensors that are no constants"
    keys, values = (array.reshape(-1) for array in pair)
    if keys.size != values.size:
        return f"table '{name}' is filled with {keys.size} keys and {values.size} values"
    if (keys.dtype, values.dtype) != (key_dtype.numpy, value_dtype.numpy):
        return f"table '{name}' is filled with {keys.dtype} and {values.dtype}"
    return Table(name, key_dtype, value_dtype, keys, values)


def from_text(
    content: bytes, filling: TFNode, key_dtype: DType, value_dtype: DType, file: str
) -> tuple[np.ndarray, np.ndarray]:
    """Keys and values that the node `filling` makes of a vocabulary `file`.

    Raises:
        ConversionError: lines that have too few columns or are no numbers; all of them.
    """
    lines = content.replace(b"\r", b"").split(b"\n")
    if lines[-1] == b"":
        lines.pop()
    lines = lines[_number(filling, "offset", 0) :]
    size = _number(filling, "vocab_size", -1)
    if size >= 0:
        if len(lines) < size:
            raise ConversionError(f"{file}: must have {size} lines; found {len(lines)}")
        lines = lines[:size]
    delimiter = filling.attrs.get("delimiter")
    split = [
        line.split(delimiter if isinstance(delimiter, bytes) and delimiter else b"\t")
        for line in lines
    ]
    problems: list[str] = []
    keys = _column(lines, split, _number(filling, "key_index", _WHOLE_LINE), key_dtype, problems)
    values = _column(
        lines, split, _number(filling, "value_index", _LINE_NUMBER), value_dtype, problems
    )
    if problems:
        what = "lines do not fit the table that is made of them"
        raise ConversionError(f"{file}: {listing(problems, what, most=10)}")
    return keys, values


def _number(node: TFNode, name: str, default: int) -> int:
    value = node.attrs.get(name, default)
    return value if isinstance(value, int) else default


def _column(
    lines: list[bytes], split: list[list[bytes]], index: int, dtype: DType, problems: list[str]
) -> np.ndarray:
    if index == _LINE_NUMBER:
        return np.arange(len(lines), dtype=dtype.numpy)
    texts: list[bytes] = []
    for number, (line, parts) in enumerate(zip(lines, split, strict=True), 1):
        if index == _WHOLE_LINE or 0 <= index < len(parts):
            texts.append(line if index == _WHOLE_LINE else parts[index])
        else:
            problems.append(f"line {number} has {len(parts)} columns; column {index} is needed")
    found = np.empty(len(texts), dtype.numpy)
    for i, text in enumerate(texts):
        try:
            found[i] = text if dtype is DType.STRING else _parsed(text, dtype)
        except (ValueError, OverflowError):
            problems.append(f"line {i + 1} has {text[:40]!r}, which is no {dtype.text}")
    return found


def _parsed(text: bytes, dtype: DType) -> float:
    return float(text) if dtype.is_float else int(text)
