"""The compiled kernels: loading the library, its instruction sets, and parameters as bytes.

The build makes `kernels/edgewise_kernels.so` and `_structures.py`; both belong to an installed
package. A bare source tree has neither until `python tools/build_kernels.py` or an install.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from enum import IntEnum
from functools import cache
from importlib import import_module
from typing import Any

from edgewise.errors import EdgewiseError, InternalError

_PACKAGE = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
LIBRARY = os.path.join(_PACKAGE, "kernels", "edgewise_kernels.so")

Number = int | float
Fields = Mapping[str, "Number | Sequence[Number] | Sequence[Sequence[Number]] | Fields"]


class Isa(IntEnum):
    """Instruction sets with a table of kernels, weakest first of x86, then AArch64 (EW_ISA_... of
    params.h)."""

    SCALAR = 0
    BASELINE = 1
    AVX2 = 2
    AVX_VNNI = 3  # and AVX2; of Intel's processors without AVX-512
    AVX512 = 4  # F, DQ, BW, VL, VNNI
    AVX512_BF16 = 5  # and VBMI; of AMD's processors
    AMX = 6  # and tiles of INT8 and BF16
    NEON_BF16 = 7  # with bfmmla; AArch64 without is BASELINE

    @property
    def lanes(self) -> int:
        """32-bit elements of a vector (EW_LANES of simd.h)."""
        return (1, 4, 8, 8, 16, 16, 16, 4)[self]

    @property
    def multiplies_unsigned(self) -> bool:
        """Its products of 8 bits are of uint8 by int8: int8 data has its sign inverted."""
        return self.lanes == 16 or self is Isa.AVX_VNNI


class NotBuilt(EdgewiseError, ImportError):
    """The library is not there: a source tree that was never installed."""


class MixedBuild(EdgewiseError, ImportError):
    """The library and Python's view of its structures are of two builds."""


@cache
def structures() -> Any:
    """cffi's view of params.h. Any: cffi has no types. Raises NotBuilt."""
    try:
        return import_module("edgewise.runtime._structures").ffi
    except ModuleNotFoundError:
        raise NotBuilt(
            "the kernels are not built; install the package (pip install -e .) or run "
            "tools/build_kernels.py"
        ) from None


@cache
def library() -> Any:
    """The loaded library; calls release the interpreter lock. Raises NotBuilt, MixedBuild."""
    ffi = structures()
    try:
        lib = ffi.dlopen(LIBRARY)
    except OSError as error:
        raise NotBuilt(f"the kernels cannot be loaded: {error}; install the package") from None
    wanted = getattr(import_module("edgewise.runtime._structures"), "ABI", None)
    try:
        found = int(lib.ew_abi())
    except AttributeError:  # a library from before there was a number
        found = None
    if found is None or found != wanted:
        raise MixedBuild(
            f"{LIBRARY} and runtime/_structures.py must come from one build, else results "
            f"are wrong; they have {_shown(found)} and {_shown(wanted)}. Build both again: "
            "pip install --force-reinstall edgewise, or tools/build_kernels.py in a source tree"
        )
    return lib


def _shown(abi: int | None) -> str:
    return "no number" if abi is None else f"{abi:08x}"


@cache
def host_isa() -> Isa:
    """The strongest instruction set of this machine. Raises NotBuilt."""
    return Isa(library().ew_isa_supported())


@cache
def kernel_index() -> Mapping[str, int]:
    """Kernel names and their places in the function tables, in the order of kernels.def."""
    lib = library()
    prefix = "EW_KERNEL_"
    names = [n.removeprefix(prefix) for n in dir(lib) if n.startswith(prefix)]
    return {n: int(getattr(lib, prefix + n)) for n in names}


# kernels of loaded libraries of operators, behind those of kernels.def; for the process, because
# plans know them by their number. Any: cffi's function pointers.
_added: list[tuple[str, Any]] = []


def add_kernel(name: str, kernel: Any) -> str:
    """Make a kernel of a library known; the name by which calls of it go, one of its own."""
    unique = f"{name}#{len(_added) + 1}"
    _added.append((unique, kernel))
    return unique


def kernel_number(name: str) -> int:
    """The place of a kernel in the tables. Raises KeyError."""
    if name in kernel_index():
        return kernel_index()[name]
    return {n: len(kernel_index()) + i for i, (n, _) in enumerate(_added)}[name]


def kernel_name(number: int) -> str:
    """The kernel at a place in the tables."""
    builtin = len(kernel_index())
    return _added[number - builtin][0] if number >= builtin else _kernel_names()[number]


@cache
def _kernel_names() -> Mapping[int, str]:
    return {number: name for name, number in kernel_index().items()}


def kernel_table(isa: Isa) -> tuple[Any, int]:
    """The functions for an instruction set, those of libraries behind them, and how many those
    are. Any: an array of cffi's, which its owner keeps."""
    table = library().ew_table(int(isa))
    if not _added:
        return table, 0
    kernels = [table[i] for i in range(len(kernel_index()))]
    return structures().new("ew_kernel *[]", [*kernels, *(k for _, k in _added)]), len(_added)


def kernel_source(kernel: str) -> tuple[str, str]:
    """The source file that defines a kernel, and the structure of its parameters."""
    structures()
    file, structure = import_module("edgewise.runtime._structures").KERNELS[kernel]
    return file, structure


def constant(name: str) -> int:
    """A constant of params.h: `constant("EW_MAX_RANK")`."""
    return int(getattr(library(), name))


def pack(structure: str, fields: Fields) -> bytes:
    """The bytes of a structure of params.h. Every field must be given.

    Raises:
        InternalError: a field is missing or unknown.
    """
    ffi = structures()
    pointer, names, inner = _layout(structure)
    _check(names, inner, structure, fields)
    return bytes(ffi.buffer(ffi.new(pointer, fields)))


Inner = Mapping[str, tuple[frozenset[str], "Inner"]]


@cache
def _layout(structure: str) -> tuple[Any, frozenset[str], Inner]:
    """The type of a pointer to the structure, its fields, and those of structures in it."""
    kind = structures().typeof(structure)
    return structures().typeof(f"{structure} *"), *_fields(kind)


def _fields(kind: Any) -> tuple[frozenset[str], Inner]:
    found = dict(kind.fields)
    inner = {n: _fields(f.type) for n, f in found.items() if f.type.kind == "struct"}
    return frozenset(found), inner


def _check(expected: frozenset[str], inner: Inner, name: str, fields: Fields) -> None:
    if fields.keys() != expected:
        odd = sorted(fields.keys() ^ expected)
        raise InternalError(f"{name}: fields {odd} are missing or unknown")
    for field, (names, deeper) in inner.items():
        value = fields[field]
        assert isinstance(value, Mapping)
        _check(names, deeper, f"{name}.{field}", value)
