"""Rows written into a tensor inside a loop, as TensorFlow's converter writes its TensorLists."""

from __future__ import annotations

import numpy as np

from edgewise.ir.build import Builder
from edgewise.ir.enums import Activation
from edgewise.ir.graph import Value
from edgewise.passes.pattern import Match, Pattern, PatternBuilder, Result
from edgewise.passes.rewrite import Rule, Verdict

NONE = Activation.NONE


def _leading(p: PatternBuilder, number: Pattern, rest: float, name: str) -> Result:
    """[number, rest, rest, ...]."""
    vector = p.reshape(number, p.constant(), name=name, shared=True)
    return p.concatenation(vector, p.constant(equal=rest), axis=_is_first, shared=True)


def _is_first(axis: object) -> bool:
    return axis in (0, -1)  # of vectors


def _written(p: PatternBuilder) -> Result:
    """x[:t], row, x[t + 1:]."""
    t = p.value("t")
    following = p.add(
        p.value("t"), p.constant(equal=1.0), fused_activation_function=NONE, shared=True
    )
    before = p.slice(p.value("x"), p.constant(equal=0.0), _leading(p, t, -1.0, "place"))
    after = p.slice(p.value("x"), _leading(p, following, 0.0, "next"), p.constant(equal=-1.0))
    row = p.value("row")
    return p.concatenation(before, row, after, axis=0, fused_activation_function=NONE)


def _is_one_row(match: Match) -> Verdict:
    x, row = match["x"].shape, match["row"].shape
    if len(x) != len(row) or row[0] != 1 or x[1:] != row[1:]:
        return f"a row of {list(x)} is replaced by {list(row)}"
    if not isinstance(x[0], int):
        return "the number of rows is unknown"
    if match["x"].quant != match["row"].quant or match["x"].quant != match.root.output.quant:
        return "it has another scale"
    return True


def _update(b: Builder, match: Match) -> Value:
    rows, rank = match["x"].shape[0], len(match["x"].shape)
    assert isinstance(rows, int)
    # DYNAMIC_UPDATE_SLICE moves a row from outside to the next one, the slices refuse it
    numbers = b.constant(np.arange(rows, dtype=match["place"].dtype.numpy))
    place = b.gather(numbers, match["place"], axis=0)
    rest = b.constant(np.zeros(rank - 1, place.dtype.numpy))
    start = (
        b.concatenation(place, rest, axis=0, fused_activation_function=NONE) if rank > 1 else place
    )
    return b.dynamic_update_slice(match["x"], match["row"], start)


ROWS = [
    # concat(x[:t], row, x[t + 1:]) -> x with row at t. For 0 <= t < len(x), the only t for which
    # the left side is as long as x, which a loop that carries x asks for.
    Rule(
        "write row",
        _written,
        _is_one_row,
        _update,
        phrase="row[s] written into tensors recognised",
    ),
]
