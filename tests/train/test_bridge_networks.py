"""The networks of keras.applications: there and back again is the same text, and the Keras model
of the bridge computes what the runtime does."""

from __future__ import annotations

import numpy as np
import pytest

import edgewise
from edgewise.ir.text import print_model
from edgewise.passes import canonicalize
from edgewise.train import from_keras, to_keras
from tests.e2e.applications import FAMILIES
from tests.train.here import need_keras

keras = need_keras()
pytestmark = [pytest.mark.full, pytest.mark.filterwarnings("ignore"), pytest.mark.timeout(1800)]


@pytest.mark.parametrize("case", FAMILIES, ids=[case.name for case in FAMILIES])
def test_there_and_back(case):
    network = getattr(keras.applications, case.network)(**case.arguments())
    model = canonicalize(edgewise.convert(network, inputs=(1, *case.size, 3)))
    there = to_keras(model)
    assert print_model(from_keras(there, like=model, inputs=(1, *case.size, 3))) == print_model(
        model
    )
    x = np.random.default_rng(0).uniform(-1, 1, (1, *case.size, 3)).astype(np.float32)
    x = (x + 1) * 127.5 if case.takes_pixels else x
    wanted, *_ = edgewise.Interpreter(model)(x).values()
    found = keras.ops.convert_to_numpy(there(x))
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-5 * max(1.0, np.ptp(wanted)))
