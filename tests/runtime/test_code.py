"""Plans as arrays, and the C executor on them: ranges, locked groups, steps of the caller."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edgewise.dtypes import DType
from edgewise.errors import InternalError
from edgewise.ir import Builder
from edgewise.ops.unary import Neg
from edgewise.runtime.code import OPERAND, STEP, decode, encode
from edgewise.runtime.executor import Executor
from edgewise.runtime.library import structures
from edgewise.runtime.plan import Delegate, Host, If, Operand, Region, Step, While
from tests.runtime.by_hand import Recorder, add, copy, flags, floats, plan_of

X, Y = floats(0, region=Region.IO), floats(1, region=Region.IO)
TOTAL, NEXT = floats(0), floats(64)
ONES = np.ones(4, np.float32)


def negated(x: Operand, y: Operand) -> Host:
    """A Host step."""
    b = Builder()
    return Host(b.node(Neg(), b.input("x", x.shape, DType.FLOAT32)), (x,), (y,), 3)


def shifting(turns: int) -> tuple[list[Step], list[Step], np.ndarray]:
    """A flag that is true `turns` times: steps that make it, steps that go on, the constants."""
    pattern = np.array([True] * turns + [False] * 8)
    whole = Operand(Region.CONST, 0, pattern.shape, pattern.dtype)
    line, rest = flags(1024, pattern.size), flags(1025, pattern.size - 1)
    moved = flags(4096, pattern.size - 1)
    return (
        [copy(whole, line)],
        [copy(rest, moved), copy(moved, flags(1024, moved.shape[0]))],
        (pattern),
    )


def loop(turns: int, *body: Step) -> tuple[tuple[Step, ...], np.ndarray]:
    """TOTAL = X; `turns` times TOTAL += X and `body`; Y = TOTAL."""
    start, go_on, constants = shifting(turns)
    step = (add(TOTAL, X, NEXT), copy(NEXT, TOTAL), *body, *go_on)
    whole = While(flags(1024), (), step, 1)
    return (*start, copy(X, TOTAL), whole, copy(TOTAL, Y)), constants


def run(*steps: Step, constants: np.ndarray | None = None, x: np.ndarray = ONES) -> np.ndarray:
    [y] = Executor(plan_of(*steps, constants=constants)).run([x], {}, None)
    return y


@pytest.mark.parametrize(("name", "record"), [("ew_step", STEP), ("ew_operand", OPERAND)])
def test_records_are_the_structures_of_c(name: str, record: np.dtype) -> None:
    kind = structures().typeof(name)
    assert record.itemsize == structures().sizeof(kind)
    assert {n: f[1] for n, f in (record.fields or {}).items()} == {
        n: f.offset for n, f in kind.fields
    }


def test_decoding_gives_the_steps_back() -> None:
    steps, _ = loop(3, If(flags(9), (copy(X, Y),), (negated(X, Y),), 2))
    ends = (negated(X, Y), Delegate(1, (X,), (Y,), 4), Host(negated(X, Y).op, (None, X), (), 5))
    code = encode((*steps, *ends))
    back = decode(code)
    assert back[-3:-1] == (replace(ends[0], op=code.hosts[1]), ends[1])
    again = encode(back)  # parameters are padded, so not the steps themselves are compared
    for name in ("steps", "operands", "params"):
        np.testing.assert_array_equal(getattr(again, name), getattr(code, name))
    assert (again.shapes, again.hosts) == (code.shapes, code.hosts)


@pytest.mark.parametrize("turns", [0, 1, 7])
def test_a_loop_runs_in_c(turns: int) -> None:
    steps, constants = loop(turns)
    np.testing.assert_array_equal(run(*steps, constants=constants), ONES * (turns + 1))


def test_loops_inside_loops_and_steps_of_the_caller_inside_them() -> None:
    """Host steps stop the run in the middle of two loops; it goes on where it was."""
    outer, constants = loop(2)
    flip = (negated(TOTAL, NEXT), copy(NEXT, TOTAL))
    condition = flags(8192)
    body = (
        copy(flags(1024), condition),
        While(condition, (), (*flip, copy(flags(1033), condition)), 2),
    )
    [*start, while_, end] = outer
    assert isinstance(while_, While)
    nested = replace(while_, body=(*body, *while_.body))
    # total = 1; twice: total = 1 - total
    np.testing.assert_array_equal(run(*start, nested, end, constants=constants), ONES)


@pytest.mark.parametrize("is_true", [True, False])
def test_one_range_of_an_if_runs(is_true: bool) -> None:
    flag = Operand(Region.CONST, 0, (), np.dtype(np.bool_))
    inner = If(flag, (add(X, X, TOTAL),), (copy(X, TOTAL),), 0)
    choice = If(flag, (inner, add(TOTAL, X, Y)), (inner, negated(TOTAL, Y)), 1)
    wanted = ONES * (3 if is_true else -1)
    constants = np.array([is_true])
    np.testing.assert_array_equal(run(choice, constants=constants), wanted)


def test_a_delegate_reads_and_writes_arrays() -> None:
    def double(reads: list[np.ndarray], writes: list[np.ndarray]) -> None:
        np.multiply(reads[0], 2, out=writes[0])

    plan = plan_of(Delegate(0, (X,), (TOTAL,), 0), add(TOTAL, X, Y))
    [y] = Executor(plan, delegates=[double]).run([ONES], {}, None)
    np.testing.assert_array_equal(y, ONES * 3)


def test_locked_steps_run_tile_by_tile() -> None:
    places = [floats(64 * i) for i in range(4)]
    steps = [replace(add(p, X, Y), n_tiles=3) for p in places]
    executor = Executor(plan_of(steps[0], replace(steps[1], locked=2), *steps[2:]))
    record = Recorder(executor, {p.offset: name for p, name in zip(places, "abcd", strict=True)})
    executor.run([ONES], {})
    in_turns = [(name, t, t + 1, 0) for t in range(3) for name in "bcd"]
    assert record.calls == [("a", 0, 3, 0), *in_turns]


@pytest.mark.parametrize(
    "steps",
    [
        [replace(copy(X, Y), locked=1)],
        [replace(add(X, X, Y), locked=1, n_tiles=9), copy(X, Y)],
        [replace(copy(X, Y), operands=(floats(7, region=Region.IO),) * 2)],
        [replace(copy(X, Y), operands=(X,) * 17)],
    ],
)
def test_steps_that_break_a_rule_are_refused(steps: list[Step]) -> None:
    with pytest.raises(InternalError, match="step 0 of the plan"):
        Executor(plan_of(*steps))


def test_damaged_ranges_are_refused() -> None:
    steps, constants = loop(1)
    plan = plan_of(*steps, constants=constants)
    code = plan.code.steps.copy()
    code["second"][2] = 1000
    with pytest.raises(InternalError, match="step 2 of the plan"):
        Executor(replace(plan, code=replace(plan.code, steps=code)))


def test_variables_are_the_kernels_own() -> None:
    """A kernel writes a variable, the caller reads, replaces and forgets it."""
    b = Builder()
    state = b.input("state", (4,), DType.FLOAT32)
    place = floats(0, region=Region.STATE)
    plan = replace(
        plan_of(add(place, X, Y), copy(Y, place)), variables={state: place}, state_bytes=16
    )
    run, held = Executor(plan), {}
    for turn in (1, 2):
        [y] = run.run([ONES], held, None)
        np.testing.assert_array_equal(y, ONES * turn)
        np.testing.assert_array_equal(held[state], y)
    held[state] = np.full(4, 10, np.float32)
    [y] = run.run([ONES], held, None)
    np.testing.assert_array_equal(held[state], ONES * 11)
    held.clear()
    [y] = run.run([ONES], held, None)
    np.testing.assert_array_equal(y, ONES)
