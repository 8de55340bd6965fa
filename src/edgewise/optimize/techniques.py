"""The techniques of a recipe, one after the other: a float Model in, one that loses less out.

Units of channels are chosen first (`equalize.py`), because rounding works on the weights as they
are stored: what `compensate` decides would not survive other units.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from edgewise.errors import QuantizationError
from edgewise.ir.model import Model
from edgewise.optimize.compensate import Fitted, compensate
from edgewise.optimize.equalize import activations, cross_layer
from edgewise.optimize.observe import Sample, channel_maxima
from edgewise.optimize.prepared import LITERT
from edgewise.optimize.recipe import Recipe, Technique


def improve(
    model: Model,
    recipe: Recipe,
    samples: Iterable[Sample] | None,
    *,
    target: str | None = LITERT,
    known: Fitted | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Model:
    """The float model after those of the recipe's techniques (`Recipe.techniques_for`) that change
    it; the same model where there are none.

    Args:
        samples: arrays as `calibrate` takes them, gone through several times: a list, or a
            `Streamed`. Only `cross_layer` needs none.
        target: as in `quantize`, which has to be given the same.
        known: of `compensate`.
        progress: of `compensate`, which takes nearly all of the time.

    Raises:
        QuantizationError: techniques that need samples, without them.
    """
    model = equalized(model, recipe, samples)
    if Technique.COMPENSATE in recipe.techniques_for(has_samples=samples is not None):
        model = compensate(
            model, recipe, samples or (), target=target, known=known, progress=progress
        )
    return model


def equalized(model: Model, recipe: Recipe, samples: Iterable[Sample] | None) -> Model:
    """The model in the units of channels that the recipe's techniques choose: it computes what it
    did, and is what the quantized one is to be like. Raises as `improve`."""
    wanted = recipe.techniques_for(has_samples=samples is not None)
    if samples is None and set(wanted) - {Technique.CROSS_LAYER}:
        named = ", ".join(t.value for t in wanted if t is not Technique.CROSS_LAYER)
        raise QuantizationError(f"recipe {recipe.scheme}: {named} need samples; got none")
    if Technique.CROSS_LAYER in wanted:
        model = cross_layer(model).model
    if Technique.ACTIVATIONS in wanted:
        model = activations(model, channel_maxima(model, samples or ())).model
    return model
