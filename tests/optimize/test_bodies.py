"""Operators in the bodies of WHILE: what each kind of recipe makes of them."""

from __future__ import annotations

import logging

import numpy as np
import pytest

import edgewise
from edgewise.dtypes import DType
from edgewise.ir.build import Builder
from edgewise.ir.model import Model
from edgewise.ops.control import While
from edgewise.optimize import quantize
from edgewise.runtime.session import Session


def loop() -> Model:
    """A dense layer, three times; and one behind it."""
    rng, inner = np.random.default_rng(0), Builder("step")
    w, v = (rng.normal(0, 0.15, (64, 64)).astype(np.float32) for _ in range(2))
    count, x = inner.input("count", (), DType.INT32), inner.input("x", (1, 64))
    y = inner.fully_connected(x, inner.constant(w), None, label="inside")
    body = inner.finish(inner.add(count, inner.constant(np.int32(1))), y)
    inner = Builder("until")
    count, x = inner.input("count", (), DType.INT32), inner.input("x", (1, 64))
    condition = inner.finish(inner.less(count, inner.constant(np.int32(3))))
    b = Builder("main")
    node = b.node(While(cond=condition, body=body), b.constant(np.int32(0)), b.input("x", (1, 64)))
    model = Model()
    result = b.fully_connected(node.outputs[1], b.constant(v), None, label="outside")
    for graph in (b.finish(result), condition, body):
        model.add(graph)
    return model


@pytest.mark.parametrize(
    ("recipe", "inside", "outside"),
    [
        ("float16", DType.FLOAT16, DType.FLOAT16),
        ("weight_only_wi8_afp32", DType.INT8, DType.INT8),
        ("dynamic_wi8_afp32", DType.INT8, DType.INT8),
        ("static_wi8_ai8", DType.FLOAT32, DType.INT8),
        ("static_wi8_ai16", DType.FLOAT32, DType.INT8),
    ],
)
def test_a_body(
    recipe: str, inside: DType, outside: DType, caplog: pytest.LogCaptureFixture
) -> None:
    """No range of a value is measured that is made anew in each round: static recipes leave bodies
    as they are, and say so."""
    model = loop()
    given = [[np.random.default_rng(i).normal(size=(1, 64)).astype(np.float32)] for i in range(30)]
    with caplog.at_level(logging.WARNING, "edgewise"):
        made = edgewise.load(quantize(model, recipe, samples=given).to_bytes())
    stored = {
        place: next(v.dtype for v in made.graphs[name].constants() if v.shape == (64, 64))
        for place, name in (("inside", "step"), ("outside", "main"))
    }
    assert stored == {"inside": inside, "outside": outside}
    assert ("no ranges of @step were measured" in caplog.text) == (inside is DType.FLOAT32)
    exact, ours = (Session(m.main).run(given[0])[0] for m in (model, made))
    assert np.abs(ours - exact).max() < 0.03 * np.abs(exact).max()
