"""Recipes: names that parse, scopes, JSON both ways."""

from __future__ import annotations

import pytest

from edgewise.dtypes import DType
from edgewise.errors import QuantizationError
from edgewise.ir.build import Builder
from edgewise.ir.graph import Location, Node
from edgewise.optimize import Recipe, Scheme, Scope
from edgewise.optimize.recipe import Mode

NAMES = [
    "float32",
    "float16",
    "weight_only_wi8_afp32",
    "weight_only_wi4_afp32",
    "dynamic_wi8_afp32",
    "dynamic_wi4_afp32",
    "dynamic_wi4b32_afp32",
    "dynamic_wi4b256_afp32",
    "dynamic_wi2_afp32",
    "static_wi8_ai8",
    "static_wi8_au8",
    "static_wi8_ai16",
    "static_wi4_ai8",
    "static_wi2_ai8",
]


@pytest.mark.parametrize("name", NAMES)
def test_names_parse_and_come_back(name):
    assert Scheme.parse(name).name == name
    assert Scheme.parse(name.removesuffix("_afp32")) == Scheme.parse(name)


def test_a_name_says_it_all():
    assert Scheme.parse("dynamic_wi4b64_afp32") == Scheme(
        Mode.DYNAMIC, DType.INT4, DType.FLOAT32, 64
    )


@pytest.mark.parametrize(
    "name",
    [
        "",
        "int8",
        "static_wi8",
        "static_wi8_afp32",
        "dynamic_wi8_ai8",
        "static_wi3_ai8",
        "dynamic_wi4b48_afp32",
        "static_wi4b32_ai8",
        "static_wi4_ai16",
        "static_wi8_ai8 ",
    ],
)
def test_what_is_no_scheme_is_refused(name):
    with pytest.raises(QuantizationError, match="a scheme is float32, float16"):
        Recipe(name)


def node(layer: str) -> Node:
    b = Builder()
    x = b.input("x", (1, 2))
    b.location = Location(layer)
    made = b.relu(x).producer
    assert made is not None
    return made


def test_the_last_scope_that_matches_counts():
    recipe = Recipe(
        "static_wi8_ai8",
        (Scope("static_wi8_ai16", "RELU"), Scope("float32", layer="^head/")),
    )
    assert recipe.scheme_of(node("body/relu")).name == "static_wi8_ai16"
    assert recipe.scheme_of(node("head/relu")).name == "float32"
    assert recipe.keeping_float(["body"]).scheme_of(node("body/relu")).name == "float32"
    only = Recipe("float32", (Scope("static_wi8_ai8", "ADD", "head"),))
    assert only.scheme_of(node("head/relu")).name == "float32"


def test_json_both_ways():
    scopes = (Scope("float32", layer="head"), Scope("static_wi8_ai16", "ADD"))
    recipe = Recipe("static_wi8_ai8", scopes, min_elements=1024)
    assert Recipe.from_json(recipe.to_json()) == recipe


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "must be JSON"),
        ("[]", "a recipe is an object with scheme"),
        ('{"scheme": "float32", "layers": []}', "got .*layers"),
        ('{"scheme": 3}', "scheme must be a string"),
        ('{"scheme": "int8"}', "a scheme is"),
        ('{"scheme": "float32", "scopes": [{"layer": "a"}]}', "a scope is an object with scheme"),
        ('{"scheme": "float32", "scopes": [{"scheme": "float16", "layer": "("}]}', "layer '\\('"),
    ],
)
def test_json_that_is_no_recipe_is_refused(text, message):
    with pytest.raises(QuantizationError, match=message):
        Recipe.from_json(text)
