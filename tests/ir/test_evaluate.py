"""The evaluator on operands that only the run knows: errors that name the node, no crash."""

from __future__ import annotations

import numpy as np
import pytest

from edgewise.dtypes import DType
from edgewise.errors import ShapeError
from edgewise.ir.build import Builder
from edgewise.ir.evaluate import evaluate
from edgewise.ir.graph import Graph
from edgewise.ir.op import In, Op


def transposed(rank: int) -> Graph:
    """A transposed convolution with a kernel of 2 and strides of 1; its shape is an input."""
    b = Builder()
    shape = b.input("shape", (rank,), DType.INT32)
    x = b.input("x", (1, *[3] * (rank - 2), 1))
    op, w = ("transpose_conv", (1, 2, 2, 1)) if rank == 4 else ("conv_3d_transpose", (2,) * 3)
    w = np.ones(w if rank == 4 else (*w, 1, 1), np.float32)
    return b.finish(getattr(b, op)(shape, b.constant(w), x, label="up"))


@pytest.mark.parametrize("rank", [4, 5])
def test_a_transposed_convolution_of_a_shape_known_at_run_time(rank):
    shape = np.array([1, *[3] * (rank - 2), 1], np.int32)
    [y] = evaluate(transposed(rank), [shape, np.ones(shape, np.float32)])
    assert y.shape == tuple(shape)


@pytest.mark.parametrize(
    ("shape", "says"),
    [
        ([2, 3, 3, 1], r"begin with 1 images and end with 1 channels; got \[2, 3, 3, 1\]"),
        ([1, 3, 3, 2], r"begin with 1 images and end with 1 channels; got \[1, 3, 3, 2\]"),
        ([1, -3, 3, 1], r"4 numbers of at least 0; got \[1, -3, 3, 1\]"),
        ([2, 3, 3, 3, 1], r"begin with 1 images and end with 1 channels"),
        ([1, 3, 3, -1, 1], r"5 numbers of at least 0"),
    ],
)
def test_a_transposed_convolution_refuses_a_shape_that_does_not_fit(shape, says):
    x = np.ones((1, *[3] * (len(shape) - 2), 1), np.float32)
    with pytest.raises(ShapeError, match=f"up.*{says}"):
        evaluate(transposed(len(shape)), [np.array(shape, np.int32), x])


@pytest.fixture
def fragile():
    """A graph of one operator whose reference raises the error it is given."""

    class Fragile(Op):
        """y = x, unless its reference fails."""

        error: type[Exception]

        operands = (In("x"),)

        def infer(self, x):
            return x.shape

        def reference(self, x):
            raise self.error("what NumPy says")

    def graph(error: type[Exception]) -> Graph:
        b = Builder()
        return b.finish(b.fragile(b.input("x", (2, 3)), error=error, label="glass"))

    yield graph
    del Op.registry["fragile"]


@pytest.mark.parametrize(
    "error",
    [
        ValueError,
        IndexError,
        TypeError,
        ZeroDivisionError,
        OverflowError,
        np.exceptions.AxisError,
    ],
)
def test_what_an_operator_did_not_foresee_is_an_error_with_its_name(fragile, error):
    says = r"glass.* must accept its operands float32\[2, 3\]; got .*: what NumPy says"
    with pytest.raises(ShapeError, match=says) as caught:
        evaluate(fragile(error), [np.zeros((2, 3), np.float32)])
    assert isinstance(caught.value.__cause__, error)


def test_too_little_memory_is_told_with_the_node(fragile):
    with pytest.raises(MemoryError, match=r"glass.*: what NumPy says"):
        evaluate(fragile(MemoryError), [np.zeros((2, 3), np.float32)])
