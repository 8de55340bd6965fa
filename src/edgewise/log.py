"""The logger "edgewise", for whoever has something to say: the module logging is imported then,
which most first starts of an interpreter never need (it takes 2 to 3 ms of their 50)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from logging import Logger


def log() -> Logger:
    """The package's logger."""
    import logging

    return logging.getLogger("edgewise")
