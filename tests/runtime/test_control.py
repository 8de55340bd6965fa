"""IF and WHILE in plans: native equals the reference, memory is shared, limits hold."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import edgewise
from edgewise.errors import LimitError, ShapeError, UnsupportedOp
from edgewise.format import load
from edgewise.ir import Builder, Graph, Model, Value
from edgewise.ir.evaluate import evaluate
from edgewise.ir.nesting import reachable
from edgewise.ops.control import While
from edgewise.runtime.executor import Executor
from edgewise.runtime.library import host_isa
from edgewise.runtime.limits import Limits
from edgewise.runtime.plan import Kernel, Step, Target
from edgewise.runtime.plan import While as WhileStep
from edgewise.runtime.plannable import NotPlannable
from edgewise.runtime.planner import plan
from edgewise.runtime.select import TABLE
from tests.ops.cases.control import CASES, NUMBER, ROW, branch, loop, write_row

TARGET = Target(host_isa())


def model_of(main: Graph) -> Model:
    model = Model()
    for graph in reachable(main):
        model.add(graph)
    return model


def looped(op: While, *rows: np.ndarray) -> Graph:
    """A loop from 0 on inputs like these; all its results."""
    b = Builder()
    inputs = [b.input(f"x{i}", row.shape) for i, row in enumerate(rows)]
    return b.finish(*b.node(op, b.constant(0), *inputs).outputs)


def steps_of(steps: tuple[Step, ...]) -> list[str]:
    """Names of the kernels in the loop's body."""
    [found] = [step for step in steps if isinstance(step, WhileStep)]
    return [step.name for step in found.body if isinstance(step, Kernel)]


X = np.float32([[1, 2, 3, 4]])


