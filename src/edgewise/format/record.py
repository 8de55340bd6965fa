"""Records: decoded or newly made tables as light objects with one attribute per field.

There is one class per table, made on first use from the schema, with the table's name. A field
that is not set reads as its default from the class and costs nothing. Values are:

====================  ==========================================================================
field                 value
====================  ==========================================================================
scalar                `bool`, `int` or `float`
enumeration           a member of the `Enum` (TensorType: `edgewise.dtypes.DType`)
string                `str`; bytes that are not UTF-8 are kept by `surrogateescape`
vector of scalars     1-D `np.ndarray`, little-endian, read-only when it came from a file
vector of enums       the same, holding the codes
vector of tables      `list` of records
table                 record
union                 record of one of the members; its class tells the type
====================  ==========================================================================

Absent strings, vectors, tables and unions are None, which is not the same as empty.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from edgewise.format.schema import Table, table


class Record:
    """Base of all record classes; equal when the table and all fields are equal.

    `byte_offset` is where the table stood in the file it was read from, for error messages; it
    takes no part in comparisons.
    """

    table: ClassVar[Table]
    byte_offset: int | None = None

    def __init__(self, /, **fields: object) -> None:
        if not fields:
            return
        unknown = fields.keys() - self.table.by_name.keys()
        if unknown:
            raise TypeError(f"{self.table.name} has no field {', '.join(sorted(unknown))}")
        self.__dict__.update(fields)

    if TYPE_CHECKING:
        # The fields come from the schema at run time, so their types are not known here.
        def __getattr__(self, name: str) -> Any: ...

        def __setattr__(self, name: str, value: Any) -> None: ...

    def items(self) -> Iterator[tuple[str, object]]:
        """Names and values of all fields in slot order, defaults included."""
        for name in self.table.by_name:
            yield name, getattr(self, name)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Record) or self.table is not other.table:
            return NotImplemented
        names = self.table.by_name
        return all(_equal(getattr(self, name), getattr(other, name)) for name in names)

    __hash__ = None  # type: ignore[assignment]  # mutable

    def __repr__(self) -> str:
        shown = (f"{name}={value!r}" for name, value in vars(self).items() if name != "byte_offset")
        return f"{self.table.name}({', '.join(shown)})"


def _equal(a: object, b: object) -> bool:
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        # By bytes, so that NaN equals itself and -0.0 differs from 0.0.
        return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    if isinstance(a, float) and isinstance(b, float):
        return a == b or (a != a and b != b)
    return type(a) is type(b) and a == b


@cache
def record_type(name: str) -> type[Record]:
    """The record class of a table. Raises KeyError for a name that is not in the schema."""
    definition = table(name)
    defaults = {field.name: field.default for field in definition.fields}
    return type(name, (Record,), {**defaults, "table": definition, "__doc__": f"A `{name}` table."})
