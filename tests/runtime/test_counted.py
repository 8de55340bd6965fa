"""WHERE, UNIQUE and SEGMENT_SUM on computed operands: kernels that plans cannot have."""

from __future__ import annotations

import numpy as np
import pytest

from edgewise import Interpreter
from edgewise.dtypes import DType
from edgewise.errors import LimitError, ShapeError
from edgewise.ir import Builder, Graph, Model
from edgewise.ops.select import Unique
from edgewise.runtime.limits import Limits

RNG = np.random.default_rng(11)
TYPES = [
    *(DType.BOOL, DType.INT8, DType.UINT8, DType.INT16, DType.INT32, DType.INT64, DType.UINT64),
    *(DType.FLOAT16, DType.BFLOAT16, DType.FLOAT32, DType.FLOAT64),
]


def numbers(dtype: DType, shape: tuple[int, ...]) -> np.ndarray:
    """A few numbers many times; of floats also both zeros, infinities and NaN."""
    x = RNG.integers(0, 5, shape).astype(dtype.numpy)
    if dtype.is_float and x.size:
        odd = np.array([-0.0, np.inf, -np.inf, np.nan], np.float32).astype(dtype.numpy)
        x = np.where(RNG.random(shape) < 0.3, RNG.choice(odd, shape), x).astype(dtype.numpy)
    return x


def check(graph: Graph, *inputs: np.ndarray, kernel: str = "") -> None:
    model = Model()
    model.add(graph)
    run, references = Interpreter(model), Interpreter(model, native=False)
    wanted = references(*inputs)
    for name, found in run(*inputs).items():
        assert found.dtype == wanted[name].dtype
        assert found.shape == wanted[name].shape
        assert found.tobytes() == wanted[name].tobytes()
    if kernel:
        assert [(p.where, p.detail) for p in run.placement()] == [("kernel", kernel)]


@pytest.mark.parametrize("dtype", TYPES, ids=lambda d: d.text)
@pytest.mark.parametrize("shape", [(7,), (1, 1), (3, 5, 1, 4), (2, 0, 3), (2,) * 8], ids=str)
def test_where(dtype: DType, shape: tuple[int, ...]) -> None:
    b = Builder()
    graph = b.finish(b.where(b.input("x", shape, dtype)))
    check(graph, numbers(dtype, shape), kernel="where")
    check(graph, np.zeros(shape, dtype.numpy))


@pytest.mark.parametrize("dtype", TYPES, ids=lambda d: d.text)
@pytest.mark.parametrize("size", [1, 2, 1000])
@pytest.mark.parametrize("index", [DType.INT32, DType.INT64], ids=lambda d: d.text)
def test_unique(dtype: DType, size: int, index: DType) -> None:
    b = Builder()
    node = b.node(Unique(idx_out_type=index), b.input("x", (size,), dtype))
    check(b.finish(*node.outputs), numbers(dtype, (size,)), kernel="unique")


def test_unique_of_many_numbers() -> None:
    """All collide in the lower bits, which a table must not take as they are."""
    b = Builder()
    graph = b.finish(*b.node(Unique(), b.input("x", (1 << 15,), DType.INT64)).outputs)
    check(graph, RNG.permutation(np.arange(1 << 15) << 40))


@pytest.mark.parametrize("dtype", [DType.FLOAT32, DType.INT32], ids=lambda d: d.text)
def test_segment_sum(dtype: DType) -> None:
    b = Builder()
    x, segments = b.input("x", (6, 3), dtype), b.input("segments", (6,), DType.INT32)
    graph = b.finish(b.segment_sum(x, segments))
    data = RNG.integers(-9, 9, (6, 3)).astype(dtype.numpy)
    check(graph, data, np.array([0, 0, 2, 2, 2, 5], np.int32), kernel="scatter")
    model = Model()
    model.add(graph)
    with pytest.raises(ShapeError, match=r"segment_sum.*must ascend"):
        Interpreter(model)(data, np.array([0, 1, 0, 2, 2, 5], np.int32))
    with pytest.raises(LimitError, match="max_bytes"):
        Interpreter(model, limits=Limits(max_bytes=1 << 20))(
            data, np.array([0, 1, 1, 2, 2, 1 << 28], np.int32)
        )


@pytest.mark.parametrize("dtype", [DType.STRING, DType.VARIANT], ids=lambda d: d.text)
def test_places_of_what_is_no_number(dtype: DType) -> None:
    b = Builder("main")
    check(b.finish(b.where(b.input("x", (2,), dtype))), np.array([b"", b"a"], object))
