"""optimize/walk.py: values are what a whole run says, with the constants that the graph has now."""

from __future__ import annotations

import numpy as np
import pytest

from edgewise.ir.model import Model
from edgewise.optimize import prepare
from edgewise.optimize.equalize import set_constant
from edgewise.optimize.observe import observe
from edgewise.optimize.walk import Walk
from edgewise.passes.linear import LINEAR, layout, wide
from edgewise.runtime.session import Session

from .networks import interrupted, residual, samples


def walked(model: Model, given: list[np.ndarray], factor: float) -> list[list[np.ndarray]]:
    """What each layer reads, of which the weights are multiplied once it was looked at."""
    found, graph = [], model.main
    walk = Walk(graph, [[x] for x in given])
    for node in graph.nodes:
        if isinstance(node.op, LINEAR):
            walk.go(node.input)
            found.append(list(walk.look(node.input)))
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
