"""Files of weights -> the layers of a network: torch checkpoints, `.npz`, and Keras files.

Nothing of a file is executed: checkpoints go through `torch_pickle`, arrays of objects are refused.
"""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path

import numpy as np

from edgewise.errors import FormatError, InputError, LimitError
from edgewise.zoo.keras_weights import SUFFIXES as KERAS_SUFFIXES
from edgewise.zoo.keras_weights import KerasLayers, read_keras_weights
from edgewise.zoo.layers import Layers
from edgewise.zoo.network import Source
from edgewise.zoo.torch_checkpoint import read_checkpoint

MAX_BYTES = 8 << 30


def open_weights(path: Path, *, max_bytes: int = MAX_BYTES) -> Source:
    """The layers in a `.pth`, `.pt`, `.npz`, `.h5` or `.keras` file. Raises: as `read_weights`."""
    if path.suffix in KERAS_SUFFIXES:
        return KerasLayers(read_keras_weights(path, max_bytes=max_bytes), str(path))
    return Layers(read_weights(path, max_bytes=max_bytes), str(path))


def read_weights(path: Path, *, max_bytes: int = MAX_BYTES) -> dict[str, np.ndarray]:
    """The tensors of a `.pth`, `.pt` or `.npz` file.

    Raises:
        InputError: no such file, or another suffix.
        FormatError: damaged, or it holds more than tensors.
        LimitError: more than `max_bytes`.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file of weights")
    if path.suffix in (".pth", ".pt"):
        return read_checkpoint(path, max_bytes=max_bytes)
    if path.suffix == ".npz":
        return _read_npz(path, max_bytes)
    raise InputError(
        f"{path}: weights are .pth, .pt, .npz, .h5 or .keras; got {path.suffix or 'no suffix'!r}"
    )


def _read_npz(path: Path, max_bytes: int) -> dict[str, np.ndarray]:
    try:
        with zipfile.ZipFile(path) as archive:
            total = sum(member.file_size for member in archive.infolist())
        if total > max_bytes:
            raise LimitError(f"{path}: max_bytes is {max_bytes}, and its arrays take {total}")
        with np.load(path, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except (zipfile.BadZipFile, zlib.error, ValueError, EOFError, KeyError, OSError) as error:
        raise FormatError(f"a damaged .npz file: {error}", file=str(path)) from None
