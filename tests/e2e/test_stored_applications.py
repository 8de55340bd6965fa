"""Some networks of keras.applications from files, next to Keras and TensorFlow's converter.

The models and the answers are stored without weights (`tools/oracle/store_applications.py`);
`test_applications.py` makes all of them, with TensorFlow. What each must give is the same.
"""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

import edgewise
from tests.e2e.answers import distance, operators
from tests.e2e.applications import CASES, FOLDER, STORED, images
from tests.e2e.hollow import LEAST, filled, hollow, levels_recipe, weight

BAR = 3e-4
SOURCES = ("model.keras", "model.h5", "saved")


def test_all_are_stored():
    assert sorted(path.stem for path in FOLDER.glob("*.zip")) == sorted(STORED)


@pytest.mark.ci
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", STORED)
def test_converts_as_well_as_tensorflow(tmp_path, name):
    theirs, keras = unpacked(name, tmp_path)
    x = images(CASES[name], len(keras))
    problems = []
    for source in SOURCES:
        data = edgewise.convert(tmp_path / source).to_bytes()
        found = operators(edgewise.load(data))
        apart = distance(list(edgewise.Interpreter(data)(x).values()), [keras])
        if not apart <= BAR:
            problems.append(f"{source}: {apart} from Keras")
        for route, (count, size) in theirs.items():
            if route == "tf-static" and CASES[name].shape is not None:
                continue  # sizes are known there, and with them some paddings
            if found.total() > count or len(data) > size:
                problems.append(f"{source}: {found}, {len(data)} bytes; {route} {count}, {size}")
    assert not problems, "\n".join(problems)


def unpacked(name: str, folder: Path) -> tuple[dict[str, tuple[int, int]], np.ndarray]:
    """Fill the files into the folder; TensorFlow's operators and bytes by route, Keras's answer."""
    with zipfile.ZipFile(FOLDER / f"{name}.zip") as file:
        about = json.loads(file.read("about.json"))
        weights = [weight(recipe) for recipe in about["weights"]]
        for path, places in about["places"].items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(filled(file.read(path), places, weights))
        with file.open("y.npy") as answer:
            return about["conversions"], np.load(answer)


def test_what_is_cut_out_can_be_put_back():
    rng = np.random.RandomState(0)
    weights = [rng.standard_normal(n).astype(np.float32) for n in (40, 3, 100)]
    weights += [np.zeros(n, np.float32) for n in (16, 24)]
    a, b, c, d, e = (array.tobytes() for array in weights)
    for whole in (b"", b"head" + a + b + c + b"tail", c + a + a + b"between" + c, b, d + e + d):
        rest, places = hollow(whole, weights)
        assert filled(rest, places, weights) == whole
        assert len(rest) < LEAST


def test_levels_stay_in_the_range():
    values = np.random.RandomState(0).uniform(0.01, 3, (5, 7)).astype(np.float32)
    again = weight(levels_recipe(values))
    assert (again.shape, again.dtype) == (values.shape, np.float32)
    assert again.min() >= 0.99 * values.min()
    np.testing.assert_allclose(again, values, atol=3 / 500)
    constant = np.full(4, 2.5, np.float32)
    np.testing.assert_array_equal(weight(levels_recipe(constant)), constant)
