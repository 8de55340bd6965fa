"""Entries of a layer's config, checked: the file may hold anything."""

from __future__ import annotations

from typing import TypeVar

from edgewise.errors import FormatError
from edgewise.frontends.keras.description import KerasLayer
from edgewise.ir.dim import Dim, SymbolicDim

T = TypeVar("T")


def integer(layer: KerasLayer, key: str, default: int | None = None) -> int:
    """A whole number; `default` where the entry is missing or null."""
    return _checked(layer, key, _whole(_entry(layer, key, default)), "a whole number")


def number(layer: KerasLayer, key: str, default: float | None = None) -> float:
    """A real number, possibly in an array or object of one element."""
    return _checked(layer, key, _real(_entry(layer, key, default)), "a number")


def optional_number(layer: KerasLayer, key: str) -> float | None:
    """A real number; None where the entry is missing or null."""
    return None if layer.config.get(key) is None else number(layer, key)


def flag(layer: KerasLayer, key: str, default: bool = False) -> bool:
    """True or False."""
    value = _entry(layer, key, default)
    found = bool(value) if isinstance(value, bool | int) else None
    return _checked(layer, key, found, "true or false")


def text(layer: KerasLayer, key: str, default: str = "") -> str:
    """A string."""
    value = _entry(layer, key, default)
    return _checked(layer, key, value if isinstance(value, str) else None, "a string")


def numbers(layer: KerasLayer, key: str) -> list[int]:
    """A list of whole numbers, or one number as a list."""
    value = _entry(layer, key, None)
    items = value if isinstance(value, list | tuple) else [value]
    found = [_whole(item) for item in items]
    whole = [item for item in found if item is not None]
    valid = whole if len(whole) == len(found) else None
    return _checked(layer, key, valid, "whole numbers")


def dims(layer: KerasLayer, key: str) -> list[Dim]:
    """A list of sizes, or one as a list; what code makes of an unknown size is a symbol."""
    value = _entry(layer, key, None)
    items = value if isinstance(value, list | tuple) else [value]
    found = [item if isinstance(item, SymbolicDim) else _whole(item) for item in items]
    valid = [item for item in found if item is not None]
    return _checked(layer, key, valid if len(valid) == len(found) else None, "whole numbers")


def sizes(layer: KerasLayer, key: str, count: int, default: int | None = None) -> tuple[int, ...]:
    """`count` whole numbers; one number stands for all."""
    if default is not None and layer.config.get(key) is None:
        return (default,) * count
    found = numbers(layer, key)
    found = found * count if len(found) == 1 else found
    valid = tuple(found) if len(found) == count else None
    return _checked(layer, key, valid, f"{count} whole numbers")


def margins(layer: KerasLayer, key: str, count: int) -> list[tuple[int, int]]:
    """(before, after) for `count` axes: from a number, a number each, or a pair each.

    A flat pair for one axis is that pair."""
    value = _entry(layer, key, 1)
    if count == 1 and isinstance(value, list | tuple) and len(value) == 2:
        value = [value]
    items = value if isinstance(value, list | tuple) else [value] * count
    found = []
    for item in items:
        pair = item if isinstance(item, list | tuple) else (item, item)
        whole = [_whole(n) for n in pair]
        if len(whole) == 2 and whole[0] is not None and whole[1] is not None:
            found.append((whole[0], whole[1]))
    valid = found if len(found) == len(items) == count else None
    return _checked(layer, key, valid, f"{count} pairs of whole numbers")


def is_channels_first(layer: KerasLayer) -> bool:
    """The layer's tensors are [N, C, ...]. Without an entry they are [N, ..., C]."""
    return text(layer, "data_format", "channels_last") == "channels_first"


def _entry(layer: KerasLayer, key: str, default: object) -> object:
    value = layer.config.get(key)
    return default if value is None else value


def _whole(value: object) -> int | None:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, int) and abs(value) < 1 << 31 else None


def _real(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def _checked(layer: KerasLayer, key: str, value: T | None, what: str) -> T:
    """Raises FormatError where the entry is not what it must be."""
    if value is None:
        where = f"layer '{layer.name}' ({layer.class_name})"
        raise FormatError(f"{where}: '{key}' must be {what}; found {layer.config.get(key)!r:.80}")
    return value
