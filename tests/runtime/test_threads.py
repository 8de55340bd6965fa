"""Threads: equal bits, several interpreters, forks, cancelling, deadlines, nothing left behind."""

from __future__ import annotations

import gc
import math
import os
import threading
import time
from collections.abc import Set
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import edgewise
from edgewise.errors import CancelledError, InputError, LimitError
from edgewise.format import load
from edgewise.ir import Model
from edgewise.runtime.executor import Executor
from edgewise.runtime.library import constant, structures
from edgewise.runtime.limits import Limits
from edgewise.runtime.plan import Plan, While
from edgewise.runtime.threads import Threads
from edgewise.runtime.turns import BusyError
from tests.runtime.by_hand import Recorder, add, flags, floats, plan_of, sums
from tests.runtime.test_code import X, Y

COUNTS = (1, 2, 3, 4)


def threads_of_this_process() -> set[str]:
    return {path.name for path in Path("/proc/self/task").iterdir()}


def has_threads(count: int, beside: Set[str] = frozenset()) -> bool:
    """This process has so many threads beside those that were there before: what other tests left
    may end meanwhile. One that was joined stays in /proc for a moment."""
    end = time.monotonic() + 10
    while len(threads_of_this_process() - beside) != count and time.monotonic() < end:
        time.sleep(0.001)
    return len(threads_of_this_process() - beside) == count


def tiled(n_tiles: int, work: int = 0, locked: bool = False) -> Plan:
    """Step a, and step b behind it or locked to it."""
    a, b = (replace(add(floats(p), X, Y), n_tiles=n_tiles, work=work) for p in (0, 64))
    return replace(plan_of(replace(a, locked=int(locked)), b), scratch_bytes=64)


TAGS = {0: "a", 64: "b"}


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("n_tiles", [1, 2, 3, 7, 64, 1001])
def test_every_tile_is_computed_once(n_tiles: int, count: int) -> None:
    threads = Threads(count)
    executor = Executor(tiled(n_tiles), threads=threads)
    record = Recorder(executor, TAGS)
    for _ in range(5):
        record.clear()
        executor.run([np.ones(4, np.float32)], {})
        for name in "ab":
            parts = sorted((c[1], c[2]) for c in record.calls if c[0] == name)
            assert [t for begin, end in parts for t in range(begin, end)] == list(range(n_tiles))
        # b begins when a is done
        assert [c[0] for c in record.calls] == sorted(c[0] for c in record.calls)
    threads.close()


