"""Calls in any order with any arguments: an error that says what is wrong, and an interpreter that
is as good as before once it is used as it should be."""

from __future__ import annotations

import contextlib
import random

import numpy as np
import pytest

from edgewise import lite
from edgewise.errors import EdgewiseError
from edgewise.ir import Builder, Model
from edgewise.ir.dim import Sym

SHAPES = ([2, 3], [4, 3], [0, 3], [2, 4], [2], [], [-1, 3], [2**31 - 1, 3], [2**31 - 1] * 2,
          [2**40, 3], [2**70, 3], [2.5, 3], [[2, 3]], "2x3", None, [None, 3], 7)  # fmt: skip
INDICES = (0, 0, 0, 1, 2, -1, 10**9, 2**70, 1.5, "x", None)
ARRAYS = (np.ones((2, 3), np.float32), np.ones((2, 3)), np.ones((2, 3), np.int8), np.ones(6), 1.0,
          np.ones((4, 3), np.float32), [[1, 2, 3]] * 2, [[1], [2, 3]], "x", None, {},
          np.ones((2, 3), np.float32, "F")[::-1], np.full((2, 3), np.nan, np.float32))  # fmt: skip
# LiteRT raises TypeError where an argument has the wrong Python type
FINE = (EdgewiseError, TypeError)


@pytest.fixture(scope="module")
def content() -> bytes:
    b = Builder("main")
    x = b.input("x", (Sym("batch"), 3))
    w = b.constant(np.arange(6, dtype=np.float32).reshape(2, 3))
    model = Model()
    model.add(b.finish(b.relu(b.fully_connected(x, w, None)), b.transpose(x, b.constant([1, 0]))))
    return model.to_bytes()


def misuse(interpreter: lite.Interpreter, generator: random.Random) -> None:
    """One call."""
    index = generator.choice(INDICES)
    match generator.randrange(6):
        case 0:
            strict = generator.random() < 0.3
            interpreter.resize_tensor_input(index, generator.choice(SHAPES), strict=strict)
        case 1:
            interpreter.allocate_tensors()
        case 2:
            interpreter.set_tensor(index, generator.choice(ARRAYS))
        case 3:
            interpreter.invoke()
        case 4:
            interpreter.get_tensor(index, generator.choice((0, 0, 1, -1)))
        case _:
            interpreter.tensor(index)()


def check_works(interpreter: lite.Interpreter) -> None:
    """Used as it should be, it gives the right numbers."""
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    interpreter.resize_tensor_input(interpreter.get_input_details()[0]["index"], [2, 3])
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], x)
    interpreter.invoke()
    product, turned = (interpreter.get_tensor(d["index"]) for d in interpreter.get_output_details())
    np.testing.assert_array_equal(product, np.float32([[5, 14], [14, 50]]))
    np.testing.assert_array_equal(turned, x.T)


@pytest.mark.parametrize("seed", range(40))
def test_calls_in_any_order(content: bytes, seed: int) -> None:
    generator = random.Random(seed)
    interpreter = lite.Interpreter(model_content=content)
    for _ in range(12):
        with contextlib.suppress(*FINE):
            misuse(interpreter, generator)
    check_works(interpreter)


@pytest.mark.parametrize("shape", [[2**31 - 1, 3], [2**31 - 1] * 2])
def test_more_than_the_machine_has(content: bytes, shape: list[int]) -> None:
    interpreter = lite.Interpreter(model_content=content)
    interpreter.resize_tensor_input(0, shape)
    with pytest.raises(RuntimeError):
        interpreter.allocate_tensors()
    check_works(interpreter)
