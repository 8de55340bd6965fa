"""How long an operator takes, roughly: whether its tiles are shared among threads."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgewise.runtime.library import Isa, constant
from edgewise.runtime.plan import Target

# ns of a step that the threads share although the one before it was not. Their hand-over costs half
# a microsecond, but most of what they read lies in one cache, from which another core reads 10 to
# 20 bytes a ns: with 3000 tiny_dscnn takes 0.049 ms, alone 0.027 (Xeon). AMD's cores, where they
# are whole ones, share smaller steps: two threads take of one's time, in float32 and int8, 0.69 and
# 0.91 for tiny_dscnn, 0.62 and 0.71 for tiny_vww, which with 10,000 they take in one's (Zen 4).
_WORTH_BEGINNING = {Isa.AVX512_BF16: 2_500}
_WORTH_BEGINNING_ELSEWHERE = 10_000


def work_of(macs: int, target: Target, operands: Sequence[tuple[np.dtype[np.generic], int]]) -> int:
    """Roughly the ns that one thread needs for a call, from multiply-accumulates and the operands'
    types and bytes; right within a factor of 3, which is enough to leave small steps to one thread.
    Products read their operands at the cache's rate; what has no products computes something of
    each element."""
    is_8_bit = operands[0][0].itemsize == 1
    per_lane = 4 if not is_8_bit else 14 if target.isa is Isa.AMX else 7
    macs_per_ns, bytes_per_ns = per_lane * target.isa.lanes, 32 if macs else 8
    moved = sum(nbytes for _, nbytes in operands)
    return 1 + min(max(macs // macs_per_ns, moved // bytes_per_ns), 2**31)


def is_worth_sharing(work: int, isa: Isa, was_shared: bool) -> bool:
    """Several threads do so many ns of work sooner than one. `was_shared`: the step before it."""
    if was_shared:
        return work >= constant("EW_SMALL_WORK")
    return work >= _WORTH_BEGINNING.get(isa, _WORTH_BEGINNING_ELSEWHERE)
