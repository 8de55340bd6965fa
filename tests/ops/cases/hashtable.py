"""Cases of the operators on hash tables, each among those that it needs."""

from collections.abc import Sequence

import numpy as np

from edgewise.dtypes import DType
from edgewise.ir import Builder, Op, Value
from edgewise.ops.hashtable import Hashtable, HashtableFind, HashtableImport, HashtableSize
from edgewise.ops.state import CallOnce
from tests.ops.case import Case, arg, const

TEXTS = np.array([b"one", b"two", b"", b"two"], object)
NUMBERS = np.array([1, 2, -3, 2], np.int64)
OTHER = {"key_dtype": DType.INT64, "value_dtype": DType.STRING}


def looked_up(
    b: Builder, op: Op, keys: Value, values: Value, default: Value, asked: Value
) -> Sequence[Value]:
    """Import in the graph itself, find and size."""
    table = Hashtable(table_id=7, key_dtype=keys.dtype, value_dtype=values.dtype)
    handle = b.node(table).output
    b.node(HashtableImport(), handle, keys, values)
    found = b.node(HashtableFind(), handle, asked, default).output
    return [found, b.node(HashtableSize(), handle).output]


def filled_once(
    b: Builder, op: Op, keys: Value, values: Value, default: Value, asked: Value
) -> Sequence[Value]:
    """Two tables filled by a graph that CALL_ONCE runs, the second one twice: that changes
    nothing."""
    init = Builder("init")
    there, back = Hashtable(table_id=7), Hashtable(table_id=8, **OTHER)
    k, v = (init.constant(x.data, name=x.name) for x in (keys, values) if x.data is not None)
    init.node(HashtableImport(), init.node(there).output, k, v)
    for times in (1, 2):
        more = init.constant(np.arange(4, dtype=np.int64) * times)
        init.node(HashtableImport(), init.node(back).output, more, k)
    b.node(CallOnce(init=init.finish()))
    numbers = b.node(HashtableFind(), b.node(there).output, asked, default).output
    handle = b.node(back).output
    texts = b.node(HashtableFind(), handle, numbers, b.constant(np.array([b"?"], object))).output
    return [numbers, texts, b.node(HashtableSize(), handle).output]


STRINGS = (
    const(TEXTS),
    const(NUMBERS),
    const(np.array([-1])),
    const(np.array([[b"two", b"three"], [b"", b"one"]], object)),
)
INTEGERS = (
    const(NUMBERS),
    const(TEXTS),
    const(np.array([b"?"], object)),
    arg((2, 3), "int64", low=-4, high=4),
)
ONLY_TEXT = "LiteRT has tables from string to int64 and from int64 to string only"

CASES = [
    Case(Hashtable(table_id=7), STRINGS, write=looked_up),
    Case(Hashtable(table_id=7, **OTHER), INTEGERS, write=looked_up),
    Case(Hashtable(table_id=8, **OTHER), STRINGS, "filled once", write=filled_once),
    Case(HashtableImport(), STRINGS, write=looked_up),
    Case(HashtableImport(), INTEGERS, write=looked_up),
    Case(HashtableFind(), STRINGS, write=looked_up),
    Case(HashtableFind(), INTEGERS, write=looked_up),
    Case(HashtableFind(), STRINGS, "filled once", write=filled_once),
    Case(HashtableSize(), STRINGS, write=looked_up),
    Case(HashtableSize(), INTEGERS, write=looked_up),
    Case(
        HashtableFind(),
        (const(NUMBERS), const(NUMBERS * 2), const(np.array([0])), arg((3,), "int64")),
        "numbers",
        write=looked_up,
        no_litert=ONLY_TEXT,
    ),
    Case(
        HashtableFind(),
        (
            const(TEXTS),
            const(np.array([1.5, 2.5, 0.5, 3.5], np.float32)),
            const([0.0]),
            const(np.array([b"two", b"four"], object)),
        ),
        "floats",
        write=looked_up,
        no_litert=ONLY_TEXT,
    ),
    Case(
        Hashtable(table_id=7, key_dtype=DType.FLOAT32),
        (),
        error="keys must be int32, int64, string, values float32, int32, int64, string, bool; "
        "got float32 and int64",
    ),
    Case(
        HashtableFind(),
        (arg((), "resource"), arg((2,), "int64"), const(np.zeros(0, np.int64))),
        error="the default must have an element; got [0]",
    ),
    Case(
        HashtableImport(),
        (arg((), "resource"), arg((2,), "int64"), arg((1, 2), "int64")),
        error="keys and values must be as many; got [2] and [1, 2]",
    ),
]
