"""Cases of ops/byte_table.py."""

import numpy as np

from edgewise.ir.types import Quant, TensorType
from edgewise.ops.byte_table import ByteTable
from tests.ops.case import Case, arg, const

ANY = np.random.default_rng(256).permutation(256).astype(np.uint8)


def byte_table(shape, dtype="int8", *, table=ANY, label="", error=""):
    """Scales mean nothing to it, but 8-bit values have them."""
    x = arg(shape, dtype, quant=Quant(0.05, 3))
    y = TensorType(None, arg(shape, dtype).dtype, Quant(0.04, 5))
    return Case(
        ByteTable(), (x, const(table)), label=label, error=error, results=() if error else (y,)
    )


CASES = [
    byte_table((5, 7), label="odd"),
    byte_table((1,), label="one"),
    byte_table((3, 1, 67), "uint8", label="uint8"),
    byte_table((2, 1031), label="long"),
    byte_table((0, 3), label="empty"),
    byte_table((4,), table=ANY[:255], error="the table must have 256 bytes"),
]
