"""The kernel of attention: strides of its operands, and how it is cut into tiles."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from edgewise.ops.attention import Attention
from edgewise.runtime.calls import BY_BF16, Call, Selection, Site, is_float, require, shape_of
from edgewise.runtime.library import Isa, constant, pack
from edgewise.runtime.select.weights_b8 import LEAST_TILE_ROWS

_SUMS = 4096 + 2 * 64  # bytes: of two rows of registers, and what lies before cache lines
_LEAST_ROWS = 12  # that share the keys and values they read from the cache


def attention(site: Site) -> Selection:
    """One call. Every tile packs the keys and values of its batch."""
    op, node, target = site.node.op, site.node, site.target
    assert isinstance(op, Attention)
    q, k, v, y = (*(node.operand(i) for i in range(3)), node.output)
    mask = node.optional(3)
    require(is_float(q, k, v, y) and (mask is None or is_float(mask)), f"no kernel for {q.dtype}")
    most, lanes = constant("EW_MAX_RANK"), target.isa.lanes
    queries = _strided(shape_of(q), op.q_perm)
    keys, values = _strided(shape_of(k), op.k_perm), _strided(shape_of(v), op.v_perm)
    results = _strided(shape_of(y), tuple(int(i) for i in np.argsort(op.y_perm)))
    (m, d), (s, n) = queries[-2:], values[-2:]
    dims = [size for size, _ in results[:-2]]
    require(len(dims) <= most, f"more than {most} batch dimensions")
    require(d[1] == 1 and results[-1][1] == 1, "elements of a row are no neighbours")
    seen = _strided((1, 1) if mask is None else shape_of(mask), ())
    seen = [(1, 0)] * (len(dims) + 2 - len(seen)) + seen
    batches = math.prod(dims)
    parts = 1
    if target.threads > 1:
        parts = max(-(-target.tiles_per_thread * target.threads // max(batches, 1)), 1)
    rows = max(-(-m[0] // parts), min(m[0], _LEAST_ROWS), 1)
    at_once = min(max(target.block_bytes // (4 * max(s[0], 1)), _LEAST_ROWS), rows)
    is_bf16 = target.isa is not Isa.NEON_BF16 and target.multiplies_bf16 and m[0] >= LEAST_TILE_ROWS
    params = pack(
        "ew_attention_f32",
        {
            "m": m[0],
            "s": s[0],
            "d": d[0],
            "n": n[0],
            "rank": len(dims),
            "dims": _filled(dims, most),
            "q_batch": _filled(_steps(queries), most),
            "k_batch": _filled(_steps(keys), most),
            "v_batch": _filled(_steps(values), most),
            "mask_batch": _filled(_steps(seen), most),
            "y_batch": _filled(_steps(results), most),
            "q_row": m[1],
            "y_row": results[-2][1],
            "k_row": keys[-2][1],
            "k_column": keys[-1][1],
            "v_row": s[1],
            "v_column": n[1],
            "has_mask": int(mask is not None),
            "mask_row": seen[-2][1] if seen[-2][0] > 1 else 0,
            "mask_column": seen[-1][1] if seen[-1][0] > 1 else 0,
            "rows_per_tile": rows,
            "rows_at_once": at_once,
            "is_bf16": int(is_bf16),
            "scale": op.scale,
        },
    )
    s_padded, n_padded = (-(-size // lanes) * lanes for size in (s[0], n[0]))
    scratch = 4 * (
        s_padded * (d[0] + at_once) + n_padded * s[0] + max(s_padded, n_padded) + at_once
    )
    if is_bf16:
        most_rows, most_s, most_d, most_n = (-(-i // 32) * 32 for i in (at_once, s[0], d[0], n[0]))
        packed = most_s * (most_d + most_n)
        scratch = 4 * at_once * (s_padded + 1) + _SUMS
        scratch += 2 * (packed + most_rows * max(most_d, most_s))
    operands = (q, k, v, np.zeros(1, np.float32) if mask is None else mask, y)
    n_tiles = batches * -(-m[0] // rows) if math.prod(shape_of(y)) and s[0] and d[0] else 0
    require(n_tiles > 0 or not math.prod(shape_of(y)), "there are no keys")
    why = BY_BF16 if is_bf16 else ""
    return [Call("attention_f32", params, operands, n_tiles, scratch, why=why)]


def _strided(shape: Sequence[int], perm: Sequence[int]) -> list[tuple[int, int]]:
    """(size, stride) of each dimension after the permutation."""
    strides = [math.prod(shape[i + 1 :]) for i in range(len(shape))]
    return [(shape[i], strides[i]) for i in perm or range(len(shape))]


def _steps(dims: Sequence[tuple[int, int]]) -> list[int]:
    """Strides of the batch; those of a broadcast dimension are 0."""
    return [stride if size > 1 else 0 for size, stride in dims[:-2]]


def _filled(numbers: Sequence[int], most: int) -> list[int]:
    return [*numbers, *[0] * (most - len(numbers))]
