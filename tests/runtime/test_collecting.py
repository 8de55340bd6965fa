"""The garbage collector stands still while a model is read and planned, and goes on after it."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import edgewise
from edgewise.ir.build import Builder
from edgewise.ir.model import Model
from edgewise.runtime import planner
from edgewise.runtime.collecting import nothing_collected


@pytest.fixture(params=[True, False])
def is_on(request: pytest.FixtureRequest) -> Iterator[bool]:
    """Whether it works before."""
    before = gc.isenabled()
    (gc.enable if request.param else gc.disable)()
    yield request.param
    (gc.enable if before else gc.disable)()


@pytest.mark.quick
def test_it_is_left_as_it_was(is_on: bool) -> None:
    @nothing_collected()
    def fail() -> None:
        with nothing_collected():
            assert not gc.isenabled()
        assert not gc.isenabled()
        raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert gc.isenabled() is is_on


@pytest.mark.quick
def test_planning_is_not_interrupted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen, plan = [], planner.plan

    def watched(*given: object, **options: object) -> object:
        seen.append(gc.isenabled())
        return plan(*given, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(planner, "plan", watched)
    b = Builder("g")
    model = Model()
    model.add(b.finish(b.relu(b.input("x", (2, 3)))))
    model.save(tmp_path / "m.tflite")
    edgewise.Interpreter(tmp_path / "m.tflite", cache=False)(np.ones((2, 3), np.float32))
    assert seen == [False]
    assert gc.isenabled()
