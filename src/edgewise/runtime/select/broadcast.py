"""Layouts of elementwise kernels: dimensions merged where every operand runs through them alike.

The innermost run of y is as long as can be: where an operand repeats within it (a scalar, a bias
per channel), the kernel unrolls the operand into scratch, if it is short.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from edgewise.ir.graph import Value
from edgewise.runtime.calls import Call, Site, require, shape_of
from edgewise.runtime.library import Fields, Isa, Number, constant, pack
from edgewise.values import dataclass, replace

BITS = {1: "u8", 2: "u16", 4: "u32", 8: "u64"}  # suffixes of kernels that move n bytes
PER_TILE = 4096  # elements of y, where nobody asks for another number: three fit into the L1 cache
_PATTERN_BYTES = 2048  # of scratch for an operand that repeats
_PATTERN_BYTES_SCALAR = 512  # where memory is that of a microcontroller
_NUMBERS = (
    *("low_int", "high_int", "low_f32", "high_f32", "relation", "is_signed"),
    *("a_zero", "b_zero", "y_zero", "low", "high"),
    *("a_multiplier", "b_multiplier", "bias", "shift", "scale"),
    *("is_difference", "a_shift", "b_shift", "y_multiplier"),
)


@dataclass(frozen=True, slots=True)
class Layout:
    """`fields` of ew_broadcast, and what the call says. `in_place`: operands that y may replace."""

    fields: Fields
    n_tiles: int
    scratch: int
    tile_elements: int
    in_place: tuple[int, ...]

    def call(self, kernel: str, params: bytes, operands: Sequence[Value | np.ndarray]) -> Call:
        """The call of a kernel that has this layout."""
        return Call(
            kernel,
            params,
            tuple(operands),
            self.n_tiles,
            self.scratch,
            tile_elements=self.tile_elements,
            in_place=self.in_place,
            is_elementwise=True,
        )


def layout(
    site: Site, *operands: Value | np.ndarray, shapes: Sequence[tuple[int, ...]] | None = None
) -> Layout:
    """How the operands (seen as `shapes`) run along the site's result.

    Raises:
        NotNative: more than EW_MAX_RANK dimensions are left.
    """
    y = site.node.output
    shape, count = shape_of(y), math.prod(shape_of(y))
    shapes = shapes or [v.shape if isinstance(v, np.ndarray) else shape_of(v) for v in operands]
    sizes = [(v.dtype if isinstance(v, np.ndarray) else v.dtype.numpy).itemsize for v in operands]
    dims, moves = collapse(shape, shapes)
    space = _PATTERN_BYTES_SCALAR if site.target.isa is Isa.SCALAR else _PATTERN_BYTES
    inner = 2 if _is_run(dims, moves, sizes, space) else 1
    run = max(math.prod(dims[-inner:]), 1)
    periods = [_period(dims[-inner:], m[-inner:]) for m in moves]
    patterns = [
        min(space // s // p, -(-run // p)) * p if p else 0
        for s, p in zip(sizes, periods, strict=True)
    ]
    rank, most, most_x = len(dims) - inner, constant("EW_MAX_RANK"), constant("EW_MOST_X")
    require(rank <= most, f"broadcasting over {len(dims)} dimensions; at most {most + 1}")
    per_tile = site.tile_elements or PER_TILE
    absent = most_x - len(operands)
    strides = [_strides(dims, m)[:rank] + [0] * (most - rank) for m in moves]
    fields: Fields = {
        "count": count,
        "per_tile": per_tile,
        "run": run,
        "rank": rank,
        "dims": dims[:rank] + [0] * (most - rank),
        "stride": strides + [[0] * most] * absent,
        "period": periods + [0] * absent,
        "pattern": patterns + [0] * absent,
    }
    scratch = sum(-(-n * s // 64) * 64 for n, s in zip(patterns, sizes, strict=True))
    item = y.dtype.numpy.itemsize
    same = [k for k, s in enumerate(shapes) if s == shape and sizes[k] == item]
    return Layout(fields, -(-count // per_tile), scratch, per_tile, tuple(same))


def suffixed(name: str, suffix: str) -> str:
    """The kernel of a name for a type."""
    return f"{name}_{suffix}"


def binary_call(
    site: Site,
    kernel: str,
    operands: Sequence[Value | np.ndarray],
    numbers: Mapping[str, Number],
) -> Sequence[Call]:
    """A kernel with ew_binary: two operands that broadcast, others that it reads as a whole, and
    the fields that are not 0."""
    types = [v.dtype.numpy if isinstance(v, Value) else v.dtype for v in operands[:2]]
    require(types[0] == types[1], f"no kernel for {types[0]} with {types[1]}")
    found, y = layout(site, *operands[:2]), site.node.output
    given = {**dict.fromkeys(_NUMBERS, 0), **numbers}
    params = pack("ew_binary", {"shape": found.fields, **given})
    whole = found.call(kernel, params, (*operands, y))
    if not all(isinstance(v, Value) and v.shape == y.shape for v in operands):
        return [whole]

    def again(values: Sequence[Value], y: Value, per_tile: int) -> Call:
        count = math.prod(shape_of(y))
        shape = {**found.fields, "count": count, "per_tile": per_tile, "run": count}
        return replace(
            whole,
            params=pack("ew_binary", {"shape": shape, **given}),
            operands=(*values, y),
            n_tiles=-(-count // per_tile),
            tile_elements=per_tile,
        )

    return [replace(whole, again=again)]


def collapse(
    shape: Sequence[int], operands: Sequence[Sequence[int]]
) -> tuple[list[int], list[list[bool]]]:
    """(dimensions, for every operand whether it moves along each), neighbouring dimensions merged
    where all operands do alike. At least one dimension."""
    padded = [(1,) * (len(shape) - len(s)) + tuple(s) for s in operands]
    dims: list[int] = []
    kinds: list[tuple[bool, ...]] = []
    for position, size in enumerate(shape):
        if size == 1:
            continue
        kind = tuple(s[position] != 1 for s in padded)
        if kinds and kinds[-1] == kind:
            dims[-1] *= size
        else:
            dims.append(size)
            kinds.append(kind)
    if not dims:
        return [1], [[True] for _ in operands]
    return dims, [list(column) for column in zip(*kinds, strict=True)]


def _is_run(dims: list[int], moves: list[list[bool]], sizes: list[int], space: int) -> bool:
    """The last two dimensions are one run: no operand repeats each of its elements, and two
    repetitions of whatever repeats fit the space."""
    if len(dims) < 2:
        return False
    for along, size in zip(moves, sizes, strict=True):
        if along[-2:] == [True, False]:
            return False
        if along[-2:] == [False, True] and 2 * dims[-1] * size > space:
            return False
    return True


def _period(dims: list[int], moves: list[bool]) -> int:
    """Elements after which an operand repeats within a run of these dimensions; 0: never."""
    if all(moves):
        return 0
    return dims[-1] if moves[-1] else 1


def _strides(dims: list[int], moves: list[bool]) -> list[int]:
    strides, stride = [], 1
    for size, does in zip(reversed(dims), reversed(moves), strict=True):
        strides.append(stride if does else 0)
        stride *= size if does else 1
    return strides[::-1]
