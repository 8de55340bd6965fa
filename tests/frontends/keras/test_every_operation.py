"""Every operation of `keras.ops` is in a model of the fixtures, or refused with its sentence."""

from __future__ import annotations

import numpy as np
import pytest

from edgewise.errors import UnsupportedOp
from edgewise.frontends.keras.description import KerasLayer
from edgewise.frontends.keras.handlers import OPERATIONS
from edgewise.frontends.keras.lower import lower
from edgewise.ir.evaluate import evaluate
from tests.frontends.keras.test_every_layer import FIXTURES, classes_in, config_of, files
from tests.frontends.keras.test_refused import model, operation

COMPLEX = "a complex tensor"
FACTORS = "factors a matrix"
REFUSED = {
    **dict.fromkeys(("Eig", "Eigh", "SVD", "Pinv", "Lstsq", "MatrixRank"), FACTORS),
    **dict.fromkeys(("ViewAsComplex", "ViewAsReal", "Polar", "Imag"), COMPLEX),
    "LuFactor": "use solve, inv, qr or cholesky",
    "JVP": "the derivative of a function",
    "CTCLoss": "a loss of training",
    "ElasticTransform": "draws random numbers",
}
# What no file can hold: `live/test_control.py` runs them.
FUNCTIONS = {
    "WhileLoop", "ForiLoop", "Map", "VectorizedMap", "Scan", "AssociativeScan", "Cond", "Switch",
}  # fmt: skip
# Keras cannot run these in a graph, or leaves them out of one; they are shown below, in `live`, or
# by what has the same handler (Abs, ConvTranspose).
ELSEWHERE = {
    "Abs",
    "Arange",
    "Argpartition",
    "Conj",
    "ConvertToTensor",
    "ConvTranspose",
    "Histogram",
}


def names() -> list[str]:
    return [str(name) for name in np.load(FIXTURES / "functions.npz")["names"]]


def test_every_operation_has_a_handler() -> None:
    assert [name for name in names() if name not in OPERATIONS] == []


@pytest.mark.parametrize("name", REFUSED)
def test_says_why(name: str) -> None:
    with pytest.raises(UnsupportedOp, match=REFUSED[name]):
        lower(model(operation(name), [None, 2, 2]))


def test_every_handler_is_shown() -> None:
    found = {name for data in files() for name in classes_in(config_of(data))}
    assert [n for n in names() if n not in {*found, *REFUSED, *FUNCTIONS, *ELSEWHERE}] == []


def answers(made: KerasLayer, x: np.ndarray) -> list[np.ndarray]:
    return evaluate(lower(model(made, list(x.shape))).main, [x])


def test_histogram() -> None:
    x = np.random.default_rng(4).uniform(-1, 1, 60).astype(np.float32)
    for bins, ends in ((5, None), (4, (-0.5, 0.75))):
        counts, edges = answers(operation("Histogram", bins=bins, range=ends), x)
        wanted = np.histogram(x, bins, ends)
        np.testing.assert_array_equal(counts, wanted[0])
        np.testing.assert_allclose(edges, wanted[1], atol=1e-6)


def test_argpartition() -> None:
    """Which order the parts have is nobody's promise."""
    x = np.random.default_rng(5).normal(size=(3, 9)).astype(np.float32)
    (places,) = answers(operation("Argpartition", kth=4, axis=-1), x)
    y = np.take_along_axis(x, places, -1)
    assert (y[:, :4] <= y[:, 4:5]).all()
    assert (y[:, 5:] >= y[:, 4:5]).all()
    np.testing.assert_array_equal(np.sort(places), np.tile(np.arange(9), (3, 1)))
