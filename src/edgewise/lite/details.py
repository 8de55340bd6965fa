"""The dictionaries by which LiteRT's interpreter describes tensors, field for field.

Source: ai-edge-litert 2.3, `Interpreter.get_tensor_details`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from edgewise.dtypes import DType
from edgewise.ir.dim import is_static
from edgewise.ir.graph import Value
from edgewise.ir.types import Quant

# LiteRT hands these out as wider NumPy types, or as bytes
_NUMPY = {DType.STRING: np.bytes_, DType.INT4: np.int8, DType.RESOURCE: np.int32}


def tensor_details(index: int, value: Value, shape: Sequence[int] | None) -> dict[str, Any]:
    """The dictionary of one tensor. `shape` is the current one; None: that of the file."""
    stored = stored_shape(value)
    current = stored if shape is None else list(shape)
    signature = value.extras.get("shape_signature")
    return {
        "name": value.name,
        "index": index,
        "shape": np.array(current, np.int32),
        "shape_signature": np.array(signature or current, np.int32),
        "dtype": _NUMPY.get(value.dtype, value.dtype.numpy.type),
        "quantization": _single(value.quant),
        "quantization_parameters": _parameters(value.quant),
        "sparsity_parameters": value.extras.get("sparsity_parameters", {}),
    }


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


def _single(quant: Quant | None) -> tuple[float, int]:
    if quant is None or quant.scale.size != 1 or quant.block_size is not None:
        return 0.0, 0
    return float(quant.scale.flat[0]), int(quant.zero_point.flat[0])


def _parameters(quant: Quant | None) -> dict[str, Any]:
    if quant is None:
        return {
            "scales": np.array([], np.float32),
            "zero_points": np.array([], np.int32),
            "quantized_dimension": 0,
            "block_size": 0,
        }
    return {
        "scales": quant.scale.reshape(-1).copy(),
        "zero_points": quant.zero_point.reshape(-1).astype(np.int32),
        "quantized_dimension": (quant.axis or 0) if quant.block_size is None else 0,
        "block_size": quant.block_size or 0,
    }
