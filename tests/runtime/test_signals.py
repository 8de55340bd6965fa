"""Fourier transforms of many sizes, against NumPy's on float64."""

from __future__ import annotations

import numpy as np
import pytest

from edgewise.dtypes import DType
from edgewise.ir import Builder
from edgewise.runtime.executor import Executor
from edgewise.runtime.plan import Target
from edgewise.runtime.planner import plan
from tests.isas import ISAS

# x, lengths: cut, filled up, a single number, radix 4 and 2
TRANSFORMS = [
    ((2, 40, 700), (64, 512)),
    ((1, 1, 1), (1, 1)),
    ((3, 5, 1), (1, 2)),
    ((1, 8, 3), (16, 1)),
    ((2, 1, 400), (1, 512)),
    ((1, 1, 4100), (1, 8192)),
    ((1, 33, 64), (32, 128)),
]


@pytest.mark.parametrize(("x", "lengths"), TRANSFORMS, ids=str)
def test_transforms(x: tuple[int, ...], lengths: tuple[int, int]) -> None:
    b = Builder()
    value = b.input("x", x, DType.FLOAT32)
    graph = b.finish(b.rfft2d(value, b.constant(np.array(lengths, np.int32))))
    data = np.random.default_rng(1).uniform(-1, 1, x).astype(np.float32)
    wanted = np.fft.rfft2(data.astype(np.float64), s=lengths)
    for isa in ISAS:
        made = plan(graph, Target(isa))
        assert [p for p in made.placement if p.where == "host"] == []
        (found,) = Executor(made).run([data], {}, None)
        np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-6 * np.abs(wanted).max())
