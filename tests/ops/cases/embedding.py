"""Cases of ops/embedding.py."""

import numpy as np

from edgewise.dtypes import DType
from edgewise.ir import Quant, TensorType
from edgewise.ops.embedding import EmbeddingLookup
from tests.ops.case import Case, arg, const, weights

STORED = (TensorType(None, DType.INT8, Quant(0.03)),)
FLOAT = (TensorType(None, DType.FLOAT32),)


def lookup(ids, table, *, results=(), label="", error=""):
    return Case(EmbeddingLookup(), (ids, table), label=label, results=results, error=error)


IDS = arg((6,), "int32", low=0, high=10)
BYTES = weights((11, 5), "int8", quant=Quant(0.03))
ROWS = weights((11, 5), "int8", quant=Quant(np.linspace(0.01, 0.1, 11), axis=0))

CASES = [
    lookup(IDS, weights((11, 5))),
    lookup(IDS, weights((11, 2, 3)), label="deep"),
    lookup(arg((0,), "int32"), weights((11, 5)), label="empty"),
    lookup(IDS, BYTES, results=STORED, label="stored"),
    lookup(IDS, BYTES, results=FLOAT, label="hybrid"),
    lookup(IDS, ROWS, results=FLOAT, label="per-row"),
    lookup(const([0, 11]), weights((11, 5)), error="indices must be in [0, 11); got 0..11"),
    lookup(arg((2, 3), "int32"), weights((11, 5)), error="ids must be [N]"),
    lookup(IDS, weights((11,)), error="table must be [V, ...]"),
]
