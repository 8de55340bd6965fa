"""What is stored of a plan is all that it has: every field of it comes back equal."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgewise.errors import EdgewiseError
from edgewise.format import load
from edgewise.ir import Builder, Graph, Value
from edgewise.runtime.library import Isa
from edgewise.runtime.plan import Code, Plan, Target
from edgewise.runtime.plannable import NotPlannable
from edgewise.runtime.planner import plan
from edgewise.runtime.stored import is_storable, read_plan, write_plan
from tests.ops.case import model_of

from .matrix import cases

TARGET = Target(Isa.SCALAR, threads=2)


def check(graph: Graph) -> bool:
    """Store and read a graph's plan; False where it has none that is stored."""
    try:
        made = plan(graph, TARGET)
    except (NotPlannable, EdgewiseError):
        return False
    if not is_storable(made):
        return False
    comes_back(made, list(graph.values()))
    return True


def comes_back(made: Plan, values: Sequence[Value]) -> None:
    """What is read is what was written."""
    numbers = {value: number for number, value in enumerate(values)}
    fields, arrays = write_plan(made, numbers)
    inner = {graph.name: graph for node in made.once for graph in node.op.graphs}
    read = read_plan(json.loads(json.dumps(fields)), arrays, lambda: values, inner.__getitem__)
    assert [node.op for node in read.once] == [node.op for node in made.once]
    for name in Plan.__slots__:
        if name not in ("code", "once"):
            assert_equal(getattr(read, name), getattr(made, name), name)
    for name in Code.__slots__:
        assert_equal(getattr(read.code, name), getattr(made.code, name), f"code.{name}")


def assert_equal(got: object, wanted: object, name: str) -> None:
    """Of types that count: an array's dtype, a tuple of tuples."""
    if isinstance(wanted, np.ndarray):
        assert isinstance(got, np.ndarray)
        assert (got.dtype, got.tobytes()) == (wanted.dtype, wanted.tobytes()), name
    else:
        assert type(got) is type(wanted), name
        assert got == wanted, name


def test_an_operator_that_follows_another_one() -> None:
    """Also a result that begins inside of an input, which no pass makes today."""
    b = Builder()
    x = b.input("x", (64, 1024))
    graph = b.finish(b.add(b.mul(x, x), x))
    made = plan(graph, TARGET)
    assert any(p.into is not None for p in made.placement)
    inside = tuple(replace(place, start=8) for place in made.outputs)
    comes_back(replace(made, outputs=inside), list(graph.values()))


@pytest.mark.ci
def test_operators() -> None:
    assert sum(check(model_of(case).main) for case in cases()) > 500


@pytest.mark.ci
def test_shared_models(shared_data: Path) -> None:
    found = 0
    for path in sorted((shared_data / "tflite").rglob("*.tflite")):
        try:
            model = load(path)
        except EdgewiseError:
            continue
        found += sum(map(check, model.graphs.values()))
    assert found > 60
