"""Calls of an interpreter with any arguments, and calls that are stopped: an error that says what
is wrong, and an interpreter that is as good as before."""

from __future__ import annotations

import contextlib
import random
import threading

import numpy as np
import pytest

from edgewise import Interpreter
from edgewise.dtypes import DType
from edgewise.errors import CancelledError, EdgewiseError, LimitError, ShapeError
from edgewise.ir import Builder, Model, Signature
from edgewise.ir.dim import Sym
from edgewise.ir.enums import Padding
from edgewise.ops.conv import Conv2D
from edgewise.runtime.limits import Limits
from edgewise.runtime.session import Session
from tests.ops.case import all_cases, inputs_of, model_of

X = np.arange(6, dtype=np.float32).reshape(2, 3)
N = np.array([1], np.int32)
ARRAYS = (X, X.astype(np.float64), X.astype(np.int8), X[:, :2], X[0], X.T, np.float32(1), 1.0, "x",
          None, [], {}, [[1, 2], [3]], np.ones((0, 3), np.float32), N, np.array([7], np.int32),
          np.array([-1], np.int32), np.array([2**31 - 1], np.int32), np.array([], np.int32),
          np.array([["a"] * 3]), X[::-1], np.full((2, 3), np.nan, np.float32))  # fmt: skip
NAMES = ("x", "n", "y", "", "signature")
# Python's, where an argument can be no name at all: interpreter(signature=array)
FINE = (EdgewiseError, TypeError)
KEYS = (None, "serving_default", "other", 3, "")


def model() -> Model:
    """Rows of x are chosen by n, so that some errors are found while it runs."""
    b = Builder("main")
    x, n = b.input("x", (Sym("batch"), 3)), b.input("n", (1,), DType.INT32)
    model = Model(signatures=[Signature("serving_default", "main", {"x": 0, "n": 1}, {"y": 0})])
    model.add(b.finish(b.relu(b.gather(b.neg(x), n, axis=0))))
    return model


def misuse(interpreter: Interpreter, generator: random.Random) -> None:
    """One call."""
    match generator.randrange(8):
        case 0:
            interpreter.cancel()
        case 1:
            interpreter.inputs(generator.choice(KEYS))
        case 2:
            interpreter.close()
        case 3:
            interpreter.reset_variables()
        case _:
            count = generator.choice((0, 1, 2, 2, 2, 3))
            arrays = [generator.choice(ARRAYS) for _ in range(count)]
            named = {}
            if generator.random() < 0.3:
                named = {generator.choice(NAMES): generator.choice(ARRAYS)}
            if "signature" not in named and generator.random() < 0.2:
                named["signature"] = generator.choice(KEYS)
            interpreter(*arrays, **named)


@pytest.mark.parametrize("native", [True, False])
@pytest.mark.parametrize("seed", range(20))
def test_calls_with_any_arguments(seed: int, native: bool) -> None:
    generator = random.Random(seed)
    interpreter = Interpreter(model(), native=native)
    for _ in range(15):
        with contextlib.suppress(*FINE):
            misuse(interpreter, generator)
    np.testing.assert_array_equal(interpreter(-X, N)["y"], X[1:])


@pytest.mark.parametrize("native", [True, False])
def test_a_run_after_one_that_was_stopped(native: bool) -> None:
    """By its deadline, by the number of iterations, by another thread."""
    case = next(c for c in all_cases() if c.op.name == "while" and not c.error and inputs_of(c))
    inputs = inputs_of(case)
    wanted = list(Interpreter(model_of(case))(*inputs).values())
    stopped = 0
    for limits in (Limits(max_loop_iterations=1), Limits(deadline_s=1e-9)):
        interpreter = Interpreter(model_of(case), native=native, limits=limits)
        for _ in range(2):
            with pytest.raises(LimitError):
                interpreter(*inputs)
            stopped += 1
    interpreter = Interpreter(
        model_of(case), native=native, progress=lambda done, _: interpreter.cancel()
    )
    with pytest.raises(CancelledError):
        interpreter(*inputs)
    interpreter = Interpreter(model_of(case), native=native)
    threading.Thread(target=interpreter.cancel).start()
    for got, right in zip(interpreter(*inputs).values(), wanted, strict=True):
        np.testing.assert_array_equal(got, right)
    assert stopped == 4


@pytest.mark.parametrize("native", [True, False])
def test_inputs_that_are_constants_keep_their_shape(native: bool) -> None:
    """Packed weights of one shape were read as those of another, beyond their memory."""
    b = Builder("main")
    weights = b.constant(np.ones((8, 1, 1, 4), np.float32))
    y = b.node(Conv2D(padding=Padding.SAME), b.input("x", (1, 5, 5, 4)), weights).output
    graph = b.finish(y)
    graph.inputs.append(weights)
    run = Session(graph, native=native)
    with pytest.raises(
        ShapeError, match=r"constant of the model and keeps its shape \[8, 1, 1, 4\]"
    ):
        run.resize([(2, 5, 5, 4), (8, 3, 1, 4)])
    run.resize([(2, 5, 5, 4), (8, 1, 1, 4)])
    x = np.ones((2, 5, 5, 4), np.float32)
    np.testing.assert_array_equal(run.run([x, weights.data])[0], 4)
