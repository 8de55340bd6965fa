"""Axes and shapes as operators and their messages name them; negative axes count from the last."""

from __future__ import annotations

from collections.abc import Sequence

from edgewise.ir.contents import dims, integers
from edgewise.ir.dim import Dim, elements, same_dim, unknown_dim
from edgewise.ir.op import Operand, require

MAX_RANK = 64  # NumPy's


def axis_in(axis: int, rank: int, name: str = "axis") -> int:
    """The axis as an index in [0, rank). Raises ShapeError outside [-rank, rank)."""
    require(-rank <= axis < rank, f"{name} must be in [{-rank}, {rank - 1}]; got {axis}")
    return axis % rank


def axes_in(axes: Sequence[int], rank: int, name: str = "axes") -> tuple[int, ...]:
    """Several axes, each as `axis_in` has it, none twice. Raises ShapeError."""
    found = tuple(axis_in(axis, rank, name) for axis in axes)
    require(len(set(found)) == len(found), f"{name} must differ; got {list(axes)}")
    return found


def unknown_shape(rank: Dim) -> tuple[Dim, ...] | None:
    """A shape of this rank with unknown dimensions; None where the rank is unknown too.

    Raises:
        ShapeError: a rank no array can have (a file may claim any).
    """
    if not isinstance(rank, int):
        return None
    require(rank <= MAX_RANK, f"a rank must be at most {MAX_RANK}; got {rank}")
    return tuple(unknown_dim() for _ in range(rank))


def shape_in(operand: Operand, name: str = "shape") -> tuple[Dim, ...] | None:
    """The shape that a vector operand holds, as far as it is known.

    Raises:
        ShapeError: it is no vector, or holds a negative number; `name` is what it is called then.
    """
    require(len(operand.shape) == 1, f"shape must be a vector; got {shown(operand.shape)}")
    wanted = dims(operand)
    if wanted is None:
        return unknown_shape(operand.shape[0])
    require_sizes(wanted, name)
    return wanted


def require_sizes(sizes: Sequence[Dim], name: str = "sizes") -> None:
    """Raise ShapeError where one of these is negative."""
    require(
        all(not isinstance(d, int) or d >= 0 for d in sizes),
        f"{name} must not be negative; got {shown(sizes)}",
    )


def scalar(operand: Operand, name: str = "axis") -> int | None:
    """The only element of an integer operand, [] or [1]; None where unknown. Raises ShapeError."""
    count = elements(operand.shape)
    require(same_dim(count, 1) is not False, f"{name} must be one number; got {count}")
    found = integers(operand)
    return None if found is None else found[0]


def shown(shape: Sequence[Dim]) -> str:
    """A shape as messages print it: `[N, 7, 7, 3]`."""
    return f"[{', '.join(map(str, shape))}]"
