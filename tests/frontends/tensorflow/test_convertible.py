"""What TensorFlow's own converter converts to builtin operators, converts here.

`answers/convertible.json` has its answers to operations that have no case (`test_operations.py`
has the others); `tools/oracle/store_convertible.py` makes it.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edgewise.frontends.tensorflow.handlers import COMPLEX, HANDLERS, OBJECTS
from edgewise.frontends.tensorflow.program import TFNode
from edgewise.frontends.tensorflow.refusal import why_not

FILE = Path(__file__).with_name("answers") / "convertible.json"


@pytest.fixture(scope="module")
def answers() -> dict[str, int | str]:
    return json.loads(FILE.read_text())["operations"]


def test_nothing_that_tensorflow_converts_is_missing(answers: dict[str, int | str]):
    theirs = {name for name, answer in answers.items() if isinstance(answer, int)}
    assert "Identity" in theirs
    assert not theirs - {*HANDLERS, *OBJECTS, *COMPLEX}


def test_what_neither_converts_is_refused_with_a_way_out(answers: dict[str, int | str]):
    ours = {*HANDLERS, *OBJECTS, *COMPLEX}
    for name in sorted(set(answers) - ours):
        assert ";" in why_not(TFNode("node", name))
