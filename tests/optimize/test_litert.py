"""Quantized networks give LiteRT's answers: integers its bits, floats within 3e-4 of the range."""

from __future__ import annotations

import numpy as np
import pytest

import edgewise
from edgewise.runtime.session import Session

from .litert import CASES, FILE, SCRIPT, digest, inputs, written


@pytest.mark.parametrize(("name", "recipe"), [c for c in CASES if written(*c)])
def test_answers(name: str, recipe: str) -> None:
    data = written(name, recipe)
    assert data is not None
    session = Session(edgewise.load(data).main)
    with np.load(FILE) as stored:
        key = f"{name}:{recipe}"
        assert stored[f"{key}:digest"] == digest(data), f"the file changed; run {SCRIPT}"
        for number, sample in enumerate(inputs(name)):
            for index, ours in enumerate(session.run(sample)):
                theirs = stored[f"{key}:{number}:{index}"]
                assert ours.dtype == theirs.dtype
                apart = np.abs(ours - theirs).max()
                assert apart <= TOLERANCE.get((name, recipe), 3e-4) * np.ptp(theirs)


# Shares of an output's range. LiteRT quantizes data while it runs where we compute on floats; its
# default rounds QUANTIZE between two int8 scales, and products with int4, otherwise in some ties
# (docs/numerics.md): a step, or what a step inside the network makes of the output.
TOLERANCE = {
    ("residual", "dynamic_wi8_afp32"): 1e-2,
    ("interrupted", "dynamic_wi8_afp32"): 1e-2,
    ("interrupted", "static_wi4_ai8"): 2e-2,
    ("looped", "dynamic_wi8_afp32"): 2e-2,
    ("looped", "static_wi4_ai8"): 3e-2,
    ("scaled", "static_wi8_ai8"): 5e-3,
    ("scaled", "static_wi8_au8"): 5e-3,
    ("scaled", "static_wi4_ai8"): 5e-3,
}
