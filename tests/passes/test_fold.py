"""passes/fold.py and passes/redundant.py: constants, equal nodes, dead nodes."""

import numpy as np
import pytest

from edgewise.dtypes import DType
from edgewise.ir import Sym
from edgewise.ops.unary import Neg
from edgewise.passes.fold import FREE_BYTES, TRANSCENDENTAL, fold_constants
from edgewise.passes.redundant import eliminate_common, eliminate_dead
from tests.passes.example import check, expression, graph_of, ints, normal, same_numbers


def folded(build):
    """The graph after folding, and the reasons for what was not folded."""
    graph = graph_of(build)
    outcome = fold_constants(graph)
    eliminate_dead(graph)
    check(graph)
    return expression(graph), [miss.reason for miss in outcome.misses]


def test_constants_fold_through_a_chain():
    def build(b):
        c = b.mul(b.add(b.constant(normal(4)), b.constant(1.0)), b.constant(2.0))
        return b.add(b.input("x", (4,)), c)

    assert folded(build) == ("add(x, [4])", [])


def test_a_folded_output_keeps_its_name():
    graph = graph_of(lambda b: b.neg(b.constant(2.0), label="minus"))
    fold_constants(graph)
    assert graph.outputs[0].name == "minus"
    assert graph.outputs[0].data == -2


def test_the_shape_of_known_dimensions_is_constant():
    def build(b):
        x = b.input("x", (Sym("n"), 3, 4))
        part = b.strided_slice(b.shape(x), *[b.constant(ints(i)) for i in (1, 3, 1)])
        return b.mul(part, b.constant(ints(2, 2))), b.shape(x)

    assert folded(build) == ("{6, 8}; shape(x)", [])


def test_a_splat_is_not_folded():
    side = int((FREE_BYTES // 4) ** 0.5) + 1
    text, reasons = folded(lambda b: b.fill(b.constant(ints(side, side)), b.constant(0.5)))
    assert text.startswith("fill(")
    assert "the file would grow by" in reasons[0]
    text, _ = folded(lambda b: b.fill(b.constant(ints(side - 1, side - 1)), b.constant(0.5)))
    assert text == f"[{side - 1},{side - 1}]"


def test_a_large_constant_is_folded_where_it_frees_its_operand():
    big = np.zeros((1000, 100), np.float32)
    perm = ints(1, 0)
    alone = folded(lambda b: b.transpose(b.constant(big), b.constant(perm)))
    assert alone == ("[100,1000]", [])

    def twice(b):
        c = b.constant(big)
        return b.transpose(c, b.constant(perm)), b.add(b.input("x", (1000, 100)), c)

    text, reasons = folded(twice)
    assert text.startswith("transpose(")
    assert "grow" in reasons[0]


def test_compact_weights_stay_compact():
    half = normal(4).astype(np.float16)
    text, reasons = folded(lambda b: b.dequantize(b.constant(half), dtype=DType.FLOAT32))
    assert text == "dequantize([4])"
    assert "compressed" in reasons[0]


def test_what_fails_is_left_to_the_runtime(monkeypatch):
    def overflows(self, x):
        raise OverflowError("too large")

    monkeypatch.setattr(Neg, "reference", overflows)
    text, reasons = folded(lambda b: b.neg(b.constant(normal(3))))
    assert text == "neg([3])"
    assert reasons == ["it cannot be computed: too large"]


def test_state_is_not_folded():
    def build(b):
        state = b.input("state", (4,))
        b.graph.inputs.remove(state)
        state.is_variable = True
        return b.neg(state)

    assert folded(build)[0] == "neg(state)"


@pytest.mark.parametrize("op", sorted(TRANSCENDENTAL - {"pow", "atan2"}))
def test_transcendental_constants_are_rounded_once(op):
    """The folded float32 is the float64 result rounded: the same file on every processor."""
    x = np.abs(normal(2, 50)) + 0.1
    graph = graph_of(lambda b: getattr(b, op)(b.constant(x)))
    node = next(iter(graph.nodes))
    exact = node.op.reference(x.astype(np.float64))
    fold_constants(graph)
    np.testing.assert_array_equal(graph.outputs[0].data, exact.astype(np.float32))


def test_equal_nodes_become_one():
    def build(b):
        x = b.input("x", (4,))
        pairs = [b.neg(b.add(x, b.constant(1.0))) for _ in range(2)]
        return b.mul(*pairs)

    graph = graph_of(build)
    twin = graph.copy()
    outcome = eliminate_common(graph)
    assert outcome.counts == {"equal constants": 1, "equal nodes": 2}
    assert len(graph) == 3
    same_numbers(twin, graph, 0)


def test_equal_outputs_are_one_value_listed_twice():
    def build(b):
        x = b.input("x", (4,))
        return b.neg(x), b.abs(x), b.neg(x)

    graph = graph_of(build)
    twin = graph.copy()
    eliminate_common(graph)
    first, other, again = graph.outputs
    assert first is again is not other
    same_numbers(twin, graph, 0)


def test_equal_vectors_of_sizes_become_the_shape_that_says_them():
    def build(b):
        x = b.input("x", (Sym("n"), 3))
        sizes = b.shape(x)
        one = [b.constant(np.int32([i])) for i in (0, 1, 1)]
        n = b.strided_slice(sizes, *one, shrink_axis_mask=1)
        packed = b.pack(n, b.constant(np.int32(3)), values_count=2)
        other = b.pack(n, b.constant(np.int32(4)), values_count=2)
        zero = b.constant(np.float32(0))
        return b.fill(b.shape(b.neg(x)), zero), b.fill(packed, zero), b.fill(other, zero), sizes

    graph = graph_of(build)
    twin = graph.copy()
    outcome = eliminate_common(graph)
    eliminate_dead(graph)
    assert outcome.counts["equal nodes"] == 3  # and one FILL
    assert [node.op.name for node in graph.nodes].count("shape") == 1
    assert [node.op.name for node in graph.nodes].count("pack") == 1
    same_numbers(twin, graph, 0)


def test_other_attributes_types_or_bits_are_not_equal():
    def build(b):
        x = b.input("x", (4,))
        zeros = [b.constant(np.float32([v, 1])) for v in (0.0, -0.0)]
        return (
            b.leaky_relu(x, alpha=0.1),
            b.leaky_relu(b.neg(b.neg(x)), alpha=0.2),
            b.concatenation(*zeros),
        )

    graph = graph_of(build)
    count = len(graph)
    outcome = eliminate_common(graph)
    assert outcome.counts.total() == 0
    assert len(graph) == count


def test_state_updates_are_neither_dead_nor_equal():
    """Two SVDF steps on one state: both count, whether or not their results are read."""

    def build(b):
        x = b.input("x", (1, 3))
        state = b.input("state", (1, 8))
        b.graph.inputs.remove(state)
        state.is_variable = True
        features, time = b.constant(normal(4, 3)), b.constant(normal(4, 2))
        for _ in range(2):
            b.svdf(x, features, time, None, state, rank=1)
        return b.neg(x)

    graph = graph_of(build)
    eliminate_common(graph)
    eliminate_dead(graph)
    assert [node.op.name for node in graph.nodes] == ["svdf", "svdf", "neg"]


def test_dead_nodes_go_with_what_only_they_read():
    def build(b):
        x = b.input("x", (4,))
        b.exp(b.neg(x))
        return b.abs(x)

    graph = graph_of(build)
    assert eliminate_dead(graph).counts == {"dead": 2}
    assert expression(graph) == "abs(x)"
