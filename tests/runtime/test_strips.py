"""Chains of convolutions in strips of lines: the bits of whole kernels in less memory, and what is
not cut."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from edgewise.dtypes import DType
from edgewise.ir import Builder, Graph, Quant
from edgewise.ir.enums import Activation, Padding
from edgewise.ir.graph import Value
from edgewise.ops.arithmetic import Add, Mul
from edgewise.ops.conv import Conv2D, DepthwiseConv2D
from edgewise.ops.sigmoid import Tanh
from edgewise.runtime.executor import Executor
from edgewise.runtime.library import Isa
from edgewise.runtime.plan import Kernel, Plan, Precision, Target
from edgewise.runtime.planner import plan
from tests.isas import BUILT

TARGETS = [Target(isa) for isa in BUILT if isa is not Isa.SCALAR]
if Isa.AMX in BUILT:
    TARGETS.append(Target(Isa.AMX, precision=Precision.BFLOAT16))
RNG = np.random.default_rng(11)

# kind, outputs (of a depthwise one: for each channel), kernel, stride, dilation, padding
Layer = tuple[str, int, tuple[int, int], tuple[int, int], tuple[int, int], Padding]
SAME, VALID = Padding.SAME, Padding.VALID
EXPAND: Layer = ("float", 40, (1, 1), (1, 1), (1, 1), SAME)
GATED: Layer = ("gated", 0, (1, 1), (1, 1), (1, 1), SAME)  # x * tanh(x): two operators
ADD: Layer = ("add", 0, (1, 1), (1, 1), (1, 1), SAME)  # of the result before the last two
HYBRID: Layer = ("hybrid", 48, (1, 1), (1, 1), (1, 1), SAME)


def around(kernel: int, stride: int = 1, dilation: int = 1, padding: Padding = SAME) -> Layer:
    """A depthwise layer."""
    steps = (stride, stride), (dilation, dilation)
    return ("depthwise", 1, (kernel, kernel), *steps, padding)


CHAINS: list[tuple[tuple[int, int, int], list[Layer]]] = [
    ((23, 17, 24), [EXPAND, around(3), HYBRID]),
    ((23, 17, 24), [HYBRID, around(3, 2), EXPAND]),
    ((23, 25, 24), [HYBRID, around(3), EXPAND]),  # bands of lines
    ((30, 9, 24), [HYBRID, around(5), around(3, 2), HYBRID, around(5, 2), EXPAND]),
    ((31, 8, 3), [("float", 32, (3, 3), (2, 2), (1, 1), SAME), around(3), EXPAND, around(3)]),
    ((26, 7, 24), [HYBRID, around(3, 1, 3), around(3, 1, 1, VALID)]),
    ((29, 11, 5), [EXPAND, ("float", 40, (2, 3), (3, 1), (1, 2), VALID), around(2, 3)]),
    ((25, 9, 24), [HYBRID, GATED, around(3), GATED, EXPAND]),
    ((25, 9, 24), [EXPAND, around(3, 2), GATED, HYBRID, around(3), HYBRID, ADD, around(5)]),
    ((24, 9, 6), [("float", 6, (1, 1), (1, 1), (1, 1), SAME), around(3), EXPAND]),  # spread rows
    ((37, 6, 8), [EXPAND, ("float", 48, (1, 1), (4, 1), (1, 1), SAME), around(4, 2)]),
    ((12, 10, 20), [EXPAND, ("depthwise", 2, (3, 3), (1, 1), (1, 1), SAME), EXPAND]),
]


def network(b: Builder, x: Value, layers: Sequence[Layer]) -> list[Value]:
    """The layers' results."""
    found = []
    for kind, o, kernel, stride, dilation, padding in layers:
        if kind == "gated":
            found.append(b.node(Tanh(), x).output)
        if kind in ("gated", "add"):
            joined = b.node(Mul(), x, found[-1]) if kind == "gated" else b.node(Add(), x, found[-3])
            found.append(x := joined.output)
            continue
        c = x.shape[3]
        assert isinstance(c, int)
        attributes = {
            "padding": padding,
            "stride_h": stride[0],
            "stride_w": stride[1],
            "dilation_h_factor": dilation[0],
            "dilation_w_factor": dilation[1],
            "fused_activation_function": Activation.RELU6,
        }
        op: Conv2D | DepthwiseConv2D
        if kind == "depthwise":
            op, o = DepthwiseConv2D(depth_multiplier=o, **attributes), o * c
            w = b.constant(RNG.standard_normal((1, *kernel, o)).astype(np.float32))
        elif kind == "hybrid":
            op = Conv2D(**attributes)
            integers = RNG.integers(-127, 128, (o, *kernel, c)).astype(np.int8)
            w = b.constant(integers, quant=Quant(0.003))
        else:
            op = Conv2D(**attributes)
            w = b.constant(RNG.standard_normal((o, *kernel, c)).astype(np.float32))
        bias = b.constant(RNG.standard_normal(o).astype(np.float32))
        x = b.node(op, x, w, bias).output
        found.append(x)
    return found


