"""Saying once what an option of `tf.lite` does not do here."""

from __future__ import annotations

import warnings
from functools import cache


@cache
def ignored(option: str, because: str) -> None:
    """Warn, once per option and process, that it has no effect."""
    warnings.warn(f"{option} has no effect in Edgewise: {because}", UserWarning, stacklevel=3)
