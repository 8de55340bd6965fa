"""Rules of passes/reshaping.py and passes/dense.py."""

import numpy as np
import pytest

from edgewise.dtypes import DType
from edgewise.ir import Sym
from edgewise.ir.enums import Activation
from edgewise.passes.dense import DENSE
from edgewise.passes.reshaping import REDUCTIONS, RESHAPES, shape_vector
from tests.passes.example import INT8, Example, Twin, declines, ints, normal, quantized, shows

X = (2, 1, 3, 4)
N = Sym("n", 1)


def chain(*steps, shape=X, **first):
    """Operators one after the other: (name, constants..., attributes)."""

    def build(b):
        y = b.input("x", shape, **first)
        for op, *rest in steps:
            attributes = rest.pop() if rest and isinstance(rest[-1], dict) else {}
            y = getattr(b, op)(y, *[b.constant(c) for c in rest], **attributes)
        return y

    return build


def dynamic_flatten(b):
    """What a converter writes for Flatten of a dynamic batch."""
    x = b.input("x", (N, 3, 4))
    one = b.strided_slice(
        b.shape(x),
        b.constant(ints(0)),
        b.constant(ints(1)),
        b.constant(ints(1)),
        shrink_axis_mask=1,
    )
    return b.reshape(x, b.pack(one, b.constant(12), values_count=2))


def matmul(left, right, swap, **attributes):
    def build(b):
        x, y = b.input("x", left), b.input("y", right)
        perm = b.constant(ints(*swap))
        return b.batch_matmul(x, b.transpose(y, perm), **attributes)

    return build


def matmul_left(b):
    x, y = b.input("x", (2, 4, 3)), b.input("y", (2, 4, 5))
    return b.batch_matmul(b.transpose(x, b.constant(ints(0, 2, 1))), y)


def pixels(size=1, kernel=1, matrix=True):
    """A convolution of [2, size, size, 3] and a reshape to rows."""

    def build(b):
        x = b.input("x", (2, size, size, 3))
        w = b.constant(normal(4, kernel, kernel, 3))
        y = b.conv_2d(x, w, b.constant(normal(4)), fused_activation_function=Activation.RELU)
        return b.reshape(y, b.constant(ints(2, -1) if matrix else ints(2, 1, 4)))

    return build


