"""The dictionaries by which LiteRT's interpreter describes tensors, field for field.

Before `allocate_tensors` they say what the file says; after it, what inference found. Two habits
of LiteRT's preparation show in them and are repeated here: an operator's result has the inferred
type, and one scale of an int8 filter becomes one per output channel (`_spread`). Temporary tensors
that LiteRT's kernels append to the list (scratch of hybrid operators, LSTM and convolutions) have
no counterpart.

Source: ai-edge-litert 2.3, `Interpreter.get_tensor_details`, compared on 210 models.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from edgewise.dtypes import DType
from edgewise.ir.dim import is_static
from edgewise.ir.graph import Node, Value

Details = dict[str, Any]

# LiteRT hands these out as wider NumPy types, or as bytes and objects
_NUMPY = {DType.STRING: np.bytes_, DType.INT4: np.int8, DType.RESOURCE: np.object_}
# operators whose filter (operand 1) gets a scale per output channel, by the type of their data
_SPREAD = {("FULLY_CONNECTED", DType.INT8), ("CONV_2D", DType.FLOAT32)}


def tensor_details(
    index: int, value: Value, shape: Sequence[int] | None, *, ready: bool, compress: bool = False
) -> Details:
    """The dictionary of one tensor.

    Args:
        shape: the current one; None: that of the file.
        ready: tensors are allocated, so that types are the inferred ones.
        compress: zero points that are all the same become one
            (`experimental_compress_quantization_zero_points`).
    """
    current = stored_shape(value) if shape is None else list(shape)
    signature = value.extras.get("shape_signature")
    scales, points, axis, block = _quantization(value)
    single = (float(scales[0]), int(points[0])) if scales.size == 1 and not block else (0.0, 0)
    if ready:
        scales = _spread(value, scales)
    if compress and points.size and (points == points[0]).all():
        points = points[:1]
    return {
        "name": value.name,
        "index": index,
        "shape": np.array(current, np.int32),
        "shape_signature": np.array(signature or current, np.int32),
        "dtype": numpy_type(value.dtype if ready else stored_dtype(value)),
        "quantization": single,
        "quantization_parameters": {
            "scales": scales,
            "zero_points": points,
            "quantized_dimension": axis,
            "block_size": block,
        },
        "sparsity_parameters": value.extras.get("sparsity_parameters", {}),
    }


def operator_details(index: int, node: Node, indices: dict[Value, int]) -> Details:
    """The dictionary of one operator; -1 is an operand that is absent."""

    def places(values: Sequence[Value | None]) -> np.ndarray:
        return np.array([-1 if v is None else indices[v] for v in values], np.int32)

    def types(values: Sequence[Value | None]) -> list[type]:
        return [numpy_type(stored_dtype(v)) for v in values if v is not None]

    return {
        "index": index,
        "op_name": node.op.custom or node.op.builtin or node.op.name,
        "inputs": places(node.inputs),
        "outputs": places(node.outputs),
        "operand_types": types(node.inputs),
        "result_types": types(node.outputs),
    }


def numpy_type(dtype: DType) -> type:
    """The NumPy scalar type by which LiteRT names an element type."""
    return _NUMPY.get(dtype, dtype.numpy.type)


def stored_dtype(value: Value) -> DType:
    """The element type the file declares; inference may have found another for a result."""
    return getattr(value.extras.get("record"), "type", value.dtype)


def stored_shape(value: Value) -> list[int]:
    """The shape in the file, with 1 where only the signature leaves a dimension open."""
    stored = value.extras.get("shape")
    if isinstance(stored, list | tuple):
        return [int(d) for d in stored]
    shape = value.type.shape
    if shape is None:
        return []
    if is_static(shape):
        return [d for d in shape if isinstance(d, int)]
    return [d if isinstance(d, int) else 1 for d in shape]


def _quantization(value: Value) -> tuple[np.ndarray, np.ndarray, int, int]:
    """(scales, zero points, dimension, block size); the file's own where the IR has no word for
    them (a float tensor with a scale)."""
    quant = value.quant
    if quant is not None and quant.block_size is not None:
        points = quant.zero_point.reshape(-1).astype(np.int32)
        return quant.scale.reshape(-1).copy(), points, 0, quant.block_size
    record: Any = getattr(value.extras.get("record"), "quantization", None)
    if record is None or record.scale is None or not record.scale.size:
        if quant is None:
            return np.array([], np.float32), np.array([], np.int32), 0, 0
        points = quant.zero_point.reshape(-1).astype(np.int32)
        return quant.scale.reshape(-1).copy(), points, quant.axis or 0, 0
    scales = np.array(record.scale, np.float32)
    given = np.zeros(1) if record.zero_point is None else record.zero_point
    points = np.resize(np.array(given).astype(np.int32), scales.size)
    return scales, points, int(record.quantized_dimension), 0


def _spread(value: Value, scales: np.ndarray) -> np.ndarray:
    """One scale of an int8 filter repeated for each output channel, as LiteRT's kernels do."""
    if scales.size != 1 or value.data is None or value.dtype is not DType.INT8:
        return scales
    for user in value.consumers:
        if user.optional(1) is value and (user.op.builtin, user.input.dtype) in _SPREAD:
            return np.repeat(scales, value.data.shape[0])
    return scales
