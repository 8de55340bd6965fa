"""Kernels against references in every element type, also those that the operators' cases lack.

Integers bit for bit; floats of 16 bits by a step or two, because references round each partial
result where kernels compute in float32.
"""

from collections.abc import Iterator

import numpy as np
import pytest

from edgewise.dtypes import DType
from edgewise.errors import EdgewiseError
from edgewise.ir import Graph, Model, Value
from edgewise.ir.evaluate import evaluate
from edgewise.ir.op import Op
from edgewise.runtime.executor import Executor
from edgewise.runtime.library import host_isa
from edgewise.runtime.plan import Target
from edgewise.runtime.plannable import NotPlannable
from edgewise.runtime.planner import plan
from tests.ops import ours
from tests.ops.retyped import DTYPES, SCALED

STEP = {"float16": 2**-9, "bfloat16": 2**-6}  # relative to the range of the result


def models(name: str) -> Iterator[tuple[str, Model]]:
    """The operator's first cases in every type that it takes."""
    for dtype in DTYPES:
        for kind in (dtype.text, *([f"{dtype.text}/q"] if dtype in SCALED else [])):
            for found in ours.attempts(name, "data", kind):
                if isinstance(found, Model):
                    yield kind, found


def data(value: Value, rng: np.random.Generator) -> np.ndarray:
    """Numbers that no operator refuses."""
    shape, dtype = [d if isinstance(d, int) else 1 for d in value.shape], value.dtype
    if dtype is DType.COMPLEX64:
        return (rng.normal(size=shape) + 1j * rng.normal(size=shape)).astype(np.complex64)
    if dtype.is_float:
        return rng.uniform(0.1, 3, shape).astype(dtype.numpy)
    return rng.integers(0, 2, shape).astype(dtype.numpy)


def check(graph: Graph, rng: np.random.Generator) -> bool:
    """Whether there was something to compare."""
    try:
        made = plan(graph, Target(host_isa()))
        inputs = [data(v, rng) for v in graph.inputs]
        with np.errstate(all="ignore"):
            wanted = evaluate(graph, inputs)
    except (NotPlannable, EdgewiseError):
        return False
    if any(p.where == "host" for p in made.placement):
        return False
    for got, right in zip(Executor(made).run(inputs, {}, None), wanted, strict=True):
        assert got.dtype == right.dtype
        if right.dtype.kind in "iub":
            np.testing.assert_array_equal(got, right)
            continue
        kind = np.complex128 if right.dtype.kind == "c" else np.float64
        exact = right.astype(kind)
        span = float(np.abs(exact[np.isfinite(exact)]).max(initial=1.0))
        near = STEP.get(right.dtype.name, 1e-5) * span
        np.testing.assert_allclose(got.astype(kind), exact, rtol=0, atol=near)
    return True


@pytest.mark.full
@pytest.mark.parametrize("name", sorted(n for n, c in Op.registry.items() if c.builtin))
def test_kernels_equal_the_reference_in_every_type(name: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    for kind, model in models(name):
        try:
            check(model.main, rng)
        except AssertionError as error:
            raise AssertionError(f"{kind}: {error}") from error


def test_a_type_of_every_width() -> None:
    compared = [
        kind for kind, model in models("gather") if check(model.main, np.random.default_rng(1))
    ]
    assert {"float16", "int8", "int32", "int64", "complex64"} <= set(compared)
