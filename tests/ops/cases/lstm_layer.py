"""Cases of ops/lstm_layer.py."""

from edgewise.ir import Quant
from edgewise.ops.lstm_layer import LstmLayer
from tests.ops.case import Case, arg, weights


def layer(time, batch, size, cells, *, label="", error="", r=None, dtype="float32"):
    quant = {"quant": Quant(0.003)} if dtype == "int8" else {}
    return Case(
        LstmLayer(),
        (
            arg((time, batch, size)),
            weights((4 * cells, size), dtype, low=-0.5, high=0.5, **quant),
            weights(r or (4 * cells, cells), dtype, low=-0.5, high=0.5, **quant),
            weights((4 * cells,)),
            arg((batch, cells)),
            arg((batch, cells)),
        ),
        label=label,
        error=error,
    )


CASES = [
    layer(7, 1, 5, 16),
    layer(3, 2, 9, 33, label="batch"),
    layer(1, 1, 1, 1, label="ones"),
    layer(4, 3, 40, 7, label="odd"),
    layer(6, 2, 29, 41, dtype="int8", label="hybrid"),
    layer(2, 1, 5, 8, r=(8, 8), error="r must be [32, 8]; got [8, 8]"),
]
