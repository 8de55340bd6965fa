"""A torch checkpoint (`.pth`, `.pt`) -> its tensors as NumPy arrays, without torch.

Two file formats are read: the archive that torch writes since 1.6 (a zip file: `data.pkl` describes
the tensors, `data/KEY` holds each storage) and the older one (five pickles in a row: magic number,
protocol, machine, the tensors, the storage keys; then each storage with its length). What the
pickles may say is decided in `torch_pickle`; nothing from the file is executed.

**Source:** torch 2.9, `torch/serialization.py` (`_legacy_save`, `_save`).
"""

from __future__ import annotations

import os
import zipfile
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path

import numpy as np

from edgewise.errors import FormatError, LimitError
from edgewise.zoo.torch_globals import Storage, Tensor
from edgewise.zoo.torch_pickle import read_pickle

_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_LEGACY_PROTOCOL = 1001


def read_checkpoint(
    path: str | os.PathLike[str], *, entry: str | None = None, max_bytes: int = 8 << 30
) -> dict[str, np.ndarray]:
    """The tensors of a checkpoint by name, in the file's order, read-only and without copies.

    A training checkpoint keeps the tensors one level down (`{"state_dict": {...}, "epoch": 9}`):
    `entry` names the level; left out, it is the only entry that holds tensors. Entries that are not
    tensors are left out. Shapes and dtypes are the file's; bfloat16 is `ml_dtypes.bfloat16`.

    Raises:
        FormatError: not a checkpoint, damaged, or it holds more than tensors; names what.
        LimitError: the file is larger than `max_bytes`.
    """
    path = Path(path)
    if path.is_dir():
        raise FormatError("a checkpoint is a file, and this is a directory", file=str(path))
    size = path.stat().st_size
    if size > max_bytes:
        raise LimitError(f"{path}: max_bytes is {max_bytes}, and the file has {size} bytes")
    data = path.read_bytes()
    read = _read_archive if data.startswith(b"PK\x03\x04") else _read_legacy
    value, storages = read(data, str(path))
    tensors = _tensors(value, entry, str(path))
    return {name: _array(tensor, storages) for name, tensor in tensors.items()}


def _read_archive(data: bytes, file: str) -> tuple[object, dict[str, np.ndarray]]:
    """The zip format: the described value and the storages by key."""
    try:
        with zipfile.ZipFile(BytesIO(data)) as archive:
            return _read_members(archive, len(data), file)
    except FormatError:
        raise
    except (zipfile.BadZipFile, NotImplementedError, ValueError, EOFError, OSError) as error:
        raise FormatError(f"a damaged zip archive: {error}", file=file) from None


def _read_members(
    archive: zipfile.ZipFile, length: int, file: str
) -> tuple[object, dict[str, np.ndarray]]:
    members = {info.filename: info for info in archive.infolist()}
    # torch never compresses; without compression the members are no longer than the file.
    if any(m.compress_type != zipfile.ZIP_STORED or m.flag_bits & 1 for m in archive.infolist()):
        raise FormatError("the archive has compressed or encrypted members", file=file)
    if sum(member.file_size for member in archive.infolist()) > length:
        raise FormatError("the archive's members overlap", file=file)
    pickles = [name for name in members if name == "data.pkl" or name.endswith("/data.pkl")]
    if len(pickles) != 1:
        raise FormatError(f"a checkpoint has one data.pkl; found {len(pickles)}", file=file)
    folder = pickles[0].removesuffix("data.pkl")
    if (order := f"{folder}byteorder") in members and archive.read(order) != b"little":
        raise FormatError("the checkpoint was written on a big-endian machine", file=file)
    value, described = read_pickle(BytesIO(archive.read(pickles[0])), file=f"{file}:{pickles[0]}")
    missing = [key for key in described if f"{folder}data/{key}" not in members]
    if missing:
        raise FormatError(f"storages without data: {', '.join(missing)}", file=file)
    storages = {}
    for key, storage in described.items():
        content = archive.read(f"{folder}data/{key}")
        if len(content) != storage.elements * storage.dtype.itemsize:
            raise FormatError(_wrong_length(storage, len(content)), file=file)
        storages[key] = _numbers(content, storage)
    return value, storages


