"""Mutated `.keras` and `.h5` files of all Keras fixtures, for `tests.frontends.hostile`."""

from __future__ import annotations

import gzip
import io
import json
import random
import struct
import zipfile
from functools import cache
from pathlib import Path

import h5py
import numpy as np

from edgewise.frontends.keras.hdf5 import SIGNATURE
from tests.format.mutants import mutate
from tests.frontends.hdf5_mutants import change_hdf5
from tests.frontends.json_mutants import WRONG, change_json

FIXTURES = Path(__file__).parent / "fixtures"
_SETS = ("layers", "recurrent", "operations", "attention", "preprocessing", "tf_functions")
Made = tuple[Path, dict[str, object], str]


def archive(generator: random.Random, folder: Path) -> Made:
    """A `.keras` file with a change in its zip structure, its JSON or its weights."""
    name = generator.choice(_archives())
    contents = _members(name)
    kind = generator.randrange(20)
    compression = generator.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))
    if kind < 10:
        config = change_json(json.loads(contents["config.json"]), generator)
        contents["config.json"] = json.dumps(config).encode()
    elif kind < 15:
        contents["model.weights.h5"] = change_hdf5(contents["model.weights.h5"], generator)
    elif kind == 15:
        about = change_json({"keras_version": "3.15", "date_saved": "x"}, generator)
        contents["metadata.json"] = json.dumps(about).encode()
    elif kind == 16:
        _change_members(contents, generator)
    data = _packed(contents, compression)
    if kind >= 17:
        data = _change_zip(data, generator)
    path = folder / "m.keras"
    path.write_bytes(data)
    return path, {}, f"{name}, {kind}"


def legacy(generator: random.Random, folder: Path) -> Made:
    """A `.h5` file with a change in its description, its structure or its arrays."""
    name = generator.choice(_legacy_files())
    data = _read(name)
    kind = generator.randrange(2)
    data = _change_description(data, generator) if kind else change_hdf5(data, generator)
    path = folder / "m.h5"
    path.write_bytes(data)
    return path, {}, f"{name}, {kind}"


@cache
def _archives() -> list[str]:
    files = sorted(path.name for path in FIXTURES.glob("*.keras"))
    return files * 4 + [name for name in _stored() if _read(name).startswith(b"PK")]


@cache
def _legacy_files() -> list[str]:
    files = sorted(path.name for path in FIXTURES.glob("*.h5.gz"))
    return files * 4 + [name for name in _stored() if _read(name).startswith(SIGNATURE)]


def _stored() -> list[str]:
    return [f"{kind}/{key}" for kind in _SETS for key in _set(kind)]


@cache
def _set(kind: str) -> dict[str, bytes]:
    """The models of one file of fixtures."""
    with np.load(FIXTURES / f"{kind}.npz") as file:
        return {key: file[key].tobytes() for key in file.files if key.endswith(".model")}


@cache
def _read(name: str) -> bytes:
    kind, _, key = name.partition("/")
    data = _set(kind)[key] if key else (FIXTURES / name).read_bytes()
    return gzip.decompress(data) if name.endswith(".gz") else data


def _members(name: str) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(_read(name))) as file:
        return {member: file.read(member) for member in file.namelist()}


def _packed(contents: dict[str, bytes], compression: int) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as file:
        for name, data in contents.items():
            file.writestr(name, data)
    return buffer.getvalue()


def _change_members(contents: dict[str, bytes], generator: random.Random) -> None:
    name = generator.choice(sorted(contents))
    match generator.randrange(4):
        case 0:
            del contents[name]
        case 1:
            contents[generator.choice(("x", "assets/x", "../x", "config.json"))] = contents[name]
        case 2:
            contents[name] = contents[generator.choice(sorted(contents))]
        case _:
            value = generator.choice(WRONG)
            contents[name] = b"[" * 99_999 if value is None else json.dumps(value).encode()


def _change_zip(data: bytes, generator: random.Random) -> bytes:
    """Numbers in headers and directory of an archive, its bytes, or its end."""
    match generator.randrange(5):
        case 0:
            return data[: generator.randrange(len(data))]
        case 1:
            return mutate(data, generator)
        case _:
            signature = generator.choice((b"PK\1\2", b"PK\3\4", b"PK\5\6"))
            places = [i for i in range(len(data) - 46) if data.startswith(signature, i)]
            at = generator.choice(places or [len(data) - 22]) + generator.randrange(4, 44, 2)
            number = generator.choice((0, 1, 2, 8, 14, 99, 0xFFFF, generator.randrange(1 << 16)))
            at = min(at, len(data) - 2)
            return data[:at] + struct.pack("<H", number) + data[at + 2 :]


def _change_description(data: bytes, generator: random.Random) -> bytes:
    buffer = io.BytesIO(data)
    with h5py.File(buffer, "r+") as file:
        if "model_config" in file.attrs:
            config = json.loads(file.attrs["model_config"])
            text = json.dumps(change_json(config, generator))
            file.attrs["model_config"] = np.array(text.encode(), h5py.string_dtype())
    return buffer.getvalue()
