"""Smaller models: recipes, calibration, quantization."""

from edgewise.optimize.biases import correct_biases
from edgewise.optimize.calibrate import calibrate
from edgewise.optimize.compensate import compensate
from edgewise.optimize.equalize import activations, cross_layer
from edgewise.optimize.finer import finer_steps, widen
from edgewise.optimize.grid import Rounding
from edgewise.optimize.methods import KL, MSE, MinMax, MovingAverage, Percentile
from edgewise.optimize.observe import channel_maxima
from edgewise.optimize.prepared import prepare
from edgewise.optimize.quantize import quantize
from edgewise.optimize.ranges import Range, Ranges
from edgewise.optimize.recipe import Recipe, Scheme, Scope, Technique
from edgewise.optimize.shift import shift_channels

__all__ = [
    "KL",
    "MSE",
    "MinMax",
    "MovingAverage",
    "Percentile",
    "Range",
    "Ranges",
    "Recipe",
    "Rounding",
    "Scheme",
    "Scope",
    "Technique",
    "activations",
    "calibrate",
    "channel_maxima",
    "compensate",
    "correct_biases",
    "cross_layer",
    "finer_steps",
    "prepare",
    "quantize",
    "shift_channels",
    "widen",
]
