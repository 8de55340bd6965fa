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
from edgewise.runtime.plan import Target
from edgewise.runtime.plannable import NotPlannable
from edgewise.runtime.planner import plan
from tests.ops.case import Case, all_cases, model_of

from .freed import BIASES, WEIGHTS, freed

TABLES = "LiteRT's tables have strings for keys or values, and ours are dictionaries of Python"
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
PACKED = "integer weights are packed, and their sums added to biases, while planning"
CELLS = "the weights of a cell are packed while planning"
ANCHORS = "anchors are laid out while planning"
COMPUTED = {
    ("bidirectional_sequence_lstm", "float32"): CELLS,
    ("bidirectional_sequence_rnn", "float32"): CELLS,
    ("conv_2d", "int16"): PACKED,
    ("conv_2d", "int8"): PACKED,
    ("conv_2d", "uint8"): PACKED,
    ("depthwise_conv_2d", "int16"): PACKED,
    ("depthwise_conv_2d", "int8"): PACKED,
    ("depthwise_conv_2d", "uint8"): PACKED,
    ("embedding_lookup", "int32"): PACKED,
    ("fully_connected", "int16"): PACKED,
    ("fully_connected", "int8"): PACKED,
    ("fully_connected", "uint8"): PACKED,
    ("lstm", "float32"): CELLS,
    ("lstm", "int8"): CELLS,
    ("lstm_layer", "float32"): CELLS,
    ("rnn", "float32"): CELLS,
    ("svdf", "float32"): PACKED,
    ("svdf", "int8"): PACKED,
    ("tflite_detection_postprocess", "float32"): ANCHORS,
    ("tflite_detection_postprocess", "uint8"): ANCHORS,
    ("transpose_conv", "int32"): PACKED,
    ("unidirectional_sequence_lstm", "float32"): CELLS,
    ("unidirectional_sequence_lstm", "int8"): CELLS,
    ("unidirectional_sequence_rnn", "float32"): CELLS,
}


@pytest.mark.ci
def test_host_steps_are_those_permitted() -> None:
    graphs = [(case, model_of(case).main) for case in all_cases() if not case.error]
    assert hosts(graphs) == set(PERMITTED)


@pytest.mark.ci
def test_computed_weights_and_biases_run_where_permitted() -> None:
    found = set()
    for roles in (WEIGHTS, BIASES, (*WEIGHTS, *BIASES)):
        cases = [case for case in all_cases() if not (case.error or case.op.graph_fields)]
        found |= hosts((case, free[0]) for case in cases if (free := freed(case, roles)))
    assert found - set(PERMITTED) == set(COMPUTED)


def hosts(graphs: Iterable[tuple[Case, Graph]]) -> set[tuple[str, str]]:
    """Operators of cases in which Python runs something, with the type of the first operand."""
    found = set()
    for case, graph in graphs:
        first = next((a.dtype.text for a in case.args if a is not None), "none")
        try:
            made = plan(graph, Target(Isa.SCALAR))
        except NotPlannable:
            if not all(map(kernel_of, graph.nodes)):
                found.add((case.op.name, first))
            continue
        found |= {(case.op.name, first) for p in made.placement if p.where == "host"}
    return found
