"""Real models: which load, and that reading and writing one changes nothing in it."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from edgewise.errors import FormatError
from edgewise.format import load, write
from edgewise.format.container import read_model
from edgewise.ir import verify
from tests.format.canonical import canonical, differences
from tests.oracle import answers
from tests.oracle.litert import Oracle

SUFFIXES = (".tflite", ".bin", ".lite")

# Everything else in the data loads. LiteRT refuses each of these as well (a test below).
REFUSED = {
    "quantization__lite__testdata__svdf_calibrated.bin": r"state must be \[1, 42\]; got \[1, 9\]",
    "quantization__lite__testdata__svdf_quantized.bin": r"state must be \[1, 42\]; got \[1, 9\]",
    "quantization__lite__testdata__transpose.bin": "only schema version 3 is known; .* says 2",
    "testdata__add_shared_tensors.bin": "computes tensor 1, which has a value already",
    "testdata__segment_sum_invalid_buffer.bin": "reads tensor 2 .* no value at that point",
    "testdata__tensor_string_data_type.bin": "operand 'a' must be one of .*; got string",
    "testdata__test_model.bin": "CONV|conv_2d 'out1': x must be .* got rank 1",
    "testdata__test_model_versioned_ops.bin": "conv_2d 'out1': x must be .* got rank 1",
}
# LiteRT gives a sum the type of its operands, whatever its tensor says; so do we, and write that.
RETYPED = {"testdata__add_quantized.bin", "testdata__add_quantized_int8.bin"}


def _files(shared_data: Path) -> list[Path]:
    found = [p for p in shared_data.rglob("*") if p.suffix in SUFFIXES and p.is_file()]
    return sorted(p for p in found if p.read_bytes()[4:8] == b"TFL3")


def _refusal(path: Path) -> str | None:
    return next((rule for name, rule in REFUSED.items() if path.name.endswith(name)), None)


@pytest.mark.ci
def test_every_model_comes_back(shared_data: Path) -> None:
    """File -> Model -> file: equal but for the order of codes and buffers; tensors keep theirs."""
    problems = []
    for path in _files(shared_data):
        if _refusal(path):
            continue
        data = path.read_bytes()
        model = load(data, file=path.name)
        verify(model)
        again = b"".join(write(model.copy()))
        changed = list(
            differences(canonical(read_model(data)), canonical(read_model(again))),
        )
        if path.name in RETYPED:
            changed = [line for line in changed if not re.search(r"tensors\[0\].type", line)]
        problems += [f"{path.name}{line}" for line in changed]
    assert problems == []


@pytest.mark.ci
def test_the_others_are_refused_with_the_reason(shared_data: Path) -> None:
    refused = {p: rule for p in _files(shared_data) if (rule := _refusal(p))}
    assert len(refused) == len(REFUSED)
    for path, rule in refused.items():
        with pytest.raises(FormatError, match=rule) as caught:
            load(path)
        assert caught.value.file == str(path)
        assert caught.value.offset is not None


def test_litert_refuses_them_too() -> None:
    stored = {Path(name).name: found for name, found in answers.load().items()}
    for name in REFUSED:
        found = [answer for file, answer in stored.items() if file.endswith(name)]
        assert found, name
        assert all(answer.errors["default"] for answer in found), name


@pytest.mark.parity
def test_litert_gives_the_same_on_the_written_file(shared_data: Path, oracle: Oracle) -> None:
    """Bits, on every model that it runs and that is no bigger than 20 MB."""
    problems = []
    for name, answer in answers.load().items():
        path = shared_data / name
        if answer.errors.get("default") is not None or path.stat().st_size > 20_000_000:
            continue
        data, inputs = path.read_bytes(), answer.inputs()
        ours = oracle.run(b"".join(write(load(data))), inputs)
        theirs = oracle.run(data, inputs)
        same = ours.error == theirs.error and all(map(_same, ours.outputs, theirs.outputs))
        # of a string of rank 0 LiteRT's Python gives a memory address
        if not same and not name.endswith("string_scalar.bin"):
            problems.append(f"{name}: {ours.error}")
    assert problems == []


def _same(a: np.ndarray, b: np.ndarray) -> bool:
    if a.dtype == object:
        return bool(a.tolist() == b.tolist())
    return a.shape == b.shape and a.tobytes() == b.tobytes()
