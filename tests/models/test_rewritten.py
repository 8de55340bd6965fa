"""LiteRT runs the real models as our writer writes them, and says what it said before."""

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
    for step, got in enumerate(oracle.run_sequence(ours, sequence, resolver=resolver)):
        assert got.error is None
        for array, stored in zip(got.outputs, answer.outputs(resolver, step), strict=True):
            picked = stored.pick(array)
            if picked.dtype.kind == "O":
                picked = picked.astype(np.bytes_)
            np.testing.assert_array_equal(picked, stored.values)
