"""A function of arrays as the program that JAX traces of it (a jaxpr).

Unknown sizes are JAX's own symbols, so one trace holds for all of them; what the function decides
by an unknown size is an error that JAX raises, and ours says so.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from edgewise.frontends.jax.sizes import Sizes
from edgewise.frontends.user_code import is_user_code
from edgewise.ir.dim import Shape


@dataclass(frozen=True, slots=True)
class Program:
    """A traced function: `jaxpr` is JAX's ClosedJaxpr, `structure` what the function returned,
    with numbers in place of its results; `names` are those of its constants, by their ids."""

    jaxpr: Any
    structure: object
    sizes: Sizes
    names: Mapping[int, str] = field(default_factory=dict)


def traced(
    function: Callable[..., object],
    arguments: Sequence[tuple[Shape, np.dtype]],
    names: Mapping[int, str] | None = None,
) -> Program:
    """The program of `function` on arrays of these shapes and element types.

    Raises: what the function raises while it is traced.
    """
    jax: Any = importlib.import_module("jax")
    sizes = Sizes.of([shape for shape, _ in arguments])
    specs = [
        jax.ShapeDtypeStruct(tuple(sizes.to_jax(dim) for dim in shape), dtype)
        for shape, dtype in arguments
    ]
    structure: object = None

    def flat(*arrays: Any) -> list[Any]:
        nonlocal structure
        results: list[Any] = []
        structure = _numbered(function(*arrays), results)
        return results

    jaxpr = jax.make_jaxpr(flat)(*specs)
    return Program(jaxpr, structure, sizes, names or {})


def _numbered(value: Any, results: list[Any]) -> object:
    """The structure with the places of its arrays in `results`; what is None is left out."""
    if isinstance(value, Mapping):
        return {k: _numbered(v, results) for k, v in value.items() if v is not None}
    if isinstance(value, list | tuple):
        return [_numbered(v, results) for v in value if v is not None]
    results.append(value)
    return len(results) - 1


def user_line(equation: Any) -> tuple[str, int] | None:
    """File and line of the innermost frame of the user's code that made an equation."""
    from jax._src import source_info_util

    traceback = equation.source_info.traceback
    for frame in source_info_util.user_frames(traceback) if traceback is not None else ():
        if is_user_code(frame.file_name):
            return frame.file_name, frame.start_line
    return None
