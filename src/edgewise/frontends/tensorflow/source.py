"""Which sources are TensorFlow's, and how each becomes a Model.

Readers and handlers are imported by who reads: most sources are of another kind.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from inspect import getattr_static
from pathlib import Path
from typing import Any, cast

from edgewise.errors import ConversionError, listing
from edgewise.ir.model import Model
from edgewise.log import log

Shapes = Mapping[str, Sequence["int | None"]]
DEFAULT = "serving_default"


def is_saved_model(source: object) -> bool:
    """The folder of a SavedModel, or the `saved_model.pb` in it."""
    if not isinstance(source, str | os.PathLike):
        return False
    path, names = Path(source), ("saved_model.pb", "saved_model.pbtxt")
    return path.name in names or any((path / name).exists() for name in names)


def is_frozen_graph(source: object) -> bool:
    """A file `.pb` or `.pbtxt` with a graph whose weights are constants."""
    return isinstance(source, str | os.PathLike) and Path(source).suffix in (".pb", ".pbtxt")


def is_tensorflow(source: object) -> bool:
    """A function, a concrete function, or a module that has some; or a list of functions."""
    if isinstance(source, list | tuple):
        return bool(source) and all(is_tensorflow(item) for item in source)
    kinds = {f"{cls.__module__}.{cls.__name__}" for cls in type(source).__mro__}
    if any(name.split(".")[0] == "keras" for name in kinds):
        return False
    ours = any(name.startswith("tensorflow.") for name in kinds)
    return ours and (is_concrete(source) or is_polymorphic(source) or bool(functions_of(source)))


def is_concrete(source: object) -> bool:
    """A concrete function."""
    return hasattr(source, "graph") and hasattr(source, "structured_outputs")


def is_polymorphic(source: object) -> bool:
    """A `tf.function`, which is traced for the arguments that it is called with."""
    return hasattr(source, "get_concrete_function") and hasattr(source, "input_signature")


def functions_of(source: object) -> Mapping[str, object]:
    """The functions of an object: its signatures, else what it is called with."""
    signatures = getattr(source, "signatures", None)
    if isinstance(signatures, Mapping) and signatures:
        return dict(signatures)
    if is_polymorphic(getattr_static(source, "__call__", None)):
        bound: Any = source
        return {DEFAULT: bound.__call__}
    return {}


def read_saved(
    source: object,
    *,
    signature_keys: Sequence[str] | None = None,
    tags: Iterable[str] | None = None,
    shapes: Shapes | None = None,
) -> Model:
    """A SavedModel as a Model: the signatures named, else `serving_default` or the only one.

    Raises as `read_saved_model` and `lower`, and ConversionError: several signatures and none is
    the default; it lists them.
    """
    from edgewise.frontends.tensorflow.lower import lower
    from edgewise.frontends.tensorflow.saved_model import read_saved_model, signatures

    path = Path(cast("str | os.PathLike[str]", source))
    folder = path.parent if path.suffix in (".pb", ".pbtxt") else path
    tags = None if tags is None else list(tags)
    if signature_keys is None:
        signature_keys = _default(signatures(folder, tags), folder.name)
    return lower(read_saved_model(folder, tags, signature_keys), shapes)


def _default(found: Mapping[str, str], file: str) -> Sequence[str] | None:
    """The signatures to read where none is named; None: the reader says what is wrong."""
    if len(found) <= 1:
        return None
    if DEFAULT in found:
        listed = ", ".join(map(repr, found))
        log().info("%s: signature '%s' of %s is converted", file, DEFAULT, listed)
        return [DEFAULT]
    first, *_ = found
    lines = [f"'{key}': {text}" for key, text in found.items()]
    raise ConversionError(
        f"{file}: has {listing(lines, f'signatures, none of them {DEFAULT!r}', most=20)}\n"
        f"Say which: signature_keys=['{first}'] (edgewise convert --signature {first})"
    )


def read_graph(
    source: object,
    *,
    inputs: Sequence[str] | None = None,
    outputs: Sequence[str] | None = None,
    shapes: Shapes | None = None,
) -> Model:
    """A frozen graph as a Model. Raises as `read_frozen` and `lower`."""
    from edgewise.frontends.tensorflow.frozen import read_frozen
    from edgewise.frontends.tensorflow.lower import lower

    path = cast("str | os.PathLike[str]", source)
    return lower(read_frozen(path, _names(inputs), _names(outputs)), shapes)


def read_functions(
    source: object,
    *,
    inputs: Sequence[object] | None = None,
    signature_keys: Sequence[str] | None = None,
    shapes: Shapes | None = None,
    trackable: object = None,
) -> Model:
    """Functions of a running TensorFlow as a Model. Raises as `read_concrete_functions` does."""
    from edgewise.frontends.tensorflow.concrete import read_concrete_functions
    from edgewise.frontends.tensorflow.lower import lower

    program = read_concrete_functions(
        source, trackable, inputs=inputs, signature_keys=signature_keys
    )
    return lower(program, shapes)


def _names(given: Sequence[str] | str | None) -> Sequence[str] | None:
    return [given] if isinstance(given, str) else given
