"""Whether the kernels' results on a changed file are the references'.

Integers are equal, floats within the tolerances of the graph's operators. Nothing is said where no
kernel ran, where an inference was stopped by a limit, of random numbers, and of floats where an
input, a constant or an attribute is so large that sums of products overflow: then they depend on
the order of the terms.
Hybrid operators (integer weights, float data) have a test of their own, of the whole error.
Where floats go through several operators, errors grow: there a hundred times as much is allowed,
and integers that floats decide, steps between floats (SIGN, FLOOR; ATAN2 tells 0 from -0, of which
RELU gives either), waves, whose error is as large as their operand, and what has no bound near 0
(LOG, RSQRT) are not compared. A step between two
floats is an error of its size in EXP and SOFTMAX: of logits near 134,305 it is 0.016 (seed 6103,
file 5924, where kernels and references round one sum to neighbours).
What nobody reads only the references compute, and refuse.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import numpy as np

from edgewise.dtypes import DType
from edgewise.errors import EdgewiseError, LimitError
from edgewise.ir.evaluate import evaluate
from edgewise.ir.graph import Graph, Node, Value
from edgewise.ir.nesting import reachable
from edgewise.ir.op import Op
from edgewise.ops.binary import Atan2, FloorDiv, FloorMod
from edgewise.ops.convert import FakeQuant
from edgewise.ops.random import Drawn, Multinomial
from edgewise.ops.softmax import Softmax
from edgewise.ops.unary import Ceil, Cos, Exp, Floor, Log, Round, Rsqrt, Sign, Sin
from edgewise.passes.redundant import has_effect
from edgewise.runtime.plan import Placement

Results = Mapping[str, np.ndarray] | EdgewiseError
HALF = 2e-3  # two roundings to 10 bits
# where an error becomes one, or grows without end
_STEPS = (Sign, Floor, Ceil, Round, FakeQuant, FloorDiv, FloorMod, Sin, Cos, Log, Rsqrt, Atan2)
_STEEP = (Exp, Softmax)  # their error is a part of the result for each of the operand
_STEP = 2.0**-23  # between float32 numbers, for each of the larger one
_GROWN = 100  # times as large an error after several operators
_BLOCK = 1 << 16  # elements compared at once
TAME = 1e9  # products of two such numbers, and sums of those, are far from the end of float32


def compare(
    graph: Graph,
    placement: Callable[[], Sequence[Placement]],
    feeds: Mapping[str, np.ndarray],
    native: Results,
    references: Results,
) -> bool:
    """True where there was something to compare. Raises AssertionError where they differ.

    A kernel may refuse what the reference computes: the planner trusts no declared shape.
    """
    if isinstance(native, EdgewiseError) or isinstance(references, LimitError):
        return False
    if not any(p.where in ("kernel", "alias") for p in placement()):
        return False
    if not any(y.size for y in native.values()):  # of nothing, kernels look up no index
        return False
    graphs = [graph, *reachable(graph)]
    nodes = [node for g in graphs for node in g.nodes]
    if isinstance(references, EdgewiseError):
        assert any(map(_is_dead, nodes)), f"only the references refuse: {references}"
        return False
    operators = [node.op for node in nodes]
    if any(isinstance(op, Drawn | Multinomial) for op in operators):
        return False
    floating = [n for n in nodes if any(map(_holds_floats, n.outputs))]
    if floating and not (_are_tame(feeds.values(), graphs) and all(map(_is_tame, operators))):
        return False
    if any(_is_hybrid(n) for n in floating):
        return False
    if len(operators) > 1 and any(isinstance(op, _STEPS) for op in operators):
        return False
    values = (v for n in floating for v in (*n.inputs, *n.outputs) if v is not None)
    halves = any(v.dtype.is_float and v.dtype.bits == 16 for v in values)
    tolerance = max((op.tolerance for op in operators), default=0.0)
    tolerance = max(tolerance, HALF if halves else 1e-6)
    # an error that others grow from (the root of a tiny negative number), or decide by
    is_rough = tolerance > 0 and len(operators) > 1
    is_rough = is_rough and bool(floating)
    steps = 0.0  # of what is read by operators that are steep: looked for where it counts
    for name, wanted in references.items():
        problem = _difference(native[name], wanted, tolerance, is_rough)
        if problem and is_rough:
            steps = steps or _STEP * _largest_read(graph, [*feeds.values()], _STEEP)
            problem = _difference(native[name], wanted, max(tolerance, steps / _GROWN), is_rough)
        assert not problem, f"kernels and references differ in {name!r}: {problem}"
    return True


def _largest_read(graph: Graph, inputs: Sequence[np.ndarray], kinds: tuple[type[Op], ...]) -> float:
    """The largest finite number that operators of these kinds read, as the references compute it;
    `inputs` in the order of the graph's."""
    read = {n.operand(0) for n in graph.nodes if isinstance(n.op, kinds)}
    largest = [0.0]

    def keep(value: Value, array: np.ndarray) -> None:
        if value in read:
            finite = array[np.isfinite(array)]
            largest.append(float(np.abs(finite).max(initial=0.0)))

    if not read or len(inputs) != len(graph.inputs):
        return 0.0
    try:
        evaluate(graph, inputs, keep=keep)
    except EdgewiseError:
        return 0.0
    return max(largest)


