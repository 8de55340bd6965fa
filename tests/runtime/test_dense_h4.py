"""Dense layers by weights of 4 bits, kept so: the bits that weights of 8 bits with the same numbers
give, and half their bytes."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from edgewise.dtypes import DType
from edgewise.ir import Builder, Graph, Quant, TensorType, Value
from edgewise.ir.enums import Activation
from edgewise.ops.fully_connected import FullyConnected
from edgewise.runtime.executor import Executor
from edgewise.runtime.library import Isa
from edgewise.runtime.plan import Target
from edgewise.runtime.planner import plan
from edgewise.runtime.threads import Threads
from tests.isas import ISAS

# rows, K, O, elements of K with one scale (0: one scale, None: one for each output)
SHAPES = [
    (1, 24, 24, None),
    (1, 33, 25, None),
    (1, 257, 130, 0),
    (1, 64, 300, 32),
    (2, 96, 33, 32),
    (3, 320, 70, 64),
    (4, 31, 64, None),
    (5, 100, 31, None),
    (7, 256, 128, 32),
    (8, 25, 97, 0),
]


def layer(shape: tuple[int, int, int, int | None], dtype: DType, bits: int = 4) -> Graph:
    """Weights of so many bits, of which all numbers occur, in this type."""
    rows, k, o, block = shape
    rng, most = np.random.default_rng(5), 1 << (bits - 1)
    w = rng.integers(-most, most, (o, k), np.int8)
    w.reshape(-1)[: 2 * most] = np.arange(-most, most)
    if block:
        quant = Quant(rng.uniform(0.1, 1, (o, k // block)), axis=1, block_size=block)
    else:
        scales = rng.uniform(0.1, 1, 1 if block == 0 else o)
        quant = Quant(scales, axis=0 if block is None else None)
    b = Builder("main")
    x = b.input("x", (rows, k))
    bias = b.constant(rng.standard_normal(o).astype(np.float32))
    weights = Value(TensorType(w.shape, dtype, quant), "w", w.astype(dtype.numpy))
    act = Activation.RELU if o % 2 else Activation.NONE
    return b.finish(b.node(FullyConnected(fused_activation_function=act), x, weights, bias).output)


def results(graph: Graph, x: np.ndarray, targets: list[Target]) -> Iterator[np.ndarray]:
    for target in targets:
        threads = Threads(target.threads)
        yield Executor(plan(graph, target), threads=threads).run([x], {})[0]


@pytest.mark.parametrize("bits", [2, 4])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("isa", ISAS, ids=lambda i: i.name.lower())
def test_the_same_bits_as_weights_of_8_bits(
    isa: Isa, shape: tuple[int, int, int, int | None], bits: int
) -> None:
    rng = np.random.default_rng(7)
    for factor in (0.0, 1.0, 1e-30, np.inf):
        x = rng.standard_normal((shape[0], shape[1])).astype(np.float32)
        x[0] = x[0] * np.float32(factor) if factor < 2 else np.where(x[0] > 2, factor, x[0])
        targets = [Target(isa), Target(isa, 3)]
        narrow = DType.INT2 if bits == 2 else DType.INT4
        found = list(results(layer(shape, narrow, bits), x, targets))
        (wanted,) = results(layer(shape, DType.INT8, bits), x, targets[:1])
        for y in found:
            np.testing.assert_array_equal(y, wanted)


@pytest.mark.parametrize("isa", ISAS, ids=lambda i: i.name.lower())
def test_a_row_gives_the_same_whatever_the_batch(isa: Isa) -> None:
    """Many rows have another kernel."""
    few, many = (layer((rows, 64, 40, 32), DType.INT4) for rows in (3, 20))
    x = np.random.default_rng(1).standard_normal((20, 64)).astype(np.float32)
    for graph, kernel in ((few, "dense_h4"), (many, "conv_2d_h8")):
        assert kernel in plan(graph, Target(isa)).placement[0].detail
    (a,) = results(few, x[:3], [Target(isa)])
    (b,) = results(many, x, [Target(isa)])
    np.testing.assert_array_equal(a, b[:3])


@pytest.mark.parametrize("isa", ISAS, ids=lambda i: i.name.lower())
def test_weights_take_half_a_byte(isa: Isa) -> None:
    shape = (1, 1024, 256, None)
    narrow, wide = (plan(layer(shape, d), Target(isa)) for d in (DType.INT4, DType.INT8))
    saved = wide.constants.nbytes - narrow.constants.nbytes
    assert abs(saved - 1024 * 256 // 2) < 1024
