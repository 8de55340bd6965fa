"""Which layer gets which type: what a layer alone costs and damages in, a path of recipes out.

Damages of layers add up, nearly (measured alone: the rest is float). Then the recipe that is least
damaged for its cost, for every trade-off, follows from the layers' lower convex hulls: begin with
the cheapest of everything, and take the step that mends most for its cost, again and again. Of all
recipes the path meets those on the convex hull, and none between. What recipes on it truly lose is
measured; the first that loses little enough is closed in on, as if the loss fell all the way.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import TypeVar

from edgewise.optimize.recipe import Mode, Scheme
from edgewise.values import dataclass

FLOAT = "float32"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Option:
    """A scheme for a layer: what it costs (bytes or seconds of the model, against float), and what
    it does to the model alone (mean KL, nats)."""

    scheme: str
    cost: float
    damage: float


Types = dict[str, str]  # by layer its scheme


def hull(options: Sequence[Option]) -> list[Option]:
    """The options on the lower convex hull, the cheapest first: each step up mends less for its
    cost than the one before. Of equal ones the first counts."""
    found: list[Option] = []
    for option in sorted(options, key=lambda o: (o.cost, o.damage)):
        if found and option.damage >= found[-1].damage:
            continue
        while len(found) > 1 and _slope(found[-2], found[-1]) <= _slope(found[-1], option):
            found.pop()
        found.append(option)
    return found


def _slope(a: Option, b: Option) -> float:
    """What a step from a to b mends for its cost."""
    return (a.damage - b.damage) / (b.cost - a.cost) if b.cost > a.cost else float("inf")


def path(layers: Mapping[str, Sequence[Option]]) -> list[Types]:
    """From the cheapest type for every layer to the least damaged one, a step at a time."""
    hulls = {name: hull(options) for name, options in layers.items()}
    current = {name: options[0].scheme for name, options in hulls.items()}
    steps = [
        (-_slope(a, b), order, name, b.scheme)
        for order, (name, options) in enumerate(hulls.items())
        for a, b in pairwise(options)
    ]
    found = [dict(current)]
    for _, _, name, scheme in sorted(steps, key=lambda step: step[:2]):
        current[name] = scheme
        found.append(dict(current))
    return found


def closing_in(holds: Callable[[Sequence[int]], Sequence[bool]], count: int, *, width: int) -> int:
    """The first index below `count` at which a condition holds, if it holds from there on; `count`
    where it holds nowhere. It is asked of `width` indices at a time (2 at the least), the first
    time of the first and the last."""
    low, high = 0, count
    while low < high:
        if (low, high) == (0, count):
            places = sorted({(count - 1) * k // (width - 1) for k in range(width)})
        else:
            places = sorted({low + (high - low) * k // (width + 1) for k in range(1, width + 1)})
        answers = holds(places)
        before = low
        for place, answer in zip(places, answers, strict=True):
            if answer:
                high = place
                break
            before = place + 1
        low = before
    return low


def common(types: Types) -> str:
    """What operators without an entry become: the static scheme that most layers have, so that
    integers stay integers between them; without one, the scheme that most have."""
    counts = Counter(types.values())
    static = {s: n for s, n in counts.items() if Scheme.parse(s).mode is Mode.STATIC}
    return max(static or counts, key=lambda s: (counts[s], s))


def front(items: Sequence[T], key: Callable[[T], tuple[float, float]]) -> list[T]:
    """The items than which none is better in both numbers (less is better), by the first one."""
    found: list[T] = []
    for item in sorted(items, key=key):
        if not found or key(item)[1] < key(found[-1])[1]:
            found.append(item)
    return found
