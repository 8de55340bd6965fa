"""Graph invariants: use lists, order, constant-time edits, iteration while erasing, copies."""

from __future__ import annotations

import inspect
import sys

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

import edgewise.ops  # noqa: F401  (defines the operators)
from edgewise.errors import InternalError
from edgewise.ir import Builder, Graph, Model, TensorType, Value, verify
from edgewise.ir.evaluate import evaluate
from edgewise.ir.graph import Node
from edgewise.ir.verify import graph_problems
from edgewise.ops.join import Concatenation
from edgewise.ops.pad import Pad

FLOAT = TensorType.of(np.zeros((2, 3), np.float32))


def chain(length: int) -> Graph:
    """A chain of pads by nothing."""
    b = Builder()
    x, none = b.input("x", (2, 3)), b.constant(np.zeros((2, 2), np.int32))
    for _ in range(length):
        x = b.graph.insert(Pad(), [x, none], [Value(FLOAT)]).output
    b.graph.set_outputs([x])
    return b.graph


class Edits(RuleBasedStateMachine):
    """Random inserts, replacements, erasures and rewirings keep a graph well formed."""

    def __init__(self) -> None:
        super().__init__()
        self.graph = Graph()
        self.graph.add_input(FLOAT, "x")
        self.none = Value(
            TensorType.of(np.zeros((2, 2), np.int32)), "none", np.zeros((2, 2), np.int32)
        )
        self.graph.set_outputs([self.graph.inputs[0]])

    def _nodes(self) -> list[Node]:
        return list(self.graph.nodes)

    def _before(self, node: Node | None) -> list[Value]:
        """Values computed before a node (None: all)."""
        values = list(self.graph.inputs)
        for other in self.graph.nodes:
            if other is node:
                break
            values += other.outputs
        return values

    @rule(data=st.data())
    def insert(self, data: st.DataObject) -> None:
        before = data.draw(st.sampled_from([None, *self._nodes()]))
        x = data.draw(st.sampled_from(self._before(before)))
        self.graph.insert(Pad(), [x, self.none], [Value(FLOAT)], before=before)

    @rule(data=st.data())
    def output(self, data: st.DataObject) -> None:
        values = st.sampled_from(self._before(None))
        self.graph.set_outputs(data.draw(st.lists(values, max_size=3)))

    @precondition(lambda self: len(self.graph))
    @rule(data=st.data())
    def rewire(self, data: st.DataObject) -> None:
        node = data.draw(st.sampled_from(self._nodes()))
        self.graph.set_input(node, 0, data.draw(st.sampled_from(self._before(node))))

    @precondition(lambda self: len(self.graph))
    @rule(data=st.data())
    def replace(self, data: st.DataObject) -> None:
        node = data.draw(st.sampled_from(self._nodes()))
        self.graph.replace(node, [data.draw(st.sampled_from(self._before(node)))])

    @precondition(lambda self: len(self.graph))
    @rule(data=st.data())
    def erase(self, data: st.DataObject) -> None:
        node = data.draw(st.sampled_from(self._nodes()))
        if any(v.uses for v in node.outputs):
            with pytest.raises(InternalError, match="erased while its results are read"):
                self.graph.erase(node)
        else:
            self.graph.erase(node)
            assert node.graph is None

    @invariant()
    def well_formed(self) -> None:
        assert not list(graph_problems(self.graph))
        nodes = self._nodes()
        assert len(self.graph) == len(nodes)
        backwards, node = [], nodes[-1] if nodes else None
        while node is not None:
            backwards.append(node)
            node = node.prev
        assert backwards[::-1] == nodes

    @invariant()
    def uses_are_exact(self) -> None:
        wanted: dict[int, set[tuple[int, int]]] = {}
        for user in (*self._nodes(), self.graph):
            read = user.inputs if isinstance(user, Node) else user.outputs
            for index, value in enumerate(read):
                wanted.setdefault(id(value), set()).add((id(user), index))
        for value in self.graph.values():
            found = {(id(user), index) for user, index in value.uses}
            assert found == wanted.get(id(value), set())


TestEdits = Edits.TestCase
TestEdits.settings = settings(max_examples=15, stateful_step_count=20)


