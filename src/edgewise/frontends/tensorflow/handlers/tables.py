"""Hash tables: words to numbers, numbers to words, numbers to numbers.

A lookup of constant keys is constant. LiteRT has tables from string to int64 and from int64 to
string; every other table becomes one of those and a GATHER or a cast, or, between numbers, a GATHER
from an array of all keys in their range.
"""

from __future__ import annotations

import numpy as np

from edgewise.dtypes import DType
from edgewise.frontends.tensorflow import attrs
from edgewise.frontends.tensorflow.context import (
    Context,
    Handler,
    Operand,
    State,
    Unsupported,
    computed,
)
from edgewise.frontends.tensorflow.program import Table, TFNode
from edgewise.ir.build import Builder
from edgewise.ir.graph import Value
from edgewise.ops.hashtable import Hashtable, HashtableFind, HashtableImport

# Elements of the array that a table between numbers becomes: this many, or so many per key.
DENSE = 4096
DENSE_PER_KEY = 8


def fill(b: Builder, state: State, table: Table) -> None:
    """Import what a table holds, in the graph that initialises."""
    op, keys, values = _stored(state, table)
    b.node(HashtableImport(), b.node(op).output, b.constant(keys), b.constant(values))


def _stored(state: State, table: Table) -> tuple[Hashtable, np.ndarray, np.ndarray]:
    """The operator of a table as a file holds it, its keys and values: to or from int64."""
    keys, values = table.keys.reshape(-1), table.values.reshape(-1)
    if table.key_dtype is DType.STRING:
        if table.value_dtype is not DType.INT64:
            values = np.arange(len(values), dtype=np.int64)  # rows of an array of values
        op = Hashtable(
            table_id=state.number(table), key_dtype=DType.STRING, value_dtype=DType.INT64
        )
    else:
        keys = keys.astype(np.int64)
        op = Hashtable(
            table_id=state.number(table), key_dtype=DType.INT64, value_dtype=DType.STRING
        )
    return op, keys, values


# -- handlers ---------------------------------------------------------------------------------


def _find(c: Context, node: TFNode, table: Operand, keys: Operand, default: Operand) -> Value:
    if not isinstance(table, Table):
        raise Unsupported("it takes no table whose contents are in the file; save it initialised")
    if not isinstance(keys, Value) or not isinstance(default, Value):
        raise Unsupported("its keys and default must be tensors")
    known, other = c.known(keys), c.known(default)
    if known is not None and other is not None:
        return c.constant(_found(table, known, other), node.name)
    if table.key_dtype is not DType.STRING and table.value_dtype is not DType.STRING:
        return _dense(c, table, keys, c.array(default, "its default"))
    return _looked_up(c, table, keys, default)


def _found(table: Table, keys: np.ndarray, default: np.ndarray) -> np.ndarray:
    rows = {key: i for i, key in reversed(list(enumerate(table.keys.reshape(-1).tolist())))}
    values, other = table.values.reshape(-1), default.reshape(-1)[0]
    found = [values[rows[k]] if k in rows else other for k in keys.reshape(-1).tolist()]
    return np.array(found, values.dtype).reshape(keys.shape)


def _looked_up(c: Context, table: Table, keys: Value, default: Value) -> Value:
    handle = c.handles.get(table)
    if handle is None:
        handle = c.handles[table] = c.b.node(_stored(c.state, table)[0]).output
    if table.key_dtype is not DType.STRING:
        wide = c.cast(keys, DType.INT64)
        return c.b.node(HashtableFind(), handle, wide, default).output
    if table.value_dtype is DType.INT64:
        return c.b.node(HashtableFind(), handle, keys, default).output
    values = table.values.reshape(-1)
    rows = np.concatenate([values, c.array(default, "its default").reshape(-1)[:1]])
    beyond = c.b.constant(np.array(len(values), np.int64))
    row = c.b.node(HashtableFind(), handle, keys, beyond).output
    return c.b.gather(c.constant(rows), c.cast(row, DType.INT32))


def _dense(c: Context, table: Table, keys: Value, default: np.ndarray) -> Value:
    """values[clamp(keys - first)], where the places before the first and after the last key and
    in between hold the default."""
    known = table.keys.reshape(-1).astype(object)
    first, last = (min(known), max(known)) if len(known) else (0, -1)
    count = int(last - first + 1)
    if count > max(DENSE, DENSE_PER_KEY * len(known)):
        raise Unsupported(
            f"its {len(known)} keys are spread over {count} numbers; use keys closer together"
        )
    rows = np.arange(first - 1, last + 2, dtype=np.int64)
    values = c.constant(_found(table, rows, default.astype(computed(table.value_dtype).numpy)))
    if keys.dtype.bits < 32:
        keys = c.cast(keys, DType.INT32)
    bounds = [c.b.constant(np.array(b, keys.dtype.numpy)) for b in (first - 1, last + 1)]
    place = c.b.sub(c.b.minimum(c.b.maximum(keys, bounds[0]), bounds[1]), bounds[0])
    return c.b.gather(values, c.cast(place, DType.INT32))


def _size(c: Context, node: TFNode, table: Operand) -> Value:
    if not isinstance(table, Table):
        raise Unsupported("it takes no table whose contents are in the file; save it initialised")
    return c.b.constant(np.array(table.keys.size, np.int64))


def _unbound(c: Context, node: TFNode, *xs: Operand) -> Value:
    attrs.dtype(node, "key_dtype")
    raise Unsupported("its contents are not in the file; save the model with its tables")


OBJECTS: dict[str, Handler] = {
    **dict.fromkeys(("HashTableV2", "HashTable", "MutableHashTableV2"), _unbound),
    **dict.fromkeys(("LookupTableFindV2", "LookupTableFind"), _find),
    **dict.fromkeys(("LookupTableSizeV2", "LookupTableSize"), _size),
}
