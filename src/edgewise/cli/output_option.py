"""The option that says where a verb writes its one result."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

_F = TypeVar("_F", bound=Callable[..., Any])  # Any: the functions that click decorates


def output_option(what: str = "The .tflite file to write.") -> Callable[[_F], _F]:
    """`-o`, `--output`: a path that must be given; `what` is its help."""
    return click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help=what)
