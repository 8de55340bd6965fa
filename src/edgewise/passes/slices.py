"""Rules of slices: of slices, of pads, of joined parts, and slices that are reshapes.

A SLICE or STRIDED_SLICE by constants is an `Index`: per dimension of x what is taken of it, as one
number (the dimension goes), a `range` with a positive step, or ALL, which may be of unknown size.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from edgewise.errors import EdgewiseError
from edgewise.ir.build import Builder
from edgewise.ir.dim import Dim
from edgewise.ir.enums import Activation
from edgewise.ir.graph import Node, Value
from edgewise.ir.types import TensorType
from edgewise.ops.join import Concatenation
from edgewise.ops.pad import Pad
from edgewise.ops.slice import Slice, StridedSlice
from edgewise.passes.conditions import same_bits
from edgewise.passes.pattern import Match, Pattern, PatternBuilder, Result
from edgewise.passes.reshaping import reshape, shape_is_known
from edgewise.passes.rewrite import Rule, Verdict, every

ALL = None
Part = int | range | None
Index = tuple[Part, ...]
PHRASE = "slice[s] put together or removed"


def index_of(node: Node) -> Index | str:
    """What the node takes of its operand; a sentence where that is not known, or is reversed."""
    x = node.operand(0)
    bounds = [value.data for value in node.inputs[1:] if value is not None]
    arrays = [data for data in bounds if data is not None]
    if len(arrays) != len(bounds):
        return f"the bounds of {node} are no constants"
    if isinstance(node.op, Slice):
        begin, size = (a.tolist() for a in arrays)
        ends = [b + n if n >= 0 else None for b, n in zip(begin, size, strict=True)]
        entries: Sequence[object] = [slice(b, e) for b, e in zip(begin, ends, strict=True)]
    else:
        assert isinstance(node.op, StridedSlice)
        sizes = [d if isinstance(d, int) else 1 << 30 for d in x.shape]
        try:
            entries = node.op.index(sizes, *arrays)
        except EdgewiseError as error:
            return str(error)
    if any(entry is None for entry in entries):
        return f"{node} adds a dimension"
    parts = [_part(entry, d) for entry, d in zip(entries, x.shape, strict=True)]
    wrong = next((part for part in parts if isinstance(part, str)), None)
    return wrong or tuple(part for part in parts if not isinstance(part, str))


def _part(entry: object, size: Dim) -> Part | str:
    """One entry of a NumPy index, of a dimension of this size."""
    if isinstance(size, int):
        if isinstance(entry, int):
            return entry % size
        assert isinstance(entry, slice)
        taken = range(size)[entry]
        if taken.step < 0:
            return "it goes backwards"
        return ALL if taken == range(size) else taken
    is_whole = isinstance(entry, slice) and entry.start in (None, 0) and entry.stop is None
    if is_whole and entry.step in (None, 1):  # type: ignore[attr-defined]
        return ALL
    return f"a dimension of unknown size {size} is not taken whole"


def _index(match: Match, name: str = "") -> Index:
    index = index_of(match.node(name) if name else match.root)
    assert not isinstance(index, str)
    return index


def take(b: Builder, x: Value, index: Index, like: Node, result: TensorType | None = None) -> Value:
    """The slice of x, as the operator that `like` is where that can say it; of its type or
    `result`."""
    if all(part is ALL for part in index):
        return x
    types = [result or like.output.type]
    if isinstance(like.op, Slice) and not any(
        isinstance(part, int) or (part is not ALL and part.step != 1) for part in index
    ):
        begin = [0 if part is ALL else part.start for part in index]  # type: ignore[union-attr]
        size = [-1 if part is ALL else len(part) for part in index]  # type: ignore[arg-type]
        operands = (b.constant(np.array(v, np.int32)) for v in (begin, size))
        return b.node(Slice(), x, *operands, results=types).output
    masks: dict[str, int] = {"begin_mask": 0, "end_mask": 0, "shrink_axis_mask": 0}
    rows: list[tuple[int, int, int]] = []
    for i, part in enumerate(index):
        if part is ALL:
            masks["begin_mask"] |= 1 << i
            masks["end_mask"] |= 1 << i
            rows.append((0, 0, 1))
        elif isinstance(part, int):
            masks["shrink_axis_mask"] |= 1 << i
            rows.append((part, part + 1, 1))
        else:
            rows.append((part.start, part.start + len(part) * part.step, part.step))
    vectors = (b.constant(np.array(column, np.int32)) for column in zip(*rows, strict=True))
    return b.node(StridedSlice().replace(**masks), x, *vectors, results=types).output


def _sliced(p: PatternBuilder, x: Pattern, name: str = "", shared: bool = False) -> Pattern:
    """A slice of x by constants, of either kind."""
    c = p.constant
    return p.either(
        p.slice(x, c(), c(), name=name, shared=shared),
        p.strided_slice(x, c(), c(), c(), name=name, shared=shared),
    )


def _roots(x: Callable[[PatternBuilder], Pattern]) -> list[Callable[[PatternBuilder], Result]]:
    """Both kinds of slices of something, as roots of patterns."""
    return [
        lambda p: p.slice(x(p), p.constant(), p.constant()),
        lambda p: p.strided_slice(x(p), p.constant(), p.constant(), p.constant()),
    ]


def _is_known(match: Match) -> Verdict:
    index = index_of(match.root)
    return index if isinstance(index, str) else same_bits(match["x"], match.root.output)


# -- slice of slice -----------------------------------------------------------------------------


def _inner_is_known(match: Match) -> Verdict:
    inner = index_of(match.node("inner"))
    return inner if isinstance(inner, str) else True


def _composed(b: Builder, match: Match) -> Value:
    outer = iter(_index(match))
    # a number has taken its dimension away, so no entry of the outer slice speaks of it
    parts = [
        part if isinstance(part, int) else _within(part, next(outer))
        for part in _index(match, "inner")
    ]
    return take(b, match["x"], tuple(parts), match.root)


def _within(part: range | None, taken: Part) -> Part:
    """What is taken of a part."""
    if part is ALL:
        return taken
    if taken is ALL:
        return part
    return part[taken] if isinstance(taken, int) else part[taken.start : _stop(taken) : taken.step]


def _stop(taken: range) -> int:
    return taken.start + len(taken) * taken.step


# -- slice of a pad -----------------------------------------------------------------------------


def _inside(match: Match) -> Index | str:
    """What the slice takes of x before the padding."""
    x, pads = match["x"], match.array("paddings")
    parts: list[Part] = []
    for part, size, (before, after) in zip(
        _index(match), x.shape, pads.astype(int).tolist(), strict=True
    ):
        if part is ALL and before == 0 and after == 0:
            parts.append(ALL)
            continue
        if part is ALL or not isinstance(size, int):
            return f"it takes of the border {before, after}"
        first, last = (part, part) if isinstance(part, int) else (part.start, part[-1:].start)
        if isinstance(part, range) and not part:
            return "it is empty"
        if first < before or last >= before + size:
            return f"it takes of the border {before, after}"
        moved: Part
        if isinstance(part, int):
            moved = part - before
        else:
            moved = range(part.start - before, part.stop - before, part.step)
        parts.append(ALL if moved == range(size) else moved)
    return tuple(parts)


def _avoids_the_border(match: Match) -> Verdict:
    inside = _inside(match)
    return inside if isinstance(inside, str) else True


def _take_inside(b: Builder, match: Match) -> Value:
    inside = _inside(match)
    assert not isinstance(inside, str)
    return take(b, match["x"], inside, match.root)


# -- slice of joined parts ------------------------------------------------------------------------


def _operand(match: Match) -> tuple[Value, Index] | str:
    """The only operand of the concatenation that the slice reads, and what it takes of it."""
    join = match.node("x")
    op = join.op
    assert isinstance(op, Concatenation)
    index = list(_index(match))
    axis = op.axis % len(join.output.shape)
    part = index[axis]
    if part is ALL:
        return "it takes of all parts"
    if isinstance(part, range) and not part:
        return "it is empty"
    first, last = (part, part) if isinstance(part, int) else (part[0], part[-1])
    start = 0
    for value in join.inputs:
        assert value is not None
        size = value.shape[axis]
        if not isinstance(size, int):
            return f"the size of {value.name!r} is unknown"
        if start <= first and last < start + size:
            moved: Part
            if isinstance(part, int):
                moved = part - start
            else:
                moved = range(part.start - start, part.stop - start, part.step)
            index[axis] = ALL if moved == range(size) else moved
            verdict = same_bits(value, match.root.output)
            return (value, tuple(index)) if verdict is True else str(verdict)
        start += size
    return "it takes of several parts"


def _of_one_part(match: Match) -> Verdict:
    found = _operand(match)
    return found if isinstance(found, str) else True


def _take_of_part(b: Builder, match: Match) -> Value:
    found = _operand(match)
    assert not isinstance(found, str)
    return take(b, *found, match.root)


# -- slice as reshape ---------------------------------------------------------------------------


def _takes_everything(match: Match) -> Verdict:
    """Dimensions are whole, or single and taken."""
    index, shape = _index(match), match["x"].shape
    for part, size in zip(index, shape, strict=True):
        if part is not ALL and size != 1:
            return f"it takes a part of {match['x'].type}"
    return shape_is_known(match)


def _joined(p: PatternBuilder) -> Pattern:
    return p.any(Concatenation, name="x", shared=True, fused_activation_function=Activation.NONE)


SLICES = [
    # slice(slice(x)) -> slice(x)
    *[
        Rule(
            "slice of slice",
            form,
            every(_is_known, _inner_is_known),
            _composed,
            phrase=PHRASE,
        )
        for form in _roots(lambda p: _sliced(p, p.value("x"), "inner", shared=True))
    ],
    # slice(pad(x)) -> slice(x)
    *[
        Rule(
            "slice of pad",
            form,
            every(_is_known, _avoids_the_border),
            _take_inside,
            phrase=PHRASE,
        )
        for form in _roots(
            lambda p: p.any(Pad, operands=(p.value("x"), p.constant("paddings")), shared=True)
        )
    ],
    # slice(concatenation(x, y)) -> slice(x)
    *[
        Rule(
            "slice of joined parts",
            form,
            every(_is_known, _of_one_part),
            _take_of_part,
            phrase=PHRASE,
        )
        for form in _roots(_joined)
    ],
    # slice(x) that takes all elements -> reshape(x)
    Rule(
        "slice as reshape",
        lambda p: p.strided_slice(p.value("x"), p.constant(), p.constant(), p.constant()),
        every(_is_known, _takes_everything),
        lambda b, match: reshape(b, match["x"], match.root.output),
        is_quiet=True,
        phrase=PHRASE,
    ),
]
