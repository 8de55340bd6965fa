"""The cases of the Keras files (`make_layer_fixtures.py`, `make_operation_fixtures.py`), live."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import numpy as np
import pytest

keras = pytest.importorskip("keras", reason="Keras is not installed here")

from edgewise.frontends.keras import read_object  # noqa: E402
from edgewise.ir.evaluate import evaluate  # noqa: E402
from edgewise.passes import canonicalize  # noqa: E402
from tests.frontends.keras import make_layer_fixtures as layers  # noqa: E402
from tests.frontends.keras import make_operation_fixtures as operations  # noqa: E402

from .checks import TOLERANCE  # noqa: E402

pytestmark = [pytest.mark.full, pytest.mark.filterwarnings("ignore")]
BACKEND = keras.backend.backend()
# What a back end computes otherwise than TensorFlow, whose meaning a .tflite file has.
OTHERWISE = {
    # its average pools count the padding
    "torch": {"Average1_same", "Average2_same", "Average3_same", "windows"},
    # its adaptive pools give NaN at some sizes
    "jax": {"AdaptiveAverage2", "AdaptiveMax2"},
}


def _collected() -> list[object]:
    with warnings.catch_warnings(action="ignore"):  # Keras's, of deprecated arguments
        return list(_cases())


def _cases() -> Iterator[object]:
    for name, (build, data) in layers.cases():
        yield pytest.param(build, data, id=name)
    families = [operations.recurrent, operations.attention]
    families += [operations.elementwise, operations.reductions, operations.movements]
    for family in (*families, operations.networks):
        for name, build, data in family():
            yield pytest.param(
                lambda xs, made=build: made(*xs), data, id=f"{family.__name__}-{name}"
            )


@pytest.mark.parametrize(("build", "data"), _collected())
def test_gives_keras_s_outputs(request, build, data):
    name = request.node.callspec.id.split("-", 1)[-1]
    if name in OTHERWISE.get(BACKEND, ()):
        pytest.skip(f"the {BACKEND} back end computes it otherwise than TensorFlow")
    keras.utils.set_random_seed(1)
    inputs = [keras.Input(x.shape[1:], dtype=str(x.dtype)) for x in data]
    try:
        model = keras.Model(inputs, build(inputs))
        if name != "normalization_adapted":
            layers.randomize(model)
        found = keras.tree.flatten(model(data, training=False))
        wanted = [np.asarray(keras.ops.convert_to_numpy(y)) for y in found]
    except Exception as error:  # this back end, or its CPU kernels, cannot run the case
        pytest.skip(f"Keras itself: {str(error)[:100]}")
    outputs = evaluate(canonicalize(read_object(model)).main, list(data))
    for y, want in zip(outputs, wanted, strict=True):
        assert y.shape == want.shape
        distance = np.abs(y.astype(np.float64) - want.astype(np.float64)).max(initial=0)
        exact = want.astype(np.float64)
        scale = max(float(np.ptp(exact)), float(np.abs(exact).max(initial=0)) / 10, 1e-3)
        assert distance <= TOLERANCE * scale