def _are_tame(feeds: Iterable[np.ndarray], graphs: Sequence[Graph]) -> bool:
    constants = (v.data for g in graphs for v in g.constants() if v.data is not None)
    return all(
        np.abs(array.astype(np.float32)).max(initial=0) < TAME
        for array in (*feeds, *constants)
        if array.dtype.kind in "fV"
    )


def _holds_floats(value: Value) -> bool:
    return value.dtype.is_float or value.dtype is DType.COMPLEX64


def _is_hybrid(node: Node) -> bool:
    given = [v for v in node.inputs if v is not None]
    return any(v.type.is_quantized for v in given) and any(v.dtype.is_float for v in given)


def _is_dead(node: Node) -> bool:
    return not has_effect(node) and not any(value.uses for value in node.outputs)


def _is_tame(op: Op) -> bool:
    numbers = [a for name in op.names if isinstance(a := getattr(op, name), float)]
    return all(abs(number) < TAME for number in numbers)


def _difference(got: np.ndarray, wanted: np.ndarray, tolerance: float, is_rough: bool) -> str:
    """What is wrong, in words."""
    if got.dtype != wanted.dtype or got.shape != wanted.shape:
        return f"{got.dtype}{list(got.shape)} for {wanted.dtype}{list(wanted.shape)}"
    if wanted.dtype.kind not in "fcV":
        count = 0 if is_rough else int(np.count_nonzero(got != wanted))
        return f"{count} of {wanted.size} numbers" if count else ""
    span, worst = 1.0, 0.0
    for a, b in _blocks(got, wanted):
        is_finite = np.isfinite(b)
        if not np.array_equal(np.isfinite(a), is_finite):
            return "" if is_rough else "where they are finite"
        if not np.array_equal(a[~is_finite], b[~is_finite], equal_nan=True):
            return "" if is_rough else "in infinities"
        span = max(span, float(np.abs(b[is_finite]).max(initial=0.0)))
        worst = max(worst, float(np.abs(a - b)[is_finite].max(initial=0.0)))
    allowed = _GROWN * tolerance if is_rough else tolerance
    return f"by {worst / span:.2g} of the range" if worst > allowed * span else ""


def _blocks(*arrays: np.ndarray) -> Iterator[tuple[np.ndarray, ...]]:
    """The arrays in double precision, a piece of each at a time: what a test holds counts, too."""
    wide = np.complex128 if arrays[0].dtype.kind == "c" else np.float64
    flat = [array.reshape(-1) for array in arrays]
    for start in range(0, arrays[0].size, _BLOCK):
        yield tuple(array[start : start + _BLOCK].astype(wide) for array in flat)
