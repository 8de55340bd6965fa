"""TensorArrays of TF1 as tensors [n, ...]: lists (`tensor_lists.py`) whose elements the flow
carries, while the handle means nothing.
"""

from __future__ import annotations

import numpy as np

from edgewise.frontends.tensorflow import attrs
from edgewise.frontends.tensorflow.context import (
    Context,
    Handler,
    Operand,
    Reserved,
    TensorList,
    Token,
)
from edgewise.frontends.tensorflow.handlers.tensor_lists import (
    counts_from_zero,
    element,
    items_of,
    joined,
    length,
    list_of,
    made,
    parts,
    position,
    size_of,
    spread,
    with_element,
)
from edgewise.frontends.tensorflow.program import TFNode, TFShape
from edgewise.ir.dim import same_dim
from edgewise.ir.graph import Value


def _array(c: Context, node: TFNode, size: Value) -> list[Operand]:
    dims = attrs.shape(node, "element_shape").dims
    return [Token(), made(c, size, attrs.dtype(node, "dtype"), dims)]


def _write(
    c: Context, node: TFNode, handle: Operand, index: Value, item: Value, flow: Operand
) -> TensorList:
    return with_element(c, flow, index, item)


def _read(c: Context, node: TFNode, handle: Operand, index: Value, flow: Operand) -> Value:
    return element(c, flow, index)


def _array_gather(
    c: Context, node: TFNode, handle: Operand, indices: Value, flow: Operand
) -> Value:
    dims = node.attrs.get("element_shape")
    items = items_of(c, flow, dims.dims if isinstance(dims, TFShape) else None)
    known, count = c.known(indices), indices.shape[0]
    is_whole = same_dim(count, items.shape[0]) is not False and (
        counts_from_zero(c, indices)
        if known is None
        else bool(np.array_equal(known, np.arange(len(known))))
    )
    return items if is_whole else c.b.gather(items, position(c, indices))


def _array_scatter(
    c: Context, node: TFNode, handle: Operand, indices: Value, x: Value, flow: Operand
) -> TensorList:
    given = list_of(flow)
    size = given.size if isinstance(given, Reserved) else length(c, given.items)
    return spread(c, x, indices, size)


def _array_size(c: Context, node: TFNode, handle: Operand, flow: Operand) -> Value:
    return size_of(c, flow)


def _array_concat(c: Context, node: TFNode, handle: Operand, flow: Operand) -> list[Operand]:
    return joined(c, items_of(c, flow))


def _array_split(
    c: Context, node: TFNode, handle: Operand, x: Value, lengths: Value, flow: Operand
) -> TensorList:
    return TensorList(parts(c, x, lengths))


OBJECTS: dict[str, Handler] = {
    "TensorArrayV3": _array,
    "TensorArrayWriteV3": _write,
    "TensorArrayReadV3": _read,
    "TensorArrayGatherV3": _array_gather,
    "TensorArrayScatterV3": _array_scatter,
    "TensorArraySizeV3": _array_size,
    "TensorArrayConcatV3": _array_concat,
    "TensorArraySplitV3": _array_split,
    "TensorArrayCloseV3": lambda c, node, handle: [],
}
