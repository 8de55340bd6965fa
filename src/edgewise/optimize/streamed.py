"""Samples of a `Data`, read anew whenever somebody goes through them: nothing is kept in memory.

In: a Model and a `Data`, whose pictures and batches become what one inference takes. Out: an
iterable of samples for `calibrate`, `compensate` and the others that read samples several times.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from edgewise.data import Data, Feeder, pixels_for
from edgewise.data import samples as samples_of
from edgewise.data.feed import Arrays
from edgewise.ir.model import Model
from edgewise.log import log
from edgewise.values import dataclass


@dataclass(frozen=True, slots=True)
class Streamed:
    """An iterable of the arrays of each inference, in the order of the signature's inputs.

    Args:
        signature: the entry point to run; by default as `Model.signature`.
        normalize, crop: as in `evaluate`.
        limit: at most so many samples, evenly apart where the data knows how many it has.
        workers: samples that are read at a time; by default one a core.
        progress: called with (samples given, in all; 0 where nobody knows), in each round anew.
        told: called in each round with a sentence, what pixels become.
    """

    model: Model
    data: Data
    signature: str | None = None
    normalize: str | None = None
    crop: float | None = None
    limit: int | None = None
    workers: int | None = None
    progress: Callable[[int, int], None] | None = None
    told: Callable[[str], None] | None = None

    def __iter__(self) -> Iterator[Arrays]:
        return (arrays for _, arrays in self.named())

    def named(self) -> Iterator[tuple[str, Arrays]]:
        """The same with the names of the samples. Raises InputError as `data.samples`."""
        entry = self.model.signature(self.signature)
        inputs = self.model.graphs[entry.graph].inputs
        types = {name: inputs[place].type for name, place in entry.inputs.items()}
        options = {} if self.crop is None else {"crop": self.crop}
        pixels = pixels_for([self.model], list(types.values()), normalize=self.normalize, **options)
        feeder = Feeder(types, pixels)
        found = samples_of(
            self.data, [feeder], limit=self.limit, workers=self.workers, progress=self.progress
        )
        for place, sample in enumerate(found):
            if place == 0:
                self._tell(pixels.told(are_met=sample.are_pixels))
            yield sample.name, sample.feeds[0]

    def _tell(self, sentence: str) -> None:
        log().info("samples: %s", sentence)
        if self.told is not None:
            self.told(sentence)
