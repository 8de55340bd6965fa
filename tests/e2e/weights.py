"""Weights of the networks of `applications.py`, for Keras on any back end.

They come from recipes (`hollow.py`), random except for the statistics of batch norms, which are
near those that the network has on sample images (variances of half the layer's mean and more), and
the factors of those that end a residual branch, which are small, as in trained networks:
activations stay sane through any depth, and one rounding stays one.
"""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np

from tests.e2e.applications import Case, images
from tests.e2e.hollow import levels_recipe
from tests.e2e.hollow import weight as made
from tests.oracle.inputs import random_recipe

LINEAR = (keras.layers.Conv2D, keras.layers.Dense)
NORMS = (keras.layers.BatchNormalization, keras.layers.LayerNormalization)


def fill(model: keras.Model, case: Case) -> list[dict[str, Any]]:
    """Give every weight its numbers; their recipes, in the order of `model.weights`."""
    owners = {
        id(w): layer for layer in model._flatten_layers() for w in layer.weights
    }  # the innermost
    found, ends = {}, branch_ends(model)
    for number, weight in enumerate(model.weights):
        low, high = limits(weight, owners[id(weight)], ends)
        found[id(weight)] = put(weight, number, low, high)
    settle(model)
    norms = [x for x in model._flatten_layers() if type(x) is keras.layers.BatchNormalization]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 0.0
    if norms:
        model(images(case, 8), training=True)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
        spread = _numbers(norm.moving_variance)
        # a channel that the sample images hardly move would amplify what others do to it
        statistics = (_numbers(norm.moving_mean), np.maximum(spread, 0.5 * spread.mean()))
        for weight, numbers in zip(
            (norm.moving_mean, norm.moving_variance), statistics, strict=True
        ):
            recipe = levels_recipe(numbers)
            weight.assign(made(recipe))
            found[id(weight)] = recipe
    return [found[id(weight)] for weight in model.weights]


def settle(model: keras.Model) -> None:
    """Have layers that keep what they compute of their weights compute it of those they have."""
    for layer in model._flatten_layers():
        if isinstance(layer, keras.layers.Normalization):
            layer.finalize_state()


def _numbers(variable: Any) -> np.ndarray:
    return np.asarray(keras.ops.convert_to_numpy(variable.value))


def put(weight: Any, number: int, low: float, high: float) -> dict[str, Any]:
    """Assign; the recipe."""
    recipe = random_recipe(number, list(weight.shape), weight.dtype)
    recipe |= {"low": float(f"{low:.5g}"), "high": float(f"{high:.5g}")}
    weight.assign(made(recipe))
    return recipe


def branch_ends(model: keras.Model) -> set[str]:
    """Names of the batch norms whose result, dropped out or not, is added to another."""
    found = set()
    for layer in model._flatten_layers():
        if not isinstance(layer, keras.layers.Add):
            continue
        for tensor in layer._inbound_nodes[0].input_tensors:
            before = tensor._keras_history.operation
            while isinstance(before, keras.layers.Dropout):
                before = before._inbound_nodes[0].input_tensors[0]._keras_history.operation
            if isinstance(before, keras.layers.BatchNormalization):
                found.add(before.name)
    return found


def limits(weight: Any, layer: Any, ends: set[str]) -> tuple[float, float]:
    """From where to where its numbers are."""
    name = weight.name
    if "kernel" in name:
        depthwise = "depthwise" in name or isinstance(layer, keras.layers.DepthwiseConv2D)
        inputs = math.prod(weight.shape[:2] if depthwise else weight.shape[:-1])
        bound = math.sqrt(6 / inputs)
        return -bound, bound
    if isinstance(layer, keras.layers.Normalization):
        return {"mean": (0.4, 0.5), "variance": (0.05, 0.06)}.get(name, (0, 0))
    if name == "moving_variance":
        return 0.7, 1.4
    if name == "gamma":
        return (0.1, 0.3) if layer.name in ends else (0.6, 1.4)
    if isinstance(layer, (*NORMS, *LINEAR)):
        return -0.3, 0.3  # beta, bias
    return 0.1, 0.4  # of LayerScale
