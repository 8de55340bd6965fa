"""The operators that may run on their reference, in Python: the only lists of them.

A case whose plan has a Host step must be permitted here with the reason, and a permission that
nothing needs any more must go. `COMPUTED`: the same of cases whose weights and biases the model
computes.
"""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from edgewise.ir import Graph
from edgewise.runtime.counted import kernel_of
from edgewise.runtime.library import Isa
from edgewise.runtime.plan import Host, Target
from edgewise.runtime.plannable import NotPlannable
from edgewise.runtime.planner import plan
from tests.ops.case import Case, all_cases, model_of

from .freed import BIASES, WEIGHTS, freed

TABLES = "LiteRT's tables have strings for keys or values, and ours are dictionaries of Python"
STRINGS = "strings are Python's"
SHAPES = "its shape is in the data: a view, made between plans"
PERMITTED = {
    ("call_once", "float32"): "once, before the first run: no step of it",
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
BITS = "a computed bias of 64 bits may have 48 or more, beyond what kernels round exactly"
PACKED = "integer cells have multipliers and sums of weights, all made while planning"
COMPUTED = {  # by the type of the last of them: the biases where those are computed
    ("conv_2d", "int64"): BITS,
    ("depthwise_conv_2d", "int64"): BITS,
    ("fully_connected", "int64"): BITS,
    ("lstm", "int16"): PACKED,
    ("lstm", "int32"): PACKED,
    ("lstm", "int8"): PACKED,
    ("transpose_conv", "int64"): BITS,
    ("unidirectional_sequence_lstm", "int16"): PACKED,
    ("unidirectional_sequence_lstm", "int32"): PACKED,
    ("unidirectional_sequence_lstm", "int8"): PACKED,
}


@pytest.mark.ci
def test_host_steps_are_those_permitted() -> None:
    cases = [case for case in all_cases() if not case.error]
    assert hosts((case, _first(case), model_of(case).main) for case in cases) == set(PERMITTED)


@pytest.mark.ci
def test_computed_weights_and_biases_run_where_permitted() -> None:
    found = set()
    for roles in (WEIGHTS, BIASES, (*WEIGHTS, *BIASES)):
        cases = [case for case in all_cases() if not (case.error or case.op.graph_fields)]
        pairs = [(case, freed(case, roles)) for case in cases]
        found |= hosts((c, f[0].inputs[-1].dtype.text, f[0]) for c, f in pairs if f)
    assert found - set(PERMITTED) == set(COMPUTED)


def hosts(graphs: Iterable[tuple[Case, str, Graph]]) -> set[tuple[str, str]]:
    """Operators of cases in which Python runs something, with the type that is given."""
    found = set()
    for case, text, graph in graphs:
        try:
            made = plan(graph, Target(Isa.SCALAR))
        except NotPlannable:
            if not all(map(kernel_of, graph.nodes)):
                found.add((case.op.name, text))
            continue
        if any(isinstance(step, Host) for step in made.steps):  # also what a rule put there
            found.add((case.op.name, text))
    return found


def _first(case: Case) -> str:
    return next((a.dtype.text for a in case.args if a is not None), "none")
