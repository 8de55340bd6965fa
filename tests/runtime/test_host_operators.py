"""The operators that may run on their reference, in Python: the only list of them.

A case whose plan has a Host step must be permitted here with the reason, and a permission that
nothing needs any more must go.
"""

from __future__ import annotations

import pytest

from edgewise.runtime.library import Isa
from edgewise.runtime.plan import Target
from edgewise.runtime.plannable import NotPlannable
from edgewise.runtime.planner import plan
from tests.ops.case import all_cases, model_of

INT16 = "int16 of which LiteRT has no kernel, or which no model of ours has"
TABLES = "keys or values are strings"
STRINGS = "strings are Python's"
CHANNELS = "scales per channel belong to weights, which are folded"
SHAPES = "its shape is in the data: it runs between plans"
NO_KERNEL = "the operator has no kernel yet"
PERMITTED = {
    ("batch_matmul", "float32"): "weights of 8 bits between floats",
    ("call_once", "float32"): "once, before the first run",
    ("concatenation", "float32"): NO_KERNEL,
    ("concatenation", "int16"): INT16,
    ("dequantize", "int4"): "four bits belong to weights, which are folded",
    ("dequantize", "int8"): CHANNELS,
    ("equal", "string"): STRINGS,
    ("expand_dims", "string"): STRINGS,
    ("gather", "string"): STRINGS,
    ("gather_nd", "string"): STRINGS,
    ("hashtable", "int64"): TABLES,
    ("hashtable", "string"): TABLES,
    ("hashtable_find", "int64"): TABLES,
    ("hashtable_find", "string"): TABLES,
    ("hashtable_import", "int64"): TABLES,
    ("hashtable_import", "string"): TABLES,
    ("hashtable_lookup", "int32"): NO_KERNEL,
    ("hashtable_size", "int64"): TABLES,
    ("hashtable_size", "string"): TABLES,
    ("layer_norm", "float32"): NO_KERNEL,
    ("log_softmax", "int16"): INT16,
    ("lsh_projection", "float32"): NO_KERNEL,
    ("not_equal", "string"): STRINGS,
    ("quantize", "float32"): CHANNELS,
    ("quantize", "int8"): CHANNELS,
    ("rank", "string"): STRINGS,
    ("reduce_prod", "int16"): INT16,
    ("reshape", "float32"): SHAPES,
    ("reshape", "string"): STRINGS,
    ("resize_bilinear", "int16"): INT16,
    ("shape", "string"): STRINGS,
    ("skip_gram", "string"): STRINGS,
    ("slice", "string"): STRINGS,
    ("squeeze", "string"): STRINGS,
    ("strided_slice", "string"): STRINGS,
    ("tile", "string"): STRINGS,
    ("unique", "float32"): SHAPES,
    ("unique", "int32"): SHAPES,
    ("where", "bool"): SHAPES,
    ("where", "float32"): SHAPES,
    ("where", "int32"): SHAPES,
}


@pytest.mark.ci
def test_host_steps_are_those_permitted() -> None:
    found = set()
    for case in all_cases():
        if case.error:
            continue
        first = next((a.dtype.text for a in case.args if a is not None), "none")
        try:
            made = plan(model_of(case).main, Target(Isa.SCALAR))
        except NotPlannable:
            found.add((case.op.name, first))
            continue
        found |= {(case.op.name, first) for p in made.placement if p.where == "host"}
    assert found == set(PERMITTED)
