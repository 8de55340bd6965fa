"""STABLEHLO_RNG_BIT_GENERATOR: random bits of a state that is an operand, and the state after."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

import numpy as np

from edgewise.dtypes import INDICES, DType
from edgewise.ir.dim import Shape
from edgewise.ir.enums import RngAlgorithm
from edgewise.ir.op import In, NotQuantized, Op, Operand, Out, Role, require
from edgewise.ir.types import TensorType
from edgewise.ops.axes import require_sizes, shown
from edgewise.ops.random import philox

_BITS = INDICES | {DType.UINT32, DType.UINT64}
_TURNS = ((13, 15, 26, 6), (17, 29, 16, 24))
_PARITY = 0x1BD11BDA
_MASK = 0xFFFFFFFF


class StablehloRngBitGenerator(
    Op, builtin="STABLEHLO_RNG_BIT_GENERATOR", options="StablehloRngBitGeneratorOptions"
):
    """bits of `shape` and `dtype`, and the state from which the next ones come.

    Shapes: state uint64 [2], of PHILOX (and DEFAULT, which is PHILOX) also [3]; new state as state,
    y [shape] of int32, uint32, int64 or uint64. PHILOX is Philox 4x32-10, THREEFRY is Threefry
    2x32-20 (Salmon et al. 2011): the first word of the state is the key, the others the counter. A
    file says `shape` and `dtype` by what it declares of the result.
    **Source:** TensorFlow Lite kernels/rng_bit_generator.cc, rng_util.cc.
    """

    algorithm: RngAlgorithm = RngAlgorithm.DEFAULT
    shape: tuple[int, ...] = ()
    dtype: DType = DType.UINT32

    operands = (In("state", {DType.UINT64}, Role.PARAMETER),)
    results = (Out("new_state", dtype=DType.UINT64), Out("y", attr="dtype"))
    quantization = NotQuantized()

    @classmethod
    def declared_attributes(cls, results: Sequence[TensorType]) -> Mapping[str, Any]:
        if len(results) != 2:
            return {}
        return {"shape": results[1].shape or (), "dtype": results[1].dtype}

    def infer(self, state: Operand) -> tuple[Shape, Shape]:
        sizes = (2,) if self.algorithm is RngAlgorithm.THREEFRY else (2, 3)
        require(
            len(state.shape) == 1
            and (not isinstance(state.shape[0], int) or state.shape[0] in sizes),
            f"state must be [{'] or ['.join(map(str, sizes))}]; got {shown(state.shape)}",
        )
        require(
            self.dtype in _BITS,
            f"dtype must be one of {', '.join(d.text for d in DType if d in _BITS)}; "
            f"got {self.dtype.text}",
        )
        require_sizes(self.shape, "shape")
        return state.shape, self.shape

    def reference(self, state: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        count = prod(self.shape) * (self.dtype.bits // 32)
        words = [int(w) for w in state.view(np.uint32)]
        is_threefry = self.algorithm is RngAlgorithm.THREEFRY
        blocks = -(-count // (2 if is_threefry else 4))
        first = words[2] | words[3] << 32
        numbers = np.arange(blocks, dtype=np.uint64) + np.uint64(first)  # wraps
        counter = np.stack([numbers & np.uint64(_MASK), numbers >> np.uint64(32)])
        counter = counter.astype(np.uint32)
        if is_threefry:
            drawn = _threefry(counter, words[:2])
        else:
            rest = words[4:] or words[:2]
            more = np.broadcast_to(np.array(rest, np.uint32)[:, None], (2, blocks))
            drawn = philox(np.concatenate([counter, more]), words[:2])
        after = (first + blocks) & (1 << 64) - 1
        words[2:4] = after & _MASK, after >> 32
        bits = np.ascontiguousarray(drawn.T.reshape(-1)[:count])
        y = bits.view(self.dtype.numpy).reshape(self.shape)
        return np.array(words, np.uint32).view(np.uint64), y


def _threefry(counter: np.ndarray, key: Sequence[int]) -> np.ndarray:
    """Threefry 2x32-20 of counters uint32 [2, N]."""
    keys = [np.uint32(k) for k in (*key, key[0] ^ key[1] ^ _PARITY)]
    a, b = counter[0] + keys[0], counter[1] + keys[1]
    for turn in range(5):
        for bits in _TURNS[turn % 2]:
            a = a + b
            b = (b << np.uint32(bits) | b >> np.uint32(32 - bits)) ^ a
        a = a + keys[(turn + 1) % 3]
        b = b + keys[(turn + 2) % 3] + np.uint32(turn + 1)
    return np.stack([a, b])
