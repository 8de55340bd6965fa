"""Pages under docs/ that are made by a tool say what the code says."""

from __future__ import annotations

import pytest
from benchmarks import quantize_page
from tools import fuzz, models, numerics, operators, speed, tensorflow_operations

from edgewise.ir.op import Arithmetic, Op, Role
from tests.ops.case import all_cases


@pytest.mark.ci
def test_operators_page_is_fresh() -> None:
    assert operators.PAGE.read_text() == operators.render(), "run python tools/operators.py"


def test_every_operator_has_a_home() -> None:
    assert operators.HOMES.read_text() == operators.homes(), "run python tools/operators.py"


def test_what_rules_need_is_known() -> None:
    assert operators.NEEDS.read_text() == operators.needs(), "run python tools/operators.py"


@pytest.mark.ci
def test_tensorflow_page_is_fresh() -> None:
    made = tensorflow_operations.render()
    assert tensorflow_operations.PAGE.read_text() == made, (
        "run python tools/tensorflow_operations.py"
    )


def test_robustness_page_is_fresh() -> None:
    assert fuzz.PAGE.read_text() == fuzz.render(), "run python tools/fuzz.py"


def test_speed_page_is_fresh() -> None:
    assert speed.PAGE.read_text() == speed.render(), "run python tools/speed.py"


def test_models_page_is_fresh() -> None:
    assert models.PAGE.read_text() == models.render(), "run python tools/models.py"


def test_table_of_quantization_is_fresh() -> None:
    made = quantize_page.render()
    assert quantize_page.PAGE.read_text() == made, "run python benchmarks/quantize_page.py"


def test_numerics_page_is_fresh() -> None:
    assert numerics.PAGE.read_text() == numerics.render(), "run python tools/numerics.py"


def test_measured_arithmetic_is_that_of_the_classes() -> None:
    """An operator that computes in another way has to be measured again."""
    for row in numerics.measured():
        now = numerics.arithmetic_of(Op.registry[row.operator], row.types)
        assert row.arithmetic == now, f"{row.operator} {row.types}: measure it again"


@pytest.mark.ci
def test_every_integer_form_is_measured() -> None:
    """Each operator and dtype with integer cases has a row, unless its integers only move."""
    rows = {(row.operator, row.types.split()[-1]) for row in numerics.measured()}
    rows |= {(row.operator, row.types.split()[0]) for row in numerics.measured()}
    missing = set()
    for case in (c for c in all_cases() if not c.error):
        pairs = zip(case.args, case.roles, strict=True)
        data = next((a for a, role in pairs if a is not None and role is Role.DATA), None)
        if data is None or data.quant is None or numerics.only_moves(type(case.op)):
            continue
        if case.op.arithmetic_for(data.dtype) is not Arithmetic.NONE:
            missing.add((case.op.name, data.dtype.text))
    others = {("dequantize", "int4"), ("tflite_detection_postprocess", "uint8")}  # floats result
    assert not missing - rows - others, "add a case to tools/numerics_cases.py"
