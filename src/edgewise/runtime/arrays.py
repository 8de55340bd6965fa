"""Arrays that go into a run and come out: what an input takes, and results of one's own."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from edgewise.errors import InputError
from edgewise.ir.dim import same_dim
from edgewise.ir.types import TensorType

_MOST_RANDOM = 1 << 28  # elements of an input


def apart(array: np.ndarray, held: Sequence[np.ndarray]) -> np.ndarray:
    """The array, copied where its memory may be that of one of the others."""
    return array.copy() if any(np.may_share_memory(array, other) for other in held) else array


def check_array(name: str, type_: TensorType, array: np.ndarray) -> None:
    """Raise InputError unless the array may be fed to an input of this type."""
    if array.dtype != type_.dtype.numpy:
        raise InputError(
            f"input {name!r} takes {type_.dtype.text}; got {array.dtype}. "
            f"Convert it with .astype({type_.dtype.text!r})"
            + ("" if type_.quant is None else ", or quantize it with the input's scale")
        )
    if type_.shape is None:
        return
    fits = array.ndim == len(type_.shape) and all(
        same_dim(a, b) is not False for a, b in zip(array.shape, type_.shape, strict=True)
    )
    if not fits:
        wanted = [d if isinstance(d, int) else str(d) for d in type_.shape]
        raise InputError(f"input {name!r} takes shape {wanted}; got {list(array.shape)}")


def random_array(type_: TensorType, rng: np.random.Generator) -> np.ndarray:
    """Random numbers for an input: the full range of quantized ones, -1..1 for floats, 0 or 1
    for other integers and bools; unknown dimensions become 1."""
    shape = [d if isinstance(d, int) else 1 for d in type_.shape or ()]
    if math.prod(shape) > _MOST_RANDOM:
        raise InputError(f"random numbers for {type_} would fill the memory; give an INPUT")
    dtype = type_.dtype
    if dtype.bits == 0:
        return np.full(shape, b"edgewise", object)
    if dtype.is_float:
        return rng.uniform(-1, 1, shape).astype(dtype.numpy)
    if dtype.is_integer and type_.quant is not None:
        return rng.integers(*dtype.range, shape, endpoint=True).astype(dtype.numpy)
    return rng.integers(0, 2, shape).astype(dtype.numpy)
