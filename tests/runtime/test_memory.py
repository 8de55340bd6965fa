"""Arena planning: live buffers never share a byte, and the bound is one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgewise.runtime.memory import (
    ALIGNMENT,
    Buffer,
    _Calendar,
    allocate,
    arrange,
    lower_bound,
    overlaps,
)

ORDERS = [(3, 2, 2), (5, 0, 1), (3, 2, 4), (5, 0, 3)]  # lines of 64 bytes, first, last step

LIFETIMES = st.tuples(st.integers(0, 5000), st.integers(0, 20), st.integers(0, 8)).map(
    lambda t: Buffer(t[0], t[1], t[1] + t[2])
)


@given(st.lists(LIFETIMES, max_size=30))
def test_live_buffers_never_overlap(buffers: list[Buffer]) -> None:
    offsets, total = arrange(buffers)
    assert overlaps(buffers, offsets) == []
    assert all(offset % ALIGNMENT == 0 for offset in offsets)
    assert all(o + b.size <= total for o, b in zip(offsets, buffers, strict=True))
    assert total >= lower_bound(buffers)


def test_buffers_of_different_times_share_memory() -> None:
    chain = [Buffer(1024, i, i + 1) for i in range(10)]
    assert arrange(chain)[1] == 2048 == lower_bound(chain)


def test_the_checker_finds_an_overlap() -> None:
    pair = [Buffer(64, 0, 2), Buffer(64, 2, 3)]
    assert overlaps(pair, [0, 32]) == [(0, 1)]
    assert overlaps([pair[0], Buffer(64, 3, 3)], [0, 32]) == []


def test_the_second_order_is_taken_where_it_is_better() -> None:
    """The largest first leaves a hole under it that nothing fits; the fullest step first, none."""
    buffers = [Buffer(64 * n, first, last) for n, first, last in ORDERS]
    offsets, total = arrange(buffers)
    assert overlaps(buffers, offsets) == []
    assert total == lower_bound(buffers)


def test_the_cost_is_linear_in_the_buffers() -> None:
    """Counted, not clocked: pairs of buffers that are looked at."""
    looked = []
    for count in (500, 5000):
        calendar, pairs = _Calendar(count + 2), 0
        for index in range(count):
            buffer = Buffer(64, index, index + 1)
            pairs += len(calendar.during(buffer))
            calendar.add(index, buffer)
        looked.append(pairs)
    assert looked[1] <= 11 * looked[0]


@pytest.mark.quick
@pytest.mark.parametrize("size", [1, 4095, 1 << 20, (3 << 20) + 1, 5 << 20])
def test_what_is_large_begins_where_a_large_page_does(size: int) -> None:
    memory = allocate(size)
    assert (memory.size, memory.any()) == (size, False)
    assert memory.ctypes.data % (2 << 20 if size >= 1 << 20 else ALIGNMENT) == 0
