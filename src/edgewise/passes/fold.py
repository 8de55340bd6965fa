"""Constant folding: what depends on constants alone is computed once, by the references.

Integers whose elements are known although their operands are no constants (the SHAPE of a tensor
with known dimensions, and arithmetic on it) are folded too.
"""

from __future__ import annotations

import numpy as np

from edgewise.errors import EdgewiseError
from edgewise.ir.contents import integers
from edgewise.ir.evaluate import evaluate_op
from edgewise.ir.graph import Graph, Node, Value
from edgewise.ir.types import TensorType
from edgewise.passes.redundant import has_effect
from edgewise.passes.rewrite import Miss, Outcome

# Bytes that folding one node may add to the file: a range or a mask of a few thousand elements is
# worth an operator, a splat of megabytes is not. (TensorFlow's converter allows 1 MB.)
FREE_BYTES = 64 * 1024
PHRASE = "operator[s] on constants computed now"
# Compact weights stay compact in the file; whoever runs the model expands them while planning.
COMPRESSED = frozenset({"dequantize", "densify"})
# NumPy computes these in float32 with other last bits on other processors. In float64 they differ
# only beyond the bits that float32 keeps, so files are the same wherever they are made.
TRANSCENDENTAL = frozenset(
    {"exp", "log", "sin", "cos", "tanh", "logistic", "pow", "elu", "gelu", "erf", "atan2"}
    | {"softmax", "log_softmax"}
)


def fold_constants(graph: Graph, *, is_file: bool = True) -> Outcome:
    """Replace, in place, every node whose results are known by constants of their names.

    `is_file`: the constants go into a file, which is to stay small: compact weights are not
    expanded, and no node is folded that makes it much larger.
    """
    outcome = Outcome()
    for node in graph.nodes:
        folded = _folded(node, is_file)
        if folded is None:
            continue
        if isinstance(folded, str):
            outcome.misses.append(Miss("fold", str(node), folded))
            continue
        graph.replace(node, folded)
        outcome.replaced(f"fold {node.op.name}", node, folded[0], phrase=PHRASE)
    return outcome


def _folded(node: Node, is_file: bool) -> list[Value] | str | None:
    """Constants for the results; None where they are not known; a sentence why not folded."""
    if has_effect(node) or not any(value.uses for value in node.outputs):
        return None
    if not all(value is None or value.is_constant for value in node.inputs):
        return _known_integers(node)
    if not node.inputs and not node.op.operands:
        return None
    if is_file and node.op.name in COMPRESSED:
        return "its constant is compressed"
    grown = _growth(node)
    if grown is None:
        return "the size of its result is unknown"
    if is_file and grown > FREE_BYTES:
        return f"the file would grow by {grown:,} bytes"
    try:
        arrays = _evaluate(node)
    except (EdgewiseError, NotImplementedError, ArithmeticError, ValueError, MemoryError) as error:
        return f"it cannot be computed: {error}"
    if any(a.shape != value.type.shape for value, a in zip(node.outputs, arrays, strict=True)):
        return "its results have other shapes than declared"
    return [_constant(value, a) for value, a in zip(node.outputs, arrays, strict=True)]


def _known_integers(node: Node) -> list[Value] | None:
    value = node.output
    if len(node.outputs) != 1 or not value.dtype.is_integer or not value.type.is_static:
        return None
    known = integers(value)
    if known is None:
        return None
    shape = [int(d) for d in value.shape]  # type: ignore[arg-type]
    return [_constant(value, np.array(known, value.dtype.numpy).reshape(shape))]


def _growth(node: Node) -> int | None:
    """Bytes of the results minus those of operands that nothing else reads."""
    total = 0
    for value in node.outputs:
        if not value.type.is_static:
            return None
        count = 1
        for dim in value.shape:
            assert isinstance(dim, int)
            count *= dim
        total += value.dtype.nbytes(count)
    freed = {v for v in node.inputs if v is not None and {u for u, _ in v.uses} == {node}}
    return total - sum(v.dtype.nbytes(v.data.size) for v in freed if v.data is not None)


def _evaluate(node: Node) -> list[np.ndarray]:
    types = [None if v is None else v.type for v in node.inputs]
    arrays = [None if v is None else v.data for v in node.inputs]
    results = [v.type for v in node.outputs]
    if node.op.name in TRANSCENDENTAL and not any(t.is_quantized for t in results):
        arrays = [a.astype(np.float64) if a is not None and _narrow(a) else a for a in arrays]
    with np.errstate(all="ignore"):
        return evaluate_op(node.op, arrays, types, results)


def _narrow(array: np.ndarray) -> bool:
    return array.dtype in (np.float32, np.float16)


def _constant(old: Value, data: np.ndarray) -> Value:
    data = np.ascontiguousarray(data).reshape(data.shape)
    type_ = TensorType(tuple(data.shape), old.dtype, old.quant)
    value = Value(type_, old.name, data, source=old.source)
    value.extras = dict(old.extras)
    return value