def _lines_run(action: object) -> int:
    """Lines of graph.py that one call executes: a clock that does not depend on the machine."""
    lines, file = 0, inspect.getfile(Graph)

    def trace(frame: object, event: str, _: object) -> object:
        nonlocal lines
        if frame.f_code.co_filename != file:  # type: ignore[attr-defined]
            return None
        lines += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)  # type: ignore[arg-type]
    try:
        action()  # type: ignore[operator]
    finally:
        sys.settrace(before)
    return lines


def test_edits_cost_the_same_in_a_large_graph() -> None:
    """Insert, replace and erase in the middle run as many lines at 10,000 nodes as at 10."""

    def cost(length: int) -> int:
        graph = chain(length)
        nodes = list(graph.nodes)
        middle = nodes[length // 2]

        def edit() -> None:
            new = graph.insert(Pad(), list(middle.inputs), [Value(FLOAT)], before=middle)
            graph.replace(middle, new.outputs)
            extra = graph.insert(Pad(), list(new.inputs), [Value(FLOAT)], before=new)
            graph.erase(extra)

        lines = _lines_run(edit)
        assert not list(graph_problems(graph))
        return lines

    assert cost(10_000) == cost(10)


def test_ten_thousand_edits() -> None:
    """As many edits as nodes; quadratic cost would take minutes."""
    graph = chain(10_000)
    for node in graph.nodes:
        new = graph.insert(Pad(), list(node.inputs), [Value(FLOAT)], before=node)
        graph.replace(node, new.outputs)
    assert len(graph) == 10_000
    for node in graph.nodes:
        graph.replace(node, [node.input])
    assert len(graph) == 0
    assert graph.outputs == tuple(graph.inputs)


def test_erase_current_and_neighbours_while_iterating() -> None:
    graph = chain(10)
    seen = []
    for node in graph.nodes:
        seen.append(node)
        follower = node.next
        graph.replace(node, [node.input])
        if follower is not None:
            graph.replace(follower, [follower.input])
    assert len(seen) == 5
    assert len(graph) == 0


def test_insert_while_iterating_before_the_current_node() -> None:
    graph = chain(3)
    for node in graph.nodes:
        graph.insert(Pad(), list(node.inputs), [Value(FLOAT)], before=node)
    assert len(graph) == 6


def test_replace_uses_of_several_operands_and_outputs() -> None:
    b = Builder()
    x, y = b.input("x", (2, 3)), b.input("y", (2, 3))
    node = b.node(Concatenation(axis=0), x, x, y)
    b.graph.set_outputs([x, node.output, x])
    b.graph.replace_uses(x, y)
    assert node.inputs == (y, y, y)
    assert b.graph.outputs == (y, node.output, y)
    assert not x.uses
    assert y.consumers == [node]
    b.graph.replace_uses(y, y)
    assert len(y.uses) == 5


def test_a_value_is_produced_once() -> None:
    graph = chain(1)
    with pytest.raises(InternalError, match="produced twice"):
        graph.insert(Pad(), [graph.inputs[0]], list(graph.outputs))


def test_failed_insert_leaves_the_graph_as_it_was() -> None:
    graph = chain(2)
    x = graph.inputs[0]
    uses = dict(x.uses)
    with pytest.raises(InternalError):
        graph.insert(Pad(), [x], [Value(FLOAT), *graph.outputs])
    assert x.uses == uses
    assert not list(graph_problems(graph))
    assert len(graph) == 2


def test_copies_are_independent_and_share_constants() -> None:
    model = Model()
    model.add(chain(4))
    copy = model.copy()
    for node in copy.main.nodes:
        copy.main.replace(node, [node.input])
    copy.main.inputs[0].name = "renamed"
    verify(model)
    verify(copy)
    assert len(model.main) == 4
    assert model.main.inputs[0].name == "x"
    x = np.ones((2, 3), np.float32)
    assert np.array_equal(evaluate(model.main, [x])[0], x)
    again = model.copy()
    ours, theirs = next(model.main.constants()), next(again.main.constants())
    assert ours is not theirs
    assert ours.data is theirs.data
