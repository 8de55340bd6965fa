"""Broadcasting of shapes: NumPy's rule, on dimensions that may be unknown."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest

from edgewise.errors import ShapeError
from edgewise.ir.dim import Dim, Shape, same_dim, unknown_dim
from edgewise.ir.types import TensorType
from edgewise.ops.axes import shown


def broadcast_shape(*shapes: Shape) -> Shape:
    """The shape that all shapes broadcast to, aligned at their last dimensions.

    Where unknown dimensions leave it open (`n` against `m`), the dimension is a fresh unknown.

    Raises:
        ShapeError: two dimensions differ and neither is 1.
    """
    result: list[Dim] = []
    for position, dims in enumerate(zip_longest(*map(reversed, shapes), fillvalue=1)):
        merged: Dim = 1
        for dim in dims:
            pair = _merge(merged, dim)
            if pair is None:
                listed = " and ".join(map(shown, shapes))
                raise ShapeError(
                    f"shapes must broadcast; got {listed}, which differ at dimension {~position}"
                )
            merged = pair
        result.append(merged)
    return tuple(reversed(result))


def broadcasts_above(operands: Sequence[TensorType | None], rank: int) -> bool:
    """Shapes differ and one has more dimensions than `rank`: LiteRT's newer kernels are needed."""
    shapes = [t.shape for t in operands if t is not None and t.shape is not None]
    return len(set(shapes)) > 1 and max(map(len, shapes)) > rank


def _merge(a: Dim, b: Dim) -> Dim | None:
    """One dimension of a broadcast; None where it is impossible."""
    if a == 1 or b == 1:
        return b if a == 1 else a
    same = same_dim(a, b)
    if same:
        return a
    if isinstance(a, int) or isinstance(b, int):
        if same is False and isinstance(a, int) and isinstance(b, int):
            return None
        return a if isinstance(a, int) else b  # the unknown one is equal or 1
    return unknown_dim()
