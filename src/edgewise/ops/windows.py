"""STABLEHLO_GATHER and STABLEHLO_SCATTER: windows of an array read and written by index.

Source: StableHLO specification, gather and scatter.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from edgewise.dtypes import INDICES
from edgewise.ir.dim import Shape, same_dim
from edgewise.ir.graph import Graph
from edgewise.ir.op import In, NotQuantized, Op, Operand, Role, Runner, require
from edgewise.ops.axes import axes_in, shown
from edgewise.ops.reduce_window import VALUES, Function, function_of


class StablehloGather(Op, builtin="STABLEHLO_GATHER", options="StablehloGatherOptions"):
    """y[b.., o..] = x[start + o], where start has indices[b..] (a vector along `index_vector_dim`)
    at the axes `start_index_map` and 0 elsewhere, moved so that the window lies inside of x.

    Shapes: x [D..], indices [B.., K] with K at `index_vector_dim` (the rank of indices: K is 1 and
    left out); y has the window, `slice_sizes` without the axes `collapsed_slice_dims` (which are 1
    there), at the axes `offset_dims`, and B elsewhere. Any dtype.
    **Source:** TensorFlow Lite kernels/stablehlo_gather.cc.
    """

    offset_dims: tuple[int, ...] = ()
    collapsed_slice_dims: tuple[int, ...] = ()
    start_index_map: tuple[int, ...] = ()
    index_vector_dim: int = 0
    slice_sizes: tuple[int, ...] = ()
    indices_are_sorted: bool = False

    operands = (In("x"), In("indices", INDICES, Role.PARAMETER))
    quantization = NotQuantized()

    def infer(self, x: Operand, indices: Operand) -> Shape:
        rank, batch = len(x.shape), _batch(indices, self.index_vector_dim, self.start_index_map)
        axes_in(self.start_index_map, rank, "start_index_map")
        collapsed = axes_in(self.collapsed_slice_dims, rank, "collapsed_slice_dims")
        require(
            len(self.slice_sizes) == rank
            and all(
                n >= 0 and not (isinstance(d, int) and n > d)
                for n, d in zip(self.slice_sizes, x.shape, strict=False)
            ),
            f"slice_sizes must be windows inside {shown(x.shape)}; got {list(self.slice_sizes)}",
        )
        require(
            all(self.slice_sizes[axis] == 1 for axis in collapsed),
            f"collapsed_slice_dims must have slice_sizes of 1; got {list(self.slice_sizes)}",
        )
        window = [n for axis, n in enumerate(self.slice_sizes) if axis not in collapsed]
        require(
            len(self.offset_dims) == len(window),
            f"offset_dims must be {len(window)} axes, those of the window; "
            f"got {list(self.offset_dims)}",
        )
        total = len(window) + len(batch)
        places = sorted(axes_in(self.offset_dims, total, "offset_dims"))
        rest = iter(batch)
        sizes = dict(zip(places, window, strict=True))
        return tuple(sizes[axis] if axis in sizes else next(rest) for axis in range(total))

    def reference(self, x: np.ndarray, indices: np.ndarray) -> np.ndarray:
        start = _starts(indices, self.index_vector_dim, self.start_index_map, x.ndim)
        most = np.array(x.shape, np.int64) - np.array(self.slice_sizes, np.int64)
        start = np.clip(start, 0, most)
        batch = start.ndim - 1
        grid = []
        for axis, size in enumerate(self.slice_sizes):
            steps = np.arange(size).reshape([size if a == axis else 1 for a in range(x.ndim)])
            grid.append(start[..., axis].reshape(start.shape[:-1] + (1,) * x.ndim) + steps)
        y = x[tuple(grid)] if grid else np.broadcast_to(x, start.shape[:-1])
        collapsed = axes_in(self.collapsed_slice_dims, x.ndim)
        y = y.reshape(
            start.shape[:-1]
            + tuple(n for axis, n in enumerate(self.slice_sizes) if axis not in collapsed)
        )
        places = sorted(axes_in(self.offset_dims, y.ndim))
        return np.moveaxis(y, list(range(batch, y.ndim)), places)


class StablehloScatter(Op, builtin="STABLEHLO_SCATTER", options="StablehloScatterOptions"):
    """y = x, where each window of `updates` is combined into its place: y[start + w] = f(y[start +
    w], updates[b.., w..]), one after the other; what lies outside of x is left out.

    Shapes: x [D..], indices as in STABLEHLO_GATHER, updates: the window at `update_window_dims`, B
    elsewhere; a window has no axes `inserted_window_dims`. y as x. `update` combines two scalars:
    LiteRT takes no operator (the new value), or one of ADD, MULTIPLY, MAXIMUM, MINIMUM.
    **Source:** TensorFlow Lite kernels/stablehlo_scatter.cc.
    """

    update: Graph
    indices_are_sorted: bool = False
    update_window_dims: tuple[int, ...] = ()
    inserted_window_dims: tuple[int, ...] = ()
    scatter_dims_to_operand_dims: tuple[int, ...] = ()
    index_vector_dim: int = 0
    unique_indices: bool = False

    operands = (In("x", VALUES), In("indices", INDICES, Role.PARAMETER), In("updates", VALUES))
    quantization = NotQuantized()
    graph_fields = {"update": "update_computation_subgraph_index"}

    def infer(self, x: Operand, indices: Operand, updates: Operand) -> Shape:
        require(
            x.dtype is updates.dtype,
            f"x and updates must have one dtype; got {x.dtype.text} and {updates.dtype.text}",
        )
        rank, into = len(x.shape), self.scatter_dims_to_operand_dims
        axes_in(into, rank, "scatter_dims_to_operand_dims")
        inserted = axes_in(self.inserted_window_dims, rank, "inserted_window_dims")
        window = axes_in(self.update_window_dims, len(updates.shape), "update_window_dims")
        require(
            len(inserted) + len(window) == rank,
            f"update_window_dims and inserted_window_dims must be the {rank} axes of x; "
            f"got {len(window)} and {len(inserted)}",
        )
        batch = _batch(indices, self.index_vector_dim, into)
        given = [d for axis, d in enumerate(updates.shape) if axis not in window]
        require(
            len(batch) == len(given)
            and all(same_dim(m, n) is not False for m, n in zip(batch, given, strict=True)),
            f"updates must have {shown(batch)} beside the window; got {shown(updates.shape)}",
        )
        function_of(self.update, may_replace=True)
        return x.shape

    def run(self, operands: Sequence[Any], runner: Runner) -> tuple[np.ndarray, ...]:
        return (self.reference(*operands),)

    def reference(self, x: np.ndarray, indices: np.ndarray, updates: np.ndarray) -> np.ndarray:
        window = sorted(axes_in(self.update_window_dims, updates.ndim))
        inserted = axes_in(self.inserted_window_dims, x.ndim)
        start = _starts(indices, self.index_vector_dim, self.scatter_dims_to_operand_dims, x.ndim)
        batch = [axis for axis in range(updates.ndim) if axis not in window]
        start = start.reshape(
            [updates.shape[a] if a in batch else 1 for a in range(updates.ndim)] + [x.ndim]
        )
        flat = np.zeros(updates.shape, np.int64)
        inside = np.ones(updates.shape, bool)
        axes = iter(window)
        for axis in range(x.ndim):
            place = start[..., axis]
            if axis not in inserted:
                along = next(axes)
                steps = np.arange(updates.shape[along])
                place = place + steps.reshape(
                    [-1 if a == along else 1 for a in range(updates.ndim)]
                )
            inside &= (place >= 0) & (place < x.shape[axis])
            flat += place * prod(x.shape[axis + 1 :])
        y = x.copy()
        _combine(y.reshape(-1), flat[inside], updates[inside], function_of(self.update, True))
        return y


def _batch(indices: Operand, axis: int, into: Sequence[int]) -> Shape:
    """The dimensions of `indices` without the vector's."""
    rank = len(indices.shape)
    require(0 <= axis <= rank, f"index_vector_dim must be in [0, {rank}]; got {axis}")
    size = 1 if axis == rank else indices.shape[axis]
    require(
        same_dim(size, len(into)) is not False,
        f"an index must have {len(into)} numbers, one for each mapped axis; got {size}",
    )
    return indices.shape[:axis] + indices.shape[axis + 1 :]


def _starts(indices: np.ndarray, axis: int, into: Sequence[int], rank: int) -> np.ndarray:
    """Where every window starts: [B.., rank]."""
    vectors = indices[..., None] if axis == indices.ndim else np.moveaxis(indices, axis, -1)
    start = np.zeros((*vectors.shape[:-1], rank), np.int64)
    start[..., list(axes_in(into, rank))] = vectors
    return start


def _combine(
    y: np.ndarray, places: np.ndarray, values: np.ndarray, function: Function | None
) -> None:
    """y[place] = f(y[place], value), one after the other."""
    if function is None:
        y[places] = values  # of equal places the last one stays
        return
    with np.errstate(all="ignore"):
        function.scatter(y, places, values)
