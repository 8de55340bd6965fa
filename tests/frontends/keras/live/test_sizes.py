"""Unknown sizes: formulas from three traces, and what is not guessed."""

from __future__ import annotations

import numpy as np
import pytest

from edgewise.frontends.keras.description import Counted, Repeated
from edgewise.frontends.keras.live.record import Refused
from edgewise.frontends.keras.live.sizes import known, merged, stand_ins
from edgewise.ir.dim import Sym

BATCH, LENGTH = Sym("batch"), Sym("length")
NUMBERS = stand_ins({BATCH, LENGTH})


def traced(function):
    """What three traces of `function` of the two sizes become."""
    return merged([function(n[BATCH], n[LENGTH]) for n in NUMBERS], NUMBERS)


def test_every_trace_has_other_numbers():
    sizes = [size for numbers in NUMBERS for size in numbers.values()]
    assert len(set(sizes)) == len(sizes) == 6
    assert all(numbers[LENGTH] % 32 == 0 for numbers in NUMBERS)
    assert stand_ins(set()) == [{}]
    others = {size for numbers in stand_ins({BATCH, LENGTH}, 1) for size in numbers.values()}
    assert len(others - {n + k for n in sizes for k in (-1, 0, 1)}) == 6


@pytest.mark.parametrize(
    ("function", "wanted"),
    [
        (lambda b, t: 7, 7),
        (lambda b, t: (b, -1, "x"), (BATCH, -1, "x")),
        (lambda b, t: [2 * t + 3], [LENGTH * 2 + 3]),
        (lambda b, t: -t, LENGTH * -1),
        (lambda b, t: {"n": 3 * b * t}, {"n": BATCH * LENGTH * 3}),
        (lambda b, t: slice(None, t, 2), slice(None, LENGTH, 2)),
        (lambda b, t: np.array(t - 1), LENGTH - 1),
    ],
)
def test_a_number_becomes_a_formula(function, wanted):
    found = traced(function)
    assert found == wanted


def test_a_formula_has_the_numbers_of_every_trace():
    dim = traced(lambda b, t: 5 * b * t * t)
    assert [known(dim, n) for n in NUMBERS] == [5 * n[BATCH] * n[LENGTH] ** 2 for n in NUMBERS]


def test_a_constant_of_unknown_size():
    found = traced(lambda b, t: np.tile(np.float32([[1], [2]]), (1, t)))
    assert isinstance(found, Repeated)
    assert found.shape == (2, LENGTH)
    np.testing.assert_array_equal(found.array, [[1], [2]])


def test_a_range_of_unknown_size():
    assert traced(lambda b, t: np.arange(3, 3 + t)) == Counted(3, 1, LENGTH, np.dtype(int))


@pytest.mark.parametrize(
    "function",
    [
        lambda b, t: t // 2,
        lambda b, t: t % 7,
        lambda b, t: [0] * (t % 5),
        lambda b, t: np.sin(np.arange(t)),
        lambda b, t: "long" if t > 700 else "short",
        lambda b, t: np.zeros(t % 5),
    ],
)
def test_anything_else_is_refused(function):
    with pytest.raises(Refused, match=r"the unknown size 'batch', 'length' that cannot be"):
        traced(function)


def test_too_many_unknown_sizes():
    with pytest.raises(Refused, match="its inputs have 8 unknown sizes; convert with fixed ones"):
        stand_ins({Sym(f"n{i}") for i in range(8)})
