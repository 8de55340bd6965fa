"""STABLEHLO_COMPOSITE for the planner: the operators that it stands for, in its place.

Only before planning: in a file a composite stays what somebody wrote, for the back end that knows
its name.
"""

from __future__ import annotations

from edgewise.ir.graph import Graph
from edgewise.ops.regions import StablehloComposite
from edgewise.passes.flow import put_in_place
from edgewise.passes.rewrite import Outcome


def place_composites(graph: Graph) -> Outcome:
    """Put the decomposition of every composite in its place, and of those inside."""
    outcome = Outcome()
    waiting = [node for node in graph.nodes if isinstance(node.op, StablehloComposite)]
    for node in waiting:  # the loop goes on with what it appends
        assert isinstance(node.op, StablehloComposite)
        x = [value for value in node.inputs if value is not None]
        phrase = "composite[s] decomposed"
        made = put_in_place(graph, node, node.op.decomposition, x, outcome, "composite", phrase)
        waiting += [inner for inner in made if isinstance(inner.op, StablehloComposite)]
    return outcome
