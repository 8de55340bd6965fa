"""Reading and planning without the garbage collector."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def nothing_collected() -> Iterator[None]:
    """No cycles are looked for: what a model is read into, and a plan, are tens of thousands of new
    objects that all stay, and going through them again and again takes 7 % of a first start."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
