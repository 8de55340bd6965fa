"""Smaller models: recipes, calibration, quantization."""

from edgewise.optimize.calibrate import MinMax, calibrate
from edgewise.optimize.prepared import prepare
from edgewise.optimize.ranges import Range, Ranges

__all__ = ["MinMax", "Range", "Ranges", "calibrate", "prepare"]
