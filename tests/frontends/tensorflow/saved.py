"""SavedModels of `fixtures/`, what TensorFlow said about them, and checkpoints written by hand."""

from __future__ import annotations

import json
import struct
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from edgewise.dtypes import DType
from edgewise.frontends.tensorflow.checkpoint.crc32c import crc32c, masked
from edgewise.frontends.tensorflow.functions import functions_in
from edgewise.frontends.tensorflow.program import Program
from tests.frontends.wire import message, varint

FIXTURES = Path(__file__).parent / "fixtures"
NAMES = sorted(path.stem for path in FIXTURES.glob("*.zip"))


def unpacked(name: str, folder: Path) -> Path:
    """The SavedModel of this name, below `folder`."""
    with zipfile.ZipFile(FIXTURES / f"{name}.zip") as file:
        file.extractall(folder / name)
    return folder / name


@dataclass(frozen=True, slots=True)
class Call:
    """What one call of a signature took and gave."""

    inputs: Mapping[str, np.ndarray]
    outputs: Mapping[str, np.ndarray]


def checkpoint(name: str) -> dict[str, np.ndarray]:
    """The tensors of a fixture's checkpoint, as `tf.train.load_checkpoint` gives them."""
    prefix = f"{name}/checkpoint/"
    return {key.removeprefix(prefix): _array(key) for key in _keys() if key.startswith(prefix)}


def calls(name: str) -> dict[str, list[Call]]:
    """The calls of each signature, in order (a call may change variables)."""
    found: dict[str, list[Call]] = {}
    for key in _keys():
        fixture, signature, number, *rest = key.split("/")
        if fixture != name or signature == "checkpoint":
            continue
        made = found.setdefault(signature, [])
        while len(made) <= int(number):
            made.append(Call({}, {}))
        arrays = made[int(number)].inputs if rest[0] == "in" else made[int(number)].outputs
        arrays[rest[1]] = _array(key)  # type: ignore[index]
    return found


@cache
def _keys() -> list[str]:
    return sorted({*_archive().files, *_about()["types"]})


def _array(key: str) -> np.ndarray:
    kind = _about()["types"].get(key)
    if kind == "bfloat16":
        return _archive()[key].view(DType.BFLOAT16.numpy)
    if kind is None:
        return _archive()[key]
    texts = [text.encode("latin1") for text in _about()["strings"][key]]
    found = np.empty(len(texts), np.object_)
    found[:] = texts
    return found.reshape(json.loads(kind.removeprefix("string ")))


@cache
def _archive() -> Any:
    return np.load(FIXTURES / "expected.npz")


@cache
def _about() -> dict[str, Any]:
    return json.loads((FIXTURES / "expected.json").read_text())


def problems(program: Program) -> list[str]:
    """What whoever takes a program relies on, where it does not hold."""
    found = []
    functions = [*program.functions.values(), *(entry.function for entry in program.entries)]
    for function in functions:
        names = {*function.nodes, *(argument.name for argument in function.arguments)}
        refs = [*function.results, *(ref for n in function.nodes.values() for ref in n.inputs)]
        found += [f"{function.name}: {ref}" for ref in refs if ref.node not in names]
        controls = [*function.controls, *(c for n in function.nodes.values() for c in n.controls)]
        found += [f"{function.name}: ^{name}" for name in controls if name not in function.nodes]
        for node in function.nodes.values():
            called = [name for name in functions_in(node) if name not in program.functions]
            found += [f"{function.name}: {node.name} calls {name}" for name in called if name]
    for entry in program.entries:
        arguments = [argument.name for argument in entry.function.arguments]
        free = {arguments[i] for i in entry.inputs.values()}
        if set(arguments) - free - set(entry.bound):
            found.append(f"{entry.key}: arguments {arguments}, inputs {free}")
        if not set(entry.bound) <= {*arguments, *entry.function.nodes}:
            found.append(f"{entry.key}: bound {set(entry.bound)}")
        if not all(i < len(entry.function.results) for i in entry.outputs.values()):
            found.append(f"{entry.key}: outputs {entry.outputs}")
    return found


# --- written by hand -------------------------------------------------------------------------


def table(entries: Mapping[bytes, bytes], *, per_block: int = 3, snappy: bool = False) -> bytes:
    """A LevelDB table with blocks of a few entries."""
    out, index = bytearray(), {}
    items = sorted(entries.items())
    for start in range(0, len(items), per_block):
        part = dict(items[start : start + per_block])
        index[max(part)] = _put(out, _block(part), snappy)
    metaindex = _put(out, _block({}), snappy)
    where = _put(out, _block(index), snappy)
    return bytes(out) + (metaindex + where).ljust(40, b"\0") + struct.pack("<Q", 0xDB4775248B80FB57)


def _put(out: bytearray, block: bytes, snappy: bool) -> bytes:
    """Append the block; gives its handle."""
    data = varint(len(block)) + _literals(block) if snappy else block
    handle = varint(len(out)) + varint(len(data))
    data += bytes([snappy])
    out += data + struct.pack("<I", masked(crc32c(data)))
    return handle


def _block(entries: Mapping[bytes, bytes]) -> bytes:
    out, before = b"", b""
    for key, value in entries.items():
        shared = 0
        while shared < min(len(key), len(before)) and key[shared] == before[shared]:
            shared += 1
        own = key[shared:]
        out += varint(shared) + varint(len(own)) + varint(len(value)) + own + value
        before = key
    return out + struct.pack("<II", 0, 1)


def _literals(data: bytes) -> bytes:
    """Snappy without copies, 60 bytes at a time."""
    parts = [data[i : i + 60] for i in range(0, len(data), 60)]
    return b"".join(bytes([(len(part) - 1) << 2]) + part for part in parts)


def entry(array: np.ndarray, offset: int, *, dtype: int = 1, shard: int = 0) -> bytes:
    """The BundleEntryProto of an array of numbers."""
    dims = message(*((2, message((1, size))) for size in array.shape))
    data = array.tobytes()
    head = message((1, dtype), (2, dims), (3, shard), (4, offset), (5, len(data)))
    return head + b"\x35" + struct.pack("<I", masked(crc32c(data)))


def write_bundle(folder: Path, entries: Mapping[bytes, bytes], *shards: bytes, **how: Any) -> Path:
    """A checkpoint with these entries and data files; gives its prefix."""
    prefix = folder / "variables"
    header = message((1, len(shards)))
    index = table({b"": header, **entries}, **how)
    Path(f"{prefix}.index").write_bytes(index)
    for i, data in enumerate(shards):
        Path(f"{prefix}.data-{i:05d}-of-{len(shards):05d}").write_bytes(data)
    return prefix
