"""Cases of ops/lookup.py."""

import numpy as np

from edgewise.ir.enums import CombinerType
from edgewise.ops.lookup import EmbeddingLookupSparse, HashtableLookup
from tests.ops.case import Case, arg, const, weights

ASKED = np.array([3, -7, 0, 12, 5, 3], np.int32)
KEYS = const(np.array([-7, 0, 3, 9, 12], np.int32))
UNSORTED = const(np.array([12, -7, 3, 3, 9], np.int32))


def looked_up(values, keys=KEYS, asked=ASKED, *, label="", error=""):
    lookup = arg(asked.shape, "int32", values=asked)
    return Case(HashtableLookup(), (lookup, keys, values), label=label, error=error)


IDS = np.array([1, 3, 0, 1, 4], np.int32)
PLACES = np.array([[0, 0], [0, 1], [1, 0], [3, 3], [3, 4]], np.int32)


def combined(op, places=PLACES, shape=(4, 5), table=(5, 3), *, label="", error="", ids=IDS):
    args = (
        arg(ids.shape, "int32", values=ids),
        arg(places.shape, "int32", values=places),
        const(np.array(shape, np.int32)),
        arg(ids.shape),
        weights(table),
    )
    return Case(EmbeddingLookupSparse(combiner=op), args, label=label, error=error)


DEEP = np.concatenate([PLACES[:, :1] // 2, PLACES], 1)
MIXED = PLACES[[0, 2, 1, 3, 4]]

CASES = [
    looked_up(weights((5, 3))),
    looked_up(weights((5,), "int64", low=1, high=9)),
    looked_up(weights((5, 2, 2), "int8", low=1, high=9)),
    looked_up(arg((5,), "string")),
    looked_up(weights((5, 3)), UNSORTED, label="unsorted"),
    looked_up(weights((5, 3)), asked=ASKED[:0], label="empty"),
    looked_up(weights((4, 3)), error="values must be [5, ...]"),
    looked_up(arg((5, 2), "string"), error="strings a vector"),
    *[combined(op, label=op.name.lower()) for op in CombinerType],
    *[combined(op, DEEP, (2, 4, 5), label=f"deep-{op.name.lower()}") for op in CombinerType],
    combined(CombinerType.MEAN, MIXED, label="mixed"),
    combined(CombinerType.SUM, table=(5, 2, 3), label="table"),
    combined(CombinerType.SQRTN, PLACES[:0], ids=IDS[:0], label="empty"),
    combined(CombinerType.SUM, shape=(4, 5, 6), error="a column for each dimension"),
    combined(CombinerType.SUM, table=(5,), error="the table of 2 or more"),
]
