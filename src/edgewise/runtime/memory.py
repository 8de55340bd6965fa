"""Arena planning: byte offsets for buffers that live at different times.

Greedy by size: the largest buffer first, each at the lowest offset where no buffer that lives at
the same time lies. Not optimal (the problem is NP-hard); `lower_bound` is what no arrangement can
beat. Cost O(n**2) in the buffers; networks have hundreds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

ALIGNMENT = 64  # bytes: a cache line, and the widest vector


@dataclass(frozen=True, slots=True)
class Buffer:
    """Bytes that are needed from step `first` to step `last`, inclusive."""

    size: int
    first: int
    last: int


def arrange(buffers: Sequence[Buffer]) -> tuple[list[int], int]:
    """(offset of every buffer, bytes of the arena). Offsets are multiples of ALIGNMENT."""
    offsets = [0] * len(buffers)
    placed: list[int] = []
    total = 0
    for index in sorted(range(len(buffers)), key=lambda i: (-buffers[i].size, buffers[i].first)):
        buffer = buffers[index]
        rivals = [i for i in placed if _together(buffers[i], buffer)]
        offset = 0
        for other in sorted(rivals, key=lambda i: offsets[i]):
            if offset + buffer.size <= offsets[other]:
                break
            offset = max(offset, aligned(offsets[other] + buffers[other].size))
        offsets[index] = offset
        placed.append(index)
        total = max(total, offset + buffer.size)
    return offsets, aligned(total)


def lower_bound(buffers: Sequence[Buffer]) -> int:
    """The most bytes alive at one step: no arena is smaller."""
    changes: dict[int, int] = {}
    for buffer in buffers:
        changes[buffer.first] = changes.get(buffer.first, 0) + buffer.size
        changes[buffer.last + 1] = changes.get(buffer.last + 1, 0) - buffer.size
    most = live = 0
    for step in sorted(changes):
        live += changes[step]
        most = max(most, live)
    return most


def overlaps(buffers: Sequence[Buffer], offsets: Sequence[int]) -> list[tuple[int, int]]:
    """Pairs of buffers that live at the same time and share a byte: empty for a legal plan."""
    found = []
    for i, a in enumerate(buffers):
        for j in range(i):
            b = buffers[j]
            apart = offsets[i] + a.size <= offsets[j] or offsets[j] + b.size <= offsets[i]
            if _together(a, b) and not apart and a.size and b.size:
                found.append((j, i))
    return found


def aligned(size: int) -> int:
    """The next multiple of ALIGNMENT."""
    return -(-size // ALIGNMENT) * ALIGNMENT


def allocate(size: int) -> np.ndarray:
    """Zeros, uint8 [size], that begin at a multiple of ALIGNMENT."""
    memory = np.zeros(size + ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % ALIGNMENT
    return memory[start : start + size]


def _together(a: Buffer, b: Buffer) -> bool:
    return a.first <= b.last and b.first <= a.last
