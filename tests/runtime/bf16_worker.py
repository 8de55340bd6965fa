"""Products of bfloat16 in a process of their own, which a kernel that leaves its buffers ends.

    python -m tests.runtime.bf16_worker --library PATH --memory after [--run-by scalar]

Plans are made for AMX, and run by its kernels or those of another instruction set; plans of several
operators by those that they are made for. At the end one line of JSON: the number of runs, and the
failures.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import replace

import ml_dtypes
import numpy as np

from edgewise.dtypes import DType
from edgewise.ir import Builder, Graph, Value
from edgewise.ir.enums import Activation, Padding
from edgewise.ir.evaluate import evaluate
from edgewise.ops.arithmetic import Add
from edgewise.ops.conv import Conv2D, DepthwiseConv2D
from edgewise.ops.fully_connected import FullyConnected
from edgewise.ops.pool import MaxPool2D
from edgewise.ops.reduce import Mean
from edgewise.runtime import library
from edgewise.runtime.library import Isa
from edgewise.runtime.plan import Precision, Target
from edgewise.runtime.planner import plan
from edgewise.runtime.select import conv_bf16
from tests.ops.case import Case, inputs_of, model_of
from tests.ops.cases import attention

from .guarded import Guarded, Side
from .isolated import isolate
from .matrix import run_isolated

Op = Conv2D | FullyConnected
Shape = tuple[int, ...]

IMAGES = ((1, 7, 9), (2, 13, 5), (1, 1, 33), (3, 6, 6), (1, 40, 51))
# input channels of a group, outputs of one, groups; kernel; strides; dilations
WINDOWS = (
    ((3, 32, 1), (3, 3), (2, 2), (1, 1)),
    ((1, 20, 1), (5, 5), (1, 1), (1, 1)),
    ((4, 24, 2), (3, 3), (1, 1), (1, 2)),
    ((24, 40, 1), (1, 1), (1, 1), (1, 1)),
    ((33, 17, 1), (3, 3), (1, 1), (1, 1)),
    ((32, 33, 1), (3, 2), (2, 3), (1, 1)),
    ((17, 16, 1), (1, 1), (2, 2), (1, 1)),
    ((64, 31, 1), (2, 3), (1, 2), (2, 1)),
    ((16, 24, 2), (3, 3), (1, 1), (2, 2)),
    ((300, 96, 1), (1, 1), (1, 1), (1, 1)),
)
ROWS = ((5, 70, 135), (16, 64, 64), (33, 31, 129), (97, 512, 40))  # M, K, O
# what lies between two convolutions, of values in bfloat16: channels, and the operators
BETWEEN: tuple[tuple[int, tuple[Conv2D | DepthwiseConv2D | MaxPool2D | Add | Mean, ...]], ...] = (
    (24, ()),
    (32, ()),  # read where they lie
    (64, (DepthwiseConv2D(),)),
    (33, (DepthwiseConv2D(stride_h=2, stride_w=2), DepthwiseConv2D())),
    (17, (DepthwiseConv2D(dilation_h_factor=2, dilation_w_factor=3),)),
    (8, (DepthwiseConv2D(), Add())),  # rows are spread
    (40, (Add(fused_activation_function=Activation.RELU), DepthwiseConv2D(depth_multiplier=2))),
    (20, (MaxPool2D(filter_height=3, filter_width=2, stride_h=2, stride_w=1), Add())),
    (7, (MaxPool2D(filter_height=2, filter_width=2),)),
    (96, (Add(), Mean())),
)
TARGETS = (
    Target(Isa.AMX, precision=Precision.BFLOAT16),
    Target(Isa.AMX, threads=3, precision=Precision.BFLOAT16),
    Target(Isa.AMX, block_bytes=2048, precision=Precision.BFLOAT16),
)


def cases() -> Iterator[tuple[Op, Shape, Shape]]:
    """Operators, and the shapes of x and of the weights."""
    for image in IMAGES:
        for (c, o, groups), kernel, strides, dilations in WINDOWS:
            spans = [(k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True)]
            for padding in (Padding.SAME, Padding.VALID):
                is_small = any(a < b for a, b in zip(image[1:], spans, strict=True))
                if padding is Padding.VALID and is_small:
                    continue
                op = Conv2D(
                    padding=padding,
                    stride_h=strides[0],
                    stride_w=strides[1],
                    dilation_h_factor=dilations[0],
                    dilation_w_factor=dilations[1],
                )
                yield op, (*image, c * groups), (o * groups, *kernel, c)
    for m, k, o in ROWS:
        yield FullyConnected(), (m, k), (o, k)


def chain(
    shape: Shape, channels: int, between: tuple[object, ...], rng: np.random.Generator
) -> Graph:
    """A convolution, the operators, and another one. Weights are so few and small that bfloat16
    holds all values between them: their places are what can go wrong."""

    def few(*of_weights: int, most: int) -> Value:
        w = rng.integers(-1, 2, of_weights).astype(np.float32)
        w *= rng.random(of_weights) < most / max(np.prod(of_weights[1:]), 1)
        return b.constant(w)

    b = Builder()
    x = b.input("x", shape, DType.FLOAT32)
    x = b.node(Conv2D(), x, few(channels, 1, 1, shape[3], most=4), None).output
    for op in between:
        if isinstance(op, DepthwiseConv2D):
            o = x.shape[3] * op.depth_multiplier
            x = b.node(op, x, few(1, 3, 3, o, most=9), b.constant(np.ones(o, np.float32))).output
        elif isinstance(op, Add):
            x = b.node(op, x, b.node(MaxPool2D(), x).output).output
        elif isinstance(op, Mean):
            return b.finish(b.node(op, x, b.constant(np.array([1, 2], np.int32))).output)
        else:
            x = b.node(op, x).output
    return b.finish(b.node(Conv2D(), x, few(40, 3, 3, x.shape[3], most=40), None).output)


def check_chain(
    shape: Shape, channels: int, between: tuple[object, ...], target: Target, side: Side
) -> None:
    """Raises AssertionError."""
    rng = np.random.default_rng(3)
    graph = chain(shape, channels, between, rng)
    made = plan(graph, target)
    narrow = {d for _, d in made.code.shapes if d == ml_dtypes.bfloat16}
    assert narrow, "no value is narrow"
    assert len(made.placement) > sum("f32" in p.detail for p in made.placement) + 1
    x = rng.integers(-3, 4, shape).astype(np.float32)
    odd = x.copy()
    odd.reshape(-1)[rng.integers(0, x.size, 3)] = [np.inf, -np.inf, np.nan]
    for data in (x, odd):
        with Guarded(side) as place:
            got = next(iter(run_isolated(isolate(made, [data]), target, place))).copy()
        np.testing.assert_array_equal(got, evaluate(graph, [data])[0])


def graph_of(op: Op, shape: Shape, w: np.ndarray, bias: np.ndarray) -> Graph:
    """One operator."""
    b = Builder()
    x = b.input("x", shape, DType.FLOAT32)
    return b.finish(b.node(op, x, b.constant(w), b.constant(bias)).output)


def rounded(array: np.ndarray) -> np.ndarray:
    """To the nearest numbers of bfloat16."""
    return array.astype(ml_dtypes.bfloat16).astype(np.float32)


def check(op: Op, shape: Shape, of_weights: Shape, target: Target, run_by: Isa, side: Side) -> None:
    """Raises AssertionError."""
    rng = np.random.default_rng(1)
    x, w = (rng.standard_normal(s).astype(np.float32) for s in (shape, of_weights))
    bias = rng.standard_normal(of_weights[0]).astype(np.float32)
    clamped = op.replace(fused_activation_function=Activation.RELU6)

    def run(op: Op, x: np.ndarray) -> np.ndarray:
        made = plan(graph_of(op, shape, w, bias), target)
        assert "conv_2d_bf16" in made.placement[-1].detail, made.placement[-1]
        with Guarded(side) as place:
            by = replace(target, isa=run_by)
            return next(iter(run_isolated(isolate(made, [x]), by, place))).copy()

    # what is rounded has so many bits that products are exact; sums are float32
    sizes = evaluate(graph_of(op, shape, abs(w), abs(bias)), [abs(x)])[0]
    got = run(clamped, x)
    exact = evaluate(graph_of(clamped, shape, rounded(w), bias), [rounded(x)])[0]
    assert np.all(abs(got - exact) <= 2.0**-18 * sizes), "sums are not float32"
    # half a unit of the last of 8 bits is 2**-8 at most, for each factor
    wanted = evaluate(graph_of(clamped, shape, w, bias), [x])[0]
    assert np.all(abs(got - wanted) <= 1.01 * 2.0**-7 * sizes)
    # one window reads padding only
    assert np.array_equal(got, wanted) == np.all(sizes == abs(bias))

    odd = x.reshape(-1).copy()
    odd[rng.integers(0, odd.size, 3)] = [np.inf, -np.inf, np.nan]
    odd = odd.reshape(shape)
    got, wanted = run(op, odd), evaluate(graph_of(op, shape, w, bias), [odd])[0]
    np.testing.assert_array_equal(np.isnan(got), np.isnan(wanted))
    infinite = np.isinf(wanted)
    np.testing.assert_array_equal(got[infinite], wanted[infinite])
    assert np.all(np.isfinite(got[np.isfinite(wanted)]))


def check_attention(case: Case, target: Target, run_by: Isa, side: Side) -> bool:
    """Whether products of bfloat16 are chosen. Raises AssertionError."""
    graph = model_of(case).main
    made = plan(graph, target)
    if "products of bf16" not in made.placement[-1].detail:
        return False
    rng = np.random.default_rng(5)
    q, k, v, *mask = (rng.integers(-3, 4, x.shape).astype(np.float32) for x in inputs_of(case))
    with Guarded(side) as place:
        isolated = isolate(made, [q, k, v, *mask])
        got = next(iter(run_isolated(isolated, replace(target, isa=run_by), place))).copy()
    # of what is multiplied, only softmax's numbers are rounded: by 2**-8 of them at most
    sizes = evaluate(graph, [q, k, abs(v), *mask])[0]
    wanted = evaluate(graph, [q, k, v, *mask])[0]
    assert np.all(abs(got - wanted) <= 1.01 * 2.0**-8 * sizes + 1e-6)
    is_rounded = bool(np.any(abs(got - wanted) > 2.0**-14 * sizes))
    assert is_rounded == (run_by in conv_bf16.MOST_WASTE), "who rounds is another"
    return True


def main() -> None:
    """Run what the arguments say."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--library")
    parser.add_argument("--memory", choices=("after", "before"), default="after")
    parser.add_argument("--run-by", default="amx")
    chosen = parser.parse_args()
    if chosen.library is not None:
        library.LIBRARY = chosen.library
    by = Isa[chosen.run_by.upper()]
    own = [replace(target, isa=by) for target in TARGETS if by in conv_bf16.MOST_WASTE]
    for target in (*TARGETS, *own):
        conv_bf16.MOST_WASTE[target.isa] = 1e9  # any shape, not only those that gain
    runs, failures = 0, []
    for op, shape, of_weights in cases():
        for target in TARGETS:
            runs += 1
            try:
                check(op, shape, of_weights, target, by, chosen.memory)
            except AssertionError as error:
                failures.append(f"{op} {shape} {of_weights} {target}: {error}")
    attended = 0
    for case in (c for c in attention.CASES if not c.error):
        for target in TARGETS:
            try:
                attended += check_attention(case, target, by, chosen.memory)
            except AssertionError as error:
                failures.append(f"{case.id} {target}: {error}")
    if attended < 20:
        failures.append(f"only {attended} attentions have products of bfloat16")
    for image in IMAGES:
        for channels, between in BETWEEN:
            for target in own:
                runs += 1
                try:
                    check_chain((*image, 5), channels, between, target, chosen.memory)
                except AssertionError as error:
                    failures.append(f"{image} {channels} {between} {target}: {error}")
    print(json.dumps({"runs": runs, "failures": failures}))


if __name__ == "__main__":
    np.seterr(all="ignore")
    main()