PIXEL = ("convolution of one pixel as fully_connected",)
AXES = ints(1, 2)
RESHAPE = ("squeeze or expand_dims as reshape",)
KEEP = ("reshape into keep_dims",)
FLAT = ("no dimensions kept before fully_connected",)
KEPT = {"keep_num_dims": True}
ROWS = np.array([[0, 0], [1, 2]], np.int32)
ONE_MORE = np.array([[0, 0], [0, 0], [1, 2]], np.int32)
FIRST = np.array([[0, 0], [1, 0], [0, 0]], np.int32)
BEHIND = ("reshape behind a pad",)
EXAMPLES = [
    Example(
        pixels(),
        "reshape(conv_2d(x, [4,1,1,3], [4], RELU), {2, -1})",
        "fully_connected(x, [4,3], [4], RELU)",
        PIXEL,
        1e-6,
    ),
    Example(
        chain(
            ("reshape", ints(6, 1, 4)),
            ("pad", ONE_MORE),
            ("reshape", ints(6, 7, 1)),
            shape=(6, 4),
        ),
        "reshape(pad(reshape(x, {6, 1, 4}), {0, 0, 0, 0, 1, 2}), {6, 7, 1})",
        "reshape(pad(x, {0, 0, 1, 2}), {6, 7, 1})",
        (*BEHIND, "reshape of reshape"),
    ),
    Example(
        chain(("squeeze", {"squeeze_dims": (1,)})),
        "squeeze(x, squeeze_dims=(1,))",
        "reshape(x, {2, 3, 4})",
        RESHAPE,
    ),
    Example(
        chain(("expand_dims", np.int32(-1)), shape=(N, 3)),
        "expand_dims(x, -1)",
        "reshape(x, {-1, 3, 1})",
        RESHAPE,
    ),
    Example(
        dynamic_flatten,
        "reshape(x, pack(strided_slice(shape(x), 0, 1, 1, shrink_axis_mask=1), 12, "
        "values_count=2))",
        "reshape(x, {-1, 12})",
        ("reshape to a known shape",),
    ),
    Example(
        chain(("reshape", ints(2, 1, -1, 4))),
        "reshape(x, {2, 1, -1, 4})",
        "x",
        ("reshape to the same shape",),
    ),
    Example(
        chain(("reshape", ints(6, 4)), ("reshape", ints(4, 6))),
        "reshape(reshape(x, {6, 4}), {4, 6})",
        "reshape(x, {4, 6})",
        ("reshape of reshape",),
    ),
    Example(
        chain(("transpose", ints(0, 3, 1, 2)), ("transpose", ints(3, 1, 0, 2)), shape=(2, 5, 3, 4)),
        "transpose(transpose(x, {0, 3, 1, 2}), {3, 1, 0, 2})",
        "transpose(x, {2, 3, 0, 1})",
        ("transpose of transpose",),
    ),
    # NCHW to NHWC and back
    Example(
        chain(("transpose", ints(0, 3, 1, 2)), ("transpose", ints(0, 2, 3, 1))),
        "transpose(transpose(x, {0, 3, 1, 2}), {0, 2, 3, 1})",
        "x",
        ("transpose of transpose", "transpose as reshape", "reshape to the same shape"),
    ),
    Example(
        chain(("transpose", ints(1, 0, 2)), ("transpose", ints(1, 0, 2)), shape=(N, Sym("m"), 4)),
        "transpose(transpose(x, {1, 0, 2}), {1, 0, 2})",
        "x",
        ("transpose of transpose", "transpose to the same order"),
    ),
    # a batch that is unknown stays where it is
    Example(
        chain(("transpose", ints(0, 2, 1)), shape=(N, 1, 4)),
        "transpose(x, {0, 2, 1})",
        "reshape(x, {-1, 4, 1})",
        ("transpose as reshape",),
    ),
    Example(
        chain(("transpose", ints(0, 2, 1)), shape=(N, 1, 7)),
        "transpose(x, {0, 2, 1})",
        "reshape(x, {-1, 7, 1})",
        ("transpose as reshape",),
    ),
    Example(
        chain(("transpose", ints(1, 0, 2, 3))),
        "transpose(x, {1, 0, 2, 3})",
        "reshape(x, {1, 2, 3, 4})",
        ("transpose as reshape",),
    ),
    Example(
        matmul((2, 3, 4), (2, 5, 4), (0, 2, 1)),
        "batch_matmul(x, transpose(y, {0, 2, 1}))",
        "batch_matmul(x, y, adj_y=True)",
        ("transpose into batch_matmul",),
    ),
    Example(
        matmul((2, 3, 4), (2, 4, 5), (0, 2, 1), adj_y=True),
        "batch_matmul(x, transpose(y, {0, 2, 1}), adj_y=True)",
        "batch_matmul(x, y)",
        ("transpose into batch_matmul",),
    ),
    Example(
        matmul_left,
        "batch_matmul(transpose(x, {0, 2, 1}), y)",
        "batch_matmul(x, y, adj_x=True)",
        ("transpose into batch_matmul's left operand",),
    ),
    Example(
        chain(("mean", AXES), ("reshape", ints(2, 1, 1, 4)), shape=(2, 5, 3, 4)),
        "reshape(mean(x, {1, 2}), {2, 1, 1, 4})",
        "mean(x, {1, 2}, keep_dims=True)",
        KEEP,
    ),
    Example(
        chain(("sum", AXES, {"keep_dims": True}), ("reshape", ints(-1, 4)), shape=(N, 5, 3, 4)),
        "reshape(sum(x, {1, 2}, keep_dims=True), {-1, 4})",
        "sum(x, {1, 2})",
        KEEP,
    ),
    Example(
        chain(("reduce_max", ints(1)), shape=(2, 1, 4)),
        "reduce_max(x, 1)",
        "reshape(x, {2, 4})",
        ("reduction of single elements",),
    ),
    Example(
        chain(("reshape", ints(6, 4)), ("fully_connected", normal(5, 4))),
        "fully_connected(reshape(x, {6, 4}), [5,4])",
        "fully_connected(x, [5,4])",
        ("reshape before fully_connected",),
        1e-6,
    ),
    Example(
        chain(("mean", AXES, {"keep_dims": True}), ("fully_connected", normal(5, 4))),
        "fully_connected(mean(x, {1, 2}, keep_dims=True), [5,4])",
        "fully_connected(mean(x, {1, 2}), [5,4])",
        FLAT,
    ),
    # of a matrix, keep_num_dims says nothing
    Example(
        chain(("reshape", ints(6, 4)), ("fully_connected", normal(5, 4), KEPT)),
        "fully_connected(reshape(x, {6, 4}), [5,4], keep_num_dims=True)",
        "fully_connected(x, [5,4])",
        ("reshape before fully_connected",),
        1e-6,
    ),
    Example(
        chain(
            ("reshape", ints(-1, 4)),
            ("fully_connected", normal(5, 4)),
            ("reshape", ints(-1, 3, 5)),
            shape=(N, 3, 4),
        ),
        "reshape(fully_connected(reshape(x, {-1, 4}), [5,4]), {-1, 3, 5})",
        "fully_connected(x, [5,4], keep_num_dims=True)",
        ("reshape before fully_connected", "reshape after fully_connected"),
        1e-6,
    ),
    Example(
        chain(("fully_connected", normal(5, 4), {"keep_num_dims": True}), ("reshape", ints(6, 5))),
        "reshape(fully_connected(x, [5,4], keep_num_dims=True), {6, 5})",
        "fully_connected(x, [5,4])",
        ("reshape after fully_connected",),
        1e-6,
    ),
    Example(
        lambda b: b.fully_connected(
            b.input("x", X), b.constant(normal(5, X[-1])), b.constant(np.zeros(5, np.float32))
        ),
        f"fully_connected(x, [5,{X[-1]}], [5])",
        f"fully_connected(x, [5,{X[-1]}])",
        ("no bias of zeros",),
    ),
    Example(
        chain(("batch_matmul", normal(4, 5))),
        "batch_matmul(x, [4,5])",
        "fully_connected(x, [5,4], keep_num_dims=True)",
        ("batch_matmul as fully_connected",),
        1e-6,
    ),
    Example(
        chain(("batch_matmul", normal(1, 5, 4), {"adj_y": True})),
        "batch_matmul(x, [1,5,4], adj_y=True)",
        "fully_connected(x, [5,4], keep_num_dims=True)",
        ("batch_matmul as fully_connected",),
        1e-6,
    ),
]
RULES = [*RESHAPES, *DENSE]


