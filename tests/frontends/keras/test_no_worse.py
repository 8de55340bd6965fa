"""Files of a few layers have no more operators or bytes than those of TensorFlow's converter.

`answers/layers.json` has TensorFlow's, of every model in `fixtures/*.npz`;
`tools/oracle/store_layers.py` makes it.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import edgewise
from tests.e2e.answers import operators

HERE = Path(__file__).parent
ANSWERS: dict[str, list[int] | str] = json.loads((HERE / "answers/layers.json").read_text())[
    "models"
]
ARCHIVES = sorted({name.split("/")[0] for name in ANSWERS})
# Operators and bytes of ours where either is more than TensorFlow's, and why.
WORSE = {
    "layers/act_softplus": (5, 1208, "log(exp(x) + 1) is infinite from 89 on"),
}


def test_tensorflow_was_asked_about_every_model():
    found = {
        f"{path.stem}/{key.removesuffix('.model')}"
        for path in (HERE / "fixtures").glob("*.npz")
        for key in np.load(path).files
        if key.endswith(".model")
    }
    assert found == set(ANSWERS)


@pytest.mark.ci
@pytest.mark.parametrize("archive", ARCHIVES)
def test_no_more_operators_and_bytes_than_tensorflow(archive: str, tmp_path: Path):
    models = np.load(HERE / "fixtures" / f"{archive}.npz")
    problems = []
    for name, theirs in ANSWERS.items():
        kind, _, key = name.partition("/")
        if kind != archive or isinstance(theirs, str):
            continue
        data = models[f"{key}.model"].tobytes()
        path = tmp_path / ("m.keras" if data.startswith(b"PK") else "m.h5")
        path.write_bytes(data)
        file = edgewise.convert(path).to_bytes()
        ours = operators(edgewise.load(file)).total(), len(file)
        if name in WORSE:
            assert WORSE[name][:2] == ours, f"{name}: {ours} operators and bytes"
            assert ours[0] > theirs[0] or ours[1] > theirs[1], f"{name} is not worse any more"
        elif ours[0] > theirs[0] or ours[1] > theirs[1]:
            problems.append(f"{name}: operators and bytes {ours}; TensorFlow {theirs}")
    assert not problems, "\n".join(problems)
