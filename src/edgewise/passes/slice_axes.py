"""A STRIDED_SLICE keeps or drops the axes of which it takes one element: no RESHAPE behind it.

Written by x[:, 1, None, 2], for example: NumPy's index drops an axis and adds one where it was.
"""

from __future__ import annotations

from itertools import product

from edgewise.ir.build import Builder
from edgewise.ir.dim import same_dim
from edgewise.ir.graph import Value
from edgewise.passes.conditions import same_bits
from edgewise.passes.pattern import Match
from edgewise.passes.rewrite import Rule, Verdict
from edgewise.passes.slices import PHRASE, Index, index_of, take

MAX_SINGLE = 8  # axes of one element; every choice among them is tried


def _takes_a_part(match: Match) -> Verdict:
    index = _index(match)
    return index if isinstance(index, str) else same_bits(match["x"], match.root.output)


def _index(match: Match) -> Index | str:
    """The slice with its axes of one element kept or dropped so that it has the root's shape."""
    index, x, shape = index_of(match.node("slice")), match["x"].shape, match.root.output.type.shape
    if isinstance(index, str) or shape is None:
        return index if isinstance(index, str) else "the rank is unknown"
    places = [i for i, part in enumerate(index) if isinstance(part, int) or _is_single(part)]
    for kept in product((True, False), repeat=len(places) if len(places) <= MAX_SINGLE else 0):
        parts = list(index)
        for i, keeps in zip(places, kept, strict=False):
            part = index[i]
            at = part if isinstance(part, int) else part.start  # type: ignore[union-attr]
            parts[i] = range(at, at + 1) if keeps else at
        sizes = [
            size if part is None else len(part)
            for part, size in zip(parts, x, strict=True)
            if not isinstance(part, int)
        ]
        if len(sizes) == len(shape) and all(map(same_dim, sizes, shape)):
            return tuple(parts)
    return f"it does more than add and drop axes of one element: {match.root.output.type}"


def _is_single(part: range | None) -> bool:
    return part is not None and len(part) == 1


def _take(b: Builder, match: Match) -> Value:
    index = _index(match)
    assert not isinstance(index, str)
    return take(b, match["x"], index, match.node("slice"), match.root.output.type)


SLICE_AXES = [
    # reshape(strided_slice(x)) -> strided_slice(x)
    Rule(
        "axes of a slice",
        lambda p: p.reshape(
            p.strided_slice(p.value("x"), p.constant(), p.constant(), p.constant(), name="slice"),
            p.optional(),
        ),
        _takes_a_part,
        _take,
        phrase=PHRASE,
    )
]