def test_threads_take_part_and_keep_locked_tiles_together() -> None:
    threads = Threads(3)
    executor = Executor(tiled(60, locked=True), threads=threads)
    record = Recorder(executor, TAGS, meet=3)
    executor.run([np.ones(4, np.float32)], {})
    assert {c[3] for c in record.calls} == {0, 1, 2}
    for thread in range(3):
        mine = [c for c in record.calls if c[3] == thread]
        assert [c[0] for c in mine] == ["a", "b"] * (len(mine) // 2)
        assert [c[1] for c in mine[::2]] == [c[1] for c in mine[1::2]]
    assert sorted(c[1] for c in record.calls) == sorted([*range(60), *range(60)])
    threads.close()


def test_every_thread_keeps_to_its_part_while_it_has_any() -> None:
    """A thread's tiles are the same in all steps: it takes from the front of its part, others what
    they help with from the end. One that still looks for work of the step before when the next
    begins may help first, and find its own part done: over many runs every thread begins with
    half of its own."""
    threads = Threads(3)
    executor = Executor(tiled(62), threads=threads)
    record = Recorder(executor, TAGS, meet=3)
    parts = [(0, 21), (21, 42), (42, 62)]
    began: set[tuple[str, int]] = set()
    for _ in range(20):
        record.clear()
        executor.run([np.ones(4, np.float32)], {})
        for name in "ab":
            for owner, (begin, end) in enumerate(parts):
                calls = [c for c in record.calls if c[0] == name and begin <= c[1] < end]
                own = [c for c in calls if c[3] == owner]
                assert all(c[2] <= end for c in calls)
                assert [c[1] for c in own] == [begin, *(c[2] for c in own)][: len(own)]
                if own and own[0][2] == begin + (end - begin + 1) // 2:
                    began.add((name, owner))
    assert began == {(name, owner) for name in "ab" for owner in range(3)}
    threads.close()


@pytest.mark.parametrize(("n_tiles", "work"), [(1, 10**9), (60, 1)])
def test_small_steps_wake_nobody(n_tiles: int, work: int) -> None:
    threads = Threads(2)
    executor = Executor(tiled(n_tiles, work), threads=threads)
    record = Recorder(executor, TAGS)
    executor.run([np.ones(4, np.float32)], {})
    assert record.calls == [("a", 0, n_tiles, 0), ("b", 0, n_tiles, 0)]
    threads.close()


@pytest.mark.parametrize(("shared_ns", "alone_ns"), [(90, 50), (50, 90)])
def test_small_plans_run_alone_where_that_is_faster(shared_ns: int, alone_ns: int) -> None:
    """By a clock that says how long a run took, by who took part in it."""
    threads = Threads(2)
    executor = Executor(tiled(60, 2000), threads=threads)
    record = Recorder(executor, TAGS)
    now = [0]

    def clock(system: object) -> int:
        if record.calls:  # the end of a run
            now[0] += alone_ns if len(record.calls) == 2 else shared_ns
        return now[0]

    executor._run.clock = callback = structures().callback("uint64_t(void *)", clock)
    were_alone: list[bool] = []
    first, runs = constant("EW_FIRST_RUNS"), constant("EW_TRIAL_RUNS")
    for _ in range(first + 2 * runs):
        record.clear()
        executor.run([np.ones(4, np.float32)], {})
        were_alone.append(record.calls == [("a", 0, 60, 0), ("b", 0, 60, 0)])
    trials = constant("EW_TRIALS")
    is_alone = alone_ns < shared_ns
    wanted = [False] * trials + [True] * trials + [is_alone] * (runs - 2 * trials)
    assert were_alone == [False] * first + 2 * wanted
    threads.close()
    del callback


@pytest.mark.parametrize("is_always_shared", [True, False])
@pytest.mark.parametrize(("work", "count"), [(10**9, 2), (2000, 1), (0, 2), (2000, 2)])
def test_only_small_plans_for_several_threads_try_both(
    work: int, count: int, is_always_shared: bool
) -> None:
    plan = tiled(60, work)
    executor = Executor(plan, threads=Threads(count), is_always_shared=is_always_shared)
    is_small = 0 < work < 10**6 and count > 1
    assert executor._run.trial.is_on == (is_small and not is_always_shared)


@pytest.mark.ci
def test_threads_start_when_needed_and_end_with_their_owner() -> None:
    before = threads_of_this_process()
    threads = Threads(3)
    executor = Executor(tiled(9), threads=threads)
    record = Recorder(executor, TAGS)
    assert has_threads(0, before)
    for _ in range(2):
        executor.run([np.ones(4, np.float32)], {})
        assert has_threads(2, before)
        threads.close()
        assert has_threads(0, before)
    executor.run([np.ones(4, np.float32)], {})
    assert has_threads(2, before)
    del threads, executor, record
    gc.collect()
    assert has_threads(0, before)


def inputs_of(model: Model) -> list[np.ndarray]:
    rng = np.random.default_rng(3)
    arrays = []
    for value in model.main.inputs:
        shape = [d if isinstance(d, int) else 1 for d in value.shape]
        if value.dtype.is_float:
            arrays.append(rng.uniform(-1, 1, shape).astype(value.dtype.numpy))
        else:
            arrays.append(rng.integers(-128, 127, shape).astype(value.dtype.numpy))
    return arrays


@pytest.mark.parametrize(
    "file",
    ["tiny_resnet8/int8", "tiny_vww/f32", "tiny_vww/int8", "tiny_dscnn/int8", "tiny_ae/int8"],
)
def test_bits_do_not_depend_on_the_number_of_threads(file: str, shared_data: Path) -> None:
    model = load(shared_data / "bench" / f"{file}.tflite")
    inputs = inputs_of(model)
    wanted = None
    for count in COUNTS:
        with edgewise.Interpreter(model, num_threads=count) as run:
            for _ in range(5):
                [found] = run(*inputs).values()
                wanted = found if wanted is None else wanted
                np.testing.assert_array_equal(found, wanted)


def test_interpreters_in_several_threads(shared_data: Path) -> None:
    """Four threads, each with an interpreter of its own threads, in the same process."""
    models = [
        load(shared_data / "bench" / f"{f}.tflite") for f in ("tiny_resnet8/int8", "tiny_vww/f32")
    ]
    wanted = [next(iter(edgewise.Interpreter(m)(*inputs_of(m)).values())) for m in models]

    def work(index: int) -> bool:
        model = models[index % 2]
        inputs = inputs_of(model)
        with edgewise.Interpreter(model, num_threads=1 + index % 3) as run:
            found = [next(iter(run(*inputs).values())) for _ in range(20)]
        return all(np.array_equal(f, wanted[index % 2]) for f in found)

    before = threads_of_this_process()
    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(work, range(8)))
    assert has_threads(0, before)


