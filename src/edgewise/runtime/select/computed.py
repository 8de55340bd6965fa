"""Weights and biases that the model computes: a kernel packs them before each product."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from edgewise.dtypes import DType
from edgewise.ir.graph import Value
from edgewise.ir.types import TensorType
from edgewise.runtime.calls import Call, Site, is_float, require
from edgewise.runtime.library import Fields, Isa, pack
from edgewise.runtime.select.copy import View, constant_view, copy, view
from edgewise.runtime.select.weights import Weights, real


def weights_of(site: Site, channel_axis: int, *, x: int = 0, w: int = 1, bias: int = 2) -> Weights:
    """As `Weights.of`, of float32 data; what is computed is known by its shape and places. Raises
    NotNative."""
    value, added = site.node.operand(w), site.node.optional(bias)
    array = site.known(value)
    if array is not None and (added is None or site.known(added) is not None):
        return Weights.of(site, channel_axis, x=x, w=w, bias=bias)
    source = None
    if array is None:
        require(is_float(value), f"no kernel for computed {value.dtype.text} weights")
        source = view(value)
        numbers = source.elements.view(np.float32)
    else:
        numbers = real(value, array)
    total = np.zeros(numbers.shape[channel_axis], np.float32)
    known = None if added is None else site.known(added)
    if added is not None and known is not None:
        return Weights(numbers, real(added, known).reshape(-1), None, source)
    require(added is None or is_float(added), "a computed bias is no float32")
    return Weights(numbers, total, None, source, added)


def floats_of(site: Site, value: Value) -> Value | np.ndarray:
    """Float32 numbers for a kernel that reads them as they lie. Raises NotNative."""
    array = site.known(value)
    if array is not None:
        return np.ascontiguousarray(real(value, array))
    require(is_float(value), f"no kernel for computed {value.dtype.text}")
    return value


def packed(elements: View, groups: int, lanes: int) -> tuple[Value, Sequence[Call]]:
    """Weights [groups * O, K...] in the panels of ew_conv_2d_f32, and the call that puts them
    there."""
    array = elements.elements
    o, k = array.shape[0] // groups, math.prod(array.shape[1:])
    params = pack("ew_pack_weights", places(elements, groups))
    wide = -(-o // lanes) * lanes
    y = Value(TensorType((groups, k * wide), DType.FLOAT32), "packed")
    return y, [Call("pack_weights_f32", params, (elements.value, y), groups * panels_of(o, lanes))]


def places(elements: View, groups: int) -> Fields:
    """Where weights [groups * O, K...] lie: the fields of ew_pack_weights."""
    array = elements.elements
    (outputs, *dims), (column, *steps) = array.shape, (s // array.itemsize for s in array.strides)
    o, ones = outputs // groups, [1] * (4 - len(dims))
    return {
        "groups": groups,
        "o": o,
        "dims": [*ones, *dims],
        "stride": [column * o, column, *ones, *steps],
        "first": elements.offset // array.itemsize,
    }


def packed_b8(
    elements: View,
    bias: Value | np.ndarray,
    cut: tuple[int, int],
    lanes: tuple[Isa, int],
    numbers: Mapping[str, int],
    steps: int | None = None,
) -> tuple[Value, Value, Sequence[Call]]:
    """8-bit weights [groups * O, K...] as `ew_conv_layout` has them, int32 biases for them, and the
    call that makes both. `cut`: groups, and runs of K; `lanes`: their number, and what one has;
    `numbers`: the rest of ew_pack_weights_b8; `steps`: of a run (None: as many as it needs)."""
    (groups, runs), (isa, step) = cut, lanes
    if isa is Isa.SCALAR:
        return in_panels_b8(elements, bias, (groups, 1), (1, 1), numbers, steps)
    return in_panels_b8(elements, bias, (groups, runs), (2 * isa.lanes, step), numbers, steps)


def in_panels_b8(
    elements: View,
    bias: Value | np.ndarray,
    cut: tuple[int, int],
    size: tuple[int, int],
    numbers: Mapping[str, int],
    steps: int | None = None,
) -> tuple[Value, Value, Sequence[Call]]:
    """As `packed_b8`; `size`: outputs of a panel, and elements of K in a lane."""
    (groups, runs), (panel, step) = cut, size
    o, k = elements.elements.shape[0] // groups, math.prod(elements.elements.shape[1:])
    panels, least = groups * -(-o // panel), -(-k // max(runs, 1) // step)
    steps = least if steps is None else steps
    fields: Fields = {"weights": places(elements, groups), **numbers}
    fields = {**fields, "runs": runs, "panel": panel, "step": step, "steps": steps}
    params = pack("ew_pack_weights_b8", fields)
    y = Value(TensorType((panels * runs * steps * panel * step,), DType.INT8), "packed")
    z = Value(TensorType((panels * panel,), DType.INT32), "moved")
    operands = (elements.value, bias, y, z)
    return y, z, [Call("pack_weights_b8", params, operands, panels, results=2)]


def packed_bias(bias: Value, groups: int, lanes: int) -> tuple[Value, Sequence[Call]]:
    """Biases [groups * O] for the same."""
    whole = view(bias)
    return packed(whole.of(whole.elements.reshape(-1, 1)), groups, lanes)


def in_one(parts: Sequence[Value | np.ndarray], type_: TensorType) -> tuple[Value, list[Call]]:
    """A value of this type, the elements of all parts one after the other, and the copies that put
    them there."""
    y = Value(type_, "joined")
    target, calls, end = view(y), list[Call](), 0
    elements = target.elements.reshape(-1)
    for part in parts:
        if isinstance(part, np.ndarray):
            whole = constant_view(np.ascontiguousarray(part).view(elements.dtype))
        else:
            whole = view(part)
        source = whole.elements.reshape(-1)
        calls += copy(whole.of(source), target.of(elements[end : end + source.size]))
        end += source.size
    return y, calls


def in_blocks(elements: View, channels: int, block: int) -> tuple[Value, Sequence[Call]]:
    """[rows, O], repeated to `channels`, as [blocks, rows, block]; the last block ends at the last
    channel. And the copies that put it there."""
    (rows, o), calls = elements.elements.shape, list[Call]()
    if channels != o:
        whole = view(Value(TensorType((rows, channels), DType.FLOAT32), "repeated"))
        once = elements.of(elements.elements[:, None])
        places = whole.elements.reshape(rows, -1, o)
        calls += copy(once.of(np.broadcast_to(once.elements, places.shape)), whole.of(places))
        elements = whole
    full, blocks = channels // block, -(-channels // block)
    y = Value(TensorType((blocks, rows, block), DType.FLOAT32), "blocks")
    target = view(y)
    first = elements.elements[:, : full * block].reshape(rows, full, block).transpose(1, 0, 2)
    calls += copy(elements.of(first), target.of(target.elements[:full]))
    if blocks > full:
        last = elements.elements[None, :, channels - block :]
        calls += copy(elements.of(last), target.of(target.elements[full:]))
    return y, calls


def panels_of(o: int, lanes: int) -> int:
    """How many panels o columns are packed in (ew_panels of gemm_f32.h)."""
    vectors = -(-o // lanes)
    return max(vectors // 2, min(vectors, 1))
