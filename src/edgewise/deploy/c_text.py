"""Values as C source text: identifiers, comments, literals, arrays, structures of params.h.

Floats are hexadecimal (`0x1.8p+1f`): every bit survives. Arrays keep their element type, so the
text means the same on machines of either byte order.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable
from typing import Any

import numpy as np

from edgewise.runtime.library import structures

COLUMNS = 100

# What C has no type for (float16, bfloat16, bool, 4-bit integers) is stored as unsigned words.
_C_TYPES = {
    **{f"{sign}int{bits}": f"{sign}int{bits}_t" for sign in ("", "u") for bits in (8, 16, 32, 64)},
    "float32": "float",
    "float64": "double",
}
_KEYWORDS = frozenset(
    re.findall(
        r"\w+",
        """auto break case char const continue default do double else enum extern float for goto if
        inline int long register restrict return short signed sizeof static struct switch typedef
        union unsigned void volatile while, and of C++: and asm bool catch class delete explicit
        export false friend mutable namespace new not operator or private protected public
        template this throw true try typename using virtual xor""",
    )
)


def identifier(name: str, taken: Iterable[str] = ()) -> str:
    """A C (and C++) identifier made of a name, and none of `taken`."""
    plain = re.sub(r"\W+", "_", name, flags=re.ASCII).strip("_").lower() or "value"
    if plain[0].isdigit() or plain in _KEYWORDS:
        plain = f"value_{plain}"
    used, number, found = set(taken), 1, plain
    while found in used:
        number += 1
        found = f"{plain}_{number}"
    return found


def comment(text: str) -> str:
    """Text that may stand inside a comment: one line of printable ASCII that does not end it."""
    shown = "".join(c if " " <= c <= "~" and c != "\\" else "?" for c in text)
    return shown.replace("*/", "* /").replace("/*", "/ *")


def c_type(dtype: np.dtype[np.generic]) -> str:
    """The C type of an element: `int8_t`, `float`; `uint16_t` for the bits of a float16."""
    return _C_TYPES.get(dtype.name, f"uint{8 * dtype.itemsize}_t")


def literal(value: float, bits: int = 32) -> str:
    """A float as an exact literal."""
    suffix = "f" if bits == 32 else ""
    if np.isnan(value):
        return f'__builtin_nan{suffix}("")'
    if np.isinf(value):
        return f"{'-' if value < 0 else ''}__builtin_inf{suffix}()"
    mantissa, exponent = float(value).hex().split("p")
    if "." in mantissa:
        mantissa = mantissa.rstrip("0").rstrip(".")
    return f"{mantissa}p{exponent}{suffix}"


def elements(array: np.ndarray) -> list[str]:
    """The elements of an array as literals, in memory order."""
    flat = np.ascontiguousarray(array).reshape(-1)
    if flat.dtype.name in ("float32", "float64"):
        return [literal(v, 8 * flat.itemsize) for v in flat.tolist()]
    if flat.dtype.name not in _C_TYPES:
        flat = flat.view(f"u{flat.itemsize}")
    if flat.dtype == np.int64:
        # -2**63 has no literal: its minus sign is an operator
        return [f"{v}ll" if v > -(1 << 63) else f"{v + 1}ll - 1" for v in flat.tolist()]
    if flat.dtype.kind == "u" and flat.itemsize >= 4:
        return [_unsigned(v) for v in flat.tolist()]
    return [str(v) for v in flat.tolist()]


def _unsigned(value: int) -> str:
    return f"{value}u" if value >> 31 else str(value)


def array(declaration: str, values: np.ndarray) -> str:
    """`DECLARATION[n] = {...};` over as many lines as it takes."""
    if not values.size:  # C has no empty arrays
        return f"{declaration}[1];\n"
    lines = wrapped(elements(values), "    ")
    return f"{declaration}[{values.size}] = {{\n" + "".join(f"{line},\n" for line in lines) + "};\n"


def structure(kind: str, data: bytes) -> str:
    """The bytes of a structure of params.h as an initialiser with named fields, without its
    outer braces: one line per field."""
    ffi = structures()
    value = ffi.from_buffer(f"{kind} *", data)[0]
    return "".join(
        f"    .{name} = {_field(field.type, getattr(value, name))},\n"
        for name, field in ffi.typeof(kind).fields
    )


def _field(kind: Any, value: Any) -> str:
    """One field. Any: cffi has no types."""
    if kind.kind == "struct":
        inner = [f".{n} = {_field(f.type, getattr(value, n))}" for n, f in kind.fields]
        return "{\n" + "".join(f"{line},\n" for line in wrapped(inner, " " * 8)) + "    }"
    if kind.kind == "array":
        return "{" + ", ".join(_field(kind.item, value[i]) for i in range(kind.length)) + "}"
    if kind.cname == "float":
        return literal(value)
    if kind.cname == "int32_t" and value == -(1 << 31):
        return "INT32_MIN"
    return _unsigned(value) if kind.cname.startswith("u") else str(value)


def wrapped(words: list[str], indent: str) -> list[str]:
    """Words joined by commas, in lines of at most COLUMNS with the comma that ends each."""
    lines, width, first = [], 0, 0
    for index, word in enumerate(words):
        if width and len(indent) + width + len(word) + 3 > COLUMNS:
            lines.append(indent + ", ".join(words[first:index]))
            first, width = index, 0
        width += len(word) + 2
    if words:
        lines.append(indent + ", ".join(words[first:]))
    return lines


def paragraph(text: str) -> list[str]:
    """A sentence as lines of a comment."""
    return textwrap.wrap(text, COLUMNS - 4, break_long_words=False)
