"""Which subgraphs an operator runs, and the check that they exist and none runs itself: not in a
circle, and not so deep or so often that following them would not end in practice.

Every option field that names a subgraph says so in its name: `then_subgraph_index`,
`branch_subgraph_indices`, `subgraph`.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import numpy as np

from edgewise.errors import FormatError
from edgewise.format.record import Record
from edgewise.format.schema import table
from edgewise.ir.nesting import MAX_DEPTH, MAX_NODES


def check_calls(model: Record, file: str) -> list[int]:
    """The subgraphs in an order in which each comes after those that it runs.

    Raises:
        FormatError: an operator names a subgraph that is not there or that, directly or through
            others, runs that operator again: it would never end; or beyond MAX_DEPTH, MAX_NODES.
    """
    subgraphs: list[Record] = model.subgraphs or []
    callers: list[set[int]] = [set() for _ in subgraphs]
    waiting = [0] * len(subgraphs)  # different subgraphs that each one runs
    for index, subgraph in enumerate(subgraphs):
        for operator, called in _calls(subgraph):
            if not 0 <= called < len(subgraphs):
                rule = f"an operator of subgraph {index} runs subgraph {called}"
                rule = f"{rule}; there are {len(subgraphs)}"
                raise FormatError(rule, file=file, offset=operator.byte_offset)
            if index not in callers[called]:
                callers[called].add(index)
                waiting[index] += 1
    # Take away subgraphs that run nothing (any more); what stays is in, or above, a circle.
    done = [index for index, count in enumerate(waiting) if count == 0]
    for index in done:
        for caller in callers[index]:
            waiting[caller] -= 1
            if waiting[caller] == 0:
                done.append(caller)  # the loop goes on with it
    if len(done) < len(subgraphs):
        index = next(i for i, count in enumerate(waiting) if count)
        rule = f"subgraph {index} runs itself through its operators, so it would never end"
        raise FormatError(rule, file=file, offset=subgraphs[index].byte_offset)
    _check_sizes(subgraphs, done, file)
    return done


def _check_sizes(subgraphs: list[Record], order: list[int], file: str) -> None:
    """Depth, and operators when every subgraph stands where it is run."""
    depths, sizes = [0] * len(subgraphs), [0] * len(subgraphs)
    for index in order:
        called = [number for _, number in _calls(subgraphs[index])]
        depths[index] = max((1 + depths[number] for number in called), default=0)
        sizes[index] = len(subgraphs[index].operators or []) + sum(sizes[n] for n in called)
        at = subgraphs[index].byte_offset
        if depths[index] > MAX_DEPTH:
            rule = f"subgraph {index} runs subgraphs {depths[index]} deep; at most {MAX_DEPTH}"
            raise FormatError(rule, file=file, offset=at)
        if called and sizes[index] > MAX_NODES:
            rule = f"subgraph {index} has {sizes[index]} operators with those that it runs"
            raise FormatError(f"{rule}; at most {MAX_NODES}", file=file, offset=at)


def _calls(subgraph: Record) -> Iterator[tuple[Record, int]]:
    for operator in subgraph.operators or []:
        for options in (operator.builtin_options, operator.builtin_options_2):
            if options is None:
                continue
            for name in _fields(options.table.name):
                value = getattr(options, name)
                several = value.tolist() if isinstance(value, np.ndarray) else [value or 0]
                yield from ((operator, called) for called in several)


@cache
def _fields(options: str) -> tuple[str, ...]:
    return tuple(name for name in table(options).by_name if "subgraph" in name)