def test_a_row_is_written_in_place() -> None:
    """Nothing of the carried tensor is copied but the row."""
    rows = np.zeros((5, 4), np.float32)
    graph = looped(loop(5, [NUMBER, ((5, 4), "float32"), ROW], write_row), rows, X)
    made = plan(graph, TARGET)
    names = steps_of(made.steps)
    assert names.count("update_slice") == 1
    [found] = [step for step in made.steps if isinstance(step, WhileStep)]
    copies = [k for k in found.body if isinstance(k, Kernel) and k.name == "copy"]
    assert all(o.nbytes <= X.nbytes for k in copies for o in k.operands)
    for a, b in zip(Executor(made).run([rows, X], {}), evaluate(graph, [rows, X]), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("native", [True, False])
def test_a_row_outside_is_refused(native: bool) -> None:
    """The kernel wrote over the last row instead (found by changed files)."""
    rows = np.zeros((5, 4), np.float32)
    graph = looped(loop(7, [NUMBER, ((5, 4), "float32"), ROW], write_row), rows, X)
    with pytest.raises(ShapeError):
        edgewise.Interpreter(model_of(graph), native=native)(rows, X)


def test_results_that_need_no_copy_have_none() -> None:
    graph = looped(loop(5, [NUMBER, ROW], lambda b, i, x: b.add(x, x)), X)
    assert sorted(steps_of(plan(graph, TARGET).steps)) == ["add_f32", "add_s32"]


def test_values_of_a_row_keep_their_old_state_as_long_as_it_is_read() -> None:
    """The new x is computed before the old one is read for the last time."""

    def body(b: Builder, i: Value, x: Value, y: Value) -> list[Value]:
        new = b.add(x, y)
        return [new, b.mul(b.tanh(new), x)]

    graph = looped(loop(4, [NUMBER, ROW, ROW], body), X, X * 0.5)
    found = Executor(plan(graph, TARGET)).run([X, X * 0.5], {})
    for a, b in zip(found, evaluate(graph, [X, X * 0.5]), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)


# -- carried values -----------------------------------------------------------------------------

ACTIONS = ("carry", "add", "double", "constant", "branch")


@st.composite
def bodies(draw: st.DrawFn) -> tuple[int, list[tuple[str, int, int]]]:
    """A loop's limit, and for each carried value how it follows from two others."""
    count = draw(st.integers(1, 4))
    place = st.integers(0, count - 1)
    rules = draw(
        st.lists(st.tuples(st.sampled_from(ACTIONS), place, place), min_size=count, max_size=count)
    )
    return draw(st.integers(0, 4)), rules


def body_of(rules: list[tuple[str, int, int]]):
    def write(b: Builder, i: Value, *x: Value) -> list[Value]:
        made: list[Value] = []
        for action, first, second in rules:
            p, q = x[first], x[second]
            if action == "add":
                p = b.add(p, made[-1] if made else q)
            elif action == "double":
                p = b.mul(p, b.constant(2.0))
            elif action == "constant":
                p = b.constant(np.full((1, 4), 3.0, np.float32))
            elif action == "branch":
                op = branch(lambda b, p, q: p, lambda b, p, q: b.sub(p, q), [ROW, ROW])
                even = b.equal(b.floor_mod(i, b.constant(2)), b.constant(0))
                p = b.node(op, even, p, q).output
            made.append(p)
        return made

    return write


@given(bodies())
def test_carried_values_are_never_clobbered(rules: tuple[int, list[tuple[str, int, int]]]) -> None:
    """Whatever the body exchanges, hands on or computes: as the reference says.

    `check_sharing` looks at the plan as well (tests/conftest.py).
    """
    limit, actions = rules
    graph = looped(
        loop(limit, [NUMBER, *[ROW] * len(actions)], body_of(actions)), *[X] * len(actions)
    )
    inputs = [X + 10 * k for k in range(len(actions))]
    for a, b in zip(
        Executor(plan(graph, TARGET)).run(inputs, {}), evaluate(graph, inputs), strict=True
    ):
        np.testing.assert_array_equal(a, b)


# -- what has no kernel ---------------------------------------------------------------------------


def test_a_body_without_a_kernel_runs_on_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(TABLE, "atan2")

    def body(b: Builder, i: Value, x: Value) -> Value:
        return b.atan2(b.add(x, x), x)

    graph = looped(loop(3, [NUMBER, ROW], body), X)
    made = plan(graph, TARGET)
    [place] = made.placement
    assert place.where == "host"
    assert "@body" in place.detail
    for a, b in zip(Executor(made).run([X], {}), evaluate(graph, [X]), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)


def test_a_loop_that_makes_a_value_longer_is_not_planned() -> None:
    graph = looped(loop(3, [NUMBER, ROW], lambda b, i, x: b.concatenation(x, x, axis=0)), X)
    with pytest.raises(NotPlannable, match="is unknown until the model runs"):
        plan(graph, TARGET)
    found = edgewise.Interpreter(model_of(graph))(X)
    assert [a.shape for a in found.values()] == [(), (8, 4)]


# -- limits -------------------------------------------------------------------------------------


@pytest.mark.parametrize("native", [True, False])
def test_iterations_are_limited(native: bool) -> None:
    graph = looped(loop(1000, [NUMBER, ROW], lambda b, i, x: b.add(x, x)), X)
    run = edgewise.Interpreter(
        model_of(graph), native=native, limits=Limits(max_loop_iterations=999)
    )
    with pytest.raises(LimitError, match="max_loop_iterations is 999, and while 'while' goes on"):
        run(X)
    edgewise.Interpreter(model_of(graph), native=native, limits=Limits(max_loop_iterations=1000))(X)


@pytest.mark.parametrize("native", [True, False])
def test_depth_is_limited(native: bool) -> None:
    case = next(c for c in CASES if c.label == "loop inside")
    graph = looped(case.op, X)  # type: ignore[arg-type]
    run = edgewise.Interpreter(model_of(graph), native=native, limits=Limits(max_depth=1))
    with pytest.raises(LimitError, match="max_depth is 1, and the model has 2 graphs inside"):
        run(X)


def test_state_inside_a_body_is_refused() -> None:
    op = loop(3, [NUMBER, ROW], lambda b, i, x: b.add(x, x))
    state = op.body.inputs[1]
    spare = Value(state.type, "state", is_variable=True)
    op.body.replace_uses(state, spare)
    with pytest.raises(UnsupportedOp, match="the variable 'state' lies inside a loop or branch"):
        edgewise.Interpreter(model_of(looped(op, X)))(X)


# -- files --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["multi_subgraphs_while", "nested_while"])
def test_files_run_in_c(shared_data: Path, name: str) -> None:
    model = load(shared_data / "tflite" / "litert_unit" / f"testdata__{name}.bin")
    run, other = edgewise.Interpreter(model), edgewise.Interpreter(model, native=False)
    for x in (np.float32(1.5), np.float32(0.0)):
        if name == "nested_while" and not x:
            continue  # 0 = 0 * 0: it never ends, there as here
        for a, b in zip(run(x).values(), other(x).values(), strict=True):
            np.testing.assert_array_equal(a, b)
    assert all(p.where != "host" for p in run.placement())
