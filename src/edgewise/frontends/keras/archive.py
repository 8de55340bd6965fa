"""A `.keras` archive or a legacy `.h5` file, bounded, told apart by content.

Source: keras/src/saving/saving_lib.py (config.json, metadata.json, model.weights.h5, assets/) and
keras/src/legacy/saving/legacy_h5_format.py (attributes model_config and keras_version).
"""

from __future__ import annotations

import io
import os
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from edgewise.errors import ConversionError, FormatError
from edgewise.frontends.keras.config import parse_json
from edgewise.frontends.keras.hdf5 import MAX_EXPANSION, SIGNATURE, Hdf5

MAX_JSON_BYTES = 128 << 20
MAX_ASSET_BYTES = 256 << 20
MAX_MEMBERS = 100_000


@dataclass(frozen=True, slots=True)
class Archive:
    """The parts of a Keras file. `format` is `keras` or `h5`; `store` must be closed."""

    format: str
    config: Mapping[str, object]
    keras_version: str
    store: Hdf5
    assets: Mapping[str, bytes]


def open_archive(source: str | os.PathLike[str] | bytes) -> Archive:
    """Opens a path or the bytes of a file.

    Raises:
        FormatError: not a Keras file, or a damaged one.
        ConversionError: a sound file that holds no model (weights only, SavedModel folder).
    """
    data = source if isinstance(source, bytes) else _read(Path(source))
    if data.startswith(b"PK"):
        return _open_zip(data)
    if data.startswith(SIGNATURE):
        return _open_hdf5(data)
    raise FormatError(
        f"a Keras model is a zip archive (.keras) or HDF5 (.h5); found {_kind_of(data)}."
        " Save it with model.save('model.keras')."
    )


def _read(path: Path) -> bytes:
    if path.is_dir():
        raise _directory_error(path)
    try:
        return path.read_bytes()
    except OSError as error:
        raise FormatError(f"the file cannot be opened: {error.strerror or error}") from error


def _directory_error(path: Path) -> ConversionError:
    if (path / "saved_model.pb").exists():
        return ConversionError(
            "a Keras file is expected; found a SavedModel folder. Convert it as such."
        )
    if (path / "config.json").exists():
        return ConversionError(
            "a Keras file is expected; found an unzipped one. Zip its contents to .keras."
        )
    return ConversionError("a Keras file is expected; found a folder. Name the file in it.")


def _kind_of(data: bytes) -> str:
    """A few words on bytes that are not a Keras file."""
    if not data:
        return "an empty file"
    if data[4:8] == b"TFL3":
        return "a .tflite file"
    if SIGNATURE.startswith(data[: len(SIGNATURE)]):
        return f"an HDF5 file cut off after {len(data)} bytes"
    head = data[:512]
    if all(byte in b"\t\n\r\f" or 32 <= byte < 127 for byte in head):
        return f"text ({head[:24].decode()!r}...)"
    return f"{len(data)} bytes that begin with {head[:8].hex(' ')}"


def _open_zip(data: bytes) -> Archive:
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError) as error:
        raise FormatError(
            f"the zip archive is damaged or cut off: {error!s:.200}. Copy it again."
        ) from error
    with archive:
        members = {info.filename: info for info in archive.infolist()[: MAX_MEMBERS + 1]}
        if len(members) > MAX_MEMBERS:
            raise FormatError(f"an archive may have {MAX_MEMBERS} members; this has more")
        _check_members(members)
        config = parse_json(_member(archive, members["config.json"], MAX_JSON_BYTES), "config.json")
        metadata = members.get("metadata.json")
        about = parse_json(_member(archive, metadata, 1 << 20), "metadata.json") if metadata else {}
        weights = _member(archive, members["model.weights.h5"], None)
        assets, left = {}, MAX_ASSET_BYTES
        for name, info in members.items():
            if name.startswith("assets/") and not name.endswith("/"):
                assets[name.removeprefix("assets/")] = _member(archive, info, left)
                left -= info.file_size
    if not weights.startswith(SIGNATURE):
        raise FormatError(f"model.weights.h5 must be HDF5; found {_kind_of(weights)}")
    version = str(about.get("keras_version", "unknown"))
    return Archive("keras", config, version, Hdf5(weights), assets)


def _check_members(members: Mapping[str, zipfile.ZipInfo]) -> None:
    if "config.json" not in members:
        found = ", ".join(sorted(members)[:5]) or "nothing"
        hint = (
            " It is a PyTorch file." if any(name.endswith("data.pkl") for name in members) else ""
        )
        raise FormatError(f"a .keras archive has config.json; found {found}.{hint}")
    if "model.weights.h5" in members:
        return
    if "model.weights.npz" in members:
        raise ConversionError(
            "weights must be in HDF5; found model.weights.npz. Save the model again."
        )
    raise FormatError("a .keras archive has model.weights.h5; it is missing. Save the whole model.")


def _member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, limit: int | None) -> bytes:
    """One member's bytes, its checksum verified. `limit` in bytes; None is deflate's own ratio."""
    ratio = 1 if info.compress_type == zipfile.ZIP_STORED else MAX_EXPANSION
    bound = info.compress_size * ratio
    bound = bound if limit is None else min(bound, limit)
    if info.file_size > bound:
        raise FormatError(
            f"member '{info.filename}' may have {bound} bytes; it claims {info.file_size}"
        )
    try:
        return archive.read(info)
    except (
        zipfile.BadZipFile,
        zlib.error,
        OSError,
        EOFError,
        ValueError,
        NotImplementedError,
        RuntimeError,
    ) as error:
        raise FormatError(
            f"member '{info.filename}' is damaged: {error!s:.200}", offset=info.header_offset
        ) from error


def _open_hdf5(data: bytes) -> Archive:
    store = Hdf5(data)
    try:
        config = store.text("", "model_config")
        if config is None:
            raise _weights_only(store)
        version = store.text("", "keras_version") or store.text("model_weights", "keras_version")
        return Archive("h5", parse_json(config, "model_config"), version or "unknown", store, {})
    except BaseException:
        store.close()
        raise


def _weights_only(store: Hdf5) -> ConversionError | FormatError:
    groups = store.keys("")
    if store.texts("", "layer_names") or {"layers", "_layer_checkpoint_dependencies"} & set(groups):
        return ConversionError(
            "a model with its graph is needed; this HDF5 file holds only weights."
            " Build the model in Keras, load_weights, then model.save('model.keras')."
        )
    found = ", ".join(groups[:5]) or "nothing"
    return FormatError(f"a Keras .h5 file has the attribute model_config; found groups {found}")
