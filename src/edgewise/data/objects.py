"""Examples from Python objects: iterables, data sets and loaders of Keras and torch.

Frameworks are not imported: what quacks like a tensor (`numpy()`, `detach()`) is one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np
from PIL import Image

from edgewise.data.source import Data, Inputs, Item
from edgewise.errors import InputError


def open_object(source: object) -> Data:
    """Items of something that can be iterated or indexed, or of a function that returns it.

    An element is a picture, an array, a dict of arrays by input name, a list of arrays by
    position, or a pair `(one of these, label)`; arrays may be batches. What torch's DataLoader
    gives as a list of two or three was a tuple in its data set: it is such a pair.

    Raises:
        InputError: it cannot be iterated.
    """
    made = source() if callable(source) and not hasattr(source, "__getitem__") else source
    name = type(made).__name__
    if hasattr(made, "__getitem__") and hasattr(made, "__len__"):
        # a torch Dataset need not raise IndexError at its end, which iterating would wait for
        return Data(name, stream=lambda: _items(_indexed(made), name))
    if not isinstance(made, Iterable):
        raise InputError(
            f"data is a folder, a file, arrays, or something that gives examples one by one; "
            f"got {name}"
        )
    if isinstance(made, Iterator) and not callable(source):
        return Data(name, stream=lambda: _items(_once(made), name))
    if hasattr(made, "collate_fn") and hasattr(made, "dataset"):
        return Data(name, stream=lambda: _items(_collated(made), name))
    again: Callable[[], Any] = source if callable(source) else lambda: made
    first = [made]  # of a function, what it has returned already
    return Data(name, stream=lambda: _items(first.pop() if first else again(), name))


def _once(source: Iterator[object]) -> Iterator[object]:
    """An iterator that was used up gives no examples a second time, silently: refuse."""
    empty = True
    for element in source:
        empty = False
        yield element
    if empty:
        raise InputError(
            "the iterator gives no examples: it is used up. Give a list, or a function that "
            "returns a new one each time"
        )


def _indexed(source: Any) -> Iterator[object]:  # Any: whatever can be indexed
    return (source[i] for i in range(len(source)))


def _collated(loader: Iterable[object]) -> Iterator[object]:
    for batch in loader:
        yield tuple(batch) if isinstance(batch, list) and len(batch) in (2, 3) else batch


def _items(source: Iterable[object], name: str) -> Iterator[Item]:
    for index, element in enumerate(source):
        where = f"{name}[{index}]"
        inputs, label = _parts(element)
        yield Item(where, _inputs(inputs, where), None if label is None else _label(label, where))


def _parts(element: Any) -> tuple[Any, Any]:  # Any: elements of others
    """(inputs, label) of a pair whose second is a label; everything else are inputs."""
    if isinstance(element, tuple) and len(element) in (2, 3):  # Keras has sample weights, too
        return element[0], element[1]
    return element, None


def _inputs(inputs: Any, where: str) -> Inputs:
    if isinstance(inputs, Image.Image):
        return inputs.convert("RGB")
    if isinstance(inputs, Mapping):
        return {str(name): _array(value, where) for name, value in inputs.items()}
    if isinstance(inputs, list | tuple) and inputs and not np.isscalar(inputs[0]):
        return tuple(_array(value, where) for value in inputs)
    return (_array(inputs, where),)


def _array(value: Any, where: str) -> np.ndarray:
    """A tensor of any framework. Raises InputError."""
    try:
        if hasattr(value, "detach"):
            value = value.detach().cpu()
        found = np.asarray(value.numpy() if hasattr(value, "numpy") else value)
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError(f"{where}: no array: {error}") from error
    if found.dtype == object:
        raise InputError(f"{where}: no array of numbers but {type(value).__name__}")
    return found


def _label(label: Any, where: str) -> int | np.ndarray:
    found = _array(label, where)
    return int(found) if found.ndim == 0 and found.dtype.kind in "iub" else found
