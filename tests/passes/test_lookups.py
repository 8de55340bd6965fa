"""Rules of passes/lookups.py: one hot vectors are made only to multiply with them."""

import numpy as np
import pytest

from edgewise.dtypes import DType
from edgewise.ir import Quant
from edgewise.ir.enums import Activation
from edgewise.ir.op import operator
from edgewise.ir.types import TensorType
from edgewise.passes.lookups import LOOKUPS, TABLES, bounds
from tests.passes.example import INT8, Example, Twin, declines, ints, normal, shows

RULE = ("product with one hot vector",)
DEPTH = 6


def clipped(b, ids, low=0, high=DEPTH - 1):
    return b.minimum(b.maximum(ids, b.constant(ints(low)[0])), b.constant(ints(high)[0]))


def product(ids=clipped, *, bias=True, axis=-1, on=1.0, act=Activation.NONE, keep=True):
    """one_hot of int32 [2, 3], as `ids` makes them of an input, through a dense layer."""

    def build(b):
        numbers = ids(b, b.input("x", (2, 3), DType.INT32))
        scalars = [b.constant(np.float32(n)) for n in (on, 0.0)]
        hot = b.node(operator("one_hot")(axis=axis), numbers, b.constant(np.int32(DEPTH)), *scalars)
        w = b.constant(normal(4, DEPTH))
        rest = (b.constant(normal(4)),) if bias else ()
        flags = {"keep_num_dims": keep, "fused_activation_function": act}
        return b.fully_connected(hot.output, w, *rest, **flags)

    return build


IDS = "minimum(maximum(x, 0), 5)"
EXAMPLES = [
    Example(
        product(),
        f"fully_connected(one_hot({IDS}, 6, 1, 0, axis=-1), [4,6], [4], keep_num_dims=True)",
        f"gather([6,4], {IDS})",
        RULE,
        1e-6,
    ),
    Example(
        product(lambda b, x: b.floor_mod(x, b.constant(ints(6)[0])), bias=False),
        "fully_connected(one_hot(floor_mod(x, 6), 6, 1, 0, axis=-1), [4,6], keep_num_dims=True)",
        "gather([6,4], floor_mod(x, 6))",
        RULE,
        1e-6,
    ),
]
TWINS = [
    Twin(product(lambda b, x: x), RULE[0], "indices in [-2.14748e+09, 2.14748e+09] may lie"),
    Twin(product(lambda b, x: clipped(b, x, -1)), RULE[0], "indices in [-1, 5] may lie outside"),
    Twin(product(lambda b, x: clipped(b, x, 0, 6)), RULE[0], "indices in [0, 6] may lie outside"),
    Twin(product(keep=False), RULE[0], "has not the dimensions of the indices"),
]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda e: e.before)
def test_rewrites(example):
    shows(example, LOOKUPS)


@pytest.mark.parametrize("twin", TWINS, ids=lambda t: t.reason)
def test_must_not_match(twin):
    declines(twin, LOOKUPS)


@pytest.mark.parametrize(
    ("build", "found"),
    [
        (lambda b, x: b.arg_max(b.input("f", (3, 7)), b.constant(ints(1)[0])), (0, 6)),
        (lambda b, x: b.cast(b.input("u", (3,), DType.UINT8), dtype=DType.INT32), (0, 255)),
        (lambda b, x: b.cast(b.input("f", (3,)), dtype=DType.INT32), (-(2**31), 2**31 - 1)),
        (lambda b, x: b.cast(b.input("b", (3,), DType.BOOL), dtype=DType.INT32), (0, 1)),
        (lambda b, x: b.reshape(clipped(b, x), b.constant(ints(6))), (0, 5)),
        (lambda b, x: b.constant(ints(3, -1, 2)), (-1, 3)),
        # the sum may wrap around: nothing is known of it
        (lambda b, x: b.add(clipped(b, x), clipped(b, x)), (-(2**31), 2**31 - 1)),
    ],
)
def test_bounds(build, found):
    from edgewise.ir import Builder

    b = Builder()
    assert bounds(build(b, b.input("x", (2, 3), DType.INT32))) == found


def table(*, scales=4, zero=0, dtype=INT8, stored=False):
    """EMBEDDING_LOOKUP of int32 [3] in a table [4, 5] of integers."""

    def build(b):
        ids = b.minimum(b.maximum(b.input("x", (3,), DType.INT32), b.constant(0)), b.constant(3))
        q = np.arange(-10, 10).reshape(4, 5) % (1 << (dtype.bits - 1))
        quant = Quant([0.1, 0.3, 0.7, 1.1][:scales], zero, axis=0 if scales > 1 else None)
        rows = b.constant(q.astype(dtype.numpy), quant=quant)
        shape = (3, 5)
        result = rows.type.with_shape(shape) if stored else TensorType(shape, DType.FLOAT32)
        return b.node(operator("embedding_lookup")(), ids, rows, results=[result]).output

    return build


CLIPPED = "minimum(maximum(x, 0), 3)"


@pytest.mark.parametrize(("scales", "dtype"), [(4, INT8), (4, DType.INT4), (1, INT8)])
def test_rows_of_integers_are_dequantized_alone(scales, dtype):
    scale = f"gather([4,1], {CLIPPED})"
    example = Example(
        table(scales=scales, dtype=dtype),
        f"embedding_lookup({CLIPPED}, [4,5])",
        f"mul(cast(gather([4,5], {CLIPPED})), {scale})",
        ("rows of a table of integers",),
    )
    shows(example, TABLES)


@pytest.mark.parametrize(
    ("build", "reason"),
    [
        (table(stored=True, scales=1), "stay as they are stored"),
        (table(zero=3, scales=1), "has no symmetric scale per row"),
    ],
)
def test_other_tables_stay(build, reason):
    declines(Twin(build, "rows of a table of integers", reason), TABLES)
