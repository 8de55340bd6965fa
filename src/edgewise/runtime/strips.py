"""Convolutions in strips of lines, so that what one hands to the next stays in the cache.

Where a result is larger than the second-level cache and the next kernel alone reads it, both run by
turns: some lines of it, then the lines of the next result that need no others. A chain of such
kernels is cut so that the last one's lines are strips; what each of the others computes for a strip
has a buffer of its own, and lines that two strips need are copied from one buffer to the next.
Buffers do not live long, so that two take the place of the whole result in the arena. First lines
of a chain's operand and last ones of its result are parts of them (storage.py).

Results are those of whole kernels to the bit. Only plans for one thread have strips: networks that
two threads shared strip by strip took 1.1 to 1.2 times as long as by whole kernels. Bounds count
blocks of `Target.block_bytes`: an expanding, a depthwise and a projecting convolution of
mobilenet_v2 with dynamic range are as fast in strips where 0.6 MB lie between them, 1.2 times as
fast where 1.8 MB do, and 1.4 times with 4.8 MB (AVX-512, 2 MB of second-level cache); strips of 2
or 5 blocks differ from those of 3 by under 2 %.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence

from edgewise.ir.graph import Value
from edgewise.runtime.calls import Call
from edgewise.runtime.drafts import Drafts
from edgewise.runtime.groups import Group, elements, values_of
from edgewise.runtime.select.copy import run
from edgewise.values import dataclass, field, replace

_LEAST = 8  # blocks of a result that is worth it
_STRIP = 3  # blocks of such a result at a time
_WEIGHTS = 1  # blocks, at most: every strip reads them


def cut_into_strips(drafts: Drafts, outputs: Sequence[Value]) -> None:
    """Let chains of groups run in strips. `outputs` are the graph's."""
    if drafts.target.threads > 1 or drafts.target.isa.lanes == 1:
        return
    uses = Counter(drafts.root(v) for v in (*outputs, *drafts.carried))
    for group in drafts.groups:
        uses.update({drafts.root(v) for _, step in group.steps for v in values_of(step)})
    chains: list[list[Group]] = []
    for group in drafts.groups:
        if chains and _follows(chains[-1][-1], group, drafts, uses):
            chains[-1].append(group)
        else:
            chains.append([group])
    drafts.groups = [group for chain in chains for group in _in_strips(chain, drafts)]


def _follows(before: Group, group: Group, drafts: Drafts, uses: Counter[Value]) -> bool:
    """The group's first call reads a long result of the one before, which no other call does."""
    if not (_may_be_cut(before, drafts, uses) and _may_be_cut(group, drafts, uses)):
        return False
    value, (head, *locked) = _result(before), _calls(group)
    if head.operands[0] is not value or uses[drafts.root(value)] != 2:
        return False
    read = [v for call in locked for v in call.read if isinstance(v, Value)]
    if any(drafts.root(v) is drafts.root(value) for v in read):  # uses count groups
        return False
    return _bytes(value) >= _LEAST * drafts.target.block_bytes


def _may_be_cut(group: Group, drafts: Drafts, uses: Counter[Value]) -> bool:
    """Its first call can compute some lines alone, and what is locked to it those lines."""
    calls = _calls(group)
    if len(calls) < len(group.steps) or calls[0].lines is None:
        return False
    head, *locked = calls
    weights = sum(o.nbytes for o in head.read[1:] if not isinstance(o, Value))
    if weights > _WEIGHTS * drafts.target.block_bytes or not _Stage.of(head).is_ordinary:
        return False
    return all(call.again is not None for call in locked) and _is_closed(calls, drafts, uses)


def _is_closed(calls: Sequence[Call], drafts: Drafts, uses: Counter[Value]) -> bool:
    """All but the last result are read by these calls alone, as they are."""
    results = [value for call in calls for value in call.written if isinstance(value, Value)]
    roots = {drafts.root(value) for value in results}
    read = {v for call in calls[1:] for v in call.read if isinstance(v, Value)} - set(results)
    if any(value.shape != results[0].shape for value in (*read, *results)):
        return False
    is_alone = all(uses[drafts.root(value)] == 1 for value in results[:-1])
    return is_alone and not any(drafts.root(value) in roots for value in read)


def _calls(group: Group) -> list[Call]:
    return [call for _, call in group.steps if isinstance(call, Call)]


@dataclass(frozen=True, slots=True)
class _Stage:
    """Which lines of x the lines of y are made of."""

    stride: int
    extent: int  # lines under one line of y
    pad: int
    h: int
    oh: int
    is_ordinary: bool  # one image, whose padding holds no whole window

    @classmethod
    def of(cls, call: Call) -> _Stage:
        assert call.lines is not None
        w = call.lines.window
        stride, pad = w["stride_h"], w["pad_top"]
        extent = (w["kernel_h"] - 1) * w["dilation_h"] + 1
        below = (w["oh"] - 1) * stride + extent - pad - w["h"]
        is_ordinary = w["n"] == 1 and 0 <= pad < extent and below < extent
        return cls(stride, extent, pad, w["h"], w["oh"], is_ordinary)

    def under(self, first: int, end: int) -> tuple[int, int]:
        """The lines of x under lines [first, end) of y."""
        top = first * self.stride - self.pad
        return max(top, 0), min(top + (end - first - 1) * self.stride + self.extent, self.h)


