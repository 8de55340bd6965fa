"""Ranges: what calibration measures, as a value and as a file."""

from __future__ import annotations

import numpy as np
import pytest

from edgewise.dtypes import DType
from edgewise.errors import FormatError, InputError, QuantizationError
from edgewise.ir.build import Builder
from edgewise.ir.model import Model
from edgewise.ir.text import print_model
from edgewise.optimize import Range, Ranges, calibrate, prepare


def relu_of_sum() -> Model:
    """y = relu(x + [1, -2]); nothing has a name."""
    b = Builder()
    x = b.input("x", (1, 2), DType.FLOAT32)
    y = b.relu(b.add(x, b.constant(np.array([1, -2], np.float32))))
    model = Model()
    model.add(b.finish(y))
    return model


def test_ranges_are_those_of_every_value():
    samples = [np.array([[a, 3.0]], np.float32) for a in (-4, 2, 7)]
    ranges = calibrate(relu_of_sum(), samples)
    assert dict(ranges["main"]) == {
        "x": Range(-4.0, 7.0),
        "add": Range(-3.0, 8.0),
        "relu": Range(0.0, 8.0),
    }


def test_preparing_twice_is_preparing_once():
    once = prepare(relu_of_sum())
    assert print_model(prepare(once)) == print_model(once)


def test_ranges_survive_a_file(tmp_path):
    ranges = Ranges({"main": {"x": Range(-1 / 3, 1e30), "y": Range(0.0, 0.0)}, "body": {}})
    ranges.save(tmp_path / "ranges.json")
    assert Ranges.load(tmp_path / "ranges.json") == ranges


@pytest.mark.parametrize("text", ["", "[]", '{"main": 3}', '{"main": {"x": [1]}}', "[" * 100000])
def test_a_file_that_holds_no_ranges_is_refused(text):
    with pytest.raises(FormatError, match="ranges: "):
        Ranges.from_json(text)


def test_ranges_are_finite():
    with pytest.raises(QuantizationError, match=r"got 2 others: @main 'x'.*@main 'y'"):
        Ranges({"main": {"x": Range(0.0, float("nan")), "y": Range(2.0, 1.0)}})


def test_calibration_needs_samples_that_fit():
    with pytest.raises(InputError, match="at least one sample"):
        calibrate(relu_of_sum(), [])
    with pytest.raises(InputError, match=r"needs \['x'\]; got \['z'\]"):
        calibrate(relu_of_sum(), [{"z": np.zeros((1, 2), np.float32)}])
    with pytest.raises(InputError, match="1 arrays, one per input; got 2"):
        calibrate(relu_of_sum(), [[np.zeros((1, 2), np.float32)] * 2])
