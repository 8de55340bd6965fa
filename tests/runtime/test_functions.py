"""Runs that C's own functions do again (`runtime/functions.py`), and the same without them."""

from __future__ import annotations

import threading
from types import BuiltinFunctionType

import numpy as np
import pytest

from edgewise.dtypes import DType
from edgewise.errors import CancelledError
from edgewise.ir import Builder
from edgewise.ir.graph import Graph
from edgewise.ops.gather import Gather
from edgewise.runtime import functions
from edgewise.runtime.library import constant
from edgewise.runtime.session import Session
from edgewise.runtime.turns import BusyError, Turns
from tests.runtime.by_hand import sums

Arrays = tuple[np.ndarray, ...]


@pytest.fixture(params=["C", "Python"])
def means(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Who runs again."""
    if request.param == "Python":
        monkeypatch.setattr(functions, "_are_there", lambda: False)
    return str(request.param)


def ready(graph: Graph, x: np.ndarray, num_threads: int = 1) -> tuple[Session, Arrays, Arrays]:
    """A session whose next run on these arrays is one again."""
    session, inputs = Session(graph, num_threads=num_threads), (x,)
    into = tuple(map(np.empty_like, session.run(inputs)))
    session.run(inputs, into)
    return session, inputs, into


def is_plain(session: Session) -> bool:
    return isinstance(session._again[2], BuiltinFunctionType)


@pytest.mark.parametrize("num_threads", [1, 2])
def test_what_is_in_the_arrays_now_is_read(means: str, num_threads: int) -> None:
    x = np.ones((3, 5), np.float32)
    session, inputs, into = ready(sums(2, (3, 5)), x, num_threads)
    assert is_plain(session) == (means == "C")
    for value in (2.0, -7.5):
        x[:] = value
        outputs = session.run(inputs, into)
        assert outputs[0] is into[0]
        np.testing.assert_array_equal(into[0], 3 * x)
    other = (np.full((3, 5), 4, np.float32),)
    np.testing.assert_array_equal(session.run(other, into)[0], 3 * other[0])


@pytest.mark.parametrize(("shape", "is_brief"), [((3, 5), 1), ((64, 1024), 0)])
def test_other_threads_wait_for_short_runs_alone(shape: tuple[int, ...], is_brief: int) -> None:
    session, _, _ = ready(sums(2, shape), np.ones(shape, np.float32))
    executor = session._again[3].__self__  # type: ignore[attr-defined]
    assert executor._run.is_brief == is_brief
    session.close()


@pytest.mark.ci
def test_one_thread_at_a_time_until_the_run_is_cancelled(means: str) -> None:
    session, inputs, into = ready(sums(3000), np.ones((64, 1024), np.float32))
    before = session._turns.serial
    stopped: list[BaseException] = []

    def run_on() -> None:
        while True:  # the other thread may come between two runs
            session.run(inputs, into)

    def run() -> None:
        while not stopped:
            try:
                run_on()
            except BusyError:  # it did
                pass
            except CancelledError as error:
                stopped.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    while session._turns.serial == before:
        pass
    with pytest.raises(BusyError, match="running in another thread"):
        run_on()
    while thread.is_alive():
        session.cancel()
    thread.join()
    assert stopped
    np.testing.assert_array_equal(session.run(inputs, into)[0], np.full((64, 1024), 3001))
    assert is_plain(session) == (means == "C")


def test_a_step_that_refuses_gives_the_turn_back(means: str) -> None:
    b = Builder()
    x = b.input("x", (4, 3), DType.FLOAT32)
    places = b.input("places", (2,), DType.INT32)
    graph = b.finish(b.node(Gather(axis=0), x, places).output)
    session = Session(graph)
    inputs = (np.arange(12, dtype=np.float32).reshape(4, 3), np.array([3, 0], np.int32))
    into = (np.empty((2, 3), np.float32),)
    session.run(inputs, into)
    session.run(inputs, into)
    inputs[1][:] = 2, 4
    for _ in range(2):
        with pytest.raises(Exception, match=r"\b4\b"):
            session.run(inputs, into)
    inputs[1][:] = 2, 1
    np.testing.assert_array_equal(session.run(inputs, into)[0], inputs[0][[2, 1]])


def test_who_comes_after_close_finds_the_turn_taken() -> None:
    x = np.ones((3, 5), np.float32)
    session, inputs, into = ready(sums(2, (3, 5)), x, 2)
    again = session._again[2]
    assert again() == constant("EW_RUN_done")
    session.close()
    assert again() == constant("EW_RUN_busy")
    np.testing.assert_array_equal(session.run(inputs, into)[0], 3 * x)


def test_what_was_cancelled_before_close_stays_so() -> None:
    x = np.ones((3, 5), np.float32)
    session, inputs, into = ready(sums(2, (3, 5)), x)
    session.cancel()
    session.close()
    for _ in range(3):
        np.testing.assert_array_equal(session.run(inputs, into)[0], 3 * x)


def test_numbers_of_runs_are_never_0(means: str) -> None:
    session, inputs, into = ready(sums(1, (2,)), np.ones(2, np.float32))
    session._turns.words[1] = 0xFFFFFFFE
    found = []
    for _ in range(3):
        session.run(inputs, into)
        found.append(session._turns.serial)
    assert found == [0xFFFFFFFF, 1, 2]


def test_a_turn_is_taken_once(means: str) -> None:
    turns = Turns()
    turns.enter()
    with pytest.raises(BusyError):
        turns.enter()
    turns.leave()
    turns.enter()
    turns.after_fork()  # in a child nobody has it
    turns.enter()


def test_a_guarded_function_needs_its_lock_and_what_it_works_on() -> None:
    lock, busy = threading.Lock(), constant("EW_RUN_busy")
    status, is_ready, seen = 0, True, list[object]()

    def go_on(status: int) -> None:
        seen.append((status, lock.locked()))
        if status == 3:
            raise CancelledError("no more")

    run = functions.guarded(lambda: status, lock, lambda: is_ready, go_on)
    assert run() == 0
    status = 2
    assert run() == 0
    status = 3
    with pytest.raises(CancelledError, match="no more"):
        run()
    assert seen == [(2, True), (3, True)]
    status = busy
    assert run() == busy
    status, is_ready = 0, False
    assert run() == busy
    is_ready = True
    with lock:
        assert run() == busy
    assert run() == 0
    assert not lock.locked()
    assert len(seen) == 2
