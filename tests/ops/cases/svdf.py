"""Cases of ops/svdf.py."""

import numpy as np

from edgewise.dtypes import DType
from edgewise.ir import Quant, TensorType
from edgewise.ir.enums import Activation
from edgewise.ops.svdf import SVDF
from tests.ops.case import Arg, Case, arg, weights

SCALES = {"float32": {}, "int8": {"quant": Quant(0.01)}}


def svdf(batch, size, filters, memory, rank=1, *, dtype="float32", bias=True, label="", error="",
         no_litert="", state=None, **attributes):  # fmt: skip
    return Case(
        SVDF(rank=rank, **attributes),
        (
            arg((batch, size)),
            weights((filters, size), dtype, low=-1, high=1, **SCALES[dtype]),
            weights((filters, memory), dtype, low=-1, high=1, **SCALES[dtype]),
            weights((filters // max(rank, 1),)) if bias else None,
            arg(state or (batch, filters * memory), variable=True),
        ),
        label=label,
        error=error,
        no_litert=no_litert,
    )


def integer(batch, size, filters, memory, rank=1, *, label=""):
    units = filters // rank
    bias = np.random.default_rng(units).integers(-9000, 9000, units).astype(np.int32)
    args = (
        arg((batch, size), "int8", quant=Quant(0.02, -5)),
        weights((filters, size), "int8", quant=Quant(0.008)),
        weights((filters, memory), "int16", quant=Quant(3e-5)),
        Arg((units,), DType.INT32, True, values=bias, quant=Quant(3e-8)),
        arg((batch, filters * memory), "int16", quant=Quant(1e-3), variable=True),
    )
    results = (TensorType(None, DType.INT8, Quant(0.09, 7)),)
    operator = SVDF(rank=rank, fused_activation_function=Activation.RELU)
    return Case(operator, args, label=label, results=results)


CASES = [
    svdf(2, 5, 6, 4),
    svdf(1, 1, 1, 1, label="ones"),
    svdf(3, 7, 8, 5, 2, fused_activation_function=Activation.RELU, label="rank"),
    svdf(2, 5, 6, 4, bias=False, label="no-bias"),
    svdf(2, 5, 6, 4, dtype="int8", label="hybrid", no_litert="quantizes x on the fly"),
    svdf(2, 40, 33, 9, 3, dtype="int8", label="hybrid-wide", no_litert="quantizes x on the fly"),
    integer(2, 5, 6, 4, label="integer"),
    integer(3, 16, 12, 9, 3, label="integer-rank"),
    svdf(2, 5, 7, 4, 2, error="must be a multiple of rank"),
    svdf(2, 5, 6, 4, 0, error="rank must be at least 1"),
    svdf(2, 5, 6, 4, state=(2, 23), error="state must be [2, 24]"),
]
