"""Values that share memory: joins, views, results in place, and groups run tile by tile.

`tests/conftest.py` runs the checker of sharing.py over every plan of the whole suite.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgewise.dtypes import DType
from edgewise.ir import Builder, Graph, Value
from edgewise.ir.evaluate import evaluate
from edgewise.ops.join import Split
from edgewise.runtime.calls import Call
from edgewise.runtime.drafts import Drafts
from edgewise.runtime.executor import Executor
from edgewise.runtime.library import host_isa
from edgewise.runtime.places import Places
from edgewise.runtime.plan import Kernel, Plan, Target
from edgewise.runtime.planner import plan
from edgewise.runtime.storage import Storage
from tests.runtime.sharing import check_sharing

TARGET = Target(host_isa())


def planned(graph: Graph) -> Plan:
    """The plan, whose outputs were compared with the reference's."""
    made = plan(graph, TARGET)
    rng = np.random.default_rng(3)
    inputs = [rng.uniform(-2, 2, v.shape).astype(np.float32) for v in graph.inputs]  # type: ignore[arg-type]
    copies = [a.copy() for a in inputs]
    executor = Executor(made)
    for _ in range(2):
        found = executor.run(inputs, {}, None)
        for a, b in zip(found, evaluate(graph, inputs), strict=True):
            np.testing.assert_allclose(a, b, rtol=0, atol=1e-5)
    for a, b in zip(inputs, copies, strict=True):
        np.testing.assert_array_equal(a, b)
    return made


def names(made: Plan) -> list[str]:
    return [step.name for step in made.steps if isinstance(step, Kernel)]


def split(b: Builder, x: Value, count: int, axis: int = 0) -> Sequence[Value]:
    return b.node(Split(num_splits=count), b.constant(np.array(axis, np.int32)), x).outputs


def test_parts_are_written_where_they_are_joined() -> None:
    b = Builder()
    x = b.input("x", (2, 8))
    y = b.concatenation(b.logistic(x), b.tanh(x), axis=0)
    made = planned(b.finish(b.relu(y)))
    assert names(made) == ["logistic_f32", "tanh_f32", "clip_f32"]
    assert made.placement[2].detail == "parts lie where they are needed"


def test_joins_inside_joins_are_one_buffer() -> None:
    b = Builder()
    x = b.input("x", (1, 4))
    first = b.concatenation(b.logistic(x), b.tanh(x), axis=0)
    second = b.concatenation(b.logistic(b.relu(x)), first, axis=0)
    made = planned(b.finish(b.relu(second)))
    assert "copy" not in names(made)


@pytest.mark.parametrize("what", ["input", "twice", "output", "columns"])
def test_parts_that_lie_elsewhere_are_copied(what: str) -> None:
    b = Builder()
    x = b.input("x", (2, 8))
    y, z = b.logistic(x), b.tanh(x)
    parts = {"input": (x, y), "twice": (y, y), "output": (y, z), "columns": (y, z)}[what]
    joined = b.concatenation(*parts, axis=1 if what == "columns" else 0)
    outputs = [b.relu(joined)] + ([z] if what == "output" else [])
    copies = names(planned(b.finish(*outputs))).count("copy")
    assert copies == (2 if what == "columns" else 1)


def test_parts_of_a_split_are_views() -> None:
    b = Builder()
    x = b.input("x", (4, 6))
    parts = split(b, b.logistic(x), 2)
    made = planned(b.finish(b.tanh(parts[1]), b.relu(parts[0])))
    assert "copy" not in names(made)


def test_a_part_that_is_an_output_is_copied() -> None:
    b = Builder()
    parts = split(b, b.logistic(b.input("x", (4, 6))), 2)
    assert names(planned(b.finish(*parts))).count("copy") == 2


def test_outputs_never_share_an_array() -> None:
    b = Builder()
    y = b.logistic(b.input("x", (4, 6)))
    shape = b.constant(np.array([12], np.int32))
    made = plan(b.finish(y, *[b.reshape(part, shape) for part in split(b, y, 2)]), TARGET)
    assert len({place.offset for place in made.outputs}) == 3


def test_a_chain_runs_in_one_buffer_tile_by_tile() -> None:
    b = Builder()
    x = b.input("x", (300, 401))
    y = x
    for _ in range(3):
        y = b.logistic(b.tanh(y))
    made = planned(b.finish(b.mean(y, b.constant(np.array([0], np.int32)))))
    steps = [step for step in made.steps if isinstance(step, Kernel)]
    assert [step.locked for step in steps[:6]] == [5, 0, 0, 0, 0, 0]
    assert len({step.operands[-1] for step in steps[:6]}) == 1
    assert made.arena_bytes < 1.01 * 300 * 401 * 4


