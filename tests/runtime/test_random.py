"""Random numbers without a seed: other ones in every run, executor and process."""

from __future__ import annotations

import os

import numpy as np
import pytest

from edgewise.deploy import export_c
from edgewise.dtypes import DType
from edgewise.errors import UnsupportedOp
from edgewise.ir import Builder, Graph, Model
from edgewise.runtime.executor import Executor
from edgewise.runtime.library import Isa, host_isa
from edgewise.runtime.plan import Target
from edgewise.runtime.planner import plan
from tests.isas import ISAS

COUNT = 40_000


def drawn(operator: str) -> Graph:
    """Two tensors of one operator, so that two of its steps are in a run."""
    b = Builder()
    shape = b.constant(np.array([COUNT], np.int32))
    return b.finish(*(getattr(b, operator)(shape) for _ in range(2)))


def classes() -> Graph:
    """Classes of which the second is drawn three times as often as the first, the third never."""
    b = Builder()
    logits = b.constant(np.array([[0, np.log(3), -np.inf]], np.float32))
    return b.finish(b.multinomial(logits, b.constant(np.int32(COUNT)), dtype=DType.INT32))


@pytest.mark.parametrize("isa", ISAS, ids=lambda isa: isa.name)
@pytest.mark.parametrize("operator", ["random_uniform", "random_standard_normal"])
def test_every_draw_is_another(operator: str, isa: Isa) -> None:
    made = plan(drawn(operator), Target(isa))
    assert {p.where for p in made.placement} == {"kernel"}
    run = Executor(made)
    found = [y for r in (run, run, Executor(made)) for y in r.run([], {})]
    assert len({y.tobytes() for y in found}) == 6
    every = np.concatenate(found).astype(np.float64)
    mean, deviation = (0.5, 12**-0.5) if operator == "random_uniform" else (0.0, 1.0)
    assert abs(every.mean() - mean) < 6 * deviation / len(every) ** 0.5
    assert abs(every.std() - deviation) < 0.01
    assert abs(np.corrcoef(found[0], found[1])[0, 1]) < 0.03


@pytest.mark.parametrize("isa", ISAS, ids=lambda isa: isa.name)
def test_classes_come_as_often_as_they_are_likely(isa: Isa) -> None:
    run = Executor(plan(classes(), Target(isa)))
    [first], [second] = run.run([], {}), run.run([], {})
    assert not np.array_equal(first, second)
    counts = np.bincount(first[0], minlength=3) / COUNT
    np.testing.assert_allclose(counts, [0.25, 0.75, 0], atol=0.02)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
def test_a_child_draws_other_numbers() -> None:
    run = Executor(plan(drawn("random_uniform"), Target(host_isa())))
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        os.write(writer, run.run([], {})[0].tobytes()[:64])
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reader, 64) != run.run([], {})[0].tobytes()[:64]
    os.close(reader)
    os.close(writer)


def test_exported_c_draws_nothing_without_a_seed(tmp_path) -> None:  # type: ignore[no-untyped-def]
    model = Model()
    model.add(drawn("random_uniform"))
    with pytest.raises(UnsupportedOp, match="it has no seed"):
        export_c(model, tmp_path)
