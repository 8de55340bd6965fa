"""What goes into the graphs of conditions and loops, and what comes out.

The functions of TensorFlow's If and While become graphs of the model. Constants, variables and
tables stand in them as they are; tensors, and the elements of tensor lists, are handed over.
"""

from __future__ import annotations

from collections.abc import Iterator

from edgewise.dtypes import DType
from edgewise.frontends.tensorflow.context import (
    Context,
    Operand,
    Reserved,
    TensorList,
    Unsupported,
)
from edgewise.ir.graph import Value
from edgewise.ir.types import TensorType


def tensors(x: Operand, *, constants: bool) -> list[Value]:
    """The tensors of an operand that are handed to a graph."""
    value = x.items if isinstance(x, TensorList) else x.size if isinstance(x, Reserved) else x
    return [value] if isinstance(value, Value) and (constants or value.data is None) else []


def with_tensor(x: Operand, value: Value) -> Operand:
    """The operand with another tensor in it."""
    if isinstance(x, TensorList):
        return TensorList(value, x.dims)
    return Reserved(value, x.dtype, x.dims) if isinstance(x, Reserved) else value


def entered_as(
    inner: Context, x: Operand, types: Iterator[TensorType], *, constants: bool
) -> Operand:
    """The operand inside a graph: its tensor is an input of that, or the same constant."""
    found = tensors(x, constants=True)
    if not found:
        return x
    if constants or found[0].data is None:
        return with_tensor(x, inner.b.graph.add_input(next(types), found[0].name))
    data = found[0].data
    return with_tensor(x, inner.constant(data, found[0].name))


def truth(c: Context, x: Operand) -> Value:
    """A condition as one bool. Source: TensorFlow's If: numbers are true unless 0."""
    if not isinstance(x, Value) or x.dtype is DType.STRING:
        raise Unsupported("its condition must be a bool or a number")
    if x.dtype is not DType.BOOL:
        x = c.b.not_equal(x, c.scalar(0, x))
    return c.reshape(x, ())


def kind(x: Operand) -> str:
    """What an operand is, in a word: the type of a tensor's elements, or `TensorList`."""
    return x.dtype.text if isinstance(x, Value) else type(x).__name__


def stem(c: Context) -> str:
    """What the graphs of the node that is lowered are named after."""
    return (c.b.location.layer if c.b.location else "").rpartition("/")[2] or "control"
