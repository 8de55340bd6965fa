"""Which layers keep 8 bits under wi4: the smallest, up to a thirty-second of the weights."""

from __future__ import annotations

import numpy as np
import pytest

from edgewise.dtypes import DType
from edgewise.ir.build import Builder
from edgewise.ir.model import Model
from edgewise.optimize import Recipe, Scope, compensate, quantize
from edgewise.optimize.spared import schemes

WIDTHS = (32, 32, 64, 256, 256)  # 1024 weights, 2048, 16384, 65536; a thirty-second is 2656


def network(widths: tuple[int, ...] = WIDTHS) -> Model:
    """Layers named a, b, c, ..."""
    rng, b = np.random.default_rng(0), Builder()
    x = b.input("x", (1, widths[0]))
    for name, taken, out in zip("abcd", widths, widths[1:], strict=False):
        w = b.constant(rng.normal(0, taken**-0.5, (out, taken)).astype(np.float32))
        x = b.fully_connected(x, w, b.constant(np.zeros(out, np.float32)), label=name)
    model = Model()
    model.add(b.finish(x))
    return model


def wide(model: Model, recipe: Recipe) -> str:
    """The layers that have 8 bits."""
    found = schemes(model.main, recipe).values()
    return "".join(n for n, s in zip("abcd", found, strict=True) if s.weight is DType.INT8)


@pytest.mark.parametrize(
    ("recipe", "expected"),
    [
        (Recipe("static_wi4_ai8"), "a"),
        (Recipe("weight_only_wi4_afp32"), "a"),
        (Recipe("dynamic_wi2_afp32"), "a"),
        (Recipe("dynamic_wi4b32_afp32"), ""),
        (Recipe("static_wi8_ai8"), "abcd"),
        # scopes are obeyed, and the share is that of the other layers
        (Recipe("static_wi4_ai8", (Scope("static_wi4_ai8", "FULLY_CONNECTED"),)), ""),
        (Recipe("static_wi4_ai8", (Scope("static_wi8_ai8", layer="^a$"),)), "ab"),
    ],
)
def test_the_smallest_up_to_a_share(recipe, expected):
    assert wide(network(), recipe) == expected


def test_of_layers_alike_none_is_spared():
    assert wide(network((64, 64, 64, 64, 64)), Recipe("static_wi4_ai8")) == ""


def test_compensate_and_quantize_agree():
    model, recipe = network(), Recipe("static_wi4_ai8")
    given = [np.random.default_rng(i).normal(size=(1, 32)).astype(np.float32) for i in range(20)]
    for before in (model, compensate(model, recipe, given)):
        made = quantize(before, recipe, samples=given)
        stored = [v for v in made.main.constants() if v.type.shape in {(32, 32), (64, 32)}]
        assert {v.shape[0]: v.dtype for v in stored} == {32: DType.INT8, 64: DType.INT4}
