"""What is known of a network of the zoo."""

from __future__ import annotations

from collections.abc import Callable

from edgewise.data.image import Normalization
from edgewise.ir import Model
from edgewise.values import dataclass
from edgewise.zoo.download import Checksum


@dataclass(frozen=True, slots=True)
class Published:
    """Where a file of weights is: the Python package that carries it (and its suffix there), a URL
    of the file, or only a page to get it from. `extra`: of Edgewise, that installs the package."""

    license: str
    package: str = ""
    suffix: str = ""
    extra: str = ""
    url: str = ""
    page: str = ""
    told: Checksum = Checksum()

    @property
    def origin(self) -> str:
        """Where it is from, for people."""
        return self.package or self.url or self.page or "nowhere: give a file (--from FILE)"


@dataclass(frozen=True, slots=True)
class Entry:
    """A network with weights.

    `normalization`: what its input is of pixels 0..255; None where it sees no pictures.
    `published`: top-1 accuracy as its authors tell it, in percent; `measured`: what was measured
    with these weights, and on what; "": never loaded and scored by us. `labels`: of the outputs;
    None: the 1000 of ImageNet; empty: it has no classes.
    """

    name: str
    title: str
    size: int
    normalization: Normalization | None
    weights: Published
    build: Callable[..., Model]  # of a `network.Source`; `size` and `is_cut`
    published: float | None = None
    measured: str = ""
    labels: tuple[str, ...] | None = None

    @property
    def is_classifier(self) -> bool:
        """It ends in probabilities of classes."""
        return self.labels is None or bool(self.labels)
