"""Attention recognised in what files have for it, and what it computes."""

from __future__ import annotations

import math

import numpy as np
import pytest

from edgewise.ir import Builder, Graph
from edgewise.ir.evaluate import evaluate
from edgewise.ops.softmax import Softmax
from edgewise.passes.attention import ATTENTIONS
from edgewise.passes.redundant import eliminate_dead
from edgewise.passes.rewrite import Outcome, rewrite
from edgewise.runtime.executor import Executor
from edgewise.runtime.library import host_isa
from edgewise.runtime.plan import Target
from edgewise.runtime.planner import plan
from edgewise.runtime.threads import Threads

S, H, D = 29, 3, 8


def layer(
    *, scale: float | None = 0.4, masked: bool = False, quotient: bool = False, seen: bool = False
) -> Graph:
    """Attention with heads as TensorFlow's converter writes it: x [1, S, H, D] each."""
    b = Builder()
    q, k, v = (b.input(name, (1, S, H, D)) for name in "qkv")
    mask = b.input("mask", (1, 1, 1, S)) if masked else None
    rows, columns = b.constant([0, 2, 1, 3]), b.constant([0, 2, 3, 1])
    scores = b.batch_matmul(b.transpose(q, rows), b.transpose(k, columns))
    if scale is not None:
        factor = b.constant(np.array(1 / scale if quotient else scale, np.float32))
        scores = b.div(scores, factor) if quotient else b.mul(scores, factor)
    if mask is not None:
        scores = b.add(scores, mask)
    weights = b.node(Softmax(beta=1.0), scores).output
    y = b.transpose(b.batch_matmul(weights, b.transpose(v, rows)), rows)
    return b.finish(y, *([weights] if seen else []))


def by_hand(q: np.ndarray, k: np.ndarray, v: np.ndarray, scale: float, mask: float) -> np.ndarray:
    scores = np.einsum("bqhd,bkhd->bhqk", q, k) * scale + mask
    e = np.exp(scores - scores.max(-1, keepdims=True))
    return np.einsum("bhqk,bkhd->bqhd", e / e.sum(-1, keepdims=True), v)


def recognised(graph: Graph) -> Outcome:
    return rewrite(graph, ATTENTIONS)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize(("scale", "quotient"), [(None, False), (0.4, False), (0.4, True)])
def test_products_and_softmax_become_attention(
    scale: float | None, quotient: bool, masked: bool
) -> None:
    rng = np.random.default_rng(3)
    inputs = [rng.standard_normal((1, S, H, D)).astype(np.float32) for _ in range(3)]
    mask = np.where(rng.random((1, 1, 1, S)) < 0.4, np.float32(-1e9), np.float32(0))
    given = [*inputs, mask] if masked else inputs
    wanted = by_hand(*inputs, scale or 1.0, mask if masked else 0)
    graph = layer(scale=scale, masked=masked, quotient=quotient)
    for target in (Target(host_isa()), Target(host_isa(), 3), Target(host_isa(), 1, 1024)):
        made = plan(graph, target)
        [run] = [p.detail for p in made.placement if p.where == "kernel"]
        assert run.startswith("attention_f32")
        [got] = Executor(made, threads=Threads(target.threads)).run(given, {}, None)
        np.testing.assert_allclose(got, wanted, rtol=0, atol=2e-6)
    recognised(graph)
    eliminate_dead(graph)
    assert [node.op.name for node in graph.nodes] == ["attention"]
    [got] = evaluate(graph, given)
    np.testing.assert_allclose(got, wanted, rtol=0, atol=2e-6)


def test_what_somebody_reads_stays() -> None:
    graph = layer(seen=True)
    outcome = recognised(graph)
    assert not outcome.counts
    assert "is also read by" in " ".join(str(miss) for miss in outcome.misses)


@pytest.mark.parametrize("scale", [-0.5, math.inf])
def test_a_factor_that_is_no_scale_stays(scale: float) -> None:
    graph = layer(scale=scale)
    outcome = recognised(graph)
    assert not outcome.counts
    assert "not by one positive number" in outcome.misses[0].reason