def test_a_forked_child_makes_its_own_threads(shared_data: Path) -> None:
    model = load(shared_data / "bench" / "tiny_resnet8" / "int8.tflite")
    inputs = inputs_of(model)
    run = edgewise.Interpreter(model, num_threads=3)
    [wanted] = run(*inputs).values()
    child = os.fork()
    if child == 0:  # never to return into pytest
        is_right = False
        try:
            [found] = run(*inputs).values()
            is_right = np.array_equal(found, wanted) and has_threads(3)
            run.close()
            is_right = is_right and has_threads(1)
        finally:
            os._exit(0 if is_right else 1)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    np.testing.assert_array_equal(next(iter(run(*inputs).values())), wanted)
    run.close()


def test_the_number_of_threads_is_checked() -> None:
    with pytest.raises(InputError, match="num_threads must be a positive integer; got 0"):
        edgewise.Interpreter(Model(), num_threads=0)


# -- stopping -----------------------------------------------------------------------------------


def endless() -> While:
    """A loop whose condition is never written: true where the test makes it so."""
    return While(flags(4096), (), (add(X, X, Y),), 0)


def executor_of_endless_loop(limits: Limits, threads: Threads | None = None) -> Executor:
    plan = plan_of(endless())
    executor = Executor(plan, limits=limits, threads=threads or Threads(1))
    executor._memory[plan.io[0].region.ARENA][4096] = 1
    return executor


def test_a_loop_ends_at_its_limit() -> None:
    executor = executor_of_endless_loop(Limits(max_loop_iterations=1000))
    for _ in range(2):
        with pytest.raises(LimitError, match="max_loop_iterations is 1000, and step 0 goes on"):
            executor.run([np.ones(4, np.float32)], {})
    executor._memory[executor.plan.io[0].region.ARENA][4096] = 0
    executor.run([np.ones(4, np.float32)], {})


def test_a_run_ends_at_its_deadline() -> None:
    executor = executor_of_endless_loop(Limits(deadline_s=0.05))
    start = time.monotonic()
    with pytest.raises(LimitError, match=r"deadline_s is 0\.05; stopped at step"):
        executor.run([np.ones(4, np.float32)], {})
    assert 0.05 <= time.monotonic() - start < 30


