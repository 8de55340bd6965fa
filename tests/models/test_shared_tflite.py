"""Every `.tflite` of the shared data runs and agrees with LiteRT, or it is written down why not.

The rules are those of `verdict.py`; the table of files is docs/models.md, and printed at the end.
On every push the oracle's stored answers count, with a sample of the integer operators of each
model; `--full --oracle-python PATH` asks LiteRT about every operator of every integer model.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tools import models

from edgewise.errors import EdgewiseError
from edgewise.format import load
from edgewise.runtime.interpreter import Interpreter
from tests.models.causes import CAUSES, OUTSIDE
from tests.models.verdict import Verdict, judge, judge_operator, kind_of
from tests.oracle import answers
from tests.oracle.inputs import DATA
from tests.oracle.litert import Oracle

SUFFIXES = (".tflite", ".bin", ".lite")
FILES = answers.load()
SEANET = [file for file in FILES if "seanet" in file]


@pytest.mark.ci
@pytest.mark.parametrize("file", FILES)
def test_model_agrees(file: str, shared_data: Path, judged: Callable[[Verdict], None]) -> None:
    answer = FILES[file]
    verdict = judge(answer, shared_data)
    judged(verdict)
    row = models.kept()[file]
    said = (row.kind, row.oracle, row.result)
    found = (verdict.kind, verdict.oracle, verdict.result)
    assert said == found, "docs/models.md is stale: run python tools/models.py --judge"
    expected, _ = CAUSES.get(Path(file).name, (verdict.result, ""))
    assert verdict.result == expected, f"{file} has another verdict now; see causes.py"
    if verdict.result == "unsupported":
        builtin = [name for name in verdict.note.split(", ") if name.isupper()]
        inside = [name for name in builtin if name not in OUTSIDE and not _is_custom(file, name)]
        assert not inside, f"{file}: {inside} are operators that have to run"
    elif verdict.result != "agree" and answer.oracle != "none":
        assert Path(file).name in CAUSES, verdict.line


@pytest.mark.ci
def test_no_file_is_left_out(shared_data: Path) -> None:
    """The answers are those of the files that are there."""
    found = [p for f in ("tflite", "bench") for p in (shared_data / f).rglob("*")]
    names = {p.relative_to(shared_data).as_posix() for p in found if p.suffix in SUFFIXES}
    assert names == set(FILES), "the data has changed; run tools/oracle/store.py"
    assert names == set(models.kept()), "run python tools/models.py --judge"
    for file, answer in FILES.items():
        assert hashlib.sha256((shared_data / file).read_bytes()).hexdigest() == answer.sha256


@pytest.mark.ci
@pytest.mark.parametrize("file", SEANET)
def test_seanet_layer_is_bit_exact(file: str, shared_data: Path) -> None:
    """Golden outputs of TensorFlow Lite's reference kernels, which came with the layers."""
    path = shared_data / file
    golden = next(path.parent.glob(f"{path.stem}_golden*.csv"))
    text = golden.read_text().replace("\n", ",")
    wanted = [int(number) for number in text.split(",") if number.strip()]
    native = Interpreter(load(path))
    for _ in range(2):  # of one the shape is an input: it is planned when it comes again
        (output,) = native(*FILES[file].inputs(0, shared_data)).values()
        np.testing.assert_array_equal(output.ravel(), wanted)
    assert not [p for p in native.placement() if p.where == "host"]


@pytest.mark.parity
@pytest.mark.parametrize("file", [f for f, a in FILES.items() if a.oracle == "litert"])
def test_every_integer_operator_agrees(file: str, shared_data: Path, oracle: Oracle) -> None:
    """Each integer operator, fed what LiteRT feeds it, gives what LiteRT's default gives."""
    answer = FILES[file]
    try:
        model = load(shared_data / file)
    except EdgewiseError as refusal:
        pytest.skip(str(refusal))
    if kind_of(model) == "float":
        pytest.skip("no operator has integer activations")
    nodes = list(model.main.nodes)
    found = oracle.run_operators(
        (shared_data / file).read_bytes(),
        answer.inputs(0, shared_data),
        resolver=answer.entry["operators_resolver"],
        timeout_s=600.0,
    )
    judged = [judge_operator(nodes[op.index], op) for op in found if nodes[op.index].op.builtin]
    print(f"{len(judged)} operators, {sum(op.total for op in judged)} values")
    assert not [op for op in judged if op.different]


def _is_custom(file: str, name: str) -> bool:
    model = load(DATA / file)
    return any(node.op.custom == name for graph in model.graphs.values() for node in graph.nodes)
