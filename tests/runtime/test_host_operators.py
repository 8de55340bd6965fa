"""The operators that may run on their reference, in Python: the only list of them.

A case whose plan has a Host step must be permitted here with the reason, and a permission that
nothing needs any more must go.
"""

from __future__ import annotations

import pytest

from edgewise.runtime.counted import kernel_of
from edgewise.runtime.library import Isa
from edgewise.runtime.plan import Target
from edgewise.runtime.plannable import NotPlannable
from edgewise.runtime.planner import plan
from tests.ops.case import all_cases, model_of

TABLES = "keys or values are strings"
STRINGS = "strings are Python's"
SHAPES = "its shape is in the data: a view, made between plans"
PERMITTED = {
    ("call_once", "float32"): "once, before the first run",
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
    ("hashtable_lookup", "int32"): STRINGS,
    ("hashtable_size", "int64"): TABLES,
    ("hashtable_size", "string"): TABLES,
    ("not_equal", "string"): STRINGS,
    ("rank", "string"): STRINGS,
    ("reshape", "float32"): SHAPES,
    ("reshape", "string"): STRINGS,
    ("shape", "string"): STRINGS,
    ("skip_gram", "string"): STRINGS,
    ("slice", "string"): STRINGS,
    ("squeeze", "string"): STRINGS,
    ("strided_slice", "string"): STRINGS,
    ("tile", "string"): STRINGS,
}


@pytest.mark.ci
def test_host_steps_are_those_permitted() -> None:
    found = set()
    for case in all_cases():
        if case.error:
            continue
        first = next((a.dtype.text for a in case.args if a is not None), "none")
        graph = model_of(case).main
        try:
            made = plan(graph, Target(Isa.SCALAR))
        except NotPlannable:
            if not all(map(kernel_of, graph.nodes)):
                found.add((case.op.name, first))
            continue
        found |= {(case.op.name, first) for p in made.placement if p.where == "host"}
    assert found == set(PERMITTED)
