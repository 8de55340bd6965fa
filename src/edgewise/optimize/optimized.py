"""What the autopilot found: values, and the sentences that say why."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict

from edgewise.ir.model import Model
from edgewise.metrics import Interval, paired_difference
from edgewise.optimize.bench import Score
from edgewise.optimize.recipe import Recipe
from edgewise.optimize.search import FLOAT, Option
from edgewise.values import dataclass

FLOATS = Recipe(FLOAT, techniques=())  # the model as it is
BESIDE = " + "  # between a candidate's scheme, or its place on a path, and its techniques
_Z2 = 1.96**2  # of a 95 % interval


@dataclass(frozen=True, slots=True)
class Candidate:
    """A recipe that was measured on the examples that decide. `name` tells its techniques, too."""

    name: str
    recipe: Recipe
    score: Score


@dataclass(frozen=True, slots=True)
class Proof:
    """What the chosen model loses on examples that took no part in choosing it. `difference` is its
    share of hits minus the float model's on the same examples, with a 95 % interval; `is_met`: the
    budget holds as measured; `is_sure`: it holds at the interval's end, too. `tries` counts the
    models that were measured on these examples, this one included."""

    difference: Interval
    is_met: bool
    is_sure: bool
    tries: int
    sentence: str


@dataclass(frozen=True, slots=True)
class LayerChoice:
    """A layer's type. `damage` is what the 8-bit model as it was given lost by this layer alone
    (mean KL, nats); `alone` the same by scheme for the layer as it was used; `why` a sentence."""

    name: str
    operator: str
    scheme: str
    damage: float
    alone: dict[str, float]
    why: str


@dataclass(frozen=True, slots=True)
class Optimized:
    """The model, how it was chosen, and what else was measured. `front` names the candidates of
    which none is better in size (or latency) and in accuracy; `examples` counts those of the three
    parts; `resumed` trials were known from an earlier run."""

    model: Model
    chosen: Candidate
    proof: Proof
    candidates: tuple[Candidate, ...]
    front: tuple[str, ...]
    layers: tuple[LayerChoice, ...]
    goal: str
    metric: str
    max_drop: float
    examples: tuple[int, ...]
    resumed: int
    notes: tuple[str, ...]
    skipped: tuple[str, ...]

    @property
    def floats(self) -> Candidate:
        """The float model."""
        return next(c for c in self.candidates if c.recipe == FLOATS)

    def drop(self, candidate: Candidate) -> float:
        """Points that a candidate lost on the examples that decide."""
        return 100 * (self.floats.score.rate - candidate.score.rate)

    def as_json(self) -> dict[str, object]:
        """Plain data for `json.dump`; `recipe` is what `Recipe.from_json` reads."""
        import json

        return {
            "recipe": json.loads(self.chosen.recipe.to_json()),
            "chosen": self.chosen.name,
            "goal": self.goal,
            "metric": self.metric,
            "max_drop": self.max_drop,
            "examples": dict(zip(("calibration", "search", "proof"), self.examples, strict=True)),
            "proof": asdict(self.proof),
            "front": list(self.front),
            "candidates": [
                {
                    "name": c.name,
                    "recipe": json.loads(c.recipe.to_json()),
                    "drop": self.drop(c),
                    "divergence": c.score.divergence,
                    "bytes": c.score.bytes,
                    "seconds": c.score.seconds,
                    **({"error": c.score.error} if c.score.error else {}),
                }
                for c in self.candidates
            ],
            "layers": [asdict(layer) for layer in self.layers],
            "resumed": self.resumed,
            "notes": list(self.notes),
            "skipped": list(self.skipped),
        }


def prove(true: Score, score: Score, max_drop: float, tries: int) -> Proof:
    """What two models' hits on the same examples say about a budget in points."""
    found = paired_difference(true.are_hits, score.are_hits)
    n, budget = len(true.hits), max_drop / 100
    is_met = found.value >= -budget - 1e-12
    is_sure = found.low >= -budget
    points, low, high = (100 * x for x in (found.value, found.low, found.high))
    said = (
        f"On {n} examples that took no part in any choice the model is "
        + ("as good as float" if points == 0 else f"{abs(points):.1f} points ")
        + ("" if points == 0 else "worse" if points < 0 else "better")
        + f" [{low:.1f}, {high:.1f}]: "
    )
    if is_sure:
        said += f"a budget of {max_drop:g} points is met at 95 % confidence."
    elif is_met:
        said += f"a budget of {max_drop:g} points is met as measured, not at 95 % confidence"
        differ = float((true.are_hits != score.are_hits).mean())
        # of samples that differ a share d, the difference has variance d / n; at least 1 of n may
        room = found.value + budget
        if room > 0:
            share = max(differ, 1 / n)
            said += f"; that takes about {math.ceil(_Z2 * share / room**2 / 100) * 100:,} examples"
        said += "."
    else:
        said += f"a budget of {max_drop:g} points is not met."
    if tries > 1:
        said += f" It is number {tries} of the models that were measured on them."
    return Proof(found, is_met, is_sure, tries, said)


def within_chance(count: int, max_drop: float) -> str:
    """A sentence where `count` examples cannot show that a budget in points is met, even by a model
    that answers all of them as float does; nothing where they can.

    Of n examples that nobody answers otherwise, McNemar's interval is +-z**2 / (n + z**2).
    """
    room = _Z2 / (count + _Z2)
    budget = max_drop / 100
    if not 0 < budget < room:
        return ""
    needed = math.ceil(_Z2 * (1 - budget) / budget)
    return (
        f"a budget of {max_drop:g} points is within chance on {count} examples, those that no "
        f"choice sees: of a model that answers them all as float does they tell that it is at most "
        f"{100 * room:.1f} points worse (95 %). It takes {needed:,} such examples, two fifths of "
        "all (limit)"
    )


def reason(scheme: str, options: Sequence[Option], goal: str) -> str:
    """Why a layer has this type and not a cheaper one."""
    known = {option.scheme: option for option in options}
    own = known.get(scheme)
    if own is None or (own.cost == own.damage == 0 and len(options) == 1):
        return "like the operators around it"
    cheaper = sorted((o for o in options if o.cost < own.cost), key=lambda o: o.damage)
    alone = "nothing is lost" if own.damage == 0 else f"alone it costs KL {own.damage:.2g}"
    if not cheaper:
        return f"nothing is {'faster' if goal == 'latency' else 'smaller'}; {alone}"
    other = cheaper[0]
    saved = own.cost - other.cost
    amount = f"{saved * 1e6:.0f} us" if goal == "latency" else f"{saved / 1000:.1f} kB"
    if other.damage <= own.damage:
        return f"{other.scheme} saves {amount}, but the whole needs it less than others; {alone}"
    return f"{other.scheme} saves {amount} and costs KL {other.damage:.2g}; {alone}"
