"""LSH_PROJECTION: bits that are probably equal for inputs that are alike.

The hash is FarmHash's 64-bit fingerprint (farmhashna), which TensorFlow Lite uses: fixed for ever,
since models were trained with it.
"""

from __future__ import annotations

from typing import cast

import numpy as np

from edgewise.dtypes import DType
from edgewise.ir.dim import Shape, same_dim
from edgewise.ir.enums import LSHProjectionType
from edgewise.ir.op import In, NotQuantized, Op, Operand, Out, Role, require
from edgewise.ops.axes import shown

_K0, _K1, _K2 = (np.uint64(k) for k in (0xC3A5C85C97CB3127, 0xB492B66FBE98F273, 0x9AE16A3B2F90404F))
Words = np.ndarray  # uint64 [N], one for each key


class LSHProjection(Op, builtin="LSH_PROJECTION", options="LSHProjectionOptions"):
    """bit[h, b] = (sum of weights[i] * F(seeds[h, b], x[i]) over i) > 0, with F the signed
    fingerprint of the seed's bytes and then the element's. DENSE: all bits, one a number. SPARSE:
    the bits of each h as one number, the first the highest, + h * 2**B.

    Shapes: seeds [H, B] with B <= 32, x [N, ...] with N >= 1, weights [N] (absent: 1), y int32
    [H * B] (DENSE) or [H]. Any dtype of numbers; of strings LiteRT hashes the bytes of the whole
    tensor by parts that mean nothing, so they are refused.
    **Source:** TensorFlow Lite kernels/lsh_projection.cc; FarmHash (farmhashna.h).
    """

    type: LSHProjectionType = LSHProjectionType.UNKNOWN

    operands = (
        In("seeds", {DType.FLOAT32}, Role.PARAMETER),
        In("x", tuple(d for d in DType if d.bits >= 8)),
        In("weights", {DType.FLOAT32}, optional=True),
    )
    results = (Out("y", dtype=DType.INT32),)
    quantization = NotQuantized()

    def infer(self, seeds: Operand, x: Operand, weights: Operand | None = None) -> Shape:
        require(
            self.type is not LSHProjectionType.UNKNOWN,
            f"type must be SPARSE or DENSE; got {self.type.name}",
        )
        require(
            len(seeds.shape) == 2 and not (isinstance(seeds.shape[1], int) and seeds.shape[1] > 32),
            f"seeds must be [H, B] with at most 32 bits; got {shown(seeds.shape)}",
        )
        require(len(x.shape) >= 1 and x.shape[0] != 0, f"x must be [N, ...]; got {shown(x.shape)}")
        require(
            weights is None
            or (len(weights.shape) == 1 and same_dim(weights.shape[0], x.shape[0]) is not False),
            f"weights must be [{x.shape[0]}]; got {shown(weights.shape) if weights else ''}",
        )
        hashes, bits = seeds.shape
        return (hashes,) if self.type is LSHProjectionType.SPARSE else (hashes * bits,)

    def reference(
        self, seeds: np.ndarray, x: np.ndarray, weights: np.ndarray | None = None
    ) -> np.ndarray:
        items = np.ascontiguousarray(x).reshape(len(x), -1)
        items = items.view(np.uint8).reshape(len(x), -1)
        bits = np.zeros(seeds.shape, np.int64)
        for place in np.ndindex(*seeds.shape):
            seed = np.frombuffer(seeds[place].tobytes(), np.uint8)
            keys = np.concatenate([np.broadcast_to(seed, (len(items), 4)), items], 1)
            values = fingerprint64(keys).view(np.int64).astype(np.float64)
            if weights is not None:
                values = values * weights
            bits[place] = np.cumsum(values)[-1] > 0
        if self.type is LSHProjectionType.DENSE:
            return bits.reshape(-1).astype(np.int32)
        count = seeds.shape[1]
        signature = (bits << np.arange(count - 1, -1, -1)).sum(1)
        return (signature + (np.arange(len(seeds)) << count)).astype(np.uint32).view(np.int32)


