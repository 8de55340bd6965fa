"""Convolutions whose products are of bfloat16: their numbers, and when they are chosen."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from edgewise.dtypes import DType
from edgewise.ir import Builder, Graph
from edgewise.ops.conv import Conv2D, DepthwiseConv2D
from edgewise.ops.sigmoid import Logistic
from edgewise.runtime.library import LIBRARY, Isa, host_isa
from edgewise.runtime.plan import Precision, Target
from edgewise.runtime.planner import plan
from tests.isas import BUILT

from . import builds

AMX = Target(Isa.AMX, precision=Precision.BFLOAT16)


def work(library: Path | str, *options: str) -> None:
    """The table of bf16_worker.py by these kernels."""
    command = [sys.executable, "-m", "tests.runtime.bf16_worker", "--library", str(library)]
    done = subprocess.run(
        [*command, *options], cwd=builds.ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout)
    assert found["failures"] == []
    assert found["runs"] > 250


@pytest.mark.ci
@pytest.mark.skipif(Isa.AMX not in BUILT, reason="this processor has no AMX")
@pytest.mark.parametrize("side", ["after", "before"])
def test_odd_shapes_in_registers(side: str) -> None:
    work(LIBRARY, "--memory", side)


@pytest.mark.ci
@pytest.mark.skipif(
    not builds.X86_64 or host_isa() < Isa.AVX2, reason="the build for tests needs AVX2 to run"
)
@pytest.mark.parametrize("side", ["after", "before"])
def test_odd_shapes_emulated(side: str, built_kernels: Path) -> None:
    work(builds.library("emulated", built_kernels), "--memory", side)


@pytest.mark.ci
@pytest.mark.parametrize("isa", [Isa.SCALAR, Isa.BASELINE, Isa.AVX512_BF16])
def test_builds_without_tiles_compute_the_same(isa: Isa) -> None:
    """Plans made for AMX, by kernels of another instruction set."""
    if isa not in BUILT:
        pytest.skip(f"this processor has no {isa.name}")
    work(LIBRARY, "--run-by", isa.name.lower())


def conv(
    shape: tuple[int, ...] = (1, 9, 9, 32), w: np.ndarray | None = None, *, free: bool = False
) -> Graph:
    b = Builder()
    x = b.input("x", shape, DType.FLOAT32)
    if w is None:
        w = np.random.default_rng(2).standard_normal((24, 3, 3, shape[3])).astype(np.float32)
    weights = b.input("w", w.shape, DType.FLOAT32) if free else b.constant(w)
    return b.finish(b.node(Conv2D(), x, weights, None).output)


def detail(graph: Graph, target: Target) -> str:
    return plan(graph, target).placement[-1].detail


def test_the_placement_says_so() -> None:
    assert detail(conv(), AMX) == "conv_2d_bf16 (products of bf16)"


def test_it_has_to_be_asked_for() -> None:
    assert detail(conv(), Target(Isa.AMX)) == "conv_2d_f32"


@pytest.mark.parametrize("isa", [Isa.BASELINE, Isa.AVX2, Isa.AVX512])
def test_other_instruction_sets_round_weights_only(isa: Isa) -> None:
    target = Target(isa, precision=Precision.BFLOAT16)
    assert detail(conv(), target) == "conv_2d_f32 (weights rounded to bf16)"


def test_few_pixels_keep_the_vectors() -> None:
    """Their time is that of reading the weights."""
    assert detail(conv((1, 2, 2, 32)), AMX) == "conv_2d_f32 (weights rounded to bf16)"
    assert detail(conv((1, 3, 3, 32)), AMX) == "conv_2d_bf16 (products of bf16)"


def test_one_channel_of_a_result_wastes_a_register() -> None:
    w = np.ones((1, 3, 3, 32), np.float32)
    assert "conv_2d_f32" in detail(conv(w=w), AMX)


def test_weights_that_the_model_computes_stay_float32() -> None:
    assert "conv_2d_f32" in detail(conv(free=True), AMX)


@pytest.mark.parametrize("odd", [np.inf, -np.inf, np.nan, 3.4e38])
def test_weights_that_padding_would_turn_into_nan(odd: float) -> None:
    """Zero times infinity; the vectors leave taps in the padding out."""
    w = np.ones((24, 3, 3, 32), np.float32)
    w[3, 1, 2, 7] = odd
    assert "conv_2d_f32" in detail(conv(w=w), AMX)
    assert "conv_2d_bf16" in detail(conv(w=w[:, :1, :1]), AMX)


def between(*readers: type[DepthwiseConv2D | Logistic], is_output: bool = False) -> list[str]:
    """The types of a convolution's operand and result, which such operators read, and then
    convolutions."""
    b = Builder()
    x = b.input("x", (1, 9, 9, 32), DType.FLOAT32)
    w = b.constant(np.ones((32, 1, 1, 32), np.float32))
    x, results = (first := b.node(Conv2D(), x, w, None).output), []
    for op in readers:
        taps = (b.constant(np.ones((1, 3, 3, 32), np.float32)), None)
        x = b.node(op(), first, *(taps if op is DepthwiseConv2D else ())).output
        results.append(b.node(Conv2D(), x, w, None).output)
    made = plan(b.finish(*results, *([first] if is_output else [])), AMX)
    return [step.operands[-1].dtype.name for step in made.steps[:2]]


def test_values_between_convolutions_are_narrow() -> None:
    assert between(DepthwiseConv2D) == ["bfloat16", "bfloat16"]


def test_outputs_are_not() -> None:
    assert between(DepthwiseConv2D, is_output=True) == ["float32", "float32"]


def test_nor_is_what_another_operator_reads() -> None:
    assert between(Logistic) == ["float32", "float32"]
    assert between(DepthwiseConv2D, Logistic) == ["float32", "float32"]


def test_nor_are_values_that_are_kept() -> None:
    graph = conv()
    made = plan(graph, AMX, keep=True)
    assert {place.dtype.name for place in made.kept.values()} == {"float32"}
