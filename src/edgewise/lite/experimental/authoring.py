"""`tf.lite.experimental.authoring`: checking functions for convertibility while writing them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from edgewise.errors import ConversionError


def compatible(
    target: Callable[..., Any] | None = None,
    converter_target_spec: object | None = None,
    **kwargs: object,
) -> Callable[..., Any]:
    """Decorator for `tf.function`s. Raises ConversionError: TensorFlow functions are not read
    by this version; convert a saved Keras model instead."""
    raise ConversionError(
        "authoring.compatible: TensorFlow functions cannot be converted by this version; save "
        "the Keras model as .keras and convert the file"
    )
