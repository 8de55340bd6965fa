"""Custom operators: what somebody tells of an operator that a file has and Edgewise has not.

`register_op` takes it as Python functions, `load_op_library` as a shared library of C kernels
(kernels/edgewise_op.h). Both say it for the whole process and by the operator's name in the file;
interpreters that are made afterwards run it.
"""

from __future__ import annotations

import os
import runpy
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from edgewise.errors import EdgewiseError, InputError, ShapeError
from edgewise.format.flexbuffer import read
from edgewise.ir.dim import Shape
from edgewise.ir.op import Operand, Quantized, by_custom
from edgewise.ir.types import TensorType
from edgewise.ops.opaque import Definition, definitions
from edgewise.runtime import op_library
from edgewise.runtime.op_library import load_library

Decode = Callable[[bytes], Mapping[str, object]]

_PYTHON = ".py"
_LIBRARIES = (".so", ".dylib", ".dll")


def flexbuffer(data: bytes) -> dict[str, object]:
    """The entries of options that are a FlexBuffer map, as converters write them; none of what is
    empty, or not a map. Raises ValueError: the bytes are no FlexBuffer."""
    found = read(data) if data else None
    return dict(found) if isinstance(found, dict) else {}


def register_op(
    name: str,
    function: Callable[..., object],
    *,
    infer: Callable[..., object] | None = None,
    integer: Callable[..., object] | None = None,
    options: Decode = flexbuffer,
) -> None:
    """Tell what the custom operator `name` does, in Python.

        def sinh(x):
            return np.sinh(x)

        edgewise.register_op("Sinh", sinh, infer=lambda x: x.shape)

    All functions take the operands in order (None: absent) and the operator's options by name. A
    name that was registered before has the new meaning from then on; interpreters that exist keep
    the shapes they have derived.

    Args:
        name: the operator's name in the file (`custom_code`).
        function: of NumPy arrays; gives an array or a tuple of arrays, whose dtypes become those
            that the file declares.
        infer: of operands with `.shape` (dimensions that are not known yet are no numbers),
            `.dtype`, and `.data`, the array of a constant; gives a shape, or a list of shapes where
            there are several results. None: results have the shapes that the file declares.
        integer: as `function`, on quantized operands, which have `.data`, `.scale` and
            `.zero_point`; the types of the results come as the option `results`. It gives stored
            integers. None: `function` gets them dequantized, and what it gives is quantized.
        options: how the options are read from their bytes.

    Raises:
        InputError: Edgewise has this operator.
    """
    _require_unknown(name)

    def decoded(data: bytes) -> dict[str, object]:
        try:
            return dict(options(data))
        except (ValueError, TypeError, LookupError) as problem:
            raise ShapeError(
                f"options of {len(data)} bytes cannot be read: {problem}. "
                "Give register_op(options=) a function that reads them"
            ) from problem

    def reference(data: bytes, operands: Sequence[np.ndarray | None]) -> tuple[np.ndarray, ...]:
        return _arrays(function(*operands, **decoded(data)))

    def shapes(
        data: bytes,
        operands: Sequence[Operand | None],
        declared: Sequence[TensorType | None],
    ) -> tuple[Shape | None, ...]:
        assert infer is not None
        try:
            return _shapes(infer(*operands, **decoded(data)))
        except EdgewiseError:
            raise
        except Exception as problem:  # of somebody else's code, and its author has to see it
            rule = f"its infer= failed: {type(problem).__name__}: {problem}"
            raise ShapeError(rule) from problem

    def stored(
        data: bytes, operands: Sequence[Quantized | None], results: Sequence[TensorType]
    ) -> tuple[np.ndarray, ...]:
        assert integer is not None
        return _arrays(integer(*operands, results=tuple(results), **decoded(data)))

    definitions[name] = Definition(
        reference, None if infer is None else shapes, None if integer is None else stored
    )


def load_op_library(path: str | os.PathLike[str]) -> list[str]:
    """Load custom operators from a shared library of C kernels, which `edgewise_op.h` in
    `get_include()` says how to make. They run as Edgewise's own do: in the same memory and threads,
    and `cancel` stops between them. The library's code may do whatever this process may.

    Returns: the names that became known.

    Raises:
        InputError: it cannot be loaded, is no library of operators, or has one of Edgewise's.
    """
    found = load_library(path, _readable)
    for op in found:
        _require_unknown(op.name)
    for op in found:
        definitions[op.name] = Definition(infer=op.infer, integer=op.compute, native=op)
    return [op.name for op in found]


def get_include() -> str:
    """The folder of `edgewise_op.h`, for the compiler's -I."""
    return str(Path(op_library.__file__).resolve().parent.parent / "kernels")


def load_ops(path: str | os.PathLike[str]) -> list[str]:
    """Load operators from a Python file, which is run and calls `register_op`, or a shared library
    (`load_op_library`). The names that became known.

    Raises:
        InputError: neither of them, or it cannot be loaded.
    """
    file = Path(path)
    if not file.is_file():
        raise InputError(f"{file}: no such file; operators are in a Python file or a library")
    before = dict(definitions)
    if file.suffix == _PYTHON:
        try:
            runpy.run_path(str(file))
        except EdgewiseError:
            raise
        except Exception as problem:  # of somebody else's code
            raise InputError(f"{file}: {type(problem).__name__}: {problem}") from problem
    elif file.suffix in _LIBRARIES:
        load_op_library(file)
    else:
        kinds = ", ".join((_PYTHON, *_LIBRARIES))
        raise InputError(f"{file}: operators are in files that end with one of {kinds}")
    return [name for name in definitions if definitions[name] is not before.get(name)]


def _require_unknown(name: str) -> None:
    if by_custom(name) is not None:
        raise InputError(f"{name!r} cannot be told: Edgewise has this operator; leave it out")


def _readable(data: bytes) -> dict[str, object]:
    """A FlexBuffer's entries; none of other bytes, which libraries read themselves."""
    try:
        return flexbuffer(data)
    except ValueError:
        return {}


def _arrays(found: object) -> tuple[np.ndarray, ...]:
    several = found if isinstance(found, tuple | list) else (found,)
    return tuple([np.asarray(array) for array in several])


def _shapes(found: object) -> tuple[Shape | None, ...]:
    is_list = isinstance(found, tuple | list) and found and all(map(_is_shape, found))
    several = found if is_list else (found,)
    assert isinstance(several, tuple | list)
    return tuple([None if shape is None else tuple(shape) for shape in several])


def _is_shape(what: object) -> bool:
    return what is None or isinstance(what, tuple | list)