def _in_strips(chain: Sequence[Group], drafts: Drafts) -> Sequence[Group]:
    if len(chain) == 1:
        return chain
    stages = [_Stage.of(_calls(group)[0]) for group in chain]
    oh = stages[-1].oh
    at_once = _lines_at_once(chain, stages, _STRIP * drafts.target.block_bytes)
    count = -(-oh // at_once)
    if count == 1:
        return chain
    at_once = -(-oh // count)
    results = [call.operands[-1] for group in chain for call in _calls(group)]
    producers = [value.producer for value in results if isinstance(value, Value)]
    drafts.strips.update({node: -(-oh // at_once) for node in producers if node is not None})
    work = [_Work(group, stage) for group, stage in zip(chain, stages, strict=True)]
    ends = range(at_once, oh + at_once, at_once)
    return [group for end in ends for group in _strip(work, end - at_once, min(end, oh))]


def _lines_at_once(chain: Sequence[Group], stages: Sequence[_Stage], most: int) -> int:
    """So many lines of the last result that what they need of each other one has `most` bytes; at
    least those that windows of neighbouring lines share."""
    lines = max(1, *(stage.extent - stage.stride for stage in stages))
    while lines < stages[-1].oh:
        need, is_over = lines + 1, False
        for group, stage in zip(chain[-2::-1], stages[:0:-1], strict=True):
            need = (need - 1) * stage.stride + stage.extent
            is_over = is_over or need * _line_bytes(_result(group)) > most
        if is_over:
            break
        lines += 1
    return lines


@dataclass
class _Work:
    """A group, how many lines of its result are done, and the buffer that has the last of them.
    `parts`: calls of some lines, most of which differ in their operands alone."""

    group: Group
    stage: _Stage
    done: int = 0
    buffer: Value | None = None
    first: int = 0  # line of the buffer
    parts: dict[tuple[int, ...], Call] = field(default_factory=dict)


def _strip(chain: Sequence[_Work], first: int, end: int) -> Iterator[Group]:
    """The groups that compute lines [first, end) of the last result."""
    needs = [(first, end)]
    for work in chain[:0:-1]:
        begin, end = max(needs[0][0], work.done), needs[0][1]
        needs.insert(0, work.stage.under(begin, end) if begin < end else (0, 0))
    for index, (work, (first, end)) in enumerate(zip(chain, needs, strict=True)):
        if first == end:
            continue
        begin = max(first, work.done)
        result, number = _result(work.group), work.group.steps[0][0]
        whole, start = result, 0
        if index + 1 < len(chain):
            whole, start = _lines_of(result, end - first), first
            if first < min(begin, end):
                assert work.buffer is not None
                kept = _move(work.buffer, first - work.first, whole, 0, min(begin, end) - first)
                yield Group([(number, kept)])
        if begin < end:
            x = chain[index - 1].buffer if index else None
            if x is None:
                operand = _calls(work.group)[0].operands[0]
                assert isinstance(operand, Value)
                top, bottom = work.stage.under(begin, end)
                x = _lines_of(operand, bottom - top)
                yield Group([(number, _move(operand, top, x, 0, bottom - top))])
            y = whole
            if whole is result or first < begin:
                y = _lines_of(result, end - begin)
            yield from _part(work, x, y, begin, end)
            if y is not whole:
                yield Group([(number, _move(y, 0, whole, begin - start, end - begin))])
            work.done = end
        work.buffer, work.first = whole, start


def _part(work: _Work, x: Value, y: Value, begin: int, end: int) -> Iterator[Group]:
    """Lines [begin, end) of the result, as all of y."""
    head, *locked = _calls(work.group)
    (number, _), *numbers = work.group.steps
    lines, (top, bottom) = head.lines, work.stage.under(begin, end)
    assert lines is not None
    pad = max(work.stage.pad - begin * work.stage.stride, 0)
    key, first = (bottom - top, end - begin, pad), _lines_of(y, end - begin) if locked else y
    made = work.parts.get(key)
    if made is None:
        fields = dict(zip(("h", "oh", "pad_top"), key, strict=True))
        made = work.parts[key] = lines.of(x, first, {**lines.window, **fields})
    made = replace(made, operands=(x, *made.operands[1:-1], first))
    group, parts = Group([(number, made)]), {head.operands[-1]: first}
    for call, (number, _) in zip(locked, numbers, strict=True):
        for value in call.read:
            if value not in parts:
                assert isinstance(value, Value)
                parts[value] = _lines_of(value, end - begin)
                yield Group([(number, _move(value, begin, parts[value], 0, end - begin))])
        result = y if call is locked[-1] else _lines_of(y, end - begin)
        parts[call.operands[-1]] = result
        assert call.again is not None
        tile = made.tile_elements or elements(y)
        group.steps.append((number, call.again([parts[v] for v in call.read], result, tile)))
    if made.tile_elements is None:
        yield from (Group([step]) for step in group.steps)
    else:
        yield group


def _move(x: Value, first: int, y: Value, to: int, lines: int) -> Call:
    """Copies lines of x."""
    line = _line_bytes(x)
    size = x.dtype.numpy.itemsize
    return run(x, first * line, y, to * line, lines * line // size, size)


def _lines_of(value: Value, lines: int) -> Value:
    """So many of the value's lines, without a place among them."""
    n, _, *rest = value.shape
    return Value(value.type.with_shape((n, lines, *rest)), "strip")


def _result(group: Group) -> Value:
    value = _calls(group)[-1].operands[-1]
    assert isinstance(value, Value)
    return value


def _bytes(value: Value) -> int:
    return elements(value) * value.dtype.numpy.itemsize


def _line_bytes(value: Value) -> int:
    return math.prod(d for d in value.shape[2:] if isinstance(d, int)) * value.dtype.numpy.itemsize
