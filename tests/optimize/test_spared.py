"""Which layers keep 8 bits under wi4: the smallest, and those of few inputs, up to a share; and
which stay float under int8 weights and float data."""

from __future__ import annotations

import numpy as np
import pytest

from edgewise.dtypes import DType
from edgewise.ir.build import Builder
from edgewise.ir.model import Model
from edgewise.optimize import Recipe, Scope, compensate, quantize
from edgewise.optimize.spared import schemes

WIDTHS = (64, 40, 160, 256, 256)  # 2560 weights, 6400, 40960, 65536; a thirty-second is 3608


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
    return "".join(n for n, s in zip("abcd", found, strict=False) if s.weight is DType.INT8)


@pytest.mark.parametrize(
    ("recipe", "expected"),
    [
        (Recipe("static_wi4_ai8"), "abc"),
        (Recipe("weight_only_wi4_afp32"), "abc"),
        (Recipe("dynamic_wi2_afp32"), "abc"),
        (Recipe("dynamic_wi4b32_afp32"), ""),
        (Recipe("static_wi8_ai8"), "abcd"),
        # scopes are obeyed, and the share is that of the other layers
        (Recipe("static_wi4_ai8", (Scope("static_wi4_ai8", "FULLY_CONNECTED"),)), ""),
        (Recipe("static_wi4_ai8", (Scope("static_wi4_ai8", layer="^a$"),)), "bc"),
        (Recipe("static_wi4_ai8", (Scope("static_wi8_ai8", layer="^a$"),)), "abc"),
    ],
)
def test_scopes_and_kinds_of_recipes(recipe, expected):
    assert wide(network(), recipe) == expected


@pytest.mark.parametrize(
    ("widths", "expected"),
    [
        ((200, 40, 1024, 256), "ab"),  # the smallest has 200 inputs, the next 40
        ((512, 32, 512, 512), "b"),  # none is so small; 32 inputs are few
        ((256, 512, 255), ""),  # 256 inputs are few, and the layer more than a half
        ((256, 192, 640, 640), "ab"),
        ((257, 192, 640, 640), "b"),
        ((64, 64, 64, 64, 64), "ab"),  # of layers alike the first half
        ((64, 64, 64, 64), "a"),
        ((64, 64), ""),
    ],
)
def test_the_smallest_and_the_narrowest_up_to_a_share(widths, expected):
    assert wide(network(widths), Recipe("static_wi4_ai8")) == expected


@pytest.mark.parametrize("scheme", ["dynamic_wi8_afp32", "weight_only_wi8_afp32"])
def test_the_smallest_stay_float_where_data_is(scheme):
    widths = (8, 16, 256, 256)  # 128 weights, 4096, 65536; a 128th is 545

    def floats(recipe: Recipe, widths: tuple[int, ...] = widths) -> str:
        made = quantize(network(widths), recipe)
        stored = [v.dtype for v in made.main.constants() if len(v.shape) == 2]
        return "".join("f" if dtype is DType.FLOAT32 else "i" for dtype in stored)

    assert floats(Recipe(scheme)) == "fii"
    assert floats(Recipe(scheme), WIDTHS) == "iiii"
    assert floats(Recipe(scheme, (Scope(scheme, layer="^a$"),))) == "iii"
    assert floats(Recipe(scheme, (), 5000)) == "ffi"
    recipe = Recipe("float32", (Scope(scheme, "FULLY_CONNECTED"),))
    assert floats(recipe) == "iii"


def test_a_depthwise_filter_is_as_small_as_it_is():
    rng, b = np.random.default_rng(0), Builder()
    x = b.input("x", (1, 6, 6, 16))
    w = b.constant(rng.normal(size=(1, 3, 3, 16)).astype(np.float32))
    x = b.depthwise_conv_2d(x, w, label="a")
    w = b.constant(rng.normal(size=(1200, 1, 1, 16)).astype(np.float32))
    model = Model()
    model.add(b.finish(b.conv_2d(x, w, label="b")))
    found = [s.name for s in schemes(model.main, Recipe("dynamic_wi8_afp32")).values()]
    assert found == ["float32", "dynamic_wi8_afp32"]


@pytest.mark.ci
def test_compensate_and_quantize_agree():
    model, recipe = network(), Recipe("static_wi4_ai8")
    given = [np.random.default_rng(i).normal(size=(1, 64)).astype(np.float32) for i in range(20)]
    for before in (model, compensate(model, recipe, given)):
        made = quantize(before, recipe, samples=given)
        stored = [v for v in made.main.constants() if len(v.shape) == 2]
        assert [v.dtype for v in stored] == [DType.INT8] * 3 + [DType.INT4]
