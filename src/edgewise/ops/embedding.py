"""EMBEDDING_LOOKUP: rows of a table, by index."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgewise.dtypes import QUANTIZED_8, DType
from edgewise.ir.dim import Shape
from edgewise.ir.op import Arithmetic, In, Op, Operand, Out, Quantized, Role, SameScale, require
from edgewise.ir.types import TensorType
from edgewise.ops.gather import check_range

_SCALED = QUANTIZED_8 | {DType.INT4}


class EmbeddingLookup(Op, builtin="EMBEDDING_LOOKUP"):
    """y[i] = table[ids[i]].

    Shapes: ids [N], table [V, ...] of rank 2 or more, y [N, ...]. An id outside [0, V) is an
    error. A quantized table gives rows as they are stored (y with the same dtype and scale) or
    dequantized (float y); it may then be quantized per row, and int4. Tables without a scale are of
    any dtype.
    **Source:** TensorFlow Lite embedding_lookup.cc.
    """

    operands = (
        In("ids", {DType.INT32}, Role.PARAMETER),
        In("table", role=Role.WEIGHT, channel_axis=0),
    )
    results = (Out("y", like="table", free=True),)
    arithmetic = Arithmetic.FLOAT
    quantization = SameScale()

    def infer(self, ids: Operand, table: Operand) -> Shape:
        require(len(ids.shape) == 1, f"ids must be [N]; got rank {len(ids.shape)}")
        require(len(table.shape) >= 2, f"table must be [V, ...]; got rank {len(table.shape)}")
        require(
            table.quant is None or table.dtype in _SCALED,
            f"a table with a scale must be int8, uint8 or int4; got {table.dtype.text}",
        )
        if ids.data is not None and isinstance(table.shape[0], int):
            check_range(ids.data, table.shape[0])
        return ids.shape[0], *table.shape[1:]

    def reference(self, ids: np.ndarray, table: np.ndarray) -> np.ndarray:
        check_range(ids, table.shape[0])
        return table[ids]

    def integer(
        self, operands: Sequence[Quantized | None], results: Sequence[TensorType]
    ) -> np.ndarray:
        ids, table = operands
        assert ids is not None
        assert table is not None
        return self.reference(ids.data, table.data)

    def version(self, operands: Sequence[TensorType | None], results: Sequence[TensorType]) -> int:
        table = operands[1]
        assert table is not None
        per_row = table.quant is not None and table.quant.per_channel
        return 4 if table.dtype is DType.INT4 or per_row else 1
