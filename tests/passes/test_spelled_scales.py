"""Rules of passes/spelled_scales.py: integers with scales in the words of others."""

import numpy as np
import pytest

from edgewise.dtypes import DType
from edgewise.ir import Quant
from edgewise.ir.enums import Activation
from edgewise.passes.spelled_scales import SCALES
from tests.passes.example import Example, Twin, declines, shows

SCALE = np.array([0.5, 0.25, 2], np.float32)
CHANNELS = Quant(SCALE, np.array([1, 0, 2]), axis=1)
SYMMETRIC = Quant(SCALE, 0, axis=1)
TO, FROM = "quantize to channels", "requantize channels"
JOIN, PRODUCT = "rescaled concatenation", "product by computed integers"
NIBBLES = "product by computed integers of 4 bits"


def stored(b, name="x", shape=(4, 3), dtype=DType.INT8, quant=CHANNELS):
    return b.input(name, shape, dtype, quant)


def joined(b, second, act=Activation.NONE):
    x, y = (stored(b, n, dtype=DType.INT16, quant=q) for n, q in (("x", Quant(0.5)), ("y", second)))
    return b.concatenation(x, y, axis=1, fused_activation_function=act, quant=Quant(0.5))


def product(b, w, **attributes):
    return b.batch_matmul(b.input("x", (2, 4, 3)), w(b), **attributes)


def weights(b, *shape):
    return b.constant(np.ones(shape, np.int8), quant=Quant(0.5), name="w")


EXAMPLES = {
    "dequantize channels": Example(
        lambda b: b.dequantize(stored(b)),
        "dequantize(x)",
        "mul(sub(cast(x, in_data_type=INT8), [1,3]), [1,3])",
        ("dequantize channels",),
    ),
    "quantize to channels": Example(
        lambda b: b.quantize(b.input("x", (4, 3)), dtype=DType.UINT8, quant=CHANNELS),
        "quantize(x)",
        "cast(add(minimum(maximum(round(mul(x, [1,3])), [1,3]), [1,3]), [1,3]), "
        "out_data_type=UINT8)",
        (TO,),
    ),
    "quantize to symmetric channels": Example(
        lambda b: b.quantize(b.input("x", (4, 3)), dtype=DType.INT16, quant=SYMMETRIC),
        "quantize(x)",
        "cast(minimum(maximum(round(mul(x, [1,3])), [1,3]), [1,3]), out_data_type=INT16)",
        (TO,),
    ),
    "requantize from channels": Example(
        lambda b: b.quantize(stored(b), dtype=DType.INT16, quant=Quant(0.01)),
        "quantize(x)",
        "gather([768], add(cast(x, out_data_type=INT32), {128, 384, 640}))",
        (FROM,),
    ),
    "requantize from bytes to channels": Example(
        lambda b: b.quantize(
            stored(b, dtype=DType.UINT8, quant=Quant(0.1, 7)), dtype=DType.INT8, quant=CHANNELS
        ),
        "quantize(x)",
        "gather([768], add(cast(x, out_data_type=INT32), {0, 256, 512}))",
        (FROM,),
    ),
    "concatenation of two scales": Example(
        lambda b: joined(b, Quant(0.25)),
        "concatenation(x, y, axis=1)",
        "concatenation(x, quantize(y), axis=1)",
        (JOIN,),
    ),
    "concatenation and RELU6": Example(
        lambda b: joined(b, Quant(0.5), Activation.RELU6),
        "concatenation(x, y, axis=1, RELU6)",
        "minimum(maximum(concatenation(x, y, axis=1), 0), 12)",
        (JOIN,),
    ),
    "computed integers": Example(
        lambda b: product(b, lambda b: stored(b, "w", (2, 3, 5), quant=Quant(0.5))),
        "batch_matmul(x, w)",
        "batch_matmul(x, dequantize(w))",
        (PRODUCT,),
    ),
    "a batch of constants": Example(
        lambda b: product(b, lambda b: weights(b, 2, 3, 5)),
        "batch_matmul(x, [2,3,5])",
        "batch_matmul(x, dequantize([2,3,5]))",
        (PRODUCT,),
    ),
    "computed weights": Example(
        lambda b: b.fully_connected(
            b.input("x", (4, 3)), stored(b, "w", (5, 3), quant=Quant(0.5)), None
        ),
        "fully_connected(x, w)",
        "fully_connected(x, dequantize(w))",
        (PRODUCT,),
    ),
    "a computed table": Example(
        lambda b: b.embedding_lookup(
            b.constant(np.array([0, 2, 1], np.int32)),
            stored(b, "w", (99, 3), quant=Quant(0.5)),
            dtype=DType.FLOAT32,
            quant=None,
        ),
        "embedding_lookup({0, 2, 1}, w)",
        "embedding_lookup({0, 2, 1}, dequantize(w))",
        (PRODUCT,),
    ),
    "computed weights of 4 bits": Example(
        lambda b: b.fully_connected(
            stored(b, "x", (4, 3), quant=Quant(0.5)),
            stored(b, "w", (5, 3), dtype=DType.INT4, quant=Quant(0.5)),
            None,
            quant=Quant(0.5),
        ),
        "fully_connected(x, w)",
        "fully_connected(x, cast(w, out_data_type=INT8))",
        (NIBBLES,),
    ),
}
TWINS = {
    "one scale": Twin(
        lambda b: b.dequantize(stored(b, quant=Quant(0.5))),
        "dequantize channels",
        "a kernel knows one scale",
    ),
    "to one scale": Twin(
        lambda b: b.quantize(b.input("x", (4, 3)), dtype=DType.INT8, quant=Quant(0.5)),
        TO,
        "the result has one scale",
    ),
    "16 bits": Twin(
        lambda b: b.quantize(stored(b, dtype=DType.INT16), dtype=DType.INT8, quant=Quant(0.5)),
        FROM,
        "there is no table from int16 to int8",
    ),
    "scales that are equal": Twin(lambda b: joined(b, Quant(0.5)), JOIN, "all have one scale"),
    "a constant": Twin(
        lambda b: product(b, lambda b: weights(b, 3, 5)),
        PRODUCT,
        "kernels take constant weights as they are stored",
    ),
    "weights of 8 bits": Twin(
        lambda b: b.fully_connected(
            stored(b, "x", (4, 3), quant=Quant(0.5)),
            stored(b, "w", (5, 3), quant=Quant(0.5)),
            None,
            quant=Quant(0.5),
        ),
        NIBBLES,
        "the weights have 8 bits, or stand between floats",
    ),
    "floats": Twin(
        lambda b: product(b, lambda b: b.input("w", (2, 3, 5))),
        PRODUCT,
        "there are no integers between floats",
    ),
}


@pytest.mark.parametrize("example", EXAMPLES.values(), ids=EXAMPLES.keys())
def test_scales_are_spelled_out(example):
    shows(example, SCALES)


@pytest.mark.parametrize("twin", TWINS.values(), ids=TWINS.keys())
def test_operators_stay(twin):
    declines(twin, SCALES)
