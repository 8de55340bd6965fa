"""Reading, planning and first running a model: the work is proportional to its operators."""

from __future__ import annotations

import cProfile
import pstats
import time

import numpy as np
import pytest

import edgewise
from edgewise.ir import Builder, Model

X = np.zeros((1, 64), np.float32)


def chain(count: int) -> bytes:
    """A file of so many operators, one after the other."""
    b = Builder()
    y = b.input("x", X.shape)
    addends = [b.constant(np.full(64, i, np.float32)) for i in range(3)]
    for i in range(count):
        y = b.add(y, addends[i % 3]) if i % 2 else b.tanh(y)
    model = Model()
    model.add(b.finish(y))
    return model.to_bytes()


def start(data: bytes) -> None:
    edgewise.Interpreter(data, cache=False)(X)


def calls(data: bytes) -> int:
    """Functions that a start calls."""
    profile = cProfile.Profile()
    profile.runcall(start, data)
    found: int = pstats.Stats(profile).total_calls  # type: ignore[attr-defined]
    return found


def test_ten_times_the_operators_make_ten_times_the_calls() -> None:
    small, large = chain(50), chain(500)
    start(small)  # imports
    few, many = calls(small), calls(large)
    assert many < 11 * few, f"{few} calls for 50 operators, {many} for 500"


@pytest.mark.full
def test_ten_thousand_operators() -> None:
    """Loops inside a function are no calls: the processor time may grow three times as much."""
    seconds = []
    for count in (1000, 10_000):
        data = chain(count)
        before = time.process_time()
        start(data)
        seconds.append(time.process_time() - before)
    assert seconds[1] < 30 * seconds[0], f"{seconds} s for 1,000 and 10,000 operators"
