"""What the globals in a torch checkpoint's pickle mean: tensor records, never torch's own objects.

The names listed in `GLOBALS` are all that a checkpoint may mention. `storage_of` reads a persistent
id, `rebuild` answers a call of one of the functions; both check that a tensor lies inside its
storage, and raise ValueError with the rule that is broken.

**Source:** torch 2.9, `torch/serialization.py` (persistent ids) and `torch/_utils.py` (the rebuild
functions and the order of their arguments).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any

import ml_dtypes
import numpy as np

_COUNT = range(1 << 63)
_MAX_ELEMENTS = 1 << 56  # NumPy counts the bytes of an empty array without its zeros
_MAX_RANK = 64  # NumPy's own limit
_MAX_KEY = 100  # torch writes counters and addresses


@dataclass(frozen=True, slots=True)
class Global:
    """A name of the allow-list, as a value on the pickle's stack."""

    name: str


@dataclass(frozen=True, slots=True)
class Storage:
    """A flat block of `elements` numbers; its bytes lie elsewhere in the file, under `key`."""

    key: str
    dtype: np.dtype[Any]
    elements: int


@dataclass(frozen=True, slots=True)
class Tensor:
    """A strided view of a storage; offset and strides in elements, inside the storage."""

    storage: Storage
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]


def storage_of(persistent_id: object) -> Storage:
    """('storage', type, key, device, elements[, view]) -> Storage; ValueError for anything else."""
    match persistent_id:
        case ("storage", Global(name), str(key), str(), int(elements), *view):
            pass
        case _:
            raise ValueError("a persistent id does not describe a tensor's storage")
    if len(key) > _MAX_KEY:
        raise ValueError(f"a storage's key has {len(key)} characters")
    if name not in _STORAGES or elements not in _COUNT:
        raise ValueError(f"storage '{key}' is {elements} elements of {name}")
    if view not in ([], [None]):
        raise ValueError(f"storage '{key}' is a view; save the checkpoint with torch 1.6 or later")
    return Storage(key, _STORAGES[name], elements)


def rebuild(function: Global, arguments: tuple[object, ...]) -> object:
    """The value of a call, as a Tensor, tuple or dict; ValueError where the arguments are wrong."""
    if function.name not in _REBUILD:
        raise ValueError(f"{function.name.replace(' ', '.')} is not a function")
    return _REBUILD[function.name](arguments)


def _ordered_dict(arguments: tuple[object, ...]) -> object:
    if arguments != ():
        raise ValueError("an OrderedDict is made empty and filled with items")
    return {}


def _size(arguments: tuple[object, ...]) -> object:
    if len(arguments) != 1 or not isinstance(arguments[0], tuple):
        raise ValueError("torch.Size takes one tuple")
    return arguments[0]


def _parameter(arguments: tuple[object, ...]) -> object:
    if not arguments or not isinstance(arguments[0], Tensor):
        raise ValueError("a parameter needs a tensor")
    return arguments[0]


def _tensor(arguments: tuple[object, ...]) -> object:
    """(storage, offset, size, stride, ...) -> Tensor, which lies inside its storage."""
    match arguments:
        case (Storage() as storage, int(offset), tuple(size), tuple(stride), *_):
            pass
        case _:
            raise ValueError("a tensor needs a storage, an offset, a size and strides")
    if len(size) != len(stride) or len(size) > _MAX_RANK:
        raise ValueError(f"a tensor has {len(size)} sizes and {len(stride)} strides")
    if not all(isinstance(n, int) and n in _COUNT for n in (offset, *size, *stride)):
        raise ValueError("a tensor's offset, sizes and strides must be counts")
    if prod(n for n in size if n) > _MAX_ELEMENTS:
        raise ValueError(f"a tensor of size {list(size)} is larger than any memory")
    elements = prod(size)
    last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
    # Also refused: expanded views (stride 0), of which a few bytes could claim any size.
    if elements > storage.elements or (elements and last >= storage.elements):
        raise ValueError(
            f"a tensor of size {list(size)} at element {offset} does not fit into storage "
            f"'{storage.key}' of {storage.elements} elements"
        )
    return Tensor(storage, offset, size, stride)


_STORAGES: dict[str, np.dtype[Any]] = {
    "torch FloatStorage": np.dtype("<f4"),
    "torch DoubleStorage": np.dtype("<f8"),
    "torch HalfStorage": np.dtype("<f2"),
    "torch BFloat16Storage": np.dtype(ml_dtypes.bfloat16),
    "torch LongStorage": np.dtype("<i8"),
    "torch IntStorage": np.dtype("<i4"),
    "torch ShortStorage": np.dtype("<i2"),
    "torch CharStorage": np.dtype(np.int8),
    "torch ByteStorage": np.dtype(np.uint8),
    "torch BoolStorage": np.dtype(np.bool_),
}
_REBUILD: dict[str, Callable[[tuple[object, ...]], object]] = {
    "collections OrderedDict": _ordered_dict,
    "torch Size": _size,
    "torch._utils _rebuild_tensor": _tensor,
    "torch._utils _rebuild_tensor_v2": _tensor,
    "torch._utils _rebuild_parameter": _parameter,
}
GLOBALS = _STORAGES.keys() | _REBUILD.keys()
"""The allow-list: "module name" of every global that a checkpoint may mention."""
