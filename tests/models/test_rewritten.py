"""LiteRT runs the real models as our writer writes them, and says of them what it says of the
originals on the same machine: its floats differ from one processor to another."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgewise.errors import EdgewiseError
from edgewise.format import load, write
from tests.oracle import answers
from tests.oracle.litert import Oracle

FILES = answers.load()
# uninitialised memory, or state the process keeps from one model to the next
RANDOM = ("java__src__testdata__string_scalar.bin",)


@pytest.mark.parity
@pytest.mark.parametrize("file", [f for f, a in FILES.items() if a.oracle == "litert"])
def test_litert_gives_the_same_for_our_file(file: str, shared_data: Path, oracle: Oracle) -> None:
    answer = FILES[file]
    if Path(file).name in RANDOM:
        pytest.skip("LiteRT's output is random")
    try:
        model = load(shared_data / file)
    except EdgewiseError as refusal:
        pytest.skip(str(refusal))
    ours = b"".join(bytes(chunk) for chunk in write(model))
    resolver = "default" if answer.errors["default"] is None else "reference"
    sequence = [answer.inputs(step, shared_data) for step in range(answer.steps)]
    theirs = (shared_data / file).read_bytes()
    runs = [oracle.run_sequence(data, sequence, resolver=resolver) for data in (ours, theirs)]
    for got, wanted in zip(*runs, strict=True):
        assert got.error is None
        assert wanted.error is None
        for array, expected in zip(got.outputs, wanted.outputs, strict=True):
            np.testing.assert_array_equal(array, expected)