def test_a_run_is_cancelled_from_another_thread() -> None:
    executor = executor_of_endless_loop(Limits(max_loop_iterations=2**62))
    threading.Timer(0.05, executor.cancel, [7]).start()
    with pytest.raises(CancelledError, match="cancelled at step"):
        executor.run([np.ones(4, np.float32)], {}, serial=7)


def slow_model(nodes: int = 400) -> Model:
    model = Model()
    model.add(sums(nodes))
    return model


@pytest.mark.parametrize("native", [True, False])
def test_an_interpreter_is_cancelled_and_runs_again(native: bool) -> None:
    x = np.ones((64, 1024), np.float32)
    run = edgewise.Interpreter(slow_model(), native=native)
    run.cancel()  # nothing runs: nothing happens
    [wanted] = run(x).values()
    stop = threading.Event()

    def cancel_often() -> None:
        while not stop.is_set():
            run.cancel()

    thread = threading.Thread(target=cancel_often)
    thread.start()
    with pytest.raises(CancelledError, match="the run was cancelled"):
        [run(x) for _ in range(1000)]
    stop.set()
    thread.join()
    np.testing.assert_array_equal(next(iter(run(x).values())), wanted)


@pytest.mark.parametrize("native", [True, False])
@pytest.mark.parametrize(
    ("limits", "says"),
    [
        (Limits(max_nodes=3), "max_nodes is 3, and the model has 400 operators"),
        (Limits(max_bytes=1000), "max_bytes is 1000, and the model has 262144 bytes in one"),
        (Limits(deadline_s=1e-9), "deadline_s is 1e-09; stopped at add"),
    ],
)
def test_limits_of_a_model(limits: Limits, says: str, native: bool) -> None:
    run = edgewise.Interpreter(slow_model(), native=native, limits=limits)
    with pytest.raises(LimitError, match=says):
        run(np.ones((64, 1024), np.float32))


def test_a_plan_has_no_more_memory_than_allowed() -> None:
    run = edgewise.Interpreter(slow_model(), limits=Limits(max_bytes=600_000))
    with pytest.raises(LimitError, match=r"max_bytes is 600000, and the model has .* of memory"):
        run(np.ones((64, 1024), np.float32))


def test_multiply_accumulates_are_limited(shared_data: Path) -> None:
    model = load(shared_data / "bench" / "tiny_vww" / "f32.tflite")
    run = edgewise.Interpreter(model, limits=Limits(max_macs=10_000))
    with pytest.raises(LimitError, match="max_macs is 10000"):
        run(*inputs_of(model))


@pytest.mark.parametrize("bad", [{"max_bytes": 0}, {"deadline_s": -1.0}, {"deadline_s": math.nan}])
def test_limits_are_positive_numbers(bad: dict[str, float]) -> None:
    with pytest.raises(InputError, match="must be a positive number"):
        Limits(**bad)  # type: ignore[arg-type]


def test_closing_waits_for_nobody() -> None:
    run = edgewise.Interpreter(slow_model(10), num_threads=2)
    run(np.ones((64, 1024), np.float32))
    [session] = run._sessions.values()
    session._turns.enter()
    with pytest.raises(BusyError):
        run.close()
    session._turns.leave()
    run.close()
    run.close()
    assert run(np.ones((64, 1024), np.float32))


# -- nothing is left behind -----------------------------------------------------------------------


def resident() -> int:
    """Bytes of this process in memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.parametrize(
    "turns", [3000, pytest.param(100_000, marks=pytest.mark.full)], ids=["short", "long"]
)
def test_inferences_leak_nothing(turns: int, shared_data: Path) -> None:
    model = load(shared_data / "bench" / "tiny_ae" / "int8.tflite")
    [x] = inputs_of(model)
    run = edgewise.Interpreter(model, num_threads=2)
    for _ in range(500):
        run(x)
    before, there = resident(), threads_of_this_process()
    for _ in range(turns):
        run(x)
    assert resident() - before < 1 << 20
    assert has_threads(0, there)
