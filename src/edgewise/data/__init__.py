"""Examples for a model, from wherever they are: folders of pictures, arrays, Python objects.

`open_data` gives a `Data`; a `Feeder` turns its items into the arrays that a model takes;
`split` divides it into training, validation and test parts.
"""

from edgewise.data.feed import Feeder, Sample, samples
from edgewise.data.image import Pixels, pixels_for
from edgewise.data.source import Data, Item, open_data
from edgewise.data.split import split

__all__ = [
    "Data",
    "Feeder",
    "Item",
    "Pixels",
    "Sample",
    "open_data",
    "pixels_for",
    "samples",
    "split",
]
