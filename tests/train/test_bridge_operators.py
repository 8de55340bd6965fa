"""Every operator of the zoo and of keras.applications, in each form that it has there, alone: there
and back again is the same text, and Keras computes what the runtime does, within 1e-5 of the
output's range. The list is `operators.txt`; `operators.py` makes it."""

from __future__ import annotations

import numpy as np
import pytest

import edgewise
from edgewise.ir.text import print_model
from edgewise.train import from_keras, to_keras
from tests.e2e.answers import distance
from tests.train import operators
from tests.train.here import need_keras

keras = need_keras()
pytestmark = pytest.mark.filterwarnings("ignore")
MODELS = operators.read()


@pytest.mark.ci
@pytest.mark.parametrize("name", MODELS)
def test_there_and_back(name):
    model = MODELS[name]
    assert len(list(model.main.nodes)) == 1
    shapes = [value.shape for value in model.main.inputs]
    there = to_keras(model)
    back = from_keras(there, like=model, inputs=shapes if len(shapes) > 1 else shapes[0])
    assert print_model(back) == print_model(model)
    rng = np.random.default_rng(0)
    x = [rng.uniform(-4, 4, shape).astype(np.float32) for shape in shapes]
    wanted = list(edgewise.Interpreter(model)(*x).values())
    found = there(x if len(x) > 1 else x[0], training=False)
    found = found if isinstance(found, list) else [found]
    assert distance([keras.ops.convert_to_numpy(y) for y in found], wanted) <= 1e-5