def requantized(op, *operands):
    """The operator on int8 with another scale behind it."""

    def build(b):
        x = b.input("x", X, INT8, quantized())
        return getattr(b, op)(x, *[b.constant(c) for c in operands], quant=quantized(0.1))

    return build


def requantized_chain(*steps):
    def build(b):
        y = b.input("x", X, INT8, quantized())
        for op, constant in steps:
            y = getattr(b, op)(y, b.constant(constant), quant=quantized(0.1))
        return y

    return build


def quantized_transpose(left):
    def build(b):
        x, y = (b.input(n, (2, 4, 4), INT8, quantized()) for n in "xy")
        t = b.transpose(y, b.constant(ints(0, 2, 1)), quant=quantized(0.1))
        return b.batch_matmul(*((t, x) if left else (x, t)), quant=quantized(0.5))

    return build


def swap_more(left):
    def build(b):
        x, y = b.input("x", (4, 4, 4)), b.input("y", (4, 4, 4))
        t = b.transpose(y, b.constant(ints(2, 1, 0)))
        return b.batch_matmul(*((t, x) if left else (x, t)))

    return build


TWINS = [
    Twin(pixels(2), PIXEL[0], "are not of single pixels"),
    Twin(pixels(kernel=3), PIXEL[0], "are not of single pixels"),
    Twin(pixels(matrix=False), PIXEL[0], "gives no matrix of 4 columns"),
    Twin(
        chain(("reshape", ints(6, 1, 4)), ("pad", ONE_MORE), shape=(6, 4)),
        BEHIND[0],
        "no reshape after it would go",
    ),
    Twin(
        chain(("reshape", ints(8, 3)), ("pad", ROWS), ("reshape", ints(48)), shape=(6, 4)),
        BEHIND[0],
        "mixes dimensions",
    ),
    Twin(
        chain(("reshape", ints(6, 1, 4)), ("pad", FIRST), ("reshape", ints(12, 4)), shape=(6, 4)),
        BEHIND[0],
        "it pads a dimension of 1",
    ),
    Twin(
        chain(("expand_dims", np.int32(1)), shape=(N, Sym("m"))),
        RESHAPE[0],
        "2 dimensions are unknown",
    ),
    Twin(
        lambda b: b.reshape(b.input("x", (6,)), b.input("shape", (2,), DType.INT32)),
        "reshape to a known shape",
        "2 dimensions are unknown",
    ),
    Twin(chain(("reshape", ints(6, 4))), "reshape to the same shape", "the shape changes"),
    Twin(
        requantized_chain(("reshape", ints(6, 4)), ("reshape", ints(4, 6))),
        "reshape of reshape",
        "'x' is int8",
    ),
    Twin(
        requantized_chain(("transpose", ints(1, 0, 2, 3)), ("transpose", ints(0, 1, 3, 2))),
        "transpose of transpose",
        "'x' is int8",
    ),
    Twin(chain(("transpose", ints(0, 3, 2, 1))), "transpose as reshape", "it permutes"),
    Twin(
        chain(("transpose", ints(1, 0, 2)), shape=(N, 2, 1)), "transpose as reshape", "it permutes"
    ),
    Twin(
        chain(("transpose", ints(1, 0, 2)), shape=(N, N, 4)),
        "transpose to the same order",
        "it permutes",
    ),
    Twin(swap_more(False), "transpose into batch_matmul", "more than swap the last two axes"),
    Twin(quantized_transpose(False), "transpose into batch_matmul", "int8"),
    Twin(
        swap_more(True),
        "transpose into batch_matmul's left operand",
        "more than swap the last two axes",
    ),
    Twin(chain(("mean", AXES), ("reshape", ints(4, 2))), KEEP[0], "more than add or drop"),
    Twin(chain(("mean", ints(0, 1))), "reduction of single elements", "it reduces axes of sizes"),
    Twin(requantized("mean", ints(1)), "reduction of single elements", "int8"),
    Twin(
        chain(("mean", ints(1), {"keep_dims": True}), ("fully_connected", normal(5, 4))),
        FLAT[0],
        "is no matrix of rows",
    ),
    Twin(
        chain(("reshape", ints(3, 2, 4)), ("fully_connected", normal(5, 4), KEPT)),
        "reshape before fully_connected",
        "keeps the dimensions of the reshape",
    ),
    Twin(
        chain(("reshape", ints(2, 12)), ("fully_connected", normal(5, 12))),
        "reshape before fully_connected",
        "are not those of the weights",
    ),
    Twin(
        chain(("fully_connected", normal(5, 4)), ("reshape", ints(3, 10))),
        "reshape after fully_connected",
        "changes more than the leading dimensions",
    ),
    Twin(
        chain(("fully_connected", normal(5, 12)), ("reshape", ints(2, 1, 5))),
        "reshape after fully_connected",
        "are not those of the weights",
    ),
    Twin(
        chain(("batch_matmul", normal(2, 1, 4, 5))),
        "batch_matmul as fully_connected",
        "is not one matrix",
    ),
    Twin(
        chain(("batch_matmul", normal(1, 1, 4, 5)), shape=(3, 4)),
        "batch_matmul as fully_connected",
        "raises the rank",
    ),
    Twin(
        lambda b: b.fully_connected(
            b.input("x", X, INT8, quantized()),
            b.constant(np.ones((5, X[-1]), np.int8), quant=quantized(0.1, 0)),
            b.constant(np.zeros(5, np.float32)),
            dtype=INT8,
            quant=quantized(),
        ),
        "no bias of zeros",
        "is quantized",
    ),
]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda e: e.before)
def test_rewrites(example):
    shows(example, RULES)


@pytest.mark.parametrize("twin", TWINS, ids=lambda t: f"{t.rule}-{t.reason}")
def test_must_not_match(twin):
    declines(twin, RULES)


def test_every_reduction_has_keep_dims():
    assert all("keep_dims" in cls.attributes() for cls in REDUCTIONS)


@pytest.mark.parametrize(
    ("shape", "vector"),
    [
        ((2, 3), [2, 3]),
        ((), []),
        ((N, 3), [-1, 3]),
        ((N, N), "2 dimensions are unknown"),
        ((N, 0), "not determined"),
        (None, "rank is unknown"),
    ],
)
def test_shape_vector(shape, vector):
    found = shape_vector(shape)
    if isinstance(vector, str):
        assert vector in found
    else:
        assert found.tolist() == vector
