"""Which lines of a running program are the user's own: those that errors and nodes name."""

from __future__ import annotations

import contextlib
import os
import sys
from functools import cache
from pathlib import Path

# Frames of these packages stand between the user's code and the graph.
_LIBRARIES = ("keras", "optree", "jax", "torch", "tensorflow", "openvino", "numpy", "edgewise")


@cache
def is_user_code(file: str) -> bool:
    """The file belongs to no library that stands between the user's code and the graph."""
    modules = [sys.modules.get(name) for name in _LIBRARIES]
    files = [getattr(module, "__file__", None) for module in modules]
    folders = [str(Path(found).parent) + os.sep for found in files if found]
    return not file.startswith(("<frozen", contextlib.__file__, *folders))
