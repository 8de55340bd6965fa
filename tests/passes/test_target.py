"""What a LiteRT release does not run is refused at conversion, and nothing that it runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import edgewise
from edgewise.dtypes import DType
from edgewise.errors import ConversionError, EdgewiseError, UnsupportedOp
from edgewise.format import load
from edgewise.ir import Builder, Location, Model, Quant
from edgewise.ir.nesting import reachable
from edgewise.ops.opaque import Opaque
from edgewise.passes import load_target, targets
from edgewise.passes.target import kind_of, parse_target, print_target, require_target
from tests.ops import litert
from tests.ops.case import Case, all_cases, model_of
from tests.oracle import answers

LITERT = "litert-2.3"
CASES = [case for case in all_cases() if not case.error and case.op.builtin]


def model_with(build) -> Model:
    b = Builder()
    model = Model()
    model.add(b.finish(*build(b)))
    return model


def at(b: Builder, layer: str, line: int) -> Builder:
    b.location = Location(layer, "net.py", line)
    return b


def three_that_do_not_run(b: Builder):
    x = b.input("x", (2, 3), DType.INT64)
    q = b.input("q", (2, 3), DType.UINT8, Quant(0.5, 3))
    yield at(b, "head/power", 12).pow(x, x)
    yield at(b, "head/exp", 13).exp(q, quant=Quant(0.5, 3))
    yield at(b, "head/add", 14).add(x, x)
    yield at(b, "head/mine", 15).node(Opaque(code="DELEGATE"), x, results=[x.type]).output


TEXT = """\
3 operators do not run on litert-2.3:
  - pow 'head/power' (net.py:12): litert-2.3 runs POW on float32, int32; got int64 int64 -> int64 \
(Unsupported data type INT64.). Cast to one of these before it
  - exp 'head/exp' (net.py:13): litert-2.3 runs EXP on float16, float32, int16, int16/q, int8, \
int8/q; got uint8/q -> uint8/q (Type 3 is currently not supported by Exp.). Cast to one of these \
before it
  - delegate 'head/mine' (net.py:15): litert-2.3 does not have DELEGATE. Write the model without it
Without a target the file is written all the same"""


def test_all_violations_at_once() -> None:
    model = model_with(three_that_do_not_run)
    with pytest.raises(UnsupportedOp) as caught:
        edgewise.convert(model, target=LITERT)
    assert str(caught.value) == TEXT
    with pytest.raises(UnsupportedOp) as caught:
        model.to_bytes(target=LITERT)
    assert str(caught.value) == TEXT
    assert edgewise.load(model.to_bytes())  # without a target, it is written


def test_versions() -> None:
    """A file may ask for a version that the release is too old for."""
    node = next(model_with(lambda b: [b.relu(b.input("x", (2,)))]).main.nodes)
    old = parse_target("old", "RELU 2\n+ float32 -> float32\n")
    assert old.problem(node) is None
    node.extras.update(as_read=node.op, version=3)
    assert old.problem(node) == (
        "old has RELU up to version 2; got version 3. Use the dtypes and attributes of that version"
    )


def test_a_kind_that_was_not_measured(caplog: pytest.LogCaptureFixture) -> None:
    """It is judged by those with the same data; without any, it passes and that is logged."""
    table = parse_target("t", "ADD 5\n- float32 int32 -> float32 = no float32\n+ int32 -> int32\n")
    scalar = next(model_with(lambda b: [b.add(x := b.input("x", (2,)), x)]).main.nodes)
    assert table.problem(scalar) == (
        "t runs ADD on int32; got float32 float32 -> float32 (no float32). "
        "Cast to one of these before it"
    )
    other = parse_target("t", "ADD 5\n+ int32 int32 -> int32\n")
    with caplog.at_level("INFO", "edgewise"):
        assert other.problem(scalar) is None
    assert "was never run on t" in caplog.text


def test_unknown_targets() -> None:
    with pytest.raises(ConversionError) as caught:
        edgewise.convert("missing.keras", target="litert-9.9")
    assert str(caught.value) == "target 'litert-9.9' is not known; known targets: litert-2.3"
    assert targets() == [LITERT]


def test_tables_are_read_as_they_are_written() -> None:
    table = load_target(LITERT)
    again = parse_target(LITERT, "\n".join(print_target(table, ["heading"])))
    assert again == table
    assert table.versions["ADD"] == 6
    assert len(table.versions) > 160


def answered() -> Iterator[tuple[Case, Model, str | None]]:
    """Cases with their model and LiteRT's refusal."""
    for case in CASES:
        try:
            prepared = litert.prepare(case)
        except ConversionError:
            continue
        yield case, model_of(case), litert.stored(prepared.digest).errors["default"]


@pytest.mark.ci
def test_the_table_is_what_was_measured() -> None:
    """Every case that LiteRT ran passes, and no kind of a case is missing in the table."""
    table = load_target(LITERT)
    ran: set[tuple[str, str]] = set()
    refused: set[tuple[str, str]] = set()
    for case, model, error in answered():
        node = next(n for g in reachable(model.main) for n in g.nodes if n.op == case.op)
        if node.op.graph_fields or node.op.custom or node.op.builtin == "DENSIFY":
            continue  # the table has builtin operators that run alone
        (refused if error else ran).add((node.op.builtin, kind_of(node)))
        if not error:
            require_target(model, LITERT)
    missing = [k for k in ran | refused if k[1] not in table.kinds.get(k[0], {})]
    assert not missing, "run tools/oracle/store_target.py"
    assert not [(name, kind) for name, kind in ran if table.kinds[name][kind]]
    assert sum(bool(table.kinds[name][kind]) for name, kind in refused) > 15


@pytest.mark.ci
def test_models_that_litert_runs_pass(shared_data: Path) -> None:
    """No real model is refused for what LiteRT does run."""
    checked = 0
    for file, answer in answers.load().items():
        if answer.oracle != "litert" or answer.entry["errors"]["default"] is not None:
            continue
        try:
            model = load(shared_data / file)
        except EdgewiseError:
            continue
        require_target(model, LITERT)
        checked += 1
    print(f"{checked} models")
    assert checked > 150


def test_float64_reaches_no_phone() -> None:
    model = model_with(lambda b: [b.mul(x := b.input("x", (2,), DType.FLOAT64), x)])
    with pytest.raises(UnsupportedOp, match="float64 float64 -> float64"):
        model.to_bytes(target=LITERT)
    (y,) = edgewise.Interpreter(model)(np.array([2.0, 3.0])).values()
    np.testing.assert_array_equal(y, [4, 9])