def strips_of(made: Plan) -> list[str]:
    """What the report says of every operator's strips."""
    return [d for p in made.placement for d in p.detail.split("; ") if d.endswith("strips")]


def check(graph: Graph, shape: Sequence[int], chain: int) -> None:
    """Strips of every size have the bits of whole kernels, which two threads run."""
    data = RNG.standard_normal(shape).astype(np.float32)
    for target in TARGETS:
        whole = plan(graph, replace(target, threads=2, block_bytes=512))
        assert strips_of(whole) == []
        wanted = Executor(whole).run([data], {}, None)
        for block_bytes in (100, 250, 400):
            made = plan(graph, replace(target, block_bytes=block_bytes))
            assert len(strips_of(made)) == chain, made.placement
            assert made.arena_bytes < whole.arena_bytes
            for got, expected in zip(Executor(made).run([data], {}, None), wanted, strict=True):
                np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize(("shape", "layers"), CHAINS, ids=str)
def test_strips_have_the_bits_of_the_whole(
    shape: tuple[int, int, int], layers: list[Layer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgewise.runtime.strips._WEIGHTS", 1 << 20)
    b = Builder()
    x = b.input("x", (1, *shape), DType.FLOAT32)
    results = network(b, x, layers)
    check(b.finish(results[-1]), (1, *shape), len(results))


def test_what_others_read_stays_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """A chain ends at a result that is an output of the graph."""
    monkeypatch.setattr("edgewise.runtime.strips._WEIGHTS", 1 << 20)
    b = Builder()
    x = b.input("x", (1, 20, 16, 24), DType.FLOAT32)
    first = network(b, x, [EXPAND, around(3)])
    check(b.finish(network(b, first[-1], [HYBRID, around(3)])[-1], first[-1]), (1, 20, 16, 24), 4)


def test_what_others_read_inside_a_group() -> None:
    """The operand of two operators that are locked to a convolution is an output of the graph."""
    b = Builder()
    x = b.input("x", (1, 20, 16, 24), DType.FLOAT32)
    results = network(b, x, [HYBRID, GATED, around(3)])
    assert len(strips_of(plan(b.finish(results[-1]), Target(Isa.BASELINE, block_bytes=2000)))) == 4
    b = Builder()
    x = b.input("x", (1, 20, 16, 24), DType.FLOAT32)
    results = network(b, x, [HYBRID, GATED, around(3)])
    graph = b.finish(results[-1], results[0])
    assert strips_of(plan(graph, Target(Isa.BASELINE, block_bytes=2000))) == []


def test_what_a_sum_reads_again_stays_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """A convolution's operand, which is added to its result tile by tile."""
    monkeypatch.setattr("edgewise.runtime.strips._WEIGHTS", 1 << 20)
    b = Builder()
    x = b.input("x", (1, 20, 16, 24), DType.FLOAT32)
    before, after = network(b, x, [EXPAND, EXPAND])
    total = b.add(after, before)
    check(b.finish(network(b, total, [around(3)])[-1]), (1, 20, 16, 24), 3)


@pytest.mark.parametrize(
    ("n", "block_bytes", "isa"),
    [(2, 512, Isa.BASELINE), (1, 1 << 17, Isa.BASELINE), (1, 512, Isa.SCALAR)],
)
def test_not_cut(n: int, block_bytes: int, isa: Isa) -> None:
    """Several images, short results, and plain C."""
    b = Builder()
    x = b.input("x", (n, 20, 16, 24), DType.FLOAT32)
    graph = b.finish(network(b, x, [EXPAND, around(3), EXPAND])[-1])
    assert strips_of(plan(graph, Target(isa, block_bytes=block_bytes))) == []


def test_large_weights_are_not_read_for_every_strip() -> None:
    b = Builder()
    x = b.input("x", (1, 20, 16, 24), DType.FLOAT32)
    graph = b.finish(network(b, x, [EXPAND, around(3), EXPAND])[-1])
    assert len(strips_of(plan(graph, Target(Isa.BASELINE, block_bytes=5000)))) == 2


def test_lines_that_two_strips_need_are_computed_once() -> None:
    """And copied: no kernel computes more pixels than the whole has."""
    b = Builder()
    x = b.input("x", (1, 40, 16, 24), DType.FLOAT32)
    graph = b.finish(network(b, x, [HYBRID, around(3)])[-1])
    made = plan(graph, Target(Isa.BASELINE, block_bytes=6000))
    steps = [s for s in made.steps if isinstance(s, Kernel)]
    lines = sum(s.operands[-1].shape[1] for s in steps if s.name == "conv_2d_h8")
    assert lines == 40
    assert any(s.name == "copy" for s in steps)
