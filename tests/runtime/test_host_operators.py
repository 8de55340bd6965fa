"""The operators that may run on their reference, in Python: the only list of them.

A case whose plan has a Host step must be permitted here with the reason, and a permission that
nothing needs any more must go. `COMPUTED`: the same of cases whose weights and biases the model
computes.
"""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from edgewise.ir import Graph
from edgewise.ir.op import Op
from edgewise.ops.dense_by_integers import DenseByIntegers
from edgewise.runtime.counted import kernel_of
from edgewise.runtime.library import Isa
from edgewise.runtime.plan import Host, Target
from edgewise.runtime.plannable import NotPlannable
from edgewise.runtime.planner import plan
from edgewise.runtime.select import TABLE, function
from edgewise.runtime.settled import is_settling
from tests.ops.case import Case, all_cases, model_of

from .freed import BIASES, WEIGHTS, freed

TABLES = "LiteRT's tables have strings for keys or values, and ours are dictionaries of Python"
STRINGS = "strings are Python's"
PERMITTED = {
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
    cases = [case for case in all_cases() if not case.error]
    assert hosts((case, _first(case), model_of(case).main) for case in cases) == set(PERMITTED)


@pytest.mark.ci
def test_computed_weights_and_biases_run_in_kernels() -> None:
    found = set()
    cases = [case for case in all_cases() if not (case.error or case.op.graph_fields)]
    cases = [case for case in cases if not isinstance(case.op, DenseByIntegers)]  # of constants
    for roles in (WEIGHTS, BIASES, (*WEIGHTS, *BIASES)):
        pairs = [(case, freed(case, roles)) for case in cases]
        found |= hosts((c, f[0].inputs[-1].dtype.text, f[0]) for c, f in pairs if f)
    assert not found - set(PERMITTED)


def hosts(graphs: Iterable[tuple[Case, str, Graph]]) -> set[tuple[str, str]]:
    """Operators of cases in which Python runs something, with the type that is given."""
    found = set()
    for case, text, graph in graphs:
        try:
            made = plan(graph, Target(Isa.SCALAR))
        except NotPlannable:
            if not all(kernel_of(node) or is_settling(node) for node in graph.nodes):
                found.add((case.op.name, text))
            continue
        if any(isinstance(step, Host) for step in made.steps):  # also what a rule put there
            found.add((case.op.name, text))
    return found


def _first(case: Case) -> str:
    return next((a.dtype.text for a in case.args if a is not None), "none")


def test_what_selects_kernels_is_there() -> None:
    """The table names operators and functions, which are imported when they are needed."""
    assert set(TABLE) - {"opaque"} <= set(Op.registry)
    for place in TABLE.values():
        assert callable(function(place))
