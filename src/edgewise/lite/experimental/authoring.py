"""`tf.lite.experimental.authoring`: checking functions for convertibility while writing them."""

from __future__ import annotations

from collections.abc import Callable
from functools import update_wrapper
from typing import Any, NoReturn

from edgewise.errors import ConversionError
from edgewise.lite.nearest import no_attribute
from edgewise.lite.notice import ignored

__all__ = ["compatible"]


def compatible(
    target: Callable[..., Any] | None = None,
    converter_target_spec: object | None = None,
    **kwargs: object,
) -> Callable[..., Any]:
    """Decorator for `tf.function`s, with or without arguments. It checks nothing and warns so:
    the function is called as it is, and asking for the log of the check raises."""
    ignored("authoring.compatible", "TensorFlow functions are not read, so none is checked")
    return Unchecked if target is None else Unchecked(target)


class Unchecked:
    """A decorated function. Everything but the log is the function's own."""

    def __init__(self, target: Callable[..., Any]) -> None:
        self._target = target
        update_wrapper(self, target, updated=())

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function."""
        return self._target(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._target, name)

    def get_compatibility_log(self) -> NoReturn:
        """Raises ConversionError: there was no check."""
        raise ConversionError(
            "authoring.compatible: TensorFlow functions are not read by this version, so there is "
            "no log; save the Keras model as .keras and convert the file: it lists all problems"
        )


def __getattr__(name: str) -> object:
    raise no_attribute("edgewise.lite.experimental.authoring", name, __all__)


def __dir__() -> list[str]:
    return __all__
