"""`edgewise optimize`: a file, its recipe, a page, and what is told."""

from __future__ import annotations

import json

import numpy as np
import pytest

import edgewise
from edgewise.optimize import Recipe
from tests.optimize.networks import residual

WORDS = "optimize model.tflite -o s.tflite --data data.npz --scheme dynamic_wi8_afp32 --workers 1"


@pytest.mark.ci
def test_files_and_what_is_told(terminal, tmp_path):
    model = residual()
    model.save(tmp_path / "model.tflite")
    x = np.random.default_rng(5).uniform(-2, 2, (40, 12, 12, 3)).astype(np.float32)
    run = edgewise.Interpreter(tmp_path / "model.tflite")
    y = np.array([next(iter(run(sample[None]).values())).argmax() for sample in x])
    np.savez(tmp_path / "data.npz", x=x, y=y)
    files = "--recipe r.json --html page.html --max-drop 5"
    said = terminal(*WORDS.split(), *files.split())
    assert said.code == 0
    assert "a budget of 5 points is within chance on 16 examples" in said.err
    assert "examples that took no part in any choice" in said.out
    assert "float32" in said.out
    page = (tmp_path / "page.html").read_text()
    assert "Optimized: dynamic_wi8_afp32" in page
    chosen = edgewise.load(tmp_path / "s.tflite")
    assert {v.dtype.text for v in chosen.main.constants()} >= {"int8"}
    recipe = Recipe.from_json((tmp_path / "r.json").read_text())
    assert recipe.scheme == "dynamic_wi8_afp32"
    assert (tmp_path / "s.tflite.state").exists()
    again = terminal(*WORDS.split(), "--json", "--force", "--max-drop", "0.5")
    found = json.loads(again.out)
    assert found["resumed"] > 5
    assert found["examples"] == {"calibration": 8, "search": 16, "proof": 16}
    assert terminal(*WORDS.split()).code == 1, "the output is there"
