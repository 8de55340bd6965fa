"""Elementwise kernels: layouts of broadcasts, tiles, results in place of operands, exact sums."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edgewise.dtypes import DType
from edgewise.ir import Builder, Op, Quant, TensorType
from edgewise.ir.enums import Activation
from edgewise.ir.evaluate import evaluate, evaluate_op
from edgewise.ir.graph import Value
from edgewise.ops.activation import HardSwish, Relu6
from edgewise.ops.arithmetic import Add, Mul, Sub
from edgewise.ops.binary import FloorMod, SquaredDifference
from edgewise.ops.choose import SelectV2
from edgewise.ops.convert import Quantize
from edgewise.runtime.calls import Call, Site
from edgewise.runtime.library import Isa, kernel_index, library, structures
from edgewise.runtime.plan import Target
from edgewise.runtime.select import select
from edgewise.runtime.select.unary import byte_table
from tests.isas import ISAS

EACH_ISA = pytest.mark.parametrize("isa", ISAS, ids=lambda i: i.name.lower())


def site_of(
    op: Op,
    arrays: list[np.ndarray],
    isa: Isa,
    tile_elements: int | None = None,
    quants: tuple[Quant | None, ...] = (),
    result: TensorType | None = None,
) -> Site:
    """A node on inputs like `arrays`."""
    b = Builder()
    quants = quants or (None,) * len(arrays)
    values = [
        b.input(f"x{i}", a.shape, DType.of(a.dtype), q)
        for i, (a, q) in enumerate(zip(arrays, quants, strict=True))
    ]
    node = b.node(op, *values, results=(result,))
    b.finish(node.output)
    return Site(node, Target(isa), lambda v: v.data, tile_elements)


def run(site: Site, arrays: list[np.ndarray], *, in_place: int | None = None) -> np.ndarray:
    """The calls of a site, tile by tile in reverse order, y over operand `in_place`."""
    if not all(site.node.output.shape):
        assert select(site) == []
        return np.empty(tuple(site.node.output.shape), site.node.output.dtype.numpy)
    (call,) = select(site)
    assert isinstance(call, Call)
    known = dict(zip((v for v in site.node.inputs if v is not None), arrays, strict=True))
    y = np.empty(tuple(site.node.output.shape), site.node.output.dtype.numpy)
    if in_place is not None:
        assert in_place in call.in_place
        y = known[site.node.operand(in_place)] = arrays[in_place].copy()
    buffers = [
        y if o is site.node.output else known[o] if isinstance(o, Value) else o
        for o in call.operands
    ]
    ffi = structures()
    kernel = library().ew_table(int(site.target.isa))[kernel_index()[call.kernel]]
    addresses = ffi.new("void *[]", [ffi.cast("void *", a.ctypes.data) for a in buffers])
    scratch = ffi.new("uint8_t[]", call.scratch + 64)
    for tile in reversed(range(call.n_tiles)):
        kernel(ffi.from_buffer(call.params), addresses, tile, tile + 1, scratch)
    return y


LAYOUTS = [
    ((5, 7), (5, 7)),
    ((4, 5, 7), (7,)),
    ((4, 5, 300), (300,)),
    ((4, 5, 3000), (3000,)),
    ((3, 1000), ()),
    ((3, 1000), (3, 1)),
    ((2, 6, 5, 24), (2, 1, 1, 24)),
    ((2, 6, 5, 720), (2, 1, 1, 720)),
    ((2, 1, 5, 1, 3), (1, 4, 1, 2, 3)),
    ((2, 1, 2, 1, 2, 1, 2), (1, 2, 1, 2, 1, 2, 1)),
    ((1, 1), (1,)),
    ((0, 7), (7,)),
]


@pytest.mark.sampled(7)
@EACH_ISA
@pytest.mark.parametrize("tile", [None, 1, 10, 24, 1000])
@pytest.mark.parametrize("shapes", LAYOUTS, ids=str)
def test_every_layout(shapes: tuple[tuple[int, ...], ...], tile: int | None, isa: Isa) -> None:
    rng = np.random.default_rng(1)
    if tile == 1 and np.prod(np.broadcast_shapes(*shapes)) > 1000:
        return
    for a, b in (shapes, shapes[::-1]):
        x = [rng.integers(-99, 99, s, np.int32) for s in (a, b)]
        np.testing.assert_array_equal(run(site_of(Add(), x, isa, tile), x), x[0] + x[1])
        c = rng.integers(0, 2, a).astype(bool)
        x = [c, rng.integers(-99, 99, b, np.int64), np.array(5)]
        np.testing.assert_array_equal(run(site_of(SelectV2(), x, isa, tile), x), np.where(*x))


@EACH_ISA
def test_tiles_are_what_is_asked_for(isa: Isa) -> None:
    x = [np.ones((10, 12), np.float32)] * 2
    (call,) = select(site_of(Add(), x, isa, 24))
    assert isinstance(call, Call)
    assert (call.tile_elements, call.n_tiles, call.in_place) == (24, 5, (0, 1))


@EACH_ISA
@pytest.mark.parametrize("dtype", [np.float32, np.int16])
def test_the_result_may_replace_an_operand(dtype: type, isa: Isa) -> None:
    rng = np.random.default_rng(2)
    x = [rng.integers(-9, 9, (7, 101)).astype(dtype), rng.integers(-9, 9, (101,)).astype(dtype)]
    for op, wanted in ((Add(), x[0] + x[1]), (Mul(), x[0] * x[1])):
        np.testing.assert_array_equal(run(site_of(op, x, isa, 64), x, in_place=0), wanted)


# scales of a, b and y; zero points; the kernel
SUMS = [
    ((0.0213, 0.0307, 0.0411), (3, -5, 7), "add_b8"),
    ((0.0235, 0.0235, 0.047), (0, 0, 0), "add_b8"),  # every other sum is a tie
    ((0.0235, 0.094, 0.047), (-128, 127, 0), "add_b8"),  # 4 : 1, and ties
    ((0.0367, 0.000738, 0.0366), (10, 20, 30), "add_b8"),
    ((0.1, 0.1, 0.001), (0, 0, 0), "add_b8"),  # nearly everything saturates
    ((0.03, 0.025, 0.04), (28, 55, 91), "pair_table_b8"),  # ties with five-thirds
    ((0.001, 40.0, 0.001), (0, 0, 0), "pair_table_b8"),  # no bits are left for the multipliers
]


@EACH_ISA
@pytest.mark.parametrize("op", [Add(), Sub(fused_activation_function=Activation.RELU6)], ids=str)
@pytest.mark.parametrize(("scales", "points", "kernel"), SUMS)
@pytest.mark.parametrize("dtype", [DType.INT8, DType.UINT8], ids=lambda d: d.text)
def test_sums_of_all_pairs(
    scales: tuple[float, ...], points: tuple[int, ...], kernel: str, op: Op, dtype: DType, isa: Isa
) -> None:
    moved = [p + (128 if dtype is DType.UINT8 else 0) for p in points]
    quants = [Quant(s, p) for s, p in zip(scales, moved, strict=True)]
    every = np.arange(256, dtype=np.uint8).view(dtype.numpy)
    x = [np.ascontiguousarray(a) for a in np.broadcast_arrays(every.reshape(256, 1), every)]
    site = site_of(op, x, isa, None, (quants[0], quants[1]), TensorType(None, dtype, quants[2]))
    (call,) = select(site)
    assert isinstance(call, Call)
    assert call.kernel == kernel
    types = [v.type for v in site.node.inputs if v is not None]
    (wanted,) = evaluate_op(op, x, types, [site.node.output.type])
    np.testing.assert_array_equal(run(site, x), wanted)


@EACH_ISA
@pytest.mark.parametrize("op", [SquaredDifference(), Sub(), Mul()], ids=str)
@pytest.mark.parametrize("is_second", [True, False])
@pytest.mark.parametrize("what", ["row", "number"])
def test_a_number_per_row_selects_a_table(what: str, is_second: bool, op: Op, isa: Isa) -> None:
    """All pairs of bytes; rows of 300, so that a table has a rest to do one by one."""
    bytes_, dense = np.arange(256, dtype=np.uint8), np.resize(np.arange(256, dtype=np.uint8), 300)
    x = [np.tile(dense.view(np.int8), (256, 1)), bytes_.view(np.int8).reshape(256, 1)]
    if what == "number":
        x[1] = np.array([[-77]], np.int8)
    x = x if is_second else x[::-1]
    # ties with five-thirds: a difference that no integer formula gives
    quants = Quant(0.03, 28), Quant(0.025, 55)
    site = site_of(op, x, isa, 1000, quants, TensorType(None, DType.INT8, Quant(0.04, 91)))
    if what == "number":
        other = site.node.operand(int(is_second))
        number = x[int(is_second)]
        site = replace(site, known=lambda v: number if v is other else None)
    (call,) = select(site)
    assert isinstance(call, Call)
    is_product = isinstance(op, Mul) and what == "row"
    assert call.kernel == ("mul_b8" if is_product else "row_table_b8")
    types = [v.type for v in site.node.inputs if v is not None]
    (wanted,) = evaluate_op(op, x, types, [site.node.output.type])
    in_place = 0 if is_second else None
    np.testing.assert_array_equal(run(site, x, in_place=in_place), wanted)


@EACH_ISA
@pytest.mark.parametrize("point", [0, 7, 127])
@pytest.mark.parametrize("dtype", [DType.INT8, DType.UINT8], ids=lambda d: d.text)
def test_products_of_all_pairs(dtype: DType, point: int, isa: Isa) -> None:
    every = np.arange(256, dtype=np.uint8).view(dtype.numpy)
    x = [every.reshape(256, 1), every]
    op, quants = Mul(fused_activation_function=Activation.RELU6), (Quant(0.03, point),) * 2
    site = site_of(op, x, isa, None, quants, TensorType(None, dtype, Quant(0.02, point)))
    types = [v.type for v in site.node.inputs if v is not None]
    (wanted,) = evaluate_op(op, x, types, [site.node.output.type])
    np.testing.assert_array_equal(run(site, x), wanted)


@EACH_ISA
@pytest.mark.parametrize(("dtype", "point"), [(DType.INT8, -128), (DType.UINT8, 130)], ids=str)
@pytest.mark.parametrize("scale", [0.05, 1e-30])
def test_numbers_saturate(scale: float, dtype: DType, point: int, isa: Isa) -> None:
    """Ties, what lies beyond the integers, and NaN."""
    ends = [np.nan, np.inf, -np.inf, 1e30, -1e30]
    x = np.concatenate([np.arange(-20, 20, 0.025), np.resize(ends, 100)]).astype(np.float32)
    site = site_of(Quantize(), [x], isa, None, (), TensorType(None, dtype, Quant(scale, point)))
    types = [site.node.operand(0).type]
    with np.errstate(all="ignore"):
        (wanted,) = evaluate_op(Quantize(), [x], types, [site.node.output.type])
    np.testing.assert_array_equal(run(site, [x]), wanted)


@EACH_ISA
def test_remainders_are_exact(isa: Isa) -> None:
    rng = np.random.default_rng(3)
    bits = rng.integers(0, 1 << 32, (2, 4000), np.uint32)
    edges = [0, 1, 0x7FFFFF, 0x800000, 0x7F7FFFFF, 0x7F800000, 0x7FC00000, 0x80000000, 0xFF800000]
    bits[:, :81] = np.array(np.meshgrid(edges, edges), np.uint32).reshape(2, 81)
    a, b = bits.view(np.float32)
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(
            run(site_of(FloorMod(), [a, b], isa), [a, b]), FloorMod().reference(a, b)
        )


@EACH_ISA
@pytest.mark.parametrize("count", [1, 255, 1000])
@pytest.mark.parametrize("dtype", [DType.INT8, DType.UINT8], ids=lambda d: d.text)
def test_tables_hold_every_byte(dtype: DType, count: int, isa: Isa) -> None:
    rng = np.random.default_rng(4)
    x = [np.resize(rng.permutation(256), count).astype(np.uint8).view(dtype.numpy)]
    result = TensorType(None, dtype, Quant(0.02, 11))
    site = site_of(HardSwish(), x, isa, 300, (Quant(0.05, 7),), result)
    types = [v.type for v in site.node.inputs if v is not None]
    (wanted,) = evaluate_op(site.node.op, x, types, [site.node.output.type])
    np.testing.assert_array_equal(run(site, x, in_place=0), wanted)


def test_tables_of_a_chain_compose() -> None:
    """RELU6 after HARD_SWISH is one table."""
    b = Builder()
    x = b.input("x", (256,), DType.INT8, Quant(0.05, 7))
    middle = TensorType(None, DType.INT8, Quant(0.04, -3))
    first = b.node(HardSwish(), x, results=(middle,))
    second = b.node(Relu6(), first.output, results=(TensorType(None, DType.INT8, Quant(0.03, 0)),))
    graph = b.finish(second.output)
    tables = byte_table(first), byte_table(second)
    assert tables[0] is not None
    assert tables[1] is not None
    every = np.arange(256, dtype=np.uint8)
    (wanted,) = evaluate(graph, [every.view(np.int8)])
    np.testing.assert_array_equal(tables[1][tables[0]].view(np.int8), wanted)
