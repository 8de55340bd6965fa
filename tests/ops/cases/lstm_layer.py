"""Cases of ops/lstm_layer.py."""

from edgewise.ops.lstm_layer import LstmLayer
from tests.ops.case import Case, arg, weights


def layer(time, batch, size, cells, *, label="", error="", r=None):
    return Case(
        LstmLayer(),
        (
            arg((time, batch, size)),
            weights((4 * cells, size), low=-0.5, high=0.5),
            weights(r or (4 * cells, cells), low=-0.5, high=0.5),
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
    layer(2, 1, 5, 8, r=(8, 8), error="r must be [32, 8]; got [8, 8]"),
]
