"""optimize/rounding.py and moments.py: weights rounded together, weighed by what a layer reads."""

from __future__ import annotations

import numpy as np
import pytest

from edgewise.ir.build import Builder
from edgewise.ir.enums import Padding
from edgewise.ir.evaluate import evaluate
from edgewise.ir.model import Model
from edgewise.optimize.moments import as_matrix, from_matrix, moments
from edgewise.optimize.readers import readers, vectors
from edgewise.optimize.rounding import descend, error, fitted, gptq, nearest, shrunk

RNG = np.random.default_rng(11)


def problem(
    groups: int, outputs: int, inputs: int, top: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Weights, moments of correlated inputs, scales."""
    mix = RNG.normal(0, 1, (groups, inputs, inputs))
    x = RNG.normal(0, 1, (groups, 3 * inputs, inputs)) @ mix + 1
    w = RNG.normal(0, 1, (groups, outputs, inputs))
    h = np.matmul(x.transpose(0, 2, 1), x) / x.shape[1]
    return w, h, np.abs(w).max(2, keepdims=True) / top


@pytest.mark.parametrize("shape", [(1, 16, 64), (1, 5, 130), (12, 2, 9), (1, 1, 1), (3, 7, 2)])
@pytest.mark.parametrize("top", [1, 7, 127])
def test_rounding_together_loses_less(shape: tuple[int, int, int], top: int) -> None:
    w, h, scale = problem(*shape, top)
    alone = nearest(w, scale, -top, top)
    together = gptq(w, h, scale, -top, top)
    best = descend(w, together, h, scale, -top, top)
    for q in (alone, together, best):
        assert np.abs(q).max() <= top
        assert (q == np.rint(q)).all()
    before = error(w, alone, scale, h)
    assert error(w, best, scale, h) <= error(w, together, scale, h) <= before * 1.1 + 1e-12
    if shape[2] > 16 and top > 1:
        assert error(w, best, scale, h) < 0.6 * before


def test_descent_ends_where_no_single_step_helps() -> None:
    w, h, scale = problem(2, 3, 6, 7)
    q = descend(w, nearest(w, scale, -7, 7), h, scale, -7, 7, sweeps=100)
    reached = error(w, q, scale, h)
    for index in np.ndindex(*q.shape):
        for step in (-1, 1):
            other = q.copy()
            other[index] += step
            if abs(other[index]) <= 7:
                assert error(w, other, scale, h) >= reached - 1e-12


def test_a_scale_per_block_of_inputs() -> None:
    w, h, _ = problem(1, 8, 64, 7)
    blocks = np.abs(w.reshape(1, 8, 2, 32)).max(3) / 7
    scale = np.repeat(blocks, 32, axis=2)
    q = descend(w, gptq(w, h, scale, -7, 7), h, scale, -7, 7)
    assert error(w, q, scale, h) < 0.6 * error(w, nearest(w, scale, -7, 7), scale, h)


def test_inputs_that_are_always_zero() -> None:
    w, h, scale = problem(1, 4, 10, 7)
    h[:, 3], h[:, :, 3] = 0, 0
    q = gptq(w, h, scale, -7, 7)
    assert np.isfinite(q).all()
    assert (q[..., 3] == nearest(w, scale, -7, 7)[..., 3]).all()
    assert (gptq(w, np.zeros_like(h), scale, -7, 7) == nearest(w, scale, -7, 7)).all()


def layer(kind: str) -> Model:
    b = Builder("main")
    normal = RNG.normal
    if kind == "dense":
        x = b.input("x", (7, 2, 10))
        y = b.fully_connected(x, b.constant(normal(0, 1, (3, 10)).astype(np.float32)), None)
    elif kind == "depthwise":
        x = b.input("x", (2, 7, 8, 3))
        w = normal(0, 1, (1, 3, 3, 6)).astype(np.float32)
        y = b.depthwise_conv_2d(x, b.constant(w), None, stride_w=2, depth_multiplier=2)
    else:
        x = b.input("x", (2, 7, 8, 6))
        groups = 2 if kind == "grouped" else 1
        w = normal(0, 1, (4, 3, 2, 6 // groups)).astype(np.float32)
        y = b.conv_2d(x, b.constant(w), None, padding=Padding.SAME, dilation_h_factor=2)
    model = Model()
    model.add(b.finish(y))
    return model


@pytest.mark.parametrize("kind", ["plain", "grouped", "depthwise", "dense"])
def test_moments_tell_the_power_of_the_results(kind: str) -> None:
    """mean y**2 = w H w^T and mean y = w x, where y has no bias."""
    graph = layer(kind).main
    (node,) = graph.nodes
    x = graph.inputs[0]
    samples = [RNG.normal(0.5, 1, x.shape).astype(np.float32) for _ in range(3)]
    [reader] = readers(node)
    met = [vectors(node, reader, s) for s in samples]
    found = moments([(2 * v, v)] for v in met)
    assert found is not None
    y = np.concatenate(
        [evaluate(graph, [s])[0].reshape(-1, node.output.shape[-1]) for s in samples]
    )
    data = node.operand(1).data
    assert data is not None
    w = as_matrix(node, data)
    y = y.astype(np.float64)
    power = np.einsum("gok,gkl,gol->go", w, found.second.astype(np.float64), w)
    np.testing.assert_allclose(power.reshape(-1), (y**2).mean(0), rtol=1e-4)
    spread = np.einsum("gok,gkl,gol->go", w, found.covariance.astype(np.float64), w)
    np.testing.assert_allclose(spread.reshape(-1), y.var(0), rtol=1e-3)
    mean = np.einsum("gok,gk->go", w, found.mean)
    np.testing.assert_allclose(mean.reshape(-1), y.mean(0), rtol=1e-3, atol=1e-4)
    for gap, ours in ((found.gap, found.mean), (found.varying_gaps, found.covariance)):
        np.testing.assert_allclose(gap, ours, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("kind", ["plain", "grouped", "depthwise", "dense"])
def test_weights_come_back_from_matrices(kind: str) -> None:
    (node,) = layer(kind).main.nodes
    w = node.operand(1).data
    assert w is not None
    np.testing.assert_array_equal(from_matrix(node, as_matrix(node, w), w.shape), w)


def test_what_few_vectors_seem_to_say_is_not_believed() -> None:
    """Of 64 inputs that have nothing to do with each other 20 vectors tell correlations that are
    none; what is rounded for those does worse on other vectors than for the shrunk ones."""
    rng = np.random.default_rng(5)
    few, many = (rng.normal(0, 1, (1, n, 64)) for n in (20, 2000))
    seen, true = (np.matmul(x.transpose(0, 2, 1), x) / x.shape[1] for x in (few, many))
    w = rng.normal(0, 1, (1, 30, 64))
    scale = np.abs(w).max(2, keepdims=True) / 7
    lost = []
    for h in (seen, shrunk(seen, 20)):
        q = descend(w, gptq(w, h, scale, -7, 7), h, scale, -7, 7)
        lost.append(error(w, q, scale, true))
    assert lost[1] < 0.5 * lost[0]
    assert lost[1] < 1.1 * error(w, nearest(w, scale, -7, 7), scale, true)


def test_what_many_vectors_say_is_believed() -> None:
    _, h, _ = problem(2, 1, 12, 7)
    kept = shrunk(h, 100_000)
    np.testing.assert_allclose(kept, h, rtol=1e-3)
    np.testing.assert_array_equal(np.diagonal(kept[0]), np.diagonal(h[0]))


def test_an_input_that_is_always_zero_tells_nothing() -> None:
    h = np.diag([0.0, 1.0, 4.0])[None]
    np.testing.assert_array_equal(shrunk(h, 10), h)


@pytest.mark.parametrize("off", [1.0, 2.0, 1e7])
def test_moments_that_are_indefinite_by_rounding_round_all_the_same(off):
    w = np.random.default_rng(0).normal(size=(1, 4, 2))
    moments = np.array([[[1.0, off], [off, 1.0]]])
    q = gptq(w, moments, np.full((1, 4, 1), 0.1), -7, 7)
    assert np.isfinite(q).all()
    assert np.abs(q).max() <= 7


def test_weights_make_up_for_what_is_wrong_in_what_they_read() -> None:
    """x is what t was where neighbours are alike, with an error that the others tell in part."""
    t = RNG.normal(0, 1, (2, 4000, 5)) @ RNG.normal(0, 1, (2, 5, 5))
    x = t + 0.3 * t[..., ::-1] * (np.arange(5) < 2) + RNG.normal(0, 0.1, t.shape)
    w = RNG.normal(0, 1, (2, 3, 5))
    h, gaps = (np.matmul(a.transpose(0, 2, 1), x) / x.shape[1] for a in (x, t - x))
    meant = np.matmul(t, w.transpose(0, 2, 1))
    before, after = (
        ((np.matmul(x, v.transpose(0, 2, 1)) - meant) ** 2).mean() for v in (w, fitted(w, h, gaps))
    )
    assert after < 0.5 * before
    np.testing.assert_array_equal(fitted(w, h, 0 * h), w)
    np.testing.assert_array_equal(fitted(w, 0 * h, 0 * h), w)
