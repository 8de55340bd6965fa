"""The option `--ops` of the verbs that run or plan a model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

_F = TypeVar("_F", bound=Callable[..., Any])  # Any: the functions that click decorates

_HELP = (
    "A Python file that calls edgewise.register_op, or a library of C kernels, for custom "
    "operators. May be given again. The file is run."
)


def ops_option(*, is_loaded: bool = True) -> Callable[[_F], _F]:
    """Adds `--ops FILE`, which is loaded before the verb begins; where it is not, the verb gets the
    paths as `ops`."""
    return click.option(
        "--ops",
        type=click.Path(path_type=Path),
        multiple=True,
        help=_HELP,
        callback=_load if is_loaded else None,
        expose_value=not is_loaded,
    )


def _load(context: click.Context, parameter: click.Parameter, paths: Sequence[Path]) -> None:
    if not paths:
        return
    from edgewise.custom import load_ops

    for path in paths:
        load_ops(path)
