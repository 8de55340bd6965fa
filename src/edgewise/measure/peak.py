"""What this machine can do at most: arithmetic and memory bandwidth of one core, measured.

The loops are kernels (`kernels/peak.c`), so they use the instructions the others use. A figure is
the best of several short rounds: other load can only lower it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import cache

import numpy as np

from edgewise.runtime.code import encode
from edgewise.runtime.executor import Executor
from edgewise.runtime.library import Isa, host_isa, pack
from edgewise.runtime.memory import allocate
from edgewise.runtime.plan import Kernel, Operand, Plan, Region, Target
from edgewise.runtime.select.weights_b8 import per_lane

_CHAINS = 12  # of peak.c
_TILE_MACS = 4 * 16 * 16 * 64  # of a round there
_VECTOR_BYTES = 64  # at most
_ROUNDS = 20_000
_REPEATS = 7
_CACHE_BYTES = 128 * 1024  # a part of any second-level cache
_MEMORY_BYTES = 64 * 1024 * 1024  # beyond most third-level caches


@dataclass(frozen=True, slots=True)
class Peak:
    """Of one core. Multiply-accumulates per second in float32 and 8 bit; bytes read per second
    from the second-level cache and from memory."""

    isa: Isa
    f32_macs: float
    s8_macs: float
    cache_bytes: float
    memory_bytes: float

    def least_seconds(self, macs: int, is_float: bool, nbytes: int) -> float:
        """No kernel is faster (on one core) at so much work on so many bytes from cache."""
        return max(macs / (self.f32_macs if is_float else self.s8_macs), nbytes / self.cache_bytes)


@cache
def measure(isa: Isa | None = None) -> Peak:
    """The peak of this machine's strongest (or of one) instruction set; about 0.2 s."""
    isa = host_isa() if isa is None else isa
    macs = _CHAINS * isa.lanes
    s8_macs = _TILE_MACS if isa is Isa.AMX else macs * per_lane(isa)
    return Peak(
        isa,
        f32_macs=macs * _rate(isa, "peak_f32"),
        s8_macs=s8_macs * _rate(isa, "peak_s8"),
        cache_bytes=_CACHE_BYTES * _rate(isa, "peak_read", _CACHE_BYTES, 64),
        memory_bytes=_MEMORY_BYTES * _rate(isa, "peak_read", _MEMORY_BYTES, 1),
    )


def _rate(isa: Isa, kernel: str, nbytes: int = 0, rounds: int = _ROUNDS) -> float:
    """Rounds per second of a kernel, the best of several measurements."""
    x = allocate(max(nbytes, _VECTOR_BYTES))
    executor = Executor(_plan(isa, kernel, rounds, x))
    best = 0.0
    for _ in range(_REPEATS):
        start = time.perf_counter()
        executor.run([x], {}, None)
        best = max(best, rounds / (time.perf_counter() - start))
    return best


def _plan(isa: Isa, kernel: str, rounds: int, x: np.ndarray) -> Plan:
    """One call of a kernel that reads x."""
    io = (
        Operand(Region.IO, 0, x.shape, x.dtype),
        Operand(Region.IO, 1, (_VECTOR_BYTES,), np.dtype(np.uint8)),
    )
    params = pack("ew_peak", {"rounds": rounds, "bytes": x.size})
    return Plan(
        target=Target(isa),
        code=encode([Kernel(kernel, params, io, 1, 0)]),
        constants=allocate(0),
        arena_bytes=0,
        arena_lower_bound=0,
        state_bytes=0,
        scratch_bytes=0,
        n_inputs=1,
        io=io,
        outputs=io[1:],
        variables={},
        kept={},
        placement=(),
    )
