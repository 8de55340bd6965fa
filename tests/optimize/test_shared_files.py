"""Every float file of the shared data is quantized by every kind of recipe, and runs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import edgewise
from edgewise.dtypes import DType
from edgewise.errors import EdgewiseError, UnsupportedOp
from edgewise.ir.graph import Value
from edgewise.ir.model import Model
from edgewise.optimize import Recipe, calibrate, quantize
from edgewise.optimize.quantize import NothingToQuantize
from edgewise.runtime.session import Session

DATA = Path(__file__).resolve().parents[3] / "shared" / "data" / "tflite"
RECIPES = (
    "float16",
    "weight_only_wi8_afp32",
    "dynamic_wi8_afp32",
    "dynamic_wi4b32_afp32",
    "static_wi8_ai8",
    "static_wi8_au8",
    "static_wi8_ai16",
    "static_wi4_ai8",
)
# numbers of dimensions that the file leaves open, and of inputs that shapes follow from
LENGTHS = {"audio/melspectrogram.tflite": 2048}
INPUTS = {"litert_unit/testdata__dynamic_shapes.bin": {"z": 5.0}}


def float_files() -> list[str]:
    """Names of files that may hold floats; none without the data."""
    found = [p for p in DATA.rglob("*") if p.suffix in (".tflite", ".bin")]
    names = [p.relative_to(DATA).as_posix() for p in sorted(found)]
    return [name for name in names if "sdpa_composite" not in name]  # shapes that it does not tell


def drawn(name: str, value: Value, rng: np.random.Generator) -> np.ndarray:
    length = LENGTHS.get(name, 1)
    shape = [d if isinstance(d, int) else length for d in value.type.shape or ()]
    shape[:1] = [1 if not isinstance(d, int) else d for d in (value.type.shape or ())[:1]]
    if value.name in INPUTS.get(name, ()):
        return np.full(shape, INPUTS[name][value.name], value.dtype.numpy)
    if value.dtype is DType.STRING:
        return np.full(shape, b"a b", object)
    if value.dtype.is_float:
        return rng.uniform(-1, 1, shape).astype(value.dtype.numpy)
    return rng.integers(0, 2, shape).astype(value.dtype.numpy)


def read(name: str) -> Model:
    try:
        model = edgewise.load(DATA / name)
        floats = any(v.dtype is DType.FLOAT32 for v in model.main.values())
    except EdgewiseError:
        pytest.skip("a file that is broken on purpose")
    if not floats or len(model.signatures) > 1:
        pytest.skip("nothing is float, or it has several entries")
    return model


def can_run(model: Model, sample: list[np.ndarray]) -> bool:
    """False of what holds operators that nobody has told (custom ones, TensorFlow's own)."""
    try:
        session = Session(model.main, stateless=True)
        session.resize([a.shape for a in sample])
        session.run(sample)
    except UnsupportedOp:
        return False
    return True


@pytest.mark.full
@pytest.mark.parametrize("name", float_files())
def test_every_recipe(name: str) -> None:
    model = read(name)
    rng = np.random.default_rng(0)
    samples = [[drawn(name, v, rng) for v in model.main.inputs] for _ in range(2)]
    runs = can_run(model, samples[0])
    ranges = calibrate(model, samples) if runs else None
    for recipe in RECIPES:
        if not runs and Recipe(recipe).is_static:
            continue
        try:
            made = quantize(model, recipe, ranges, target=None)
        except NothingToQuantize:
            continue
        again = edgewise.load(made.to_bytes())
        if not runs:
            continue
        session = Session(again.main, stateless=True)
        session.resize([a.shape for a in samples[0]])
        for output in session.run(samples[0]):
            assert output.dtype.kind != "f" or not np.isnan(output).any()
