"""Cases of ops/fully_connected.py."""

import numpy as np

from edgewise.dtypes import DType
from edgewise.ir import Quant, TensorType
from edgewise.ir.enums import Activation, FullyConnectedWeightsFormat
from edgewise.ops.fully_connected import FullyConnected
from tests.ops.case import Case, arg, const, weights

ALL = ("int8", "uint8", "int16")
SHUFFLED = FullyConnectedWeightsFormat.SHUFFLED4x16INT8


def dense(x, w, bias=True, *, quantize=ALL, label="", error="", **attributes):
    return Case(
        FullyConnected(**attributes),
        (arg(x), weights(w, low=-1, high=1), weights((w[0],)) if bias else None),
        label=label,
        quantize=() if error else quantize,
        error=error,
    )


def hybrid(x, w, quant, dtype="int8", *, label, no_litert="", **attributes):
    return Case(
        FullyConnected(**attributes),
        (arg(x), weights(w, dtype, quant=quant), weights((w[0],))),
        label=label,
        no_litert=no_litert or "quantizes x on the fly",
    )


def computed(x, w, x_type, w_type, *, label):
    """Weights that are an input of the model."""
    (x_dtype, x_zero), (w_dtype, w_zero) = x_type, w_type
    y = TensorType(None, DType.of(x_dtype), Quant(0.5, x_zero))
    operands = arg(x, x_dtype, quant=Quant(0.03, x_zero)), arg(w, w_dtype, quant=Quant(0.1, w_zero))
    return Case(FullyConnected(), (*operands, None), label=label, results=(y,))


def sixteen(x, w, w_dtype, *, bias=2**30, label):
    """int16 of the whole range, scaled in float64."""
    return Case(
        FullyConnected(),
        (
            arg(x, "int16", quant=Quant(0.0007)),
            weights(w, w_dtype, quant=Quant(0.011)),
            const(np.linspace(-bias, bias, w[0]).astype(np.int64), quant=Quant(0.0007 * 0.011)),
        ),
        label=label,
        results=(TensorType(None, DType.INT16, Quant(0.01)),),
    )


def eight_by_four(x, w, quant, *, label, no_litert=""):
    """int8 by weights of 4 bits."""
    return Case(
        FullyConnected(),
        (arg(x, "int8", quant=Quant(0.03, 5)), weights(w, "int4", quant=quant), None),
        label=label,
        results=(TensorType(None, DType.INT8, Quant(0.02, -3)),),
        no_litert=no_litert,
    )


SCALED = "its kernel for 4-bit weights scales with a 32-bit multiplier"
PER_ROW = Quant(np.linspace(0.002, 0.01, 7), axis=0)
WIDE = Quant(np.linspace(0.002, 0.01, 35), axis=0)
WIDE_BLOCKS = Quant(np.linspace(0.02, 0.1, 105).reshape(35, 3), axis=1, block_size=32)
BLOCKS = Quant(np.linspace(0.002, 0.01, 14).reshape(7, 2), axis=1, block_size=32)

CASES = [
    dense((5, 13), (7, 13)),
    dense((1, 1), (1, 1), label="ones"),
    dense((3, 64), (17, 64), False, label="no-bias"),
    dense((2, 3, 4, 5), (6, 20), label="flatten"),
    dense((2, 3, 11), (5, 11), keep_num_dims=True, label="keep"),
    dense((11,), (5, 11), keep_num_dims=True, label="keep-vector", quantize=()),
    dense((33,), (5, 11), label="vector"),
    dense((4, 9), (6, 9), fused_activation_function=Activation.RELU, label="relu"),
    dense((4, 9), (6, 9), fused_activation_function=Activation.RELU6, label="relu6"),
    dense((4, 9), (6, 9), fused_activation_function=Activation.RELU_N1_TO_1, label="relu_n1"),
    dense((1, 23), (300, 23), label="row"),
    dense((1, 40), (256, 40), fused_activation_function=Activation.RELU, label="even-row"),
    dense((0, 9), (6, 9), label="empty", quantize=()),
    hybrid((3, 64), (7, 64), PER_ROW, label="hybrid-rows"),
    hybrid((3, 64), (7, 64), Quant(0.01), label="hybrid"),
    hybrid((3, 64), (7, 64), Quant(0.1), "int4", label="hybrid-int4"),
    hybrid((3, 64), (7, 64), BLOCKS, "int4", label="blocks", no_litert="no per-block kernel"),
    hybrid((3, 64), (7, 64), Quant(0.01), asymmetric_quantize_inputs=True, label="asymmetric"),
    hybrid((29, 67), (35, 67), WIDE, label="hybrid-wide"),
    hybrid((1, 67), (300, 67), Quant(0.01), label="hybrid-row"),
    hybrid((1, 200), (35, 200), WIDE, label="hybrid-few"),
    hybrid((5, 96), (35, 96), WIDE_BLOCKS, "int4", label="hybrid-blocks"),
    hybrid((1, 96), (35, 96), WIDE_BLOCKS, label="hybrid-blocks-row"),
    eight_by_four((3, 64), (7, 64), PER_ROW, label="int4"),
    eight_by_four((1, 67), (300, 67), Quant(0.03), label="8x4-row", no_litert=SCALED),
    eight_by_four((29, 67), (35, 67), WIDE, label="8x4-wide", no_litert=SCALED),
    sixteen((3, 65), (7, 65), "int8", label="16x8"),
    sixteen((2, 1203), (35, 1203), "int8", bias=2**40, label="16x8-wide"),
    sixteen((1, 1204), (160, 1204), "int8", label="16x8-wide-row"),
    sixteen((3, 64), (7, 64), "int4", label="16x4"),
    computed((7, 33), (19, 33), ("int8", 4), ("int8", 0), label="computed"),
    computed((1, 64), (16, 64), ("int8", -128), ("int8", 0), label="computed-row"),
    computed((5, 9), (3, 9), ("uint8", 7), ("uint8", 131), label="computed-uint8"),
    dense((5, 13), (7, 12), error="x must have a multiple of 12 elements"),
    dense((5, 13), (7, 12), keep_num_dims=True, error="last dimension of x must be that of w"),
    dense((5, 13), (7, 13), weights_format=SHUFFLED, error="weights_format must be DEFAULT"),
    dense((5, 13), (7, 13, 1), error="w must be [O, K]"),
    dense((5, 13), (7, 0), error="must be known"),
    Case(
        FullyConnected(),
        (arg((5, 13)), weights((7, 13)), weights((6,))),
        error="bias must have 7 elements",
    ),
]
