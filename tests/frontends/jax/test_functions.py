"""Functions of JAX as our operators: each against JAX itself."""

from __future__ import annotations

import numpy as np
import pytest

jax = pytest.importorskip("jax", reason="JAX is not installed here")

import edgewise  # noqa: E402
from tests.frontends.jax import cases, more_cases  # noqa: E402

CASES = {**cases.CASES, **more_cases.MORE}
pytestmark = [pytest.mark.ci, pytest.mark.filterwarnings("ignore")]


@pytest.mark.parametrize("name", CASES)
def test_against_jax(name):
    case = CASES[name]
    given = [jax.numpy.asarray(a) for a in case.arguments]
    wanted = [np.asarray(y) for y in jax.tree.leaves(case.function(*given))]
    shapes = [
        ((None, *a.shape[1:]) if case.batch and a.ndim else a.shape, a.dtype.name)
        for a in map(np.asarray, case.arguments)
    ]
    made = edgewise.convert(jax.jit(case.function), inputs=shapes)
    outputs = edgewise.Interpreter(made.to_bytes())(*case.arguments)
    found = list(outputs.values())
    assert [(y.shape, y.dtype) for y in found] == [(y.shape, y.dtype) for y in wanted]
    for y, want in zip(found, wanted, strict=True):
        scale = max(1.0, float(np.abs(want[np.isfinite(want)]).max(initial=0)))
        np.testing.assert_allclose(y, want, rtol=0, atol=case.tolerance * scale)
