"""optimize/walk.py: values are what a whole run says, with the constants that the graph has now."""

from __future__ import annotations

import numpy as np
import pytest

from edgewise.ir.graph import Value
from edgewise.ir.model import Model
from edgewise.optimize import prepare
from edgewise.optimize.equalize import set_constant
from edgewise.optimize.observe import Observers, observe
from edgewise.optimize.walk import Walk, in_order
from edgewise.passes.linear import LINEAR, layout, wide
from edgewise.runtime.session import Session

from .networks import interrupted, looped, residual, samples


def walked(model: Model, given: list[np.ndarray], factor: float) -> list[list[np.ndarray]]:
    """What each layer reads, of which the weights are multiplied once it was looked at."""
    found, graph = [], model.main
    walk = Walk(graph, [[x] for x in given])
    for node in graph.nodes:
        if isinstance(node.op, LINEAR):
            walk.go(node)
            found.append([y for [[y]] in walk.look(node, [node.input])])
            place = layout(node).w
            set_constant(graph, node, place, factor * wide(node.operand(place)))
    return found


@pytest.mark.parametrize("network", [residual, interrupted])
@pytest.mark.parametrize("budget", [1 << 20, 2000, 0])
def test_layers_read_what_those_before_them_make_now(network, budget, monkeypatch):
    monkeypatch.setattr("edgewise.optimize.walk.BUDGET", budget)
    given = [x for [x] in samples(network())[:3]]
    model = prepare(network())
    found = walked(model, given, 0.5)
    graph = model.main  # changed by now
    layers = [node for node in graph.nodes if isinstance(node.op, LINEAR)]
    for index, seen in enumerate(observe(model, given)):
        for node, arrays in zip(layers, found, strict=True):
            np.testing.assert_array_equal(arrays[index], seen[node.input])


@pytest.mark.parametrize("budget", [1 << 20, 2000, 0])
def test_layers_inside_are_seen_in_all_runs(budget, monkeypatch):
    """Of a loop of branches that is called twice."""
    monkeypatch.setattr("edgewise.optimize.walk.BUDGET", budget)
    given = samples(looped())[:3]
    graph = prepare(looped()).main
    seen: list[list[tuple[Value, np.ndarray]]] = [[] for _ in given]
    run = Observers(graph, lambda name: lambda _, values: seen[int(name)].extend(values.items()))
    for index, arrays in enumerate(given):
        run(str(index), arrays)
    walk, order = Walk(graph, given), []
    for node in in_order(graph):
        if isinstance(node.op, LINEAR):
            walk.go(node)
            order.append(node.graph.name)
            for runs, known in zip(walk.look(node, [node.input]), seen, strict=True):
                expected = [array for value, array in known if value is node.input]
                np.testing.assert_array_equal([x for [x] in runs], expected)
    assert order == ["main", "even", "odd", "step", "main", "main"]


def test_what_lies_behind_is_not_run_again(monkeypatch):
    run = []
    call = Session.run

    def counting(self: Session, inputs, *rest):
        run.append(len(self.graph))
        return call(self, inputs, *rest)

    monkeypatch.setattr(Session, "run", counting)
    model, [[x], *_] = prepare(residual()), samples(residual())
    walked(model, [x], 1.0)
    assert sum(run) < len(model.main)
    run.clear()
    monkeypatch.setattr("edgewise.optimize.walk.BUDGET", 0)
    walked(model, [x], 1.0)
    assert sum(run) > 2 * len(model.main)
