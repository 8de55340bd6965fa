"""Techniques of a recipe that go first: a float Model in, one that quantizing hurts less out.

They choose units of channels (`equalize.py`, `finer.py`, `shift.py`) and go first, because rounding
works on the weights as they are stored: what `compensate` decides would not survive other units.
"""

from __future__ import annotations

from collections.abc import Iterable

from edgewise.errors import QuantizationError
from edgewise.ir.model import Model
from edgewise.optimize.equalize import activations, cross_layer
from edgewise.optimize.finer import finer_steps, widen
from edgewise.optimize.observe import Sample, channel_maxima
from edgewise.optimize.recipe import Recipe, Technique
from edgewise.optimize.shift import shift_channels

UNITS = (Technique.CROSS_LAYER, Technique.ACTIVATIONS, Technique.FINER_STEPS)
_WITHOUT_SAMPLES = (Technique.CROSS_LAYER, Technique.WIDEN)


def equalized(model: Model, recipe: Recipe, samples: Iterable[Sample] | None) -> Model:
    """The model in the units of channels that the recipe's techniques choose: it computes what it
    did, and is what the quantized one is to be like; the same model where there are none.

    Raises:
        QuantizationError: techniques that need samples, without them. `cross_layer` and
            `widen` need none.
    """
    wanted = recipe.techniques_for(has_samples=samples is not None)
    needing = [t.value for t in wanted if t not in _WITHOUT_SAMPLES]
    if samples is None and needing:
        named = ", ".join(needing)
        raise QuantizationError(f"recipe {recipe.scheme}: {named} need samples; got none")
    if Technique.CROSS_LAYER in wanted:
        model = cross_layer(model).model
    if Technique.ACTIVATIONS in wanted:
        model = activations(model, channel_maxima(model, samples or ())).model
    if Technique.WIDEN in wanted:
        model = widen(model)
    if Technique.FINER_STEPS in wanted:
        model = finer_steps(model, samples or ())
    if Technique.SHIFT_CHANNELS in wanted:
        model = shift_channels(model, recipe, samples or ())
    return model
