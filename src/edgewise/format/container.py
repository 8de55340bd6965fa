"""A whole `.tflite` file: identifier, FlatBuffer, and buffers beyond it when it passes 2 GB.

A FlatBuffer ends at 2 GB. A larger model keeps its constants behind it: `Buffer.offset` and
`Buffer.size` (and `Operator.large_custom_options_*`) name their place in the file, 16-byte aligned.
Records never show that: a buffer's bytes are in `Buffer.data` and custom options in
`Operator.custom_options`, wherever they stood, and the layout is chosen on writing.

**Source:** schema.fbs of LiteRT 2.3, version 3c.
"""

from __future__ import annotations

import numpy as np

from edgewise.errors import FormatError
from edgewise.format.flatbuffer import decode
from edgewise.format.record import Record
from edgewise.format.schema import FILE_IDENTIFIER

# What else begins like this, for those who name the wrong file.
_SOURCES = {
    b"PK\3\4": "a Keras file or another zip archive",
    b"\x89HDF": "a Keras file or other HDF5 data",
}

# Constants of more bytes than this are written behind the FlatBuffer; the rest of its 2 GB is
# left for tables.
_TAIL_FROM = 1_900_000_000
_TAIL_ALIGN = 16
_TAIL_CUSTOM_OPTIONS = 65536  # smaller custom options stay inside


def read_model(data: bytes | bytearray | memoryview, *, file: str = "model") -> Record:
    """The `Model` record of a `.tflite` file.

    Its arrays are read-only views of `data`, which must not change while they live.

    Raises:
        FormatError: not a `.tflite` file, truncated, or corrupt; with the byte offset.
    """
    view = memoryview(data).toreadonly().cast("B")
    found = bytes(view[4:8])
    if found != FILE_IDENTIFIER:
        what = f"found {found!r}" if found else f"the file has {len(view)} bytes"
        begin = bytes(view[:4])
        if begin in _SOURCES:
            what = f"it is {_SOURCES[begin]}; convert it first (edgewise convert)"
        rule = f"a .tflite file has the identifier {FILE_IDENTIFIER!r} at byte 4; {what}"
        raise FormatError(rule, file=file, offset=4)
    model = decode(view, file=file)
    for buffer in model.buffers or ():
        if buffer.data is None and buffer.offset > 1:
            buffer.data = _beyond(view, buffer.offset, buffer.size, buffer, file)
        buffer.offset = buffer.size = 0
    for graph in model.subgraphs or ():
        for op in graph.operators or ():
            offset, size = op.large_custom_options_offset, op.large_custom_options_size
            if op.custom_options is None and offset > 1:
                op.custom_options = _beyond(view, offset, size, op, file)
            op.large_custom_options_offset = op.large_custom_options_size = 0
    return model


def _beyond(view: memoryview, offset: int, size: int, owner: Record, file: str) -> np.ndarray:
    if offset + size > len(view):
        raise FormatError(
            f"{owner.table.name} has its bytes {offset} to {offset + size} beyond the end of the"
            f" file ({len(view)} bytes); the file is truncated or corrupt",
            file=file,
            offset=owner.byte_offset,
        )
    return np.frombuffer(view, np.uint8, size, offset)


def model_chunks(
    model: Record, *, outside: bool | None = None, file: str = "model"
) -> list[memoryview]:
    """The bytes of a `.tflite` file in chunks, to be written one after another.

    `stream.writelines(chunks)` writes a file without joining it in memory; `b"".join(chunks)`
    joins it. Large arrays of the model are among the chunks, uncopied.

    Args:
        model: a `Model` record; not changed.
        outside: keep constants behind the FlatBuffer; None: when they do not fit inside.
        file: name used in errors.

    Raises:
        FormatError: a value that its field cannot hold.
    """
    from edgewise.format.build import build  # which a reader does not need

    if outside is None:
        outside = sum(_nbytes(b.data) for b in model.buffers or ()) > _TAIL_FROM
    if not outside:
        return build(model, file=file)
    tail: list[memoryview] = []
    # The first layout only gives the FlatBuffer's length, which no offset changes.
    hollow = _move_out(model, 2 * _TAIL_ALIGN, tail=[])
    start = sum(chunk.nbytes for chunk in build(hollow, file=file))
    padding = -start % _TAIL_ALIGN
    hollow = _move_out(model, start + padding, tail)
    return [*build(hollow, file=file), memoryview(bytes(padding)), *tail]


def _move_out(model: Record, start: int, tail: list[memoryview]) -> Record:
    """A copy of the model whose constants are appended to `tail`, which begins at byte `start`."""
    import copy  # which no reader needs

    end = start

    def put(value: object) -> tuple[int, int]:
        nonlocal end
        chunk = memoryview(value).cast("B")  # type: ignore[arg-type]  # array or bytes
        at, padding = end, -chunk.nbytes % _TAIL_ALIGN
        tail.extend((chunk, memoryview(bytes(padding))))
        end += chunk.nbytes + padding
        return at, chunk.nbytes

    model = copy.copy(model)
    model.buffers = [copy.copy(buffer) for buffer in model.buffers or ()]
    for buffer in model.buffers:
        if _nbytes(buffer.data):
            buffer.offset, buffer.size = put(buffer.data)
            buffer.data = None
    model.subgraphs = [copy.copy(graph) for graph in model.subgraphs or ()]
    for graph in model.subgraphs:
        graph.operators = [copy.copy(op) for op in graph.operators or ()]
        for op in graph.operators:
            if _nbytes(op.custom_options) > _TAIL_CUSTOM_OPTIONS:
                offset, size = put(op.custom_options)
                op.large_custom_options_offset, op.large_custom_options_size = offset, size
                op.custom_options = None
    return model


def _nbytes(value: object) -> int:
    return 0 if value is None else memoryview(value).nbytes  # type: ignore[arg-type]
