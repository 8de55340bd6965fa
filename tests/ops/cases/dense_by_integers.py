"""Cases of ops/dense_by_integers.py."""

import numpy as np

from edgewise.ir import Quant
from edgewise.ir.enums import Activation
from edgewise.ops.dense_by_integers import DenseByIntegers
from tests.ops.case import Case, arg, weights


def dense(x, w, quant=None, dtype="int8", *, bias=True, label, **attributes):
    quant = Quant(np.linspace(0.01, 0.1, w[0]), axis=0) if quant is None else quant
    operands = (arg(x), weights(w, dtype, quant=quant), weights((w[0],)) if bias else None)
    return Case(DenseByIntegers(**attributes), operands, label=label)


def blocks(o, count):
    """Scales of blocks of 32."""
    scales = np.linspace(0.02, 0.1, o * count).reshape(o, count)
    return Quant(scales, axis=1, block_size=32)


CASES = [
    dense((1, 1), (1, 1), label="ones"),
    dense((1, 67), (300, 67), label="row"),
    dense((1, 67), (300, 67), Quant(0.1), "int4", label="row of 4 bits"),
    dense((3, 31), (33, 31), label="rows"),
    dense((7, 33), (35, 33), None, "int4", label="rows of 4 bits"),
    dense((2, 3, 16), (20, 48), Quant(0.1), "int2", bias=False, label="2 bits"),
    dense((1, 96), (131, 96), blocks(131, 3), "int4", label="blocks of 4 bits"),
    dense((5, 64), (70, 64), blocks(70, 2), label="blocks"),
    dense((2, 4, 9), (6, 9), keep_num_dims=True, label="keep"),
    dense((4, 9), (40, 9), fused_activation_function=Activation.RELU6, label="relu6"),
    dense((0, 9), (6, 9), label="empty"),
]
