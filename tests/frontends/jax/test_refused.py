"""Functions of JAX that cannot be converted, word for word."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

jax = pytest.importorskip("jax", reason="JAX is not installed here")

import jax.numpy as jnp  # noqa: E402

import edgewise  # noqa: E402
from edgewise.errors import ConversionError, UnsupportedOp  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")


def refusal(function, *shapes) -> str:
    with pytest.raises(ConversionError) as caught:
        edgewise.convert(jax.jit(function), inputs=list(shapes) or None)
    return str(caught.value)


def here(text: str) -> str:
    """File, line and text of the first line of this file that has `text`."""
    lines = Path(__file__).read_text().splitlines()
    number = next(i for i, line in enumerate(lines, 1) if text in line)
    return f"{__file__}:{number} `{lines[number - 1].strip()}`"


def test_inputs_must_be_told():
    how = "convert(function, inputs=[(None, 224, 224, 3)]), one per argument"

    def function(x):
        return x

    assert refusal(function) == f"function: say what the function is called with: {how}"
    assert refusal(function, "image") == f"input 'x': 'image' is no shape; {how}"


def test_a_decision_by_value():
    def function(x):
        return x if x.sum() > 0 else -x

    text = refusal(function, (3,))
    assert text.startswith("function: JAX cannot trace it for these inputs: Attempted boolean")


def test_random_numbers_of_a_key_that_is_an_input():
    def function(key):
        return jax.random.uniform(jax.random.wrap_key_data(key.astype(jnp.uint32)), (3,))

    text = refusal(function, ((2,), "int32"))
    assert "draws random numbers, which a converted model cannot" in text
    assert here("return jax.random.uniform(") in text


@pytest.mark.ci
def test_random_numbers_of_a_constant_key_are_constants():
    def function(x):
        return x + jax.random.uniform(jax.random.key(3), (4,))

    x = np.arange(4, dtype=np.float32)
    made = edgewise.convert(jax.jit(function), inputs=[(4,)])
    (found,) = edgewise.Interpreter(made.to_bytes())(x).values()
    np.testing.assert_array_equal(found, np.asarray(function(x)))


def test_problems_inside_of_loops_are_told_too():
    def function(x):
        def step(state, row):
            return state, jnp.linalg.inv(state + row)

        return jax.lax.scan(step, x, jnp.ones((40, 3, 3)))[1] + jax.lax.igamma(x, x)

    with pytest.raises(UnsupportedOp) as refused:
        edgewise.convert(jax.jit(function), inputs=[(3, 3)])
    text = str(refused.value)
    assert here("return state, jnp.linalg.inv(") in text
    assert "matrices are not decomposed or solved in a .tflite model" in text
    assert "the primitive igamma: there is no formula for this function here" in text


def test_callbacks_are_not_run():
    def function(x):
        return jax.pure_callback(np.sin, x, x)

    text = refusal(function, (3,))
    assert "Python code is never executed in a converted model" in text
