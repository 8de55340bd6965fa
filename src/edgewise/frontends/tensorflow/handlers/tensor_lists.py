"""Tensor lists and TensorArrays as tensors [n, ...]: reading is GATHER, writing
DYNAMIC_UPDATE_SLICE, growing CONCATENATION.

A list that is reserved for elements of unknown shape is `Reserved` until an element is written; a
loop that writes one is begun again with a list of that shape (`control.py`). Elements that are read
before they are written are zeros.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgewise.dtypes import DType
from edgewise.frontends.tensorflow import attrs
from edgewise.frontends.tensorflow.context import (
    Context,
    Handler,
    Operand,
    Reserved,
    TensorList,
    Unsupported,
)
from edgewise.frontends.tensorflow.handlers.scattering import updated
from edgewise.frontends.tensorflow.program import TFNode
from edgewise.ir.dim import Dim, is_static, same_dim
from edgewise.ir.graph import Value
from edgewise.ops.fill import Range

_List = TensorList | Reserved


def allocated(c: Context, reserved: Reserved, dims: Sequence[Dim]) -> TensorList:
    """A reserved list whose elements have these dimensions: zeros. Raises Unsupported."""
    zero = c.b.constant(np.zeros((), reserved.dtype.numpy))
    known = c.dims(reserved.size)
    if known is not None:
        return TensorList(c.b.fill(c.shape([known[0], *dims]), zero))
    size = c.cast(c.b.reshape(reserved.size, c.ints([1])), DType.INT32)
    shape = c.b.concatenation(size, c.shape(dims), axis=0) if dims else size
    items = c.b.fill(shape, zero)
    return TensorList(_of_dims(c, items, dims), tuple(dims))


def _of_dims(c: Context, items: Value, dims: Sequence[Dim]) -> Value:
    """The elements, of which inference lost the dimensions with their number."""
    if not dims or not is_static(dims):
        return items
    return c.b.reshape(items, c.ints([-1, *(d for d in dims if isinstance(d, int))]))


def list_of(x: Operand) -> _List:
    """An operand that must be a list. Raises Unsupported."""
    if not isinstance(x, TensorList | Reserved):
        raise Unsupported("it takes no tensor list; lists must be made where they are used")
    return x


def items_of(c: Context, x: Operand, dims: Sequence[Dim | None] | None = None) -> Value:
    """The elements of a list as one tensor; `dims` is what the reader says of their shape."""
    found = list_of(x)
    if isinstance(found, Reserved):
        wanted = _merged(found.dims, dims)
        if wanted is None:
            raise Unsupported("it reads a list in which nothing is written; write an element first")
        return allocated(c, found, wanted).items
    return found.items


def _merged(
    a: Sequence[Dim | None] | None, b: Sequence[Dim | None] | None
) -> tuple[Dim, ...] | None:
    """Dimensions that one of the two knows; None where one stays unknown."""
    a, b = (a or b), (b or a)
    if a is None or b is None or len(a) != len(b):
        return () if a == () or b == () else None
    known = [m if m is not None else n for m, n in zip(a, b, strict=True)]
    return tuple(d for d in known if d is not None) if None not in known else None


def _dims(c: Context, shape: Value) -> tuple[Dim | None, ...] | None:
    """A shape operand: -1 is an unknown dimension, a scalar an unknown rank."""
    if shape.shape == ():
        return None
    known = c.dims(shape)
    if known is None:
        count = shape.shape[0]
        return (None,) * count if isinstance(count, int) else None
    return tuple(None if isinstance(d, int) and d < 0 else d for d in known)


def made(c: Context, size: Value, dtype: DType, dims: Sequence[Dim | None] | None) -> _List:
    """A new list, allocated if the shape of an element is known."""
    reserved = Reserved(size, dtype, None if dims is None else tuple(dims))
    known = _merged(dims, dims)
    return reserved if known is None else allocated(c, reserved, known)


def position(c: Context, index: Value) -> Value:
    """An index, int32."""
    return c.cast(index, DType.INT32) if index.dtype is DType.INT64 else index


def element(
    c: Context, x: Operand, index: Value, dims: Sequence[Dim | None] | None = None
) -> Value:
    """One element of a list; `dims` as in `items_of`."""
    return c.b.gather(items_of(c, x, dims), position(c, index))


def with_element(
    c: Context, x: Operand, index: Value, item: Value, *, grows: bool = False
) -> TensorList:
    """The list with another element. `grows`: an index beyond its end makes it longer."""
    given = list_of(x)
    if isinstance(given, Reserved):
        given = allocated(c, given, item.shape)
    items = given.items
    at = c.b.reshape(position(c, index), c.ints([1]))
    rank = len(items.shape)
    if grows:
        missing = c.b.sub(c.b.add(at, c.ints([1])), length(c, items))
        after = c.b.maximum(missing, c.ints([0]))
        pads = c.b.concatenation(c.ints([0]), after, c.ints([0] * (2 * rank - 2)), axis=0)
        padded = c.b.pad(items, c.b.reshape(pads, c.ints([rank, 2])))
        items = _of_dims(c, padded, items.shape[1:])
    start = at if rank == 1 else c.b.concatenation(at, c.ints([0] * (rank - 1)), axis=0)
    known = c.known(at)
    if known is not None:
        start = c.ints([int(known[0]), *[0] * (rank - 1)])
    return TensorList(c.b.dynamic_update_slice(items, _row(c, item), start), given.dims)


def _row(c: Context, item: Value) -> Value:
    """An element as a list of one."""
    return c.reshape(item, (1, *item.shape))


def length(c: Context, items: Value) -> Value:
    """The number of elements, int32 [1]."""
    return c.b.strided_slice(c.b.shape(items), c.ints([0]), c.ints([1]), c.ints([1]))


def spread(c: Context, value: Value, indices: Value, size: Value | None) -> TensorList:
    """The list whose elements `indices` are the rows of value, the others zeros."""
    known = c.known(indices)
    count = value.shape[0]
    if known is not None:
        is_whole = bool(np.array_equal(known, np.arange(len(known))))
    else:
        is_whole = counts_from_zero(c, indices)
    wanted = (count,) if size is None else c.dims(size)
    if is_whole and (wanted is None or same_dim(wanted[0], count) is not False):
        return TensorList(value)
    rows = c.b.reshape(c.cast(indices, DType.INT32), c.ints([-1, 1]))
    if size is None:
        size = c.b.add(c.b.reduce_max(c.cast(indices, DType.INT32), c.ints([0])), c.ints([1]))
    first = c.b.reshape(c.cast(size, DType.INT32), c.ints([1]))
    rest = value.shape[1:]
    shape = c.b.concatenation(first, c.shape(rest), axis=0) if rest else first
    return TensorList(c.b.scatter_nd(rows, value, shape))


def counts_from_zero(c: Context, indices: Value) -> bool:
    """indices = RANGE(0, n, 1)."""
    node = indices.producer
    while node is not None and node.op.name in ("cast", "reshape"):
        node = node.input.producer
    if node is None or not isinstance(node.op, Range):
        return False
    start, step = c.known(node.operand(0)), c.known(node.operand(2))
    return start is not None and step is not None and (int(start), int(step)) == (0, 1)


# -- tensor lists -------------------------------------------------------------------------------


def _reserve(c: Context, node: TFNode, shape: Value, size: Value) -> _List:
    return made(c, size, attrs.dtype(node, "element_dtype"), _dims(c, shape))


def _empty(c: Context, node: TFNode, shape: Value, limit: Value) -> _List:
    size = c.b.constant(np.array(0, np.int32))
    return made(c, size, attrs.dtype(node, "element_dtype"), _dims(c, shape))


def _from_tensor(c: Context, node: TFNode, x: Value, shape: Value) -> TensorList:
    return TensorList(x)


def _get_item(c: Context, node: TFNode, x: Operand, index: Value, shape: Value) -> Value:
    return element(c, x, index, _dims(c, shape))


def _set_item(c: Context, node: TFNode, x: Operand, index: Value, item: Value) -> TensorList:
    return with_element(
        c, x, index, item, grows=attrs.flag(node, "resize_if_index_out_of_bounds", False)
    )


def _stack(c: Context, node: TFNode, x: Operand, shape: Value) -> Value:
    return items_of(c, x, _dims(c, shape))


def _list_length(c: Context, node: TFNode, x: Operand) -> Value:
    return size_of(c, x)


def size_of(c: Context, x: Operand) -> Value:
    """The number of elements of a list, an int32 scalar."""
    found = list_of(x)
    if isinstance(found, Reserved):
        return c.cast(found.size, DType.INT32)
    return c.b.reshape(length(c, found.items), c.ints([]))


def _element_shape(c: Context, node: TFNode, x: Operand) -> Value:
    dims = items_of(c, x).shape[1:]
    return c.cast(c.shape(dims), attrs.dtype(node, "shape_type", DType.INT32))


def _push_back(c: Context, node: TFNode, x: Operand, item: Value) -> TensorList:
    found = list_of(x)
    if isinstance(found, Reserved) and c.dims(found.size) == (0,):
        return TensorList(_row(c, item))
    items = items_of(c, found, item.shape)
    if items.shape[0] == 0:
        return TensorList(_row(c, item))
    return TensorList(c.b.concatenation(items, _row(c, item), axis=0))


def _pop_back(c: Context, node: TFNode, x: Operand, shape: Value) -> list[Operand]:
    items = items_of(c, x, _dims(c, shape))
    one = c.ints([1])
    rest = c.b.strided_slice(items, c.ints([0]), c.ints([-1]), one)
    last = c.b.strided_slice(items, c.ints([-1]), c.ints([0]), one, end_mask=1, shrink_axis_mask=1)
    return [TensorList(rest), last]


def joined(c: Context, items: Value) -> list[Operand]:
    """The elements one behind the other along their first axis, and how long each is."""
    count, length, *rest = items.shape
    whole = c.reshape(items, (count * length, *rest))
    sizes = c.b.fill(c.shape([count]), c.b.reshape(c.shape([length]), c.ints([])))
    return [whole, c.cast(sizes, DType.INT64)]


def _concat(c: Context, node: TFNode, x: Operand, *told: Value) -> list[Operand]:
    dims = _dims(c, told[0]) if told else None
    return joined(c, items_of(c, x, dims))


def _gather(c: Context, node: TFNode, x: Operand, indices: Value, shape: Value) -> Value:
    return c.b.gather(items_of(c, x, _dims(c, shape)), position(c, indices))


def _scatter(c: Context, node: TFNode, x: Value, indices: Value, *told: Value) -> TensorList:
    size = told[1] if len(told) > 1 else None
    known = None if size is None else c.known(size)
    return spread(c, x, indices, None if known is not None and int(known) < 0 else size)


def _split(c: Context, node: TFNode, x: Value, shape: Value, lengths: Value) -> TensorList:
    return TensorList(parts(c, x, lengths))


def parts(c: Context, x: Value, lengths: Value) -> Value:
    """x cut along its first axis into elements of one length. Raises Unsupported."""
    sizes = set(c.integers(lengths, "the lengths of its parts"))
    if len(sizes) != 1:
        raise Unsupported("its parts have several lengths; a list holds elements of one shape")
    return c.reshape(x, (lengths.shape[0], sizes.pop(), *x.shape[1:]))


def _concat_lists(c: Context, node: TFNode, x: Operand, y: Operand) -> TensorList:
    return TensorList(c.b.concatenation(items_of(c, x), items_of(c, y), axis=0))


def _resize(c: Context, node: TFNode, x: Operand, size: Value) -> _List:
    """elements that are added are zeros"""
    found = list_of(x)
    if isinstance(found, Reserved):
        return Reserved(size, found.dtype, found.dims)
    items, rank = found.items, len(found.items.shape)
    wanted = c.b.reshape(c.cast(size, DType.INT32), c.ints([1]))
    after = c.b.maximum(c.b.sub(wanted, length(c, items)), c.ints([0]))
    rest = c.ints([0] * (2 * rank - 2))
    pads = [c.ints([0]), after, *([rest] if rank > 1 else [])]
    edges = c.b.reshape(c.b.concatenation(*pads, axis=0), c.ints([rank, 2]))
    longer = _of_dims(c, c.b.pad(items, edges), items.shape[1:])
    kept = c.b.concatenation(wanted, c.ints([-1] * (rank - 1)), axis=0) if rank > 1 else wanted
    cut = c.b.slice(longer, c.ints([0] * rank), kept)
    return TensorList(_of_dims(c, cut, items.shape[1:]), found.dims)


def _scatter_into(c: Context, node: TFNode, x: Operand, value: Value, indices: Value) -> _List:
    """SELECT_V2 between SCATTER_ND and the elements there were"""
    found = list_of(x)
    items = items_of(c, found, value.shape[1:])
    places = c.reshape(indices, (*indices.shape, 1))
    dims = found.dims if isinstance(found, TensorList) else None
    return TensorList(updated(c, node, items, places, value), dims)


OBJECTS: dict[str, Handler] = {
    "TensorListReserve": _reserve,
    "EmptyTensorList": _empty,
    "TensorListFromTensor": _from_tensor,
    "TensorListGetItem": _get_item,
    "TensorListSetItem": _set_item,
    "TensorListStack": _stack,
    "TensorListLength": _list_length,
    "TensorListElementShape": _element_shape,
    "TensorListPushBack": _push_back,
    "TensorListPopBack": _pop_back,
    **dict.fromkeys(("TensorListConcat", "TensorListConcatV2"), _concat),
    "TensorListConcatLists": _concat_lists,
    "TensorListGather": _gather,
    **dict.fromkeys(("TensorListScatter", "TensorListScatterV2"), _scatter),
    "TensorListSplit": _split,
    "TensorListResize": _resize,
    "TensorListScatterIntoExistingList": _scatter_into,
}
