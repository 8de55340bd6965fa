"""Resources: the variables and tables that operators name, shared by the graphs of one model.

A handle is a number that VAR_HANDLE or HASHTABLE computes. What it stands for lives from run to run
in the `Resources` of an interpreter, whichever signature made it.
"""

from __future__ import annotations

import threading

import numpy as np

from edgewise.errors import InputError
from edgewise.ir.graph import Graph
from edgewise.values import dataclass

MAX_RESOURCES = 1 << 20  # names of one model


@dataclass(frozen=True, slots=True)
class Variable:
    """The name of a variable: equal names are one variable."""

    container: str
    shared_name: str

    def __str__(self) -> str:
        return f"variable {'/'.join(filter(None, (self.container, self.shared_name)))!r}"


@dataclass(frozen=True, slots=True)
class Table:
    """The name of a hash table: its number in the model."""

    table_id: int

    def __str__(self) -> str:
        return f"hash table {self.table_id}"


class Resources:
    """What handles stand for. `values` holds the array of each variable that was assigned (by
    `assign`, which counts `changes`), `tables` the dict of each table that was imported;
    `initialized` the graphs that CALL_ONCE has run. Who runs operators on them holds `lock`."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.changes = 0
        self.values: dict[Variable, np.ndarray] = {}
        self.tables: dict[Table, dict[object, object]] = {}
        self.initialized: set[Graph] = set()
        self._names: list[Variable | Table] = []
        self._handles: dict[Variable | Table, int] = {}

    def handle(self, name: Variable | Table) -> int:
        """The number of a resource."""
        found = self._handles.get(name)
        if found is None:
            if len(self._names) >= MAX_RESOURCES:
                raise InputError(f"a model has at most {MAX_RESOURCES} variables and tables")
            found = self._handles[name] = len(self._names)
            self._names.append(name)
        return found

    def name(self, handle: int) -> Variable | Table:
        """What a number stands for. Raises InputError."""
        if not 0 <= handle < len(self._names):
            raise InputError(f"no variable or table has the handle {handle}")
        return self._names[handle]

    def assign(self, name: Variable, array: np.ndarray) -> None:
        """The variable is this array from now on."""
        self.values[name] = array
        self.changes += 1

    def clear(self) -> None:
        """Nothing has a value, and no graph has run; handles stay what they are."""
        with self.lock:
            self.changes += 1
            self.values.clear()
            self.tables.clear()
            self.initialized.clear()
