"""`edgewise quantize`: files, sizes, and what it refuses."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

import edgewise
from edgewise.dtypes import DType
from edgewise.ir import Builder
from edgewise.optimize import Recipe, Scope
from tests.optimize.networks import NETWORKS, samples


@pytest.fixture
def model(tmp_path):
    made = NETWORKS["residual"]()
    made.save(tmp_path / "model.tflite")
    np.save(tmp_path / "samples.npy", np.concatenate([s[0] for s in samples(made)]))
    return made


def test_dynamic_range(terminal, tmp_path, model):
    said = terminal("quantize", "model.tflite", "-o", "s.tflite", "--recipe", "dynamic_wi8")
    assert (said.code, said.err) == (0, "")
    first, second = said.out.splitlines()[:2]
    assert re.fullmatch(
        r"s\.tflite  [\d.]+ kB of [\d.]+ kB \([\d.]+ times smaller\), in [\d.]+ m?s", first
    )
    assert re.fullmatch(r"  zip   [\d.]+ kB of [\d.]+ kB", second)
    constants = edgewise.load(tmp_path / "s.tflite").main.constants()
    assert {v.dtype for v in constants if len(v.shape) == 4} == {DType.INT8}


def test_static_with_layers_that_stay_float(terminal, tmp_path, model):
    words = "quantize model.tflite -o s.tflite --recipe static_wi8_ai8 --data samples.npy"
    options = "--limit 5 --input int8 --result uint8 --keep-float ^shortcut$ --json"
    said = terminal(*words.split(), *options.split())
    assert said.code == 0
    assert said.err.startswith("warning: calibration with 5 samples: ranges may be too small")
    layers = {row["name"]: row for row in json.loads(said.out)["layers"]}
    assert layers["stem"]["dtype_after"] == "int8"
    main = edgewise.load(tmp_path / "s.tflite").main
    assert [v.dtype for v in (*main.inputs, *main.outputs)] == [DType.INT8, DType.UINT8]
    assert next(n for n in main.nodes if n.op.name == "add").output.dtype is DType.FLOAT32


def test_what_pixels_become_is_told(terminal, tmp_path):
    """A wrong guess gives wrong ranges."""
    b = Builder()
    x = b.input("x", (1, 8, 8, 3))
    y = b.conv_2d(x, b.constant(np.ones((4, 1, 1, 3), np.float32)), None)
    made = edgewise.Model()
    made.add(b.finish(y))
    made.save(tmp_path / "model.tflite")
    pixels = np.random.default_rng(0).integers(0, 256, (60, 8, 8, 3)).astype(np.uint8)
    np.save(tmp_path / "samples.npy", pixels)
    words = "quantize model.tflite -o s.tflite --recipe static_wi8_ai8 --data samples.npy"
    said = terminal(*words.split())
    assert said.out.splitlines()[-1] == "pixels as -1..1 (guessed; --normalize)"
    said = terminal(*words.split(), "--force", "--normalize", "0..255")
    assert said.out.splitlines()[-1] == "pixels as 0..255"


def test_techniques_by_name_and_in_the_file(terminal, tmp_path, model):
    words = "quantize model.tflite --recipe static_wi4_ai8 --data samples.npy"
    by_name = ["-o", "a.tflite", "--technique", "compensate", "--technique", "cross_layer"]
    said = terminal(*words.split(), *by_name)
    assert (said.code, said.err) == (0, "")
    recipe = Recipe("static_wi4_ai8", techniques=("cross_layer", "compensate"))
    (tmp_path / "r.json").write_text(recipe.to_json())
    words = words.replace("static_wi4_ai8", "r.json")
    assert terminal(*words.split(), "-o", "b.tflite").code == 0
    assert (tmp_path / "a.tflite").read_bytes() == (tmp_path / "b.tflite").read_bytes()
    said = terminal("quantize", "model.tflite", "-o", "c.tflite", "--recipe", "r.json")
    assert said.code == 1
    assert "give --data" in said.err


def test_samples_are_used_unless_no_technique_is_wanted(terminal, tmp_path, model):
    words = "quantize model.tflite --recipe dynamic_wi8_afp32 --data samples.npy"
    for name, more in (
        ("a", []),
        ("b", ["--technique", "compensate"]),
        ("c", ["--technique", "none"]),
    ):
        assert terminal(*words.split(), "-o", f"{name}.tflite", *more).code == 0
    assert terminal(*words.split()[:4], "-o", "d.tflite").code == 0
    a, b, c, d = ((tmp_path / f"{name}.tflite").read_bytes() for name in "abcd")
    assert a == b != c == d


def test_a_recipe_and_ranges_in_files(terminal, tmp_path, model):
    recipe = Recipe("static_wi8_ai8", (Scope("float32", "SOFTMAX"),))
    (tmp_path / "r.json").write_text(recipe.to_json())
    edgewise.calibrate(model, samples(model)).save(tmp_path / "ranges.json")
    words = "quantize model.tflite -o s.tflite --recipe r.json --ranges ranges.json --layers"
    said = terminal(*words.split())
    assert (said.code, said.err) == (0, "")
    assert re.search(r"^stem +conv_2d .* float32 to int8$", said.out, re.MULTILINE)
    main = edgewise.load(tmp_path / "s.tflite").main
    assert next(n for n in main.nodes if n.op.name == "softmax").input.dtype is DType.FLOAT32


def test_what_stays_float_is_told(terminal, tmp_path):
    b = Builder()
    x = b.input("x", (1, 4))
    w = b.constant(np.eye(4, dtype=np.float32))
    made = edgewise.Model()
    made.add(b.finish(b.sin(b.fully_connected(x, w, None), label="wave")))
    made.save(tmp_path / "model.tflite")
    np.save(tmp_path / "samples.npy", np.eye(4, dtype=np.float32))
    words = "quantize model.tflite -o s.tflite --recipe static_wi8_ai8 --data samples.npy"
    said = terminal(*words.split())
    assert said.code == 0
    assert "warning: model.tflite: 1 operators stay float32:" in said.err
    assert "sin 'wave': SIN has no quantized form" in said.err
    message = terminal.refuses(*words.split(), "--integers-only", "--force")
    assert "1 operators cannot be integers as static_wi8_ai8 wants" in message


def test_refusals(terminal, tmp_path, model):
    words = ["quantize", "model.tflite", "-o", "s.tflite", "--recipe"]
    assert "a scheme is float32, float16" in terminal.refuses(*words, "int8")
    assert "give --data" in terminal.refuses(*words, "static_wi8_ai8")
    assert "cannot be read as a recipe" in terminal.refuses(*words, "no.json")
    (tmp_path / "s.tflite").write_bytes(b"")
    assert "exists" in terminal.refuses(*words, "float16")
    assert (tmp_path / "s.tflite").read_bytes() == b""
