"""Kernels of Fourier transforms and complex numbers, of random numbers and hashes."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from edgewise.dtypes import INDICES
from edgewise.ir.enums import LSHProjectionType, RngAlgorithm
from edgewise.ops.lsh_projection import LSHProjection
from edgewise.ops.random import Drawn, Multinomial, RandomStandardNormal, halves
from edgewise.ops.random_bits import StablehloRngBitGenerator
from edgewise.runtime.calls import Call, Selection, Site, require, shape_of
from edgewise.runtime.library import Number, pack
from edgewise.runtime.select.unary import unary_call

_PER_TILE = 1 << 13  # random numbers
_KEY_BYTES = 8  # in scratch
_LONGEST = 1 << 20  # of a transform: its table has 8 MB


def rfft2d(site: Site) -> Selection:
    """A matrix is a tile; its columns are transformed side by side."""
    x, y = shape_of(site.node.operand(0)), shape_of(site.node.output)
    rows, columns = y[-2], 2 * (y[-1] - 1) or 1
    size, tiles = max(rows, columns), math.prod(x[:-2])
    require(size <= _LONGEST, f"a transform of {size} numbers; the kernel takes {_LONGEST}")
    turns = np.arange(size) / size
    table = np.array([(math.cos(math.tau * t), -math.sin(math.tau * t)) for t in turns], np.float32)
    fields = {"h": x[-2], "w": x[-1], "rows": rows, "columns": columns, "size": size}
    scratch = 16 * (rows + 1) * y[-1]
    operands = (site.node.operand(0), table, site.node.output)
    return [Call("rfft2d_f32", pack("ew_rfft2d", fields), operands, tiles, scratch)]


def complex_abs(site: Site) -> Selection:
    """The size of every number."""
    return unary_call(site, "complex_abs_f32", (site.node.operand(0),))


def random(site: Site) -> Selection:
    """RANDOM_UNIFORM and RANDOM_STANDARD_NORMAL."""
    op, y = site.node.op, site.node.output
    assert isinstance(op, Drawn)
    count = math.prod(shape_of(y))
    params = _params(op.seed, op.seed2, count, per_tile=_PER_TILE)
    is_normal = isinstance(op, RandomStandardNormal)
    kernel = "random_normal_f32" if is_normal else "random_uniform_f32"
    n_tiles = -(-count // _PER_TILE)
    return [Call(kernel, params, (y,), n_tiles, _KEY_BYTES, tile_elements=_PER_TILE)]


def multinomial(site: Site) -> Selection:
    """A row of logits is a tile."""
    op, x, y = site.node.op, site.node.operand(0), site.node.output
    assert isinstance(op, Multinomial)
    require(y.dtype in INDICES, f"no kernel for classes of {y.dtype.text}")
    (batch, classes), (_, count) = shape_of(x), shape_of(y)
    index_bytes = y.dtype.numpy.itemsize
    params = _params(op.seed, op.seed2, count, classes=classes, index_bytes=index_bytes)
    return [
        Call("multinomial_f32", params, (x, y), batch if count else 0, max(8 * classes, _KEY_BYTES))
    ]


def _params(seed: int, seed2: int, count: int, **numbers: Number) -> bytes:
    fields: dict[str, Number | Sequence[Number]] = {
        **dict.fromkeys(("per_tile", "classes", "index_bytes"), 0),
        **numbers,
        "count": count,
        "key": halves(seed),
        "counter": halves(seed2),
        "is_unseeded": int(not (seed or seed2)),
    }
    return pack("ew_random", fields)


def random_bits(site: Site) -> Selection:
    """One call, which also makes the state after."""
    op, node = site.node.op, site.node
    assert isinstance(op, StablehloRngBitGenerator)
    after, y = node.outputs
    fields = {
        "words": math.prod(shape_of(y)) * (y.dtype.bits // 32),
        "state_words": 2 * shape_of(after)[0],
        "is_threefry": int(op.algorithm is RngAlgorithm.THREEFRY),
    }
    operands = (node.operand(0), after, y)
    return [Call("random_bits", pack("ew_random_bits", fields), operands, 1, results=2)]


def lsh_projection(site: Site) -> Selection:
    """A hash is a tile."""
    op, seeds, x = site.node.op, site.node.operand(0), site.node.operand(1)
    assert isinstance(op, LSHProjection)
    hashes, bits = shape_of(seeds)
    shape, weights = shape_of(x), site.node.optional(2)
    item_bytes = math.prod(shape[1:]) * x.dtype.numpy.itemsize
    given = np.ones(shape[0], np.float32) if weights is None else weights
    is_sparse = int(op.type is LSHProjectionType.SPARSE)
    fields = {
        "bits": bits,
        "items": shape[0],
        "item_bytes": item_bytes,
        "is_sparse": is_sparse,
    }
    params = pack("ew_lsh_projection", fields)
    operands = (seeds, x, given, site.node.output)
    return [Call("lsh_projection", params, operands, hashes, 4 + item_bytes)]
