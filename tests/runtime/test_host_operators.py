"""The operators that may run on their reference, in Python: the only list of them.

A case of a family in `FAMILIES` whose plan has a Host step must be permitted here with the reason,
and a permission that nothing needs any more must go.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module

import pytest

from edgewise.dtypes import DType
from edgewise.runtime.library import Isa
from edgewise.runtime.plan import Target
from edgewise.runtime.plannable import NotPlannable
from edgewise.runtime.planner import plan
from tests.ops.case import Case, model_of, quantized

FAMILIES = (
    "activation",
    "bidirectional",
    "binary",
    "boxes",
    "choose",
    "compare",
    "conv3d",
    "convert",
    "detection",
    "hashtable",
    "lstm_layer",
    "matrix",
    "rnn",
    "state",
    "svdf",
    "unary",
)

INT16 = "16x8 models have their own issue; LiteRT runs its reference kernels there"
TABLES = "keys or values are strings"
CHANNELS = "scales per channel belong to weights, which are folded"
PERMITTED = {
    ("div", "int16"): INT16,
    ("prelu", "int16"): INT16,
    ("equal", "int16"): INT16,
    ("not_equal", "int16"): INT16,
    ("quantize", "int16"): INT16,
    ("quantize", "int8"): "to int16, and " + CHANNELS,
    ("quantize", "float32"): CHANNELS,
    ("dequantize", "int8"): CHANNELS,
    ("dequantize", "int4"): "four bits belong to weights, which are folded",
    ("cast", "float32"): "to float64, which no kernel knows",
    ("atan2", "float32"): "no model of ours has it",
    ("right_shift", "uint8"): "no model of ours shifts unsigned numbers",
    ("right_shift", "uint16"): "as uint8",
    ("right_shift", "uint32"): "as uint8",
    ("call_once", "float32"): "once, before the first run",
    ("hashtable", "string"): TABLES,
    ("hashtable", "int64"): TABLES,
    ("hashtable_import", "string"): TABLES,
    ("hashtable_import", "int64"): TABLES,
    ("hashtable_find", "string"): TABLES,
    ("hashtable_find", "int64"): TABLES + ", or few enough to need no kernel",
    ("hashtable_size", "string"): TABLES,
    ("hashtable_size", "int64"): TABLES,
}


def cases() -> Iterator[Case]:
    """All cases of the families that are not errors, with the quantized ones."""
    for family in FAMILIES:
        for case in import_module(f"tests.ops.cases.{family}").CASES:
            if not case.error:
                yield case
                yield from (quantized(case, DType.of(dtype)) for dtype in case.quantize)


@pytest.mark.ci
def test_host_steps_are_those_permitted() -> None:
    found = set()
    for case in cases():
        first = next((a.dtype.text for a in case.args if a is not None), "none")
        try:
            made = plan(model_of(case).main, Target(Isa.SCALAR))
        except NotPlannable:
            found.add((case.op.name, first))
            continue
        found |= {(case.op.name, first) for p in made.placement if p.where == "host"}
    assert found == set(PERMITTED)
