"""Networks of the zoo with weights that are drawn: no file of weights is needed."""

from __future__ import annotations

import math

import numpy as np

import edgewise
from edgewise.ir import Model
from edgewise.passes import canonicalize
from edgewise.zoo import entries
from edgewise.zoo.layers import Layer

# entries that differ in width or size only are one architecture
NAMES = [
    *("mobilenet_v1_0.25_128", "mobilenet_v1_1.0_224", "mobilenet_v2_0.35_96"),
    *("mobilenet_v2_1.4_224", "mobilenet_v2_features", "resnet50"),
    *(
        name
        for name in entries.ENTRIES
        if name.startswith(("mobilenet_v3", "efficientnet", "tiny"))
    ),
]


class Drawn:
    """Weights of whatever is asked for (`network.Source`)."""

    is_empty = True

    def __init__(self) -> None:
        self.rng, self.count = np.random.default_rng(8), 0

    def take(
        self,
        shape: tuple[int | None, ...],
        *,
        has_norm: bool = True,
        names: tuple[str, str] = ("", ""),
        is_depthwise: bool = False,
    ) -> Layer:
        self.count += 1
        known = tuple(
            (10, 3, 3, 3)[place] if size is None else size for place, size in enumerate(shape)
        )
        bound = math.sqrt(6 / math.prod(known[1:]))
        bias, gamma, beta, mean, variance = (
            self.rng.uniform(low, high, known[0]).astype(np.float32)
            for low, high in ((-0.3, 0.3), (0.5, 1), (-0.3, 0.3), (-0.3, 0.3), (0.7, 1.4))
        )
        return Layer(
            names[0] or f"features.{self.count}/0",
            self.rng.uniform(-bound, bound, known).astype(np.float32),
            None if has_norm else bias,
            (gamma, beta, mean, variance) if has_norm else None,
        )


def network(name: str) -> Model:
    """The entry's network, as it comes out of a conversion, canonical."""
    entry = entries.entry(name)
    made = entry.build(Drawn(), size=entry.size, is_cut=False)
    return canonicalize(edgewise.convert(made))
