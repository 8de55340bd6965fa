"""What a function of a framework is called with, as its caller says it, and what it returns.

A size of None is unknown: `batch` where it is the first, axis i of input `x` is `x_i` otherwise;
sizes that are given one name are equal.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any, NamedTuple

from edgewise.dtypes import DType
from edgewise.errors import ConversionError
from edgewise.ir.dim import Dim, Shape, Sym


class Argument(NamedTuple):
    """A tensor that goes in."""

    name: str
    shape: Shape
    dtype: DType


def arguments(name: str, function: Any, inputs: object, how: str) -> list[Argument]:
    """One for each of `inputs`, named as the function's parameters: a shape, a pair of shape and
    dtype, or anything with `shape` and `dtype`. `name` and `how`, an example, are for messages.

    Raises:
        ConversionError: `inputs` is no list of these, or empty.
    """
    if not isinstance(inputs, list | tuple) or not inputs:
        raise ConversionError(f"{name}: say what the function is called with: {how}")
    try:
        names = list(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        names = []
    names += [f"input_{i}" for i in range(len(names), len(inputs))]
    return [_argument(*item, how) for item in zip(names, inputs, strict=False)]


def _argument(name: str, given: Any, how: str) -> Argument:
    dtype: Any = "float32"
    if isinstance(given, list | tuple) and len(given) == 2 and isinstance(given[0], list | tuple):
        given, dtype = given
    elif hasattr(given, "shape") and hasattr(given, "dtype"):
        given, dtype = tuple(given.shape), given.dtype
    if not isinstance(given, list | tuple) or not all(
        size is None or isinstance(size, int | str) for size in given
    ):
        raise ConversionError(f"input '{name}': {given!r:.60} is no shape; {how}")
    if str(dtype).startswith("torch."):
        dtype = str(dtype).removeprefix("torch.")
    try:
        element = DType.of(dtype)
    except (TypeError, ValueError) as error:
        raise ConversionError(f"input '{name}': {error}") from error
    return Argument(name, sizes(name, given), element)


def sizes(name: str, given: Sequence[Dim | str | None]) -> tuple[Dim, ...]:
    """The shape of input `name` with symbols for what is named or unknown."""
    usual = [Sym(f"{name}_{axis}" if axis else "batch") for axis in range(len(given))]
    named = [Sym(size) if isinstance(size, str) else size for size in given]
    return tuple(u if size is None else size for size, u in zip(named, usual, strict=True))


def result_places(structure: object, count: int) -> dict[str, int]:
    """The places of so many results by name: the keys of the dict in which they are returned
    (`structure`: their places by key), else `output_0`, ..."""
    if isinstance(structure, dict) and all(isinstance(place, int) for place in structure.values()):
        return {str(key): place for key, place in structure.items()}
    return {f"output_{i}": i for i in range(count)}
