"""What a live model is called with, where its graph does not say it.

A subclassed model knows the shapes of the call that built it; the first axis is the batch, which
may be any. What it does not know, the caller says: a shape, a pair of shape and dtype, or anything
that has `shape` and `dtype`. Sizes that have a name are unknown, and equal where the names are.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from edgewise.dtypes import DType
from edgewise.errors import ConversionError
from edgewise.frontends.arguments import sizes
from edgewise.frontends.keras.live.trace import Spec, symbol

_DTYPES = frozenset(dtype.text for dtype in DType)


def arguments(model: Any, given: object) -> tuple[list[object], dict[str, object]]:
    """The arguments of `model.call` with Specs in place of tensors.

    Raises:
        ConversionError: the model was never called, and nothing was given.
    """
    names = _parameters(model)
    if isinstance(given, Mapping) and names and names[0] in given and set(given) <= set(names):
        found = {name: _specs(name, item, None) for name, item in given.items()}
        return [found.pop(names[0])], found
    if given is not None:
        return [_specs(names[0] if names else "input", given, None)], {}
    shapes = getattr(model, "_build_shapes_dict", None)
    if not shapes:
        raise ConversionError(
            f"model '{model.name}': a subclassed model is converted for the inputs it was called"
            " with; it was not called yet. Call it once on data, or give the shape:"
            " convert(model, inputs=(None, 224, 224, 3))."
        )
    dtype = str(getattr(model, "input_dtype", "float32"))
    found = {}
    for name, shape in shapes.items():
        argument = name.removesuffix("_shape") if name not in names else name
        argument = argument if argument in names else names[len(found)]
        found[argument] = _specs(argument, _any_batch(shape), dtype)
    first, *rest = found
    return [found[first]], {name: found[name] for name in rest}


def build(model: Any, args: Sequence[object], kwargs: Mapping[str, object]) -> None:
    """Makes the variables of a model that was not called yet, as Keras's own call does.

    Raises:
        ConversionError: its code fails on such inputs.
    """
    if all(layer.built for layer in model._flatten_layers()):
        return

    try:
        model(*map(symbol, args), **{key: symbol(value) for key, value in kwargs.items()})
    except Exception as error:
        raise ConversionError(
            f"model '{model.name}': it is not built, and Keras cannot build it for these inputs:"
            f" {error}. Call it once on data."
        ) from error


def _parameters(model: Any) -> list[str]:
    return [
        name
        for name, parameter in inspect.signature(model.call).parameters.items()
        if parameter.kind is parameter.POSITIONAL_OR_KEYWORD
    ]


def _any_batch(shape: object) -> object:
    """Shapes with an unknown first axis."""
    if isinstance(shape, Mapping):
        return {key: _any_batch(item) for key, item in shape.items()}
    if _is_shape(shape):
        assert isinstance(shape, Sequence)
        return (None, *shape[1:])
    assert isinstance(shape, Sequence)
    return [_any_batch(item) for item in shape]


def _is_shape(value: object) -> bool:
    return isinstance(value, list | tuple) and all(
        size is None or isinstance(size, int | str) for size in value
    )


def _specs(name: str, given: Any, dtype: str | None) -> object:
    """Specs in the structure of what was given.

    Raises:
        ConversionError: something in it is no shape.
    """
    if isinstance(given, Mapping):
        return {key: _specs(str(key), item, dtype) for key, item in given.items()}
    if isinstance(given, list | tuple) and len(given) == 2 and _is_shape(given[0]):
        given, dtype = given if isinstance(given[1], str) and given[1] in _DTYPES else (given, None)
    if _is_shape(given):
        return Spec(name, sizes(name, given), dtype or "float32")
    if hasattr(given, "shape") and hasattr(given, "dtype"):
        if given.shape is None:
            raise ConversionError(f"input '{name}': its rank must be known; give a whole shape")
        import keras

        shape = tuple(None if size is None else int(size) for size in given.shape)
        dtype = keras.backend.standardize_dtype(given.dtype or "float32")
        return Spec(name, sizes(name, shape), dtype)
    if isinstance(given, list | tuple):
        return [_specs(f"{name}_{i}", item, dtype) for i, item in enumerate(given)]
    raise ConversionError(
        f"input '{name}': inputs= takes shapes such as (None, 224, 224, 3), pairs such as"
        f" ((None, 'length'), 'int32'), or specs with shape and dtype, in lists or dicts; found"
        f" {given!r:.80}"
    )
