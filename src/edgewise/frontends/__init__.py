"""Foreign model -> Model. A frontend says what it accepts and reads it; nothing is executed.

To add a format, write `frontends/NAME/` with `accepts(source)` and `read(source)`, and list it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from inspect import signature
from pathlib import Path

from edgewise.errors import ConversionError
from edgewise.frontends import jax, keras, tensorflow, torch
from edgewise.ir.model import Model


@dataclass(frozen=True, slots=True)
class Frontend:
    """A source format: its name, whether a source is one, and how to read it.

    What `read` takes beside the source are the options of `convert` that this format has.
    """

    name: str
    accepts: Callable[[object], bool]
    read: Callable[..., Model]

    @property
    def options(self) -> frozenset[str]:
        """The names of the options of `read`."""
        _, *options = signature(self.read).parameters
        return frozenset(options)


FRONTENDS = (
    Frontend("Keras file (.keras, .h5)", keras.is_keras_file, keras.read_file),
    Frontend("Keras model object", keras.is_keras_object, keras.read_object),
    Frontend("TensorFlow SavedModel folder", tensorflow.is_saved_model, tensorflow.read_saved),
    Frontend("TensorFlow graph (.pb, .pbtxt)", tensorflow.is_frozen_graph, tensorflow.read_graph),
    Frontend("TensorFlow function", tensorflow.is_tensorflow, tensorflow.read_functions),
    Frontend("function of jax.jit", jax.is_jitted, jax.read_jitted),
    Frontend("PyTorch module or exported program (.pt2)", torch.is_torch, torch.read_torch),
)


def read(source: object, options: Mapping[str, object]) -> Model:
    """The Model of a source; `options` are those of `convert` by name, None where not given.

    Raises:
        ConversionError: no frontend takes the source, or it has no such option.
    """
    given = {name: value for name, value in options.items() if value is not None}
    for frontend in FRONTENDS:
        if frontend.accepts(source):
            extra = ", ".join(f"{name}=" for name in given if name not in frontend.options)
            if extra:
                raise ConversionError(
                    f"{_named(source)}: a {frontend.name} has no option {extra}; leave it out"
                )
            return frontend.read(source, **given)
    raise ConversionError(refusal(source))


def refusal(source: object) -> str:
    """Why no frontend takes `source`, and what one would take."""
    known = "; ".join(frontend.name for frontend in FRONTENDS)
    if isinstance(source, str | os.PathLike):
        path = Path(source)
        if not path.exists():
            return f"{path}: does not exist; check the path"
        what = "a directory" if path.is_dir() else f"a file with suffix {path.suffix!r}"
        return f"{path}: is {what}; the sources this version reads: {known}"
    return f"{_named(source)} cannot be converted; the sources this version reads: {known}"


def _named(source: object) -> str:
    if isinstance(source, str | os.PathLike):
        return os.fspath(source)
    if isinstance(source, list | tuple):
        items = sorted({_kind(item) for item in source})
        return f"a list of {' and '.join(items)} objects" if items else "an empty list"
    return f"a {_kind(source)} object"


def _kind(source: object) -> str:
    return f"{type(source).__module__}.{type(source).__qualname__}"
