"""Steps of every kind as C, from plans written by hand: loops, choices, locked groups, state."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgewise.deploy.c_export import write_page
from edgewise.deploy.c_page import CPage
from edgewise.dtypes import DType
from edgewise.errors import InternalError
from edgewise.ir import Builder, Quant, Value
from edgewise.ir.model import Signature
from edgewise.ops.arithmetic import Add
from edgewise.runtime.calls import Alias, Site
from edgewise.runtime.executor import Executor
from edgewise.runtime.plan import Delegate, If, Kernel, Operand, Plan, Region, While
from edgewise.runtime.select import select
from tests.runtime.by_hand import TARGET, add, copy, flags, floats, plan_of

from .machines import HOST, Workshop, run_program

pytestmark = pytest.mark.ci

X, Y = floats(0, region=Region.IO), floats(1, region=Region.IO)
TOTAL, NEXT = floats(0), floats(64)
VECTORS = [[np.arange(4, dtype=np.float32)], [np.full(4, -0.5, np.float32)]]


def page_of(plan: Plan, *, is_stateless: bool = False) -> CPage:
    """The text of a plan with one input and one output."""
    b = Builder()
    graph = b.finish(b.neg(b.input("x", plan.io[0].shape)))
    signature = Signature("", "main", {"x": 0}, {"y": 0})
    return CPage(plan, graph, signature, "model", is_stateless=is_stateless)


def check(plan: Plan, folder: Path, *, is_stateless: bool = False) -> None:
    """The exported plan gives what the executor gives, run after run."""
    executor, state = Executor(plan), {}
    wanted = []
    for vector in VECTORS:
        if is_stateless:
            state.clear()
        wanted += executor.run(vector, state, None)
    exported = write_page(page_of(plan, is_stateless=is_stateless), folder)
    program = Workshop(folder).build(HOST, exported, VECTORS, wanted[:1])
    found = run_program(HOST, program)
    assert found.broken_guards == 0
    assert found.outputs == [a.tobytes() for a in wanted]


def test_a_loop_with_a_choice_inside(tmp_path: Path) -> None:
    """`pattern` is a flag per turn: as long as it is true, the sum grows, by X or by 2 X."""
    pattern = np.array([True, True, True, False, False, False])
    doubled = np.array([False, True, False, False, False, False])
    constants = np.concatenate([pattern, doubled])
    n = pattern.size
    turn, twice = flags(1024), flags(2048)
    steps = [
        copy(Operand(Region.CONST, 0, (n,), pattern.dtype), flags(1024, n)),
        copy(Operand(Region.CONST, n, (n,), pattern.dtype), flags(2048, n)),
        copy(X, TOTAL),
        While(
            turn,
            (),
            (
                If(twice, (add(X, X, NEXT), add(TOTAL, NEXT, NEXT)), (add(TOTAL, X, NEXT),), 0),
                copy(NEXT, TOTAL),
                *shift(1024, n),
                *shift(2048, n),
            ),
            0,
        ),
        copy(TOTAL, Y),
    ]
    check(plan_of(*steps, constants=constants), tmp_path)


def shift(offset: int, count: int) -> Sequence[Kernel]:
    """Flags move one place forward."""
    moved = flags(4096, count - 1)
    return copy(flags(offset + 1, count - 1), moved), copy(moved, flags(offset, count - 1))


def test_a_locked_group_runs_tile_by_tile(tmp_path: Path) -> None:
    """Its first step reads what the second wrote for the tile before: one by one, X is summed."""
    before, here = floats(60), floats(64)
    group = (replace(add_one_by_one(before, X, here), locked=1), add_one_by_one(here, X, Y))
    zero = np.zeros(1, np.float32)
    start = copy(floats(0, 1, Region.CONST), floats(60, 1))
    plan = plan_of(start, *group, constants=zero)
    assert [s.n_tiles for s in plan.steps if isinstance(s, Kernel)] == [1, 4, 4]
    check(plan, tmp_path)


def add_one_by_one(a: Operand, b: Operand, y: Operand) -> Kernel:
    """y = a + b, a tile for each element."""
    builder = Builder()
    node = builder.node(Add(), *(builder.input(name, a.shape) for name in "ab"))
    selection = select(Site(node, TARGET, lambda value: value.data, tile_elements=1))
    assert not isinstance(selection, Alias)
    [call] = selection
    return Kernel(call.kernel, call.params, (a, b, y), call.n_tiles, 0)


@pytest.mark.parametrize("is_stateless", [False, True])
def test_variables_are_kept_or_start_anew(is_stateless: bool, tmp_path: Path) -> None:
    b = Builder()
    state: Value = b.input("state", (4,), DType.FLOAT32)
    level: Value = b.input("level", (4,), DType.INT8, Quant(1.0, -7))
    place = floats(0, region=Region.STATE)
    other = Operand(Region.STATE, 64, (4,), np.dtype(np.int8))
    plan = plan_of(add(place, X, Y), copy(Y, place))
    plan = replace(plan, variables={state: place, level: other}, state_bytes=128)
    check(plan, tmp_path, is_stateless=is_stateless)
    text = (tmp_path / "model.c").read_text()
    assert "((int8_t *)((uint8_t *)state + 64))[i] = -7;" in text
    assert ("model_reset(state);" in text) == is_stateless


def test_steps_of_python_are_no_c() -> None:
    page = page_of(plan_of(Delegate(0, (X,), (Y,), 0)))
    with pytest.raises(InternalError, match="cannot be printed"):
        page.source()
