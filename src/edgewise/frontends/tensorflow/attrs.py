"""Attributes of a TensorFlow node, read with a check of their kind.

    strides = attrs.integers(node, "strides")
    padding = attrs.choice(node, "padding", ("SAME", "VALID"))

The readers of files complete what a file leaves out, so a missing attribute is damage: every
function here raises FormatError for a missing attribute (without `default`) or one of another kind.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

from edgewise.dtypes import DType
from edgewise.errors import FormatError
from edgewise.frontends.tensorflow.context import Unsupported, computed
from edgewise.frontends.tensorflow.program import FunctionName, TFNode, TFShape

_T = TypeVar("_T")


def integer(node: TFNode, name: str, default: int | None = None) -> int:
    """An integer."""
    return _of(node, name, int, "an integer", default)


def real(node: TFNode, name: str, default: float | None = None) -> float:
    """A number."""
    found = node.attrs.get(name, default)
    if isinstance(found, int) and not isinstance(found, bool):
        return float(found)
    return _of(node, name, float, "a number", default)


def flag(node: TFNode, name: str, default: bool | None = None) -> bool:
    """A bool."""
    return _of(node, name, bool, "a bool", default)


def text(node: TFNode, name: str, default: str | None = None) -> str:
    """A string; bytes that are not UTF-8 are escaped."""
    found = node.attrs.get(name, default)
    if isinstance(found, bytes):
        return found.decode("utf-8", "backslashreplace")
    return _of(node, name, str, "a string", default)


def choice(node: TFNode, name: str, choices: Sequence[str], default: str | None = None) -> str:
    """A string that is one of `choices`."""
    found = text(node, name, default)
    if found not in choices:
        raise _wrong(node, name, f"one of {', '.join(choices)}", found)
    return found


def integers(node: TFNode, name: str, default: Sequence[int] | None = None) -> tuple[int, ...]:
    """A list of integers."""
    return _items(node, name, int, "a list of integers", default)


def reals(node: TFNode, name: str, default: Sequence[float] | None = None) -> tuple[float, ...]:
    """A list of numbers."""
    return _items(node, name, float, "a list of numbers", default)


def array(node: TFNode, name: str) -> np.ndarray:
    """A tensor."""
    return _of(node, name, np.ndarray, "a tensor", None)


def shape(node: TFNode, name: str) -> TFShape:
    """A shape, in which dimensions or the rank may be unknown."""
    return _of(node, name, TFShape, "a shape", None)


def shapes(node: TFNode, name: str, default: Sequence[TFShape] = ()) -> tuple[TFShape, ...]:
    """A list of shapes."""
    return _items(node, name, TFShape, "a list of shapes", default)


def function(node: TFNode, name: str) -> FunctionName:
    """The name of a function."""
    return _of(node, name, FunctionName, "a function", None)


def functions(node: TFNode, name: str) -> tuple[FunctionName, ...]:
    """A list of names of functions."""
    return _items(node, name, FunctionName, "a list of functions", None)


def dtype(node: TFNode, name: str, default: DType | None = None) -> DType:
    """An element type, as it is computed: floats of every width are float32.

    Raises:
        Unsupported: a TensorFlow type that tensors cannot have here.
    """
    found = node.attrs.get(name, default)
    if isinstance(found, str):
        raise Unsupported(f"elements of type {found}; cast to a type that TensorFlow Lite has")
    return computed(_of(node, name, DType, "an element type", default))


def _of(node: TFNode, name: str, kind: type[_T], what: str, default: _T | None) -> _T:
    found = node.attrs.get(name, default)
    if not isinstance(found, kind) or (isinstance(found, bool) and kind is not bool):
        raise _wrong(node, name, what, found)
    return found


def _items(
    node: TFNode, name: str, kind: type[_T], what: str, default: Sequence[_T] | None
) -> tuple[_T, ...]:
    found = node.attrs.get(name, None if default is None else tuple(default))
    kinds = (int, float) if kind is float else kind
    if not isinstance(found, tuple) or not all(
        isinstance(item, kinds) and not isinstance(item, bool) for item in found
    ):
        raise _wrong(node, name, what, found)
    return found  # type: ignore[return-value]


def _wrong(node: TFNode, name: str, what: str, found: object) -> FormatError:
    shown = "nothing" if found is None else f"{found!r:.60}"
    return FormatError(
        f"node '{node.name}' ({node.op}): attribute '{name}' must be {what}; found {shown}"
    )
