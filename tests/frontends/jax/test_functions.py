"""Functions of JAX as our operators: each against JAX itself.

`--full --oracle-python PATH` runs the files in LiteRT as well.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

jax = pytest.importorskip("jax", reason="JAX is not installed here")

import edgewise  # noqa: E402
from tests.frontends.jax import cases, more_cases  # noqa: E402
from tests.oracle.litert import Oracle, Resolver  # noqa: E402

CASES = {**cases.CASES, **more_cases.MORE}
pytestmark = pytest.mark.filterwarnings("ignore")


@cache
def file_of(name: str, target: str | None = None) -> bytes:
    case = CASES[name]
    shapes = [
        ((None, *a.shape[1:]) if case.batch and a.ndim else a.shape, a.dtype.name)
        for a in map(np.asarray, case.arguments)
    ]
    return edgewise.convert(jax.jit(case.function), inputs=shapes, target=target).to_bytes()


def compare(name: str, found: list[np.ndarray]) -> None:
    """With what JAX gives."""
    case = CASES[name]
    given = [jax.numpy.asarray(a) for a in case.arguments]
    wanted = [np.asarray(y) for y in jax.tree.leaves(case.function(*given))]
    assert [(y.shape, y.dtype) for y in found] == [(y.shape, y.dtype) for y in wanted]
    for y, want in zip(found, wanted, strict=True):
        scale = max(1.0, float(np.abs(want[np.isfinite(want)]).max(initial=0)))
        np.testing.assert_allclose(y, want, rtol=0, atol=case.tolerance * scale)


@pytest.mark.ci
@pytest.mark.parametrize("name", CASES)
def test_against_jax(name):
    outputs = edgewise.Interpreter(file_of(name))(*CASES[name].arguments)
    compare(name, list(outputs.values()))


@pytest.mark.parity
@pytest.mark.parametrize("resolver", ["default", "reference"])
@pytest.mark.parametrize("name", CASES)
def test_litert_agrees(name: str, resolver: Resolver, oracle: Oracle):
    found = oracle.run(file_of(name, "litert-2.3"), CASES[name].arguments, resolver=resolver)
    if resolver == "reference" and found.lacks_kernel:
        pytest.skip("the reference kernels lack one of these operators")
    assert found.error is None, found.error
    compare(name, found.outputs)
