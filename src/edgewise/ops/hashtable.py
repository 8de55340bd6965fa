"""Operators on hash tables: made by number, filled once, looked up. See `ops/state.py`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from edgewise.dtypes import DType
from edgewise.errors import InputError
from edgewise.ir.dim import Shape
from edgewise.ir.op import In, Operand, Out, Role, Runner, require
from edgewise.ir.resources import Resources, Table
from edgewise.ops.axes import shown
from edgewise.ops.state import HANDLE, Stateful

_KEYS = frozenset({DType.STRING, DType.INT64, DType.INT32})
_VALUES = _KEYS | {DType.FLOAT32, DType.BOOL}


class Hashtable(Stateful, builtin="HASHTABLE", options="HashtableOptions"):
    """y = the handle of the table with this number.

    Shapes: y []. dtypes: keys string or integers, values any; LiteRT 2.3 has only tables from
    string to int64 and from int64 to string.
    **Source:** TensorFlow Lite kernels/hashtable.cc.
    """

    table_id: int = 0
    key_dtype: DType = DType.STRING
    value_dtype: DType = DType.INT64

    operands = ()
    results = (Out("y", dtype=DType.RESOURCE),)

    def infer(self) -> Shape:
        require(
            self.key_dtype in _KEYS and self.value_dtype in _VALUES,
            f"keys must be {_names(_KEYS)}, values {_names(_VALUES)}; "
            f"got {self.key_dtype.text} and {self.value_dtype.text}",
        )
        return ()

    def run(self, operands: Sequence[Any], runner: Runner) -> tuple[np.ndarray, ...]:
        return (np.array(runner.resources.handle(Table(self.table_id)), np.int32),)


class HashtableImport(Stateful, builtin="HASHTABLE_IMPORT", options="HashtableImportOptions"):
    """The table maps each of `keys` to the value at its place. No result.

    Shapes: keys and values alike. A table is filled once: a later import changes nothing. Of equal
    keys the first counts.
    **Source:** TensorFlow Lite kernels/hashtable_import.cc.
    """

    operands = (
        In("table", HANDLE, Role.PARAMETER),
        In("keys", _KEYS),
        In("values", _VALUES),
    )
    results = ()

    def infer(self, table: Operand, keys: Operand, values: Operand) -> tuple[Shape, ...]:
        require(
            len(keys.shape) == len(values.shape),
            f"keys and values must be as many; got {shown(keys.shape)} and {shown(values.shape)}",
        )
        return ()

    def run(self, operands: Sequence[Any], runner: Runner) -> tuple[np.ndarray, ...]:
        handle, keys, values = operands
        require(
            keys.shape == values.shape,
            f"keys and values must be as many; got {shown(keys.shape)} and {shown(values.shape)}",
        )
        name = _table_of(handle, runner.resources)
        if name not in runner.resources.tables:
            pairs = zip(keys.reshape(-1).tolist(), values.reshape(-1).tolist(), strict=True)
            table: dict[object, object] = {}
            for key, value in pairs:
                table.setdefault(key, value)
            runner.resources.tables[name] = table
        return ()


class HashtableFind(Stateful, builtin="HASHTABLE_FIND", options="HashtableFindOptions"):
    """y = the value of each key; the (first) element of `default` where the table lacks it.

    Shapes: keys any, default at least one element; y as keys.
    **Source:** TensorFlow Lite kernels/hashtable_find.cc.
    """

    operands = (
        In("table", HANDLE, Role.PARAMETER),
        In("keys", _KEYS),
        In("default", _VALUES),
    )
    results = (Out("y", like="default"),)

    def infer(self, table: Operand, keys: Operand, default: Operand) -> Shape:
        require(
            0 not in default.shape,
            f"the default must have an element; got {shown(default.shape)}",
        )
        return keys.shape

    def run(self, operands: Sequence[Any], runner: Runner) -> tuple[np.ndarray, ...]:
        handle, keys, default = operands
        table = _filled(handle, runner.resources)
        other = default.reshape(-1)[0]
        y = np.empty(keys.size, default.dtype)
        for place, key in enumerate(keys.reshape(-1).tolist()):
            y[place] = table.get(key, other)
        return (y.reshape(keys.shape),)


class HashtableSize(Stateful, builtin="HASHTABLE_SIZE", options="HashtableSizeOptions"):
    """y = how many keys the table has.

    Shapes: y [1]. dtypes: y int64.
    **Source:** TensorFlow Lite kernels/hashtable_size.cc.
    """

    operands = (In("table", HANDLE, Role.PARAMETER),)
    results = (Out("y", dtype=DType.INT64),)

    def infer(self, table: Operand) -> Shape:
        return (1,)

    def run(self, operands: Sequence[Any], runner: Runner) -> tuple[np.ndarray, ...]:
        return (np.array([len(_filled(operands[0], runner.resources))], np.int64),)


def _table_of(handle: np.ndarray, resources: Resources) -> Table:
    name = resources.name(int(handle.reshape(-1)[0]))
    require(isinstance(name, Table), f"takes the handle of a hash table; got that of the {name}")
    assert isinstance(name, Table)
    return name


def _filled(handle: np.ndarray, resources: Resources) -> dict[object, object]:
    name = _table_of(handle, resources)
    if name not in resources.tables:
        raise InputError(f"reads the {name}, into which nothing was imported yet")
    return resources.tables[name]


def _names(dtypes: frozenset[DType]) -> str:
    return ", ".join(d.text for d in DType if d in dtypes)
