"""What the comparison of changed files (mutant_compare) takes for no fault, and what for one."""

from __future__ import annotations

import numpy as np
import pytest

from edgewise.dtypes import DType
from edgewise.errors import QuantizationError
from edgewise.ir import Builder, Graph, TensorType
from edgewise.ops.softmax import Softmax
from edgewise.runtime.plan import Placement

from .mutant_compare import Results, compare

ROW = np.arange(4, dtype=np.float32)


def is_compared(graph: Graph, native: Results, references: Results, where: str = "kernel") -> bool:
    """Raises AssertionError where they differ."""
    placement = [Placement("add", where, "")]
    return compare(graph, lambda: placement, {"x": ROW}, native, references)


def doubled(*, with_softmax: bool = False) -> Graph:
    b = Builder("main")
    x = b.input("x", (4,))
    if with_softmax:
        b.softmax(x)
    return b.finish(b.add(x, x))


def test_a_difference_is_a_fault() -> None:
    found, wanted = {"add": 2 * ROW}, {"add": 2 * ROW + np.float32(1e-3)}
    assert is_compared(doubled(), found, found)
    with pytest.raises(AssertionError, match=r"differ in 'add': by 0\.00017 of the range"):
        is_compared(doubled(), found, wanted)
    assert not is_compared(doubled(), found, wanted, "host")


def test_what_nobody_reads_may_be_refused() -> None:
    """Kernels do not compute it."""
    refusal = QuantizationError("softmax 'softmax': must have a scale")
    assert not is_compared(doubled(with_softmax=True), {"add": ROW}, refusal)
    with pytest.raises(AssertionError, match="only the references refuse: softmax 'softmax'"):
        is_compared(doubled(), {"add": ROW}, refusal)


def test_half_precision_of_an_operand_counts() -> None:
    """Kernels compute a float32 result of it in float32, references round on the way."""
    b = Builder("main")
    x = b.input("x", (4,), DType.FLOAT16)
    declared = TensorType((4,), DType.FLOAT32)
    graph = b.finish(b.node(Softmax(), x, results=[declared], names=["y"]).output)
    assert is_compared(graph, {"y": ROW}, {"y": ROW * np.float32(1.0005)})


@pytest.mark.parametrize("name", ["cos", "rsqrt"])
def test_what_makes_errors_of_its_operand_large_is_not_compared(name: str) -> None:
    b = Builder("main")
    x = b.input("x", (4,))
    graph = b.finish(getattr(b, name)(b.add(x, x)))
    assert not is_compared(graph, {name: ROW}, {name: ROW + 1})


def test_what_tells_zeros_apart_is_not_compared() -> None:
    """Of seed 6210, file 2831: RELU gives 0 or -0."""
    b = Builder("main")
    x = b.input("x", (4,))
    graph = b.finish(b.atan2(b.relu(x), x))
    assert not is_compared(graph, {"atan2": ROW}, {"atan2": ROW + 3})


@pytest.mark.parametrize(("logits", "is_fault"), [(134305.0, False), (4096.0, True)])
def test_a_step_between_large_logits_is_an_error_of_softmax(logits: float, is_fault: bool) -> None:
    """Of seed 6103, file 5924: sums that are rounded to neighbours."""
    b = Builder("main")
    x = b.input("x", (4,))
    graph = b.finish(b.softmax(b.add(x, b.constant(np.full(4, logits, np.float32)))))
    found = {"softmax": np.full(4, 0.25, np.float32)}
    wanted = {"softmax": found["softmax"] * np.float32(1 + 0.0078)}
    if is_fault:
        with pytest.raises(AssertionError, match="differ in 'softmax'"):
            is_compared(graph, found, wanted)
    else:
        assert is_compared(graph, found, wanted)
