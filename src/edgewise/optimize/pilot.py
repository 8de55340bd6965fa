"""The stages of the autopilot (`autopilot.py` tells them in words), with what they have found."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from edgewise import format
from edgewise.log import log
from edgewise.optimize.bench import Problem, Score, Trial
from edgewise.optimize.journal import Journal
from edgewise.optimize.optimized import (
    BESIDE,
    FLOATS,
    Candidate,
    LayerChoice,
    Optimized,
    Proof,
    prove,
    reason,
)
from edgewise.optimize.recipe import FINER, ROUNDING, Mode, Recipe, Scheme, Technique
from edgewise.optimize.search import FLOAT, Option, closing_in, front, path
from edgewise.optimize.stations import Station
from edgewise.optimize.techniques import CHOICES, UNITS, suited
from edgewise.optimize.units import Unit, recipe_of
from edgewise.values import replace

_FEW = 32  # examples that layers are looked at on: KL resolves what accuracy does not
_BETTER = 0.95  # the share of divergence that a technique has to leave at most, to be used
_WIDTH = 4  # recipes of a path that are measured at a time, whatever the workers
_CONVERSIONS = 300  # bytes in a file of a QUANTIZE and a DEQUANTIZE
_TRIES = 8  # candidates that the third part is asked about, before the float model


class Pilot:
    """The stages, with what they have found so far."""

    def __init__(
        self,
        units: dict[str, Unit],
        schemes: tuple[str, ...],
        goal: str,
        max_drop: float,
        problem: Problem,
        station: Station,
        journal: Journal,
    ) -> None:
        self._units, self._schemes, self._goal, self._max_drop = units, schemes, goal, max_drop
        self._problem, self._station, self._journal = problem, station, journal
        self._counts = {part: len(found) for part, found in problem.examples.items()}
        self._candidates: dict[str, Candidate] = {}
        self._done = 0
        static = [s for s in schemes if Scheme.parse(s).mode is Mode.STATIC]
        self._probe = next(
            (s for s in ("static_wi8_ai8", *static, *schemes) if s in schemes), FLOAT
        )
        self.workers = 1
        self.progress: Callable[[int, int], None] | None = None

    def run(self, notes: tuple[str, ...], skipped: tuple[str, ...]) -> Optimized:
        """All stages."""
        plain = Recipe(self._probe, techniques=())  # what the model loses as it was given
        self._float = self._try([(FLOAT, FLOATS), (self._probe, plain)])[0].score
        units = self._channels()
        best, compensates = self._uniform(units)
        table = self._sensitivity(units, self._schemes)
        first = table if not units else self._sensitivity((), [self._probe])
        techniques = (*units, *ROUNDING * compensates)
        options = self._options(table, best)
        for name, schemes in self._families().items():
            self._mixed(name, options, schemes, techniques)
        chosen, proof = self._prove()
        layers = self._layers(chosen, first, options)
        made = format.load(self._station.file(chosen.recipe), file="optimized")
        return Optimized(
            model=made,
            chosen=chosen,
            proof=proof,
            candidates=tuple(self._candidates.values()),
            front=tuple(c.name for c in self._front()),
            layers=layers,
            goal=self._goal,
            metric=self._problem.metric,
            max_drop=self._max_drop,
            examples=tuple(self._counts.values()),
            resumed=self._journal.resumed,
            notes=notes,
            skipped=skipped,
        )

    def _measure(
        self, recipes: Sequence[Recipe], part: str, count: int | None = None
    ) -> list[Score]:
        total = self._counts[part]
        trials = [Trial(recipe, part, min(count or total, total)) for recipe in recipes]
        before, told = self._done, self.progress
        tell = None if told is None else (lambda d, n: told(before + d, before + n))
        found = self._journal.measure(trials, self._station, self.workers, tell)
        self._done = before + len(trials)
        return found

    def _try(self, named: Sequence[tuple[str, Recipe]]) -> list[Candidate]:
        """Measure whole recipes, which become candidates."""
        scores = self._measure([recipe for _, recipe in named], "search")
        found = []
        for (name, recipe), score in zip(named, scores, strict=True):
            made = Candidate(name, recipe, score)
            found.append(self._candidates.setdefault(recipe.to_json(), made))
        return found

    def _channels(self) -> tuple[Technique, ...]:
        """Under which units of channels the narrowest static scheme of 8-bit weights loses least,
        compensated."""
        probe = self._probe
        chosen: tuple[Technique, ...] = ()
        if Scheme.parse(probe).mode is not Mode.STATIC:
            return chosen
        for sets in CHOICES:
            kinds = [(*units, *chosen, *ROUNDING * _is_rounded(probe)) for units in ((), *sets)]
            found = self._try([_with(probe, Recipe(probe), kind) for kind in kinds])
            usable = [c for c in found if not c.score.error]
            best = min(usable, key=lambda c: c.score.divergence, default=None)
            if best and best.score.divergence < _BETTER * usable[0].score.divergence:
                chosen = tuple(t for t in best.recipe.techniques or () if t in UNITS)
        return chosen

    def _uniform(self, units: tuple[Technique, ...]) -> tuple[dict[str, Score], bool]:
        """The best score of each scheme for the whole model, plain, compensated, and as `quantize`
        makes it; whether compensating helps where weights are narrowest."""
        named: list[tuple[str, Recipe]] = []
        for scheme in self._schemes:
            more = [(*units, *ROUNDING), (*FINER, *ROUNDING)]  # and what `quantize` does by itself
            kinds = [units] + more * _is_rounded(scheme)
            named += [_with(scheme, Recipe(scheme), kind) for kind in kinds]
        best: dict[str, Score] = {}
        helped: dict[str, bool] = {}
        for candidate in self._try(named):
            scheme, score = candidate.recipe.scheme, candidate.score
            if score.error:
                log().warning("%s: %s", candidate.name, score.error)
                continue
            known = best.setdefault(scheme, score)
            is_better = score.divergence < _BETTER * known.divergence
            helped[scheme] = helped.get(scheme, False) or is_better
            best[scheme] = min(known, score, key=lambda s: s.divergence)
        narrow = [s for s in helped if _is_rounded(s)]
        bits = min((Scheme.parse(s).weight.bits for s in narrow), default=0)
        return best, any(helped[s] for s in narrow if Scheme.parse(s).weight.bits == bits)

    def _sensitivity(
        self, techniques: tuple[Technique, ...], schemes: Sequence[str]
    ) -> dict[str, dict[str, Score]]:
        """By unit and scheme the score of the model where that unit alone is not float."""
        pairs = [
            (key, scheme)
            for key, unit in self._units.items()
            for scheme in schemes
            if unit.has_weights or Scheme.parse(scheme).mode is Mode.STATIC
        ]
        recipes = [
            _with(key, Recipe(FLOAT, (self._units[key].scope(scheme),)), techniques)[1]
            for key, scheme in pairs
        ]
        table: dict[str, dict[str, Score]] = {key: {} for key in self._units}
        for (key, scheme), score in zip(pairs, self._measure(recipes, "search", _FEW), strict=True):
            if not score.error:
                table[key][scheme] = score
        return table

    def _options(
        self, table: dict[str, dict[str, Score]], best: dict[str, Score]
    ) -> dict[str, list[Option]]:
        """What each unit may become, float among it. Bytes are those of the whole file; seconds are
        shared out by work. Operators without weights have no bytes but those of conversions that
        stand around them where they are not like their neighbours."""
        total = sum(unit.work for unit in self._units.values()) or 1
        found: dict[str, list[Option]] = {}
        for key, scores in table.items():
            unit, options = self._units[key], [Option(FLOAT, 0.0, 0.0)]
            seen: set[object] = set()
            for scheme, score in scores.items():
                data = Scheme.parse(scheme).data
                if scheme not in best or (not unit.has_weights and data in seen):
                    continue
                seen.add(data)
                if self._goal == "latency":
                    gained = best[scheme].seconds - self._float.seconds
                    cost = gained * unit.work / total
                elif unit.has_weights:
                    cost = float(score.bytes - self._float.bytes)
                else:
                    is_usual = scheme == self._probe
                    cost = -float(_CONVERSIONS * unit.nodes) if is_usual else 0.0
                options.append(Option(scheme, cost, score.divergence))
            found[key] = options
        return found

    def _families(self) -> dict[str, list[str]]:
        """The schemes of each path: all, and those on integers alone."""
        static = [s for s in self._schemes if Scheme.parse(s).mode is Mode.STATIC]
        found = {"mixed": list(self._schemes)}
        if static and len(static) < len(self._schemes):
            found["mixed static"] = static
        return found

    def _mixed(
        self,
        name: str,
        options: dict[str, list[Option]],
        schemes: Sequence[str],
        techniques: tuple[Technique, ...],
    ) -> None:
        """Close in on the first recipe of a path that is within the budget."""
        allowed = {*schemes, FLOAT}
        steps = path({k: [o for o in found if o.scheme in allowed] for k, found in options.items()})
        named = [
            _with(f"{name} {place}/{len(steps)}", recipe_of(self._units, types), techniques)
            for place, types in enumerate(steps, 1)
        ]

        def holds(places: Sequence[int]) -> list[bool]:
            found = self._try([named[place] for place in places])
            return [self._drop(c.score) <= self._max_drop for c in found]

        closing_in(holds, len(steps), width=_WIDTH)

    def _drop(self, score: Score) -> float:
        """Points lost on the second part."""
        return 100.0 if score.error else 100 * (self._float.rate - score.rate)

    def _cost(self, score: Score) -> float:
        return score.seconds if self._goal == "latency" else float(score.bytes)

    def _front(self) -> list[Candidate]:
        known = [c for c in self._candidates.values() if not c.score.error]
        return front(known, lambda c: (self._cost(c.score), self._drop(c.score)))

    def _prove(self) -> tuple[Candidate, Proof]:
        """The cheapest candidate that is within the budget on the second and the third part."""
        fitting = [
            c for c in self._candidates.values() if self._drop(c.score) <= self._max_drop + 1e-9
        ]
        fitting.sort(key=lambda c: (self._cost(c.score), c.score.divergence))
        floats = next(c for c in fitting if c.recipe == FLOATS)
        # none of which does worse than one before it: that would pass by chance alone
        cheaper = front(
            fitting[: fitting.index(floats)], lambda c: (self._cost(c.score), c.score.divergence)
        )[:_TRIES]
        [true] = self._measure([floats.recipe], "proof")
        for tries, candidate in enumerate([*cheaper, floats], 1):
            [score] = self._measure([candidate.recipe], "proof")
            proof = prove(true, score, self._max_drop, tries)
            if proof.is_met:
                return candidate, proof
        raise AssertionError("the float model loses nothing against itself")

    def _layers(
        self,
        chosen: Candidate,
        first: dict[str, dict[str, Score]],
        options: dict[str, list[Option]],
    ) -> tuple[LayerChoice, ...]:
        """Every unit with its type and the reason, the most sensitive of the model as it was given
        first."""
        found = []
        for key, unit in self._units.items():
            scheme = unit.scheme_in(chosen.recipe)
            given = first[key].get(self._probe)
            damage = 0.0 if given is None else given.divergence
            why = reason(scheme, options[key], self._goal)
            alone = {o.scheme: o.damage for o in options[key] if o.scheme != FLOAT}
            found.append(LayerChoice(unit.name, unit.operator, scheme, damage, alone, why))
        return tuple(sorted(found, key=lambda choice: -choice.damage))


def _is_rounded(scheme: str) -> bool:
    """Its weights are integers that can be compensated."""
    parsed = Scheme.parse(scheme)
    return parsed.weight.is_integer and parsed.name != "static_wi8_au8"


def _with(name: str, recipe: Recipe, techniques: Iterable[Technique]) -> tuple[str, Recipe]:
    """A recipe with those techniques that suit it, and its name with theirs."""
    kept = suited(techniques, recipe)
    return BESIDE.join([name, *(t.value for t in kept)]), replace(recipe, techniques=kept)
