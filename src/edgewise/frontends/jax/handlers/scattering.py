"""Writing into places: scatters. Source: jax/_src/lax/slicing.py, JAX 0.10.

One window at one place is DYNAMIC_UPDATE_SLICE; elements or whole rows that are added are
SCATTER_ND; others are STABLEHLO_SCATTER. What lies outside of the tensor is left out, of
DYNAMIC_UPDATE_SLICE moved into it.
"""

from __future__ import annotations

from dataclasses import dataclass

from edgewise.dtypes import INDICES, DType
from edgewise.frontends.jax.context import Context, Equation, Handler, Unsupported
from edgewise.frontends.jax.handlers.indexing import part, updated_at
from edgewise.ir.build import Builder
from edgewise.ir.dim import Dim
from edgewise.ir.graph import Graph, Value


@dataclass(frozen=True, slots=True)
class _Scatter:
    """`indices` are [batch.., axes of x]; `window` the axes of the updates that are no batch;
    `inserted` those of x that the window has not."""

    indices: Value
    axes: tuple[int, ...]
    window: tuple[int, ...]
    inserted: tuple[int, ...]

    def sizes(self, updates: Value, rank: int) -> list[Dim]:
        """Those of the window, an entry per axis of x."""
        given = iter([updates.shape[axis] for axis in self.window])
        return [1 if axis in self.inserted else next(given) for axis in range(rank)]


def _scatter(operator: str | None) -> Handler:
    def handler(c: Context, node: Equation, x: Value, indices: Value, updates: Value) -> Value:
        numbers = node.params["dimension_numbers"]
        if numbers.operand_batching_dims:
            raise Unsupported("writes along axes that go along; write with jnp.where")
        i = indices if indices.dtype in INDICES else c.cast(indices, DType.INT32)
        found = _Scatter(
            i, tuple(numbers.scatter_dims_to_operand_dims), tuple(numbers.update_window_dims),
            tuple(numbers.inserted_window_dims),
        )  # fmt: skip
        count = 1
        for size in i.shape[:-1]:
            count = count * size if isinstance(size, int) else 0
        if count == 1 and operator in (None, "add"):
            return _one_window(c, x, found, updates, operator)
        whole = all(
            size == x.shape[axis]
            for axis, size in enumerate(found.sizes(updates, len(x.shape)))
            if axis not in found.inserted
        )
        if operator == "add" and set(found.inserted) == set(found.axes) and whole:
            return _added(c, x, found, updates)
        return c.b.stablehlo_scatter(
            x, i, updates, update=_body(x, operator), update_window_dims=found.window,
            inserted_window_dims=found.inserted, scatter_dims_to_operand_dims=found.axes,
            index_vector_dim=len(i.shape) - 1,
            indices_are_sorted=bool(node.params["indices_are_sorted"]),
            unique_indices=bool(node.params["unique_indices"]),
        )  # fmt: skip

    return handler


def _one_window(c: Context, x: Value, s: _Scatter, updates: Value, operator: str | None) -> Value:
    sizes = s.sizes(updates, len(x.shape))
    begin = c.reshape(s.indices, (len(s.axes),))
    starts: list[Dim | Value] = [0] * len(x.shape)
    for place, axis in enumerate(s.axes):
        starts[axis] = part(c, begin, place)
    y = c.reshape(updates, sizes)
    if operator is None:
        return updated_at(c, x, y, starts)
    zeros = c.spread(c.reshape(c.scalar(0, x), [1] * len(x.shape)), x.shape)
    return c.b.add(x, updated_at(c, zeros, y, starts))


def _added(c: Context, x: Value, s: _Scatter, updates: Value) -> Value:
    """The indexed axes of x first, the batch of the updates first; equal indices are added."""
    rank = len(x.shape)
    order = [*s.axes, *(axis for axis in range(rank) if axis not in s.axes)]
    batch = [axis for axis in range(len(updates.shape)) if axis not in s.window]
    rows = c.transpose(updates, [*batch, *s.window])
    shape = c.cast(c.shape([x.shape[axis] for axis in order]), s.indices.dtype)
    found = c.b.scatter_nd(s.indices, rows, shape)
    return c.b.add(x, c.transpose(found, [order.index(axis) for axis in range(rank)]))


def _body(x: Value, operator: str | None) -> Graph:
    body = Builder(f"scatter_{operator or 'set'}")
    a, b = (body.graph.add_input(x.type.with_shape(()), name) for name in ("a", "b"))
    return body.finish(b if operator is None else getattr(body, operator)(a, b))


HANDLERS: dict[str, Handler] = {
    "scatter": _scatter(None),
    **dict.fromkeys(("scatter_add", "scatter-add"), _scatter("add")),
    **dict.fromkeys(("scatter_mul", "scatter-mul"), _scatter("stablehlo_multiply")),
    **dict.fromkeys(("scatter_max", "scatter-max"), _scatter("stablehlo_maximum")),
    **dict.fromkeys(("scatter_min", "scatter-min"), _scatter("stablehlo_minimum")),
}
