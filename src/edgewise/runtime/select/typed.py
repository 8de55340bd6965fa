"""Kernels that exist for several element types: `add_f32`, `add_s32`, ..."""

from __future__ import annotations

from edgewise.dtypes import DType
from edgewise.runtime.calls import NotNative
from edgewise.runtime.library import kernel_index

SUFFIXES = {
    DType.FLOAT32: "f32",
    DType.FLOAT16: "f16",
    DType.BFLOAT16: "bf16",
    DType.FLOAT64: "f64",
    DType.BOOL: "u8",
    DType.INT8: "s8",
    DType.UINT8: "u8",
    DType.INT16: "s16",
    DType.UINT16: "u16",
    DType.INT32: "s32",
    DType.UINT32: "u32",
    DType.INT64: "s64",
    DType.UINT64: "u64",
    DType.COMPLEX64: "c64",
}


def typed(name: str, dtype: DType) -> str:
    """The kernel of a name for a type. Raises NotNative."""
    kernel = f"{name}_{SUFFIXES.get(dtype)}"
    if kernel not in kernel_index():
        raise NotNative(f"no kernel for {dtype.text}")
    return kernel