def test_what_is_read_later_stays() -> None:
    b = Builder()
    y = b.logistic(b.input("x", (3, 5)))
    z = b.tanh(y)
    planned(b.finish(b.concatenation(z, b.relu(y), axis=1)))


def test_results_in_place_reach_the_output() -> None:
    """All but the output's own array is saved."""
    b = Builder()
    made = planned(b.finish(b.relu(b.tanh(b.logistic(b.input("x", (64, 64)))))))
    assert made.arena_bytes == 0


def test_with_keep_nothing_is_overwritten() -> None:
    b = Builder()
    graph = b.finish(b.relu(b.tanh(b.logistic(b.input("x", (64, 64))))))
    made = plan(graph, TARGET, keep=True)
    executor = Executor(made)
    x = np.linspace(-1, 1, 64 * 64, dtype=np.float32).reshape(64, 64)
    executor.run([x], {}, None)
    wanted: dict[Value, np.ndarray] = {}
    evaluate(graph, [x], keep=wanted.__setitem__)
    for value, array in executor.kept().items():
        np.testing.assert_allclose(array, wanted[value], atol=1e-6)


@pytest.mark.ci
def test_planning_is_linear_in_the_operators() -> None:
    """By ratio: 4000 operators may cost 16 times what 400 cost; 10 to 11 were measured. A machine
    may slow down in between: the least of three turns counts."""
    turns = [(seconds_of_planning(400), seconds_of_planning(4000)) for _ in range(3)]
    few, many = (min(times) for times in zip(*turns, strict=True))
    assert many < 16 * few, turns


def seconds_of_planning(length: int) -> float:
    b = Builder()
    x = b.input("x", (1, 6, 6, 4))
    w = b.constant(np.ones((4, 1, 1, 4), np.float32))
    for _ in range(length // 4):
        x = b.add(b.relu(b.logistic(b.conv_2d(x, w))), x)
    graph = b.finish(x)
    gc.freeze()  # what other tests left is not looked through again and again
    start = time.process_time()
    plan(graph, TARGET)
    taken = time.process_time() - start
    gc.unfreeze()
    return taken


# -- properties ---------------------------------------------------------------------------------

CHOICES = st.lists(
    st.tuples(st.integers(0, 6), st.integers(0, 99), st.integers(0, 99)), max_size=14
)


@given(CHOICES, st.sets(st.integers(0, 30), max_size=4))
def test_any_graph_gives_the_numbers_of_the_reference(
    choices: list[tuple[int, int, int]], wanted: set[int]
) -> None:
    """Shapes are [N, 4]; N halves in splits and adds up in joins."""
    b = Builder()
    values: list[Value] = [b.input("x", (4, 4)), b.input("other", (4, 4))]
    for kind, i, j in choices:
        x, y = values[i % len(values)], values[j % len(values)]
        rows = x.shape[0]
        assert isinstance(rows, int)
        if kind == 0:
            values.append(b.tanh(x))
        elif kind == 1:
            values.append(b.relu(x))
        elif kind == 2 and x.shape == y.shape:
            values.append(b.add(x, y))
        elif kind == 3 and rows < 64:
            values.append(b.concatenation(x, y, axis=0))
        elif kind == 4 and rows % 2 == 0:
            values += split(b, x, 2)
        elif kind == 5:
            values.append(b.reshape(x, b.constant(np.array([rows, 4], np.int32))))
        elif kind == 6:
            values.append(b.neg(x))
    outputs = {values[i % len(values)] for i in wanted} | {values[-1]}
    planned(b.finish(*sorted(outputs, key=values.index)))


def test_the_checker_finds_what_is_overwritten() -> None:
    b = Builder()
    x = b.input("x", (4, 4), DType.FLOAT32)
    y = b.tanh(x)
    graph = b.finish(b.add(b.relu(y), y))
    drafts = Drafts(TARGET)
    for number, node in enumerate(graph.nodes):
        drafts.add(number, node)
    storage = Storage.of(drafts, graph.inputs, graph.outputs, keep=False)
    relu = next(
        step
        for g in drafts.groups
        for _, step in g.steps
        if isinstance(step, Call) and step.kernel == "clip_f32"
    )
    destroyed, result = relu.operands[0], relu.operands[-1]
    assert isinstance(destroyed, Value)
    assert isinstance(result, Value)
    storage._base[destroyed] = (result, 0)
    with pytest.raises(AssertionError, match=r"is gone|destroys"):
        check_sharing(Places.of(graph, drafts, storage, keep=False))
