"""Random tensors: RANDOM_UNIFORM, RANDOM_STANDARD_NORMAL, MULTINOMIAL.

Numbers come from Philox 4x32-10 (Salmon et al. 2011), the generator of TensorFlow Lite: with seeds
a run gives what LiteRT's first run gives; LiteRT's later runs go on in the sequence, ours start
again. Of a seed the lower 32 bits count, with their sign. Without seeds (both 0) every run draws
anew.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgewise.dtypes import DType
from edgewise.ir.contents import dims
from edgewise.ir.dim import Shape, unknown_dim
from edgewise.ir.op import In, NotQuantized, Op, Operand, Out, Role, require
from edgewise.ops.axes import shape_in, shown

_MULTIPLIERS = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_PIECE = 1 << 16  # numbers drawn at once: the words take eight times the bytes of the floats
_WEYL = np.uint32(0x9E3779B9), np.uint32(0xBB67AE85)


class Drawn(Op, abstract=True):
    """A float32 tensor of a shape. Shapes: shape [R], y [shape]."""

    seed: int = 0
    seed2: int = 0

    operands = (In("shape", {DType.INT32}, Role.PARAMETER),)
    results = (Out("y", dtype=DType.FLOAT32),)
    quantization = NotQuantized()
    is_pure = False

    def infer(self, shape: Operand) -> Shape | None:
        return shape_in(shape)


class RandomUniform(Drawn, builtin="RANDOM_UNIFORM", options="RandomOptions"):
    """Numbers in [0, 1), each of the 2**23 multiples of 2**-23 as likely as the others.

    **Source:** TensorFlow Lite kernels/random_ops.cc.
    """

    def reference(self, shape: np.ndarray) -> np.ndarray:
        sizes = [int(d) for d in shape]
        y = np.empty(int(np.prod(sizes)), np.float32)
        for first in range(0, y.size, _PIECE):
            part = y[first : first + _PIECE]
            part[...] = _uniform(words(self.seed, self.seed2, part.size, first))
        return y.reshape(sizes)


class RandomStandardNormal(Drawn, builtin="RANDOM_STANDARD_NORMAL", options="RandomOptions"):
    """Normally distributed numbers of mean 0 and variance 1, by Box and Muller's formula.

    **Source:** TensorFlow Lite kernels/random_ops.cc.
    """

    tolerance = 1e-6

    def reference(self, shape: np.ndarray) -> np.ndarray:
        sizes = [int(d) for d in shape]
        y = np.empty(int(np.prod(sizes)), np.float32)
        for first in range(0, y.size, _PIECE):
            part = y[first : first + _PIECE]
            part[...] = self._normal(part.size, first)
        return y.reshape(sizes)

    def _normal(self, count: int, first: int) -> np.ndarray:
        pairs = _uniform(words(self.seed, self.seed2, count + count % 2, first)).reshape(-1, 2)
        radius = np.sqrt(-2 * np.log(np.maximum(pairs[:, 0], np.float32(1e-7))))
        angle = np.float32(2 * np.pi) * pairs[:, 1]
        drawn = np.stack([np.sin(angle) * radius, np.cos(angle) * radius], 1)
        return drawn.astype(np.float32).reshape(-1)[:count]


class Multinomial(Op, builtin="MULTINOMIAL", options="RandomOptions"):
    """Class numbers, drawn from exp(logits) of each row.

    Shapes: logits [B, N] float32, count a scalar, y [B, count] int32 or int64 as it is declared.
    **Source:** TensorFlow Lite kernels/random_ops.cc.
    """

    seed: int = 0
    seed2: int = 0

    operands = (In("logits", {DType.FLOAT32}), In("count", {DType.INT32}, Role.PARAMETER))
    results = (Out("y", dtype=DType.INT64, free=True),)
    quantization = NotQuantized()
    is_pure = False

    def infer(self, logits: Operand, count: Operand) -> Shape:
        require(len(logits.shape) == 2, f"logits must be [B, N]; got {shown(logits.shape)}")
        require(logits.shape[1] != 0, "logits must have a class")
        require(not count.shape, f"count must be a scalar; got {shown(count.shape)}")
        known = dims(count)
        return logits.shape[0], unknown_dim() if known is None else known[0]

    def reference(self, logits: np.ndarray, count: np.ndarray) -> np.ndarray:
        batch, size = logits.shape[0], int(count.reshape(-1)[0])
        pairs = words(self.seed, self.seed2, 2 * batch * size).reshape(batch, size, 2)
        drawn = _uniform_double(pairs)
        weights = np.exp((logits - logits.max(1, keepdims=True)).astype(np.float64))
        sums = np.cumsum(np.where(np.isfinite(logits), weights, 0), 1)
        rows = zip(sums, drawn * sums[:, -1:], strict=True)
        return np.array([np.searchsorted(s, d, "right") for s, d in rows], np.int64).reshape(
            batch, size
        )


def is_unseeded(op: Op) -> bool:
    """It draws other numbers in every run."""
    return isinstance(op, Drawn | Multinomial) and not (op.seed or op.seed2)


def words(seed: int, seed2: int, count: int, first: int = 0) -> np.ndarray:
    """`count` random words of 32 bits from number `first` on, a multiple of 4."""
    if not (seed or seed2):
        return np.random.default_rng().integers(0, 1 << 32, count, np.uint32)
    blocks = -(-count // 4)
    counter = np.zeros((4, blocks), np.uint32)
    low, high = halves(seed2)
    numbers = np.arange(first // 4, first // 4 + blocks, dtype=np.uint64)
    counter[0], counter[1] = numbers & np.uint64(0xFFFFFFFF), numbers >> np.uint64(32)
    counter[2], counter[3] = low, high
    return philox(counter, halves(seed)).T.reshape(-1)[:count]


def philox(counter: np.ndarray, key: Sequence[int]) -> np.ndarray:
    """Philox 4x32-10 of counters uint32 [4, N] under a key of two words: uint32 [4, N]."""
    keys = [np.uint32(part) for part in key]
    with np.errstate(over="ignore"):
        for _ in range(10):
            products = [
                m * c.astype(np.uint64) for m, c in zip(_MULTIPLIERS, counter[::2], strict=True)
            ]
            highs = [(p >> np.uint64(32)).astype(np.uint32) for p in products]
            lows = [p.astype(np.uint32) for p in products]
            counter = np.stack(
                [highs[1] ^ counter[1] ^ keys[0], lows[1], highs[0] ^ counter[3] ^ keys[1], lows[0]]
            )
            keys = [np.uint32(k + w) for k, w in zip(keys, _WEYL, strict=True)]
    return counter


def halves(number: int) -> tuple[int, int]:
    """A seed as two words: the lower 32 bits, with their sign."""
    low = number & 0xFFFFFFFF
    return low, 0xFFFFFFFF if low >> 31 else 0


def _uniform(bits: np.ndarray) -> np.ndarray:
    """23 bits as the mantissa of a number in [1, 2), less 1."""
    mantissa = bits & np.uint32(0x7FFFFF)
    return (mantissa | np.uint32(0x3F800000)).view(np.float32) - np.float32(1)


def _uniform_double(pairs: np.ndarray) -> np.ndarray:
    """52 bits of two words as the mantissa of a number in [1, 2), less 1."""
    high, low = pairs[..., 0].astype(np.uint64), pairs[..., 1].astype(np.uint64)
    mantissa = (high & np.uint64(0xFFFFF)) << np.uint64(32) | low
    return np.ascontiguousarray(mantissa | np.uint64(1023 << 52)).view(np.float64) - 1.0
