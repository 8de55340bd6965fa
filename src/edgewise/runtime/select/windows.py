"""Kernels of STABLEHLO_GATHER, STABLEHLO_SCATTER and the windows that are reduced."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from edgewise.dtypes import DType
from edgewise.ir.enums import ReduceWindowFunction
from edgewise.ir.graph import Value
from edgewise.ops.axes import axes_in
from edgewise.ops.reduce_window import (
    ReduceWindow,
    StablehloReduceWindow,
    function_named,
)
from edgewise.ops.windows import StablehloGather, StablehloScatter
from edgewise.runtime.calls import Call, Selection, Site, require, shape_of
from edgewise.runtime.library import Fields, constant, pack
from edgewise.runtime.select.copy import copies, view
from edgewise.runtime.select.typed import SUFFIXES, typed
from edgewise.values import dataclass

TILE_BYTES = 32768  # of y
_TAPS_PER_TILE = 16384  # elements of windows
# of scatters and of windows, where a number is none: see `Function`
_JOINS = {
    None: ("EW_JOIN_set", ""),
    ReduceWindowFunction.ADD: ("EW_JOIN_add", "EW_JOIN_add"),
    ReduceWindowFunction.MUL: ("EW_JOIN_mul", "EW_JOIN_mul"),
    ReduceWindowFunction.MAXIMUM: ("EW_JOIN_more", "EW_JOIN_most"),
    ReduceWindowFunction.MINIMUM: ("EW_JOIN_less", "EW_JOIN_least"),
    ReduceWindowFunction.ALL: ("EW_JOIN_all", "EW_JOIN_all"),
    ReduceWindowFunction.ANY: ("EW_JOIN_any", "EW_JOIN_any"),
}
# sums and products of booleans
_OF_BOOLS = {"EW_JOIN_add": "EW_JOIN_any", "EW_JOIN_mul": "EW_JOIN_all"}


def gather(site: Site) -> Selection:
    """Windows of x, side by side."""
    op, x, y = site.node.op, site.node.operand(0), site.node.output
    assert isinstance(op, StablehloGather)
    rank, total = len(x.shape), len(y.shape)
    collapsed = axes_in(op.collapsed_slice_dims, rank)
    places = sorted(axes_in(op.offset_dims, total))
    found = _Windows(
        x=shape_of(x),
        w=shape_of(y),
        axes=dict(zip(places, [a for a in range(rank) if a not in collapsed], strict=True)),
        into=axes_in(op.start_index_map, rank),
        vector=op.index_vector_dim,
    )
    size = x.dtype.numpy.itemsize
    last = [d - n for d, n in zip(found.x, op.slice_sizes, strict=True)]
    rows_per_tile = max(TILE_BYTES // max(found.run * size, 1), 1)
    fields: Fields = {"last": last, "element_bytes": size, "rows_per_tile": rows_per_tile}
    n_tiles = -(-found.rows // rows_per_tile) if math.prod(found.w) else 0
    params = pack("ew_windows", {**found.fields(site.node.operand(1)), **fields})
    return [Call("gather_windows", params, (x, site.node.operand(1), y), n_tiles)]


def scatter(site: Site) -> Selection:
    """x, and the updates joined to it."""
    op, x, updates, y = site.node.op, *(site.node.operand(i) for i in (0, 2)), site.node.output
    assert isinstance(op, StablehloScatter)
    rank = len(x.shape)
    inserted = axes_in(op.inserted_window_dims, rank)
    window = sorted(axes_in(op.update_window_dims, len(updates.shape)))
    found = _Windows(
        x=shape_of(x),
        w=shape_of(updates),
        axes=dict(zip(window, [a for a in range(rank) if a not in inserted], strict=True)),
        into=axes_in(op.scatter_dims_to_operand_dims, rank),
        vector=op.index_vector_dim,
    )
    join = _JOINS[function_named(op.update, may_replace=True)][0]
    fields = {"op": constant(_of(x, join)), "element_bytes": x.dtype.numpy.itemsize}
    params = pack("ew_windows", {**found.fields(site.node.operand(1)), **fields})
    operands = (updates, site.node.operand(1), y)
    n_tiles = int(math.prod(found.w) > 0)
    call = Call(_kernel("scatter_windows", x, join), params, operands, n_tiles)
    return [*copies([(view(x), view(y))]), call]


@dataclass(frozen=True, slots=True)
class _Windows:
    """How windows `w` lie in `x`: the axis of x along every dimension of w that has one, the axes
    that the numbers of an index are for, and which dimension of the indices these numbers are."""

    x: tuple[int, ...]
    w: tuple[int, ...]
    axes: Mapping[int, int]
    into: Sequence[int]
    vector: int

    @property
    def has_run(self) -> bool:
        """The last dimension runs along an axis of x."""
        return len(self.w) - 1 in self.axes

    @property
    def run(self) -> int:
        """Elements that are moved at once."""
        return self.w[-1] if self.has_run else 1

    @property
    def rows(self) -> int:
        """Runs."""
        return math.prod(self.w[: self.rank])

    @property
    def rank(self) -> int:
        """Dimensions of w outside of a run."""
        return len(self.w) - self.has_run

    def fields(self, indices: Value) -> Fields:
        """ew_windows, but for what a kernel has for itself."""
        most, none = constant("EW_COPY_RANK"), constant("EW_NO_AXIS")
        require(max(len(self.x), self.rank) <= most, f"more than {most} dimensions")
        shape = list(shape_of(indices))
        strides = [math.prod(shape[i + 1 :]) for i in range(len(shape))]
        number = strides.pop(self.vector) if self.vector < len(shape) else 1
        batch = iter(strides)
        return {
            "rank": self.rank,
            "x_rank": len(self.x),
            "sizes": self.w[: self.rank],
            "axis": [self.axes.get(d, none) for d in range(self.rank)],
            "index_stride": [0 if d in self.axes else next(batch) for d in range(self.rank)],
            "run": self.run,
            "run_axis": self.axes.get(len(self.w) - 1, none),
            "dims": self.x,
            "x_stride": [math.prod(self.x[i + 1 :]) for i in range(len(self.x))],
            "depth": len(self.into),
            "into": self.into,
            "number_stride": number,
            "index_bytes": indices.dtype.numpy.itemsize,
            "last": [],
            "op": 0,
            "rows_per_tile": 1,
        }


def reduce_window(site: Site) -> Selection:
    """REDUCE_WINDOW: neither padding nor elements between those of x."""
    op, rank = site.node.op, len(site.node.operand(0).shape)
    assert isinstance(op, ReduceWindow)
    window, stride, dilation = (site.constant(i, "windows").tolist() for i in (2, 3, 4))
    walk = {"window": window, "stride": stride, "dilation": dilation}
    return _reduced(site, op.reduce_function, {**walk, "base": [1] * rank, "low": [0] * rank})


def stablehlo_reduce_window(site: Site) -> Selection:
    """STABLEHLO_REDUCE_WINDOW."""
    op, rank = site.node.op, len(site.node.operand(0).shape)
    assert isinstance(op, StablehloReduceWindow)
    names = {
        "window": "window_dimensions",
        "stride": "window_strides",
        "dilation": "window_dilations",
        "base": "base_dilations",
    }
    walk = {field: list(getattr(op, name) or (1,) * rank) for field, name in names.items()}
    low = list(op.padding[::2] or (0,) * rank)
    function = function_named(op.body)
    assert function is not None
    return _reduced(site, function, {**walk, "low": low})


def _reduced(
    site: Site, function: ReduceWindowFunction, walk: Mapping[str, list[int]]
) -> Selection:
    x, init, y = site.node.operand(0), site.node.operand(1), site.node.output
    join, shape, sizes = _JOINS[function][1], shape_of(x), shape_of(y)
    rows, per_row = math.prod(sizes[:-1]), sizes[-1] * math.prod(walk["window"])
    require(math.prod(walk["window"]) < 1 << 31, "a window of 2**31 elements or more")
    rows_per_tile = max(_TAPS_PER_TILE // max(per_row, 1), 1)
    params = pack(
        "ew_reduce_window",
        {
            "rank": len(shape),
            "op": constant(_of(x, join)),
            "x_dims": shape,
            "y_dims": sizes,
            **walk,
            "rows_per_tile": rows_per_tile,
        },
    )
    n_tiles = -(-rows // rows_per_tile) if math.prod(sizes) else 0
    per_tile = rows_per_tile * sizes[-1] or None
    kernel = _kernel("reduce_window", x, join)
    return [Call(kernel, params, (x, init, y), n_tiles, tile_elements=per_tile)]


def _of(x: Value, join: str) -> str:
    return _OF_BOOLS.get(join, join) if x.dtype is DType.BOOL else join


def _kernel(name: str, x: Value, join: str) -> str:
    """New elements in the place of others are bytes."""
    if join == "EW_JOIN_set" and x.dtype not in SUFFIXES:
        same = {2: DType.INT16, 4: DType.INT32, 8: DType.INT64}.get(x.dtype.numpy.itemsize)
        return typed(name, same or x.dtype)
    return typed(name, x.dtype)
