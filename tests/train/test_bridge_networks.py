"""The networks of keras.applications and of the zoo: there and back again is the same text, and the
Keras model of the bridge computes what the runtime does, within 1e-5 of the output's range, or
twice as far as Keras's answer moves when every input is the next float32 above or below:
InceptionV3's by 1.9e-5 or 4.1e-5, and ours is 3.9e-5 from it (from what float64 says Keras's own is
4.0e-5, the bridge's 2.8e-5, ours 3.4e-5). Each of their operators is listed, and held to 1e-5
without exception, by `test_bridge_operators.py`.

Minutes where layers run one by one (`KERAS_BACKEND=torch`, or tensorflow, as NASNet wants); JAX
compiles each network first.
"""

from __future__ import annotations

import gc

import numpy as np
import pytest

import edgewise
from edgewise.ir import Model
from edgewise.ir.text import print_model
from edgewise.passes import canonicalize
from edgewise.train import from_keras, to_keras
from tests.e2e.answers import distance
from tests.e2e.applications import CASES, images
from tests.train import drawn, operators
from tests.train.here import need_keras

keras = need_keras()
from tests.e2e.weights import fill  # noqa: E402  (imports Keras)

pytestmark = [pytest.mark.full, pytest.mark.filterwarnings("ignore"), pytest.mark.timeout(1800)]


@pytest.mark.parametrize("name", CASES)
def test_networks_of_keras(name):
    case = CASES[name]
    network = getattr(keras.applications, case.network)(**case.arguments())
    fill(network, case)
    check(canonicalize(edgewise.convert(network, inputs=(1, *case.size, 3))), images(case, 1))
    forget()


@pytest.mark.parametrize("name", drawn.NAMES)
def test_networks_of_the_zoo(name):
    model = drawn.network(name)
    shape = model.main.inputs[0].shape
    check(model, np.random.default_rng(0).uniform(-1, 1, shape).astype(np.float32))
    forget()


def forget() -> None:
    """What is kept of networks: JAX's compiled ones took 14 GB after 40 networks."""
    keras.backend.clear_session()
    if keras.backend.backend() == "jax":
        import jax

        jax.clear_caches()
    gc.collect()


def check(model: Model, x: np.ndarray) -> None:
    """There and back again, and the numbers."""
    listed = {form for one in operators.read().values() for form in operators.forms(one)}
    assert set(operators.forms(model)) <= listed, "run python -m tests.train.operators"
    there = to_keras(model)
    back = from_keras(there, like=model, inputs=x.shape)
    # constants by their hashes: EfficientNetV2L has 470 MB of them
    assert print_model(back, elide=True).splitlines() == print_model(model, elide=True).splitlines()
    wanted = list(edgewise.Interpreter(model)(x).values())
    found, above, below = (
        keras.ops.convert_to_numpy(there(given, training=False))
        for given in (x, *(np.nextafter(x, np.float32(to)) for to in (np.inf, -np.inf)))
    )
    moved = max(distance([near], [found]) for near in (above, below))
    assert distance([found], wanted) <= max(1e-5, 2 * moved)
