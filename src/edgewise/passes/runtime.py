"""The pipeline between a graph and its plan: fewer and cheaper operators for our kernels.

Integers keep their bits; floats change by what each rule declares, 1e-6 of the range or less,
except where a norm goes into its neighbours (1e-5). What the pipeline makes need not fit into a
file: padding by numbers, layer norms, whatever the kernels can do.
"""

from __future__ import annotations

from collections.abc import Sequence

from edgewise.ir.graph import Graph, Node
from edgewise.ir.infer import infer_graph
from edgewise.passes.fold import fold_constants
from edgewise.passes.lineage import Lineage
from edgewise.passes.listed import listed
from edgewise.passes.redundant import eliminate_dead
from edgewise.passes.rewrite import Outcome, rewrite

_MOST_ROUNDS = 32  # resizes one after the other
# Lists of rules; each of these is one run over the graph.
_NORMS = ("norms.NORMS",)
_PLAIN = (
    *("lower.BATCH_NORMS", "lower.ERRORS", "spelled_out.SPELLED_OUT", "spelled_scales.SCALES"),
    "weight_only.WEIGHT_ONLY",
)
_SIMPLIFY = ("arithmetic.IDENTITIES", "reshaping.RESHAPES", "activation.CLAMPS_NAMED")
_WHOLE = (
    *("rows.ROWS", "lookups.TABLES", "byte_tables.BYTE_TABLES", "recompose.RECOMPOSE"),
    *("layer_norm.LAYER_NORMS", "attention.ATTENTIONS"),
)
_FUSE = ("activation.ACTIVATIONS", "swishes.SWISHES", "padding.PADDING", "windows.WINDOWS")
LISTS = (*_NORMS, *_PLAIN, *_SIMPLIFY, *_WHOLE, *_FUSE)


def settle_shapes(graph: Graph) -> Sequence[Outcome]:
    """Compute what is known, in place, until no more shapes become known by it: the size of a
    resize that is a part of the input's, in floats."""
    outcomes = []
    for _ in range(_MOST_ROUNDS):
        outcome = fold_constants(graph, is_file=False)
        outcomes.append(outcome)
        if not outcome.changes:
            break
        infer_graph(graph)
    return outcomes


def to_runtime(graph: Graph, lineage: Lineage | None = None) -> Lineage:
    """Rewrite a graph whose shapes are known, in place, for the planner; what became of its nodes.
    `lineage` has what became of them before.

    Cost: at most 10 ms per 100 operators, held by a test.
    """
    lineage = Lineage.of(graph) if lineage is None else lineage
    if any(node.op.name == "stablehlo_composite" for node in graph.nodes):
        from edgewise.passes.composites import place_composites

        lineage.take(place_composites(graph))
    # What a model has of the higher operators becomes what its `.tflite` file has, ...
    lineage.take(rewrite(graph, listed(_NORMS)))
    lineage.take(rewrite(graph, listed(_PLAIN)))
    # Shape arithmetic, expanded weights: the rules below see numbers.
    lineage.take(fold_constants(graph, is_file=False))
    lineage.take(rewrite(graph, listed(_SIMPLIFY)))
    # ... and what a file wrote in pieces becomes whole.
    lineage.take(rewrite(graph, listed(_WHOLE)))
    lineage.take(rewrite(graph, listed(_FUSE)))
    # After the activations, which would stand between a convolution and its readers.
    if any(map(_skips_pixels, graph.nodes)):
        from edgewise.passes.stride import hoist_strides  # which few networks need

        lineage.take(hoist_strides(graph))
    lineage.take(eliminate_dead(graph))
    return lineage


def _skips_pixels(node: Node) -> bool:
    """A window of one pixel that moves by more."""
    op = node.op
    if op.name == "conv_2d":
        kernel = tuple(node.operand(1).shape[1:3])
    elif op.name == "max_pool_2d":
        kernel = (getattr(op, "filter_height", 0), getattr(op, "filter_width", 0))
    else:
        return False
    return kernel == (1, 1) and (getattr(op, "stride_h", 1), getattr(op, "stride_w", 1)) != (1, 1)