def fingerprint64(keys: np.ndarray) -> Words:
    """FarmHash's fingerprint of each row of bytes, [N, L] -> [N]."""
    size = keys.shape[1]
    s = _Keys(np.ascontiguousarray(keys))
    if size > 64:
        return _long(s, size)
    mul = _K2 + np.uint64(2 * size)
    if size > 16:
        return _middle(s, size, mul)
    if size >= 8:
        a, b = s.u64(0) + _K2, s.u64(size - 8)
        c, d = _turned(b, 37) * mul + a, (_turned(a, 25) + b) * mul
        return _mixed(c, d, mul)
    if size >= 4:
        return _mixed((s.u32(0) << np.uint64(3)) + np.uint64(size), s.u32(size - 4), mul)
    if size == 0:
        return np.full(len(keys), _K2)
    first, last = s.u8(0) + (s.u8(size >> 1) << np.uint64(8)), s.u8(size - 1)
    return _shifted(first * _K2 ^ (np.uint64(size) + (last << np.uint64(2))) * _K0) * _K2


class _Keys:
    """Little-endian words of every key at a place."""

    def __init__(self, keys: np.ndarray) -> None:
        self.keys = keys

    def u8(self, at: int) -> Words:
        return self.keys[:, at].astype(np.uint64)

    def u32(self, at: int) -> Words:
        return self._words(at, 4, "<u4")

    def u64(self, at: int) -> Words:
        return self._words(at, 8, "<u8")

    def _words(self, at: int, size: int, dtype: str) -> Words:
        part = np.ascontiguousarray(self.keys[:, at : at + size])
        return cast("Words", part.view(dtype).reshape(-1).astype(np.uint64))


def _middle(s: _Keys, size: int, mul: np.uint64) -> Words:
    """17 to 64 bytes."""
    is_short = size <= 32
    a, b = s.u64(0) * (_K1 if is_short else _K2), s.u64(8)
    c, d = s.u64(size - 8) * mul, s.u64(size - 16) * _K2
    y = _turned(a + b, 43) + _turned(c, 30) + d
    z = _mixed(y, a + _turned(b + _K2, 18) + c, mul)
    if is_short:
        return z
    e, f = s.u64(16) * mul, s.u64(24)
    g, h = (y + s.u64(size - 32)) * mul, (z + s.u64(size - 24)) * mul
    return _mixed(_turned(e + f, 43) + _turned(g, 30) + h, e + _turned(f + a, 18) + g, mul)


def _long(s: _Keys, size: int) -> Words:
    """More than 64 bytes: blocks of 64, the last one once more from the end."""
    zero = np.zeros(len(s.keys), np.uint64)
    x = zero + np.uint64(81)
    y = x * _K1 + np.uint64(113)
    z = _shifted(y * _K2 + np.uint64(113)) * _K2
    v, w = (zero, zero), (zero, zero)
    x = x * _K2 + s.u64(0)

    def block(at: int, mul: Words | np.uint64, nine: int) -> None:
        nonlocal x, y, z, v, w
        times = np.uint64(nine)
        x = _turned(x + y + v[0] + s.u64(at + 8), 37) * mul
        y = _turned(y + v[1] + s.u64(at + 48), 42) * mul
        x = x ^ w[1] * times
        y = y + v[0] * times + s.u64(at + 40)
        z = _turned(z + w[0], 33) * mul
        v = _pair(s, at, v[1] * mul, x + w[0])
        w = _pair(s, at + 32, z + w[1], y + s.u64(at + 16))
        z, x = x, z

    for at in range(0, (size - 1) // 64 * 64, 64):
        block(at, _K1, 1)
    mul = _K1 + ((z & np.uint64(0xFF)) << np.uint64(1))
    w = (w[0] + np.uint64(size - 1 & 63), w[1])
    v = (v[0] + w[0], v[1])
    w = (w[0] + v[0], w[1])
    block(size - 64, mul, 9)
    left = _mixed(v[0], w[0], mul) + _shifted(y) * _K0 + z
    return _mixed(left, _mixed(v[1], w[1], mul) + x, mul)


def _pair(s: _Keys, at: int, a: Words, b: Words) -> tuple[Words, Words]:
    """32 bytes and two words into two words."""
    a = a + s.u64(at)
    b = _turned(b + a + s.u64(at + 24), 21)
    c = a + s.u64(at + 8) + s.u64(at + 16)
    return c + s.u64(at + 24), b + _turned(c, 44) + a


def _turned(words: Words, bits: int) -> Words:
    return words >> np.uint64(bits) | words << np.uint64(64 - bits)


def _shifted(words: Words) -> Words:
    return words ^ words >> np.uint64(47)


def _mixed(u: Words, v: Words, mul: Words | np.uint64) -> Words:
    a = _shifted((u ^ v) * mul)
    return _shifted((v ^ a) * mul) * mul