def _read_legacy(data: bytes, file: str) -> tuple[object, dict[str, np.ndarray]]:
    """The format before torch 1.6: the described value and the storages by key."""
    stream = BytesIO(data)
    try:
        magic, _ = read_pickle(stream, file=file)
    except FormatError:
        magic = None
    if magic != _LEGACY_MAGIC:
        raise FormatError("not a torch checkpoint (neither of its two formats)", file=file)
    protocol, _ = read_pickle(stream, file=file)
    machine, _ = read_pickle(stream, file=file)
    if protocol != _LEGACY_PROTOCOL or not isinstance(machine, dict):
        raise FormatError(f"unknown checkpoint protocol {protocol!r:.40}", file=file)
    if machine.get("little_endian") is not True:
        raise FormatError("the checkpoint was written on a big-endian machine", file=file)
    value, described = read_pickle(stream, file=file)
    keys, _ = read_pickle(stream, file=file)
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        raise FormatError("the storage keys are not a list of names", file=file)
    if set(keys) != set(described) or len(keys) != len(described):
        raise FormatError("the storage keys differ from the described storages", file=file)
    storages = {}
    for key in keys:
        at, storage = stream.tell(), described[key]
        elements = int.from_bytes(stream.read(8), "little")
        if elements != storage.elements:
            rule = f"storage '{key}' has {elements} elements, described are {storage.elements}"
            raise FormatError(rule, file=file, offset=at)
        nbytes = elements * storage.dtype.itemsize
        if nbytes > len(data) - stream.tell():
            rule = _wrong_length(storage, len(data) - stream.tell())
            raise FormatError(rule, file=file, offset=at)
        storages[key] = _numbers(stream.read(nbytes), storage)
    return value, storages


def _wrong_length(storage: Storage, found: int) -> str:
    needed = storage.elements * storage.dtype.itemsize
    return f"storage '{storage.key}' needs {needed} bytes, found {found}; is the file complete?"


def _numbers(content: bytes, storage: Storage) -> np.ndarray:
    """A storage as a flat read-only array, little-endian."""
    if storage.dtype != np.bool_:
        return np.frombuffer(content, storage.dtype)
    flags: np.ndarray = np.frombuffer(content, np.uint8) != 0  # bytes above 1 are no NumPy bools
    flags.flags.writeable = False
    return flags


def _tensors(value: object, entry: str | None, file: str) -> dict[str, Tensor]:
    """The tensors by name at the level that `entry` says, or where the only tensors are."""
    if not isinstance(value, dict):
        raise FormatError(f"holds a {type(value).__name__}, not named tensors", file=file)
    if entry is None and (tensors := _named_tensors(value)):
        return tensors
    levels = {name: tensors for name, level in value.items() if (tensors := _named_tensors(level))}
    if entry is not None:
        levels = {entry: levels[entry]} if entry in levels else {}
    if not levels:
        where = "" if entry is None else f" under '{entry}'"
        raise FormatError(f"no tensors{where}; save the model's state_dict()", file=file)
    if len(levels) > 1:
        rule = f"tensors under several entries: {', '.join(map(repr, levels))}"
        raise FormatError(f"{rule}; choose one with entry=", file=file)
    return next(iter(levels.values()))


def _named_tensors(level: object) -> dict[str, Tensor]:
    if not isinstance(level, dict):
        return {}
    return {k: v for k, v in level.items() if isinstance(k, str) and isinstance(v, Tensor)}


def _array(tensor: Tensor, storages: Mapping[str, np.ndarray]) -> np.ndarray:
    """The view of its storage that a tensor is; `torch_pickle` has checked that it lies inside."""
    flat = storages[tensor.storage.key]
    if 0 in tensor.size:
        return flat[:0].reshape(tensor.size)
    strides = tuple(step * flat.itemsize for step in tensor.stride)
    return np.lib.stride_tricks.as_strided(
        flat[tensor.offset :], tensor.size, strides, writeable=False
    )
