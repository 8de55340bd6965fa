"""Techniques of a recipe that go first: a float Model in, one that quantizing hurts less out.

They choose units of channels (`equalize.py`, `finer.py`, `shift.py`) and go first, because rounding
works on the weights as they are stored: what `compensate` decides would not survive other units.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from edgewise.errors import QuantizationError
from edgewise.ir.model import Model
from edgewise.optimize.equalize import activations, cross_layer
from edgewise.optimize.finer import finer_steps, widen
from edgewise.optimize.observe import Sample, channel_maxima
from edgewise.optimize.recipe import FINER, Recipe, Technique
from edgewise.optimize.shift import shift_channels

# what each does to a model, in the order of `Technique`
UNITS: dict[Technique, Callable[[Model, Recipe, Iterable[Sample]], Model]] = {
    Technique.CROSS_LAYER: lambda model, _, __: cross_layer(model).model,
    Technique.ACTIVATIONS: lambda model, _, s: activations(model, channel_maxima(model, s)).model,
    Technique.WIDEN: lambda model, _, __: widen(model),
    Technique.FINER_STEPS: lambda model, _, samples: finer_steps(model, samples),
    Technique.SHIFT_CHANNELS: shift_channels,
}
_WITHOUT_SAMPLES = (Technique.CROSS_LAYER, Technique.WIDEN)
# what the autopilot tries: of each line the set that loses least, or none, beside that of the last
CHOICES = (
    (FINER, (Technique.WIDEN, *FINER)),
    ((Technique.CROSS_LAYER,), (Technique.ACTIVATIONS,)),
)


def suited(techniques: Iterable[Technique], recipe: Recipe) -> tuple[Technique, ...]:
    """Those that suit a recipe: what `quantize` does by itself where it would, `widen` where that
    is `finer_steps`, and what equalizes anywhere. `recipe` leaves them open."""
    known = {*recipe.techniques_for(has_samples=True), Technique.CROSS_LAYER, Technique.ACTIVATIONS}
    if Technique.FINER_STEPS in known:
        known.add(Technique.WIDEN)
    return tuple(t for t in techniques if t in known)


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
    for technique, change in UNITS.items():
        if technique in wanted:
            model = change(model, recipe, samples or ())
    return model
