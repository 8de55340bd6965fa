"""The autopilot: what it searches by, that it can be interrupted, and real networks."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import edgewise
from edgewise.data import open_data
from edgewise.errors import InputError, InternalError
from edgewise.measure.optimize_page import optimize_page, row, verdict
from edgewise.metrics import paired_difference
from edgewise.optimize import Recipe, Scope, Technique, quantize
from edgewise.optimize.autopilot import autopilot
from edgewise.optimize.bench import PARTS, Bench, Examples, Problem, Score, Trial
from edgewise.optimize.journal import Journal
from edgewise.optimize.optimized import Optimized, prove, reason, within_chance
from edgewise.optimize.pilot import Pilot
from edgewise.optimize.prepared import prepare
from edgewise.optimize.recipe import ROUNDING
from edgewise.optimize.search import FLOAT, Option, closing_in, common, front, hull, path
from edgewise.optimize.stations import Station, cluster, processes
from edgewise.optimize.techniques import CHOICES, UNITS, suited
from edgewise.optimize.units import recipe_of, units_of
from edgewise.runtime.session import Session
from edgewise.values import replace
from tests.optimize import test_shift
from tests.optimize.networks import residual

COUNT = 90
SCHEMES = ("static_wi4_ai8", "static_wi8_ai8", "dynamic_wi8_afp32")
FINER = "finer_steps + shift_channels"
TRIED = (FINER, f"widen + {FINER}")


@pytest.fixture(scope="module")
def task() -> tuple[edgewise.Model, dict[str, np.ndarray]]:
    """A network, and examples whose labels are what it says, a few of them wrong."""
    model = residual()
    x = np.random.default_rng(5).uniform(-2, 2, (COUNT, 12, 12, 3)).astype(np.float32)
    session = Session(model.main, stateless=True)
    y = np.array([session.run([sample[None]])[0].argmax() for sample in x])
    y[::9] = (y[::9] + 1) % 10
    return model, {"x": x, "y": y}


@pytest.fixture(scope="module")
def found(task, tmp_path_factory) -> Optimized:
    model, data = task
    state = tmp_path_factory.mktemp("found") / "state"
    return autopilot(model, open_data(data), schemes=SCHEMES, state=state, workers=2)


# -- what it searches by ------------------------------------------------------------------------


def option(scheme: str, cost: float, damage: float) -> Option:
    return Option(scheme, cost, damage)


def test_the_hull_has_what_is_best_for_some_trade_off():
    options = [
        option(FLOAT, 0, 0),
        option("float16", -50, 0.0),  # better than float in both
        option("static_wi8_ai8", -75, 0.10),  # above the line between its neighbours
        option("static_wi8_ai16", -74, 0.01),
        option("static_wi4_ai8", -87, 0.12),
        option("dynamic_wi8_afp32", -60, 0.5),
    ]
    assert [o.scheme for o in hull(options)] == ["static_wi4_ai8", "static_wi8_ai16", "float16"]


def test_a_path_mends_most_for_its_cost_first():
    layers = {
        "a": [option("static_wi4_ai8", -90, 0.9), option(FLOAT, 0, 0)],
        "b": [option("static_wi4_ai8", -9, 0.9), option(FLOAT, 0, 0)],
        "c": [option("static_wi4_ai8", -9, 0.01), option(FLOAT, 0, 0)],
    }
    steps = path(layers)
    assert [[k for k in "abc" if s[k] == FLOAT] for s in steps] == [
        [],
        ["b"],
        ["a", "b"],
        ["a", "b", "c"],
    ]


@pytest.mark.parametrize("width", [2, 4])
@pytest.mark.parametrize("count", [1, 2, 3, 17, 100])
def test_the_first_that_holds_is_closed_in_on(width, count):
    for first in range(count + 1):
        asked: list[int] = []

        def holds(places: Sequence[int], first: int, asked: list[int]) -> list[bool]:
            asked.extend(places)
            return [place >= first for place in places]

        told = partial(holds, first=first, asked=asked)
        assert closing_in(told, count, width=width) == first
        assert set(asked[:width]) >= {0}
        assert len(asked) <= width * (2 + np.log2(count))


def test_what_nothing_is_better_than():
    assert front([(1, 5), (2, 3), (3, 3), (2, 4), (4, 0)], lambda p: p) == [(1, 5), (2, 3), (4, 0)]


def test_operators_without_weights_follow_integers():
    assert common({"a": "dynamic_wi8_afp32", "b": "dynamic_wi8_afp32", "c": "static_wi8_ai8"}) == (
        "static_wi8_ai8"
    )
    units = {u.key: u for u in units_of(prepare(residual()).main)}
    assert {"ADD", "SOFTMAX"} <= {k for k, u in units.items() if not u.has_weights}
    types = dict.fromkeys(units, "static_wi8_ai8") | {"SOFTMAX": "static_wi8_ai16"}
    first = next(key for key, unit in units.items() if unit.has_weights)
    types[first] = FLOAT
    recipe = recipe_of(units, types)
    assert recipe.scheme == "static_wi8_ai8"
    assert {units[k].scheme_in(recipe) for k in (first, "SOFTMAX")} == {FLOAT, "static_wi8_ai16"}
    kinds = {node.op.name: recipe.scheme_of(node).name for node in prepare(residual()).main.nodes}
    assert kinds["softmax"] == "static_wi8_ai16"
    assert Scope(FLOAT, layer=f"^{first}$") in recipe.scopes


def test_a_reason_names_what_would_be_smaller():
    options = [option(FLOAT, 0, 0), option("static_wi4_ai8", -900, 0.5)]
    assert reason(FLOAT, options, "size") == (
        "static_wi4_ai8 saves 0.9 kB and costs KL 0.5; nothing is lost"
    )
    assert reason("static_wi4_ai8", options, "size") == "nothing is smaller; alone it costs KL 0.5"


@pytest.mark.parametrize(
    ("lost", "gained", "count", "met", "sure"),
    [(0, 0, 100, True, False), (1, 0, 5000, True, True), (9, 2, 200, False, False)],
)
def test_a_budget_is_met_as_measured_or_surely(lost, gained, count, met, sure):
    true = Score("0" * gained + "1" * (count - gained))
    other = Score("1" * gained + "0" * lost + "1" * (count - gained - lost))
    proof = prove(true, other, 1.0, tries=2)
    assert (proof.is_met, proof.is_sure) == (met, sure)
    assert proof.difference.value == pytest.approx((gained - lost) / count)
    assert proof.difference.low < proof.difference.value < proof.difference.high
    assert "number 2 of the models" in proof.sentence


@pytest.mark.parametrize(
    ("count", "budget", "needed"), [(40, 1.0, "381"), (380, 1.0, "381"), (381, 1.0, ""), (9, 0, "")]
)
def test_a_budget_within_chance_is_told(count, budget, needed):
    """As many as the interval of no difference takes to fit into the budget."""
    said = within_chance(count, budget)
    assert (f"takes {needed} such" in said) if needed else not said
    if needed:
        same = np.ones(int(needed), bool)
        assert (
            paired_difference(same, same).low
            >= -budget / 100
            > paired_difference(same[1:], same[1:]).low
        )


def test_it_does_what_quantize_does_by_itself():
    """And what is for int8 data where there is some."""
    for scheme in (*SCHEMES, "static_wi8_ai16", "float16"):
        recipe = Recipe(scheme)
        assert suited(Technique, recipe) == tuple(
            t
            for t in Technique
            if t in (Technique.CROSS_LAYER, Technique.ACTIVATIONS)
            or t in recipe.techniques_for(has_samples=True)
            or (t is Technique.WIDEN and scheme.endswith("_ai8"))
        )
    assert (*UNITS, *ROUNDING) == tuple(Technique)
    assert {t for sets in CHOICES for kind in sets for t in kind} == {*UNITS}


def test_the_proof_passes_over_what_does_worse_than_something_smaller():
    """It would pass by chance alone."""
    scores = {  # bytes, divergence, whether it holds
        "static_wi4_ai8": (1, 0.3, False),
        "static_wi8_ai8": (2, 0.4, True),
        "dynamic_wi8_afp32": (3, 0.1, True),
        FLOAT: (9, 0.0, True),
    }
    asked = []

    def station(line: str) -> str:
        trial = Trial.from_json(line)
        size, apart, holds = scores[trial.recipe.scheme]
        is_proof = trial.part == "proof"
        asked.extend([trial.recipe.scheme] * is_proof)
        return Score("1" * 10 if holds or not is_proof else "0" * 10, apart, size).to_json()

    part = Examples((np.zeros((10, 1)),), np.zeros(10, np.int64))
    problem = Problem(b"", dict.fromkeys(PARTS, part), "top1", None, None)
    pilot = Pilot({}, SCHEMES, "size", 1.0, problem, station, Journal(None, "x"))
    found = pilot._try([(name, Recipe(name, techniques=())) for name in scores])
    pilot._float = found[-1].score
    chosen, proof = pilot._prove()
    assert asked == [FLOAT, "static_wi4_ai8", "dynamic_wi8_afp32"]
    assert (chosen.name, proof.tries) == ("dynamic_wi8_afp32", 2)


# -- what it finds ------------------------------------------------------------------------------


@pytest.mark.ci
def test_a_small_network(found, tmp_path):
    assert found.metric == "top1"
    assert sum(found.examples) == COUNT
    assert found.proof.is_met
    assert found.chosen.score.bytes < 0.65 * found.floats.score.bytes
    assert found.drop(found.chosen) <= 1
    names = {c.name for c in found.candidates}
    rounded = "compensate + correct_biases"
    assert {f"static_wi8_ai8 + {t} + {rounded}" for t in TRIED} <= names
    assert {"float32", "static_wi8_ai8", f"static_wi8_ai8 + {rounded}"} <= names
    for candidate in found.candidates:
        *_, told = row(found, candidate)
        assert told == ", ".join(t.value for t in candidate.recipe.techniques or ())
    assert set(found.front) <= names
    layers = {layer.name: layer for layer in found.layers}
    assert {"stem", "depthwise", "dense"} <= set(layers)
    assert all(layer.why for layer in found.layers)
    damages = [layer.damage for layer in found.layers]
    assert damages == sorted(damages, reverse=True)
    plain = json.loads(json.dumps(found.as_json(), allow_nan=False))
    assert Recipe.from_json(json.dumps(plain["recipe"])) == found.chosen.recipe
    optimize_page(tmp_path / "page.html", found, "model.tflite")
    page = (tmp_path / "page.html").read_text()
    assert found.proof.sentence[:40] in page
    assert "depthwise" in page
    assert "<script" not in page
    assert found.chosen.name in verdict(found)


@pytest.mark.ci
def test_the_model_is_the_one_that_was_measured(task, found):
    """The recipe alone, with the samples that calibrated, makes it again."""
    assert len(found.model.to_bytes()) == found.chosen.score.bytes
    kinds = {n.op.name for n in found.model.main.nodes}
    assert "conv_2d" in kinds


@pytest.mark.ci
def test_interrupted_and_resumed_it_finds_the_same(task, found, tmp_path, monkeypatch):
    model, data = task
    state = tmp_path / "state"
    called = 0
    ask = Station.__call__

    def dies(self: Station, line: str) -> str:
        nonlocal called
        called += 1
        if called > 15:
            raise KeyboardInterrupt
        return ask(self, line)

    monkeypatch.setattr(Station, "__call__", dies)
    with pytest.raises(KeyboardInterrupt):
        autopilot(model, open_data(data), schemes=SCHEMES, state=state, workers=1)
    monkeypatch.undo()
    assert 10 < len(state.read_text().splitlines()) <= 16
    with state.open("a") as file:
        file.write('{"trial": "half a li')
    again = autopilot(model, open_data(data), schemes=SCHEMES, state=state, workers=1)
    assert again.resumed >= 10
    assert again.chosen.recipe == found.chosen.recipe
    assert [c.recipe for c in again.candidates] == [c.recipe for c in found.candidates]
    assert [c.score.divergence for c in again.candidates] == [
        c.score.divergence for c in found.candidates
    ]
    assert again.model.to_bytes() == found.model.to_bytes()
    other = {**data, "x": data["x"] + 1}
    with pytest.raises(InputError, match="another model, other examples"):
        autopilot(model, open_data(other), schemes=SCHEMES, state=state, workers=1)


@pytest.mark.ci
def test_without_labels_it_is_agreement_and_another_seed_parts_otherwise(task):
    model, data = task
    only = open_data(data["x"])
    one = autopilot(model, only, schemes=["dynamic_wi8_afp32"], seed=1, workers=1, max_drop=5)
    assert one.metric == "agreement"
    assert one.floats.score.rate == 1
    assert one.proof.is_met
    with pytest.raises(InputError, match="all but agreement need labels"):
        autopilot(model, only, metric="top1")


def test_what_it_refuses(task):
    model, data = task
    with pytest.raises(InputError, match="size or latency; got 'speed'"):
        autopilot(model, open_data(data), goal="speed")
    with pytest.raises(InputError, match="max_drop is in points"):
        autopilot(model, open_data(data), max_drop=-1)
    with pytest.raises(InputError, match="15 examples at the least"):
        autopilot(model, open_data({n: a[:9] for n, a in data.items()}))


# -- where it measures --------------------------------------------------------------------------


@pytest.fixture
def bench(task, tmp_path) -> Path:
    model, data = task
    part = Examples((data["x"][:12, None],), data["y"][:12])
    parts = {"calibration": part, "search": part, "proof": part}
    problem = Problem(bytes(prepare(model).to_bytes()), parts, "top1", "litert-2.3", None)
    problem.save(tmp_path)
    return tmp_path


@pytest.mark.ci
def test_a_process_answers_what_a_bench_does(bench):
    trial = Trial(Recipe("static_wi4_ai8", techniques=("compensate",)), "search", 8)
    direct = Bench.of(bench).score(trial)
    with processes(bench) as station:
        asked = Score.from_json(station(trial.to_json()))
        data = station.file(trial.recipe)
    assert (asked.hits, asked.divergence, asked.bytes) == (
        direct.hits,
        direct.divergence,
        direct.bytes,
    )
    assert len(asked.hits) == 8
    assert len(data) == direct.bytes


@pytest.mark.ci
def test_a_mixed_recipe_takes_layers_that_were_compensated_before(bench):
    """And makes what `quantize` makes of the recipe from the start."""
    one = Bench.of(bench)
    mixed = Recipe(
        "static_wi4_ai8", (Scope("static_wi8_ai8", layer="dense"),), techniques=("compensate",)
    )
    for scheme in ("static_wi4_ai8", "static_wi8_ai8"):
        one.make(Recipe(scheme, techniques=("compensate",)))
    warm, cold = one.make(mixed), Bench.of(bench).make(mixed)
    assert warm.to_bytes() == cold.to_bytes()
    problem = Problem.load(bench)
    samples = list(problem.examples["calibration"].inputs[0])
    assert quantize(edgewise.load(problem.model), mixed, samples=samples).to_bytes() == (
        cold.to_bytes()
    )


@pytest.mark.ci
def test_channels_are_moved_by_what_each_recipe_makes_int8():
    """A bench shares what recipes have in common, and makes what `quantize` makes of each."""
    given = test_shift.samples(1)
    part = Examples((np.stack(given),), np.zeros(len(given), np.int64))
    file = bytes(prepare(test_shift.block()).to_bytes())
    bench = Bench(Problem(file, dict.fromkeys(PARTS, part), "top1", "litert-2.3", None))
    every = Recipe("static_wi8_ai8", techniques=suited(Technique, Recipe("static_wi8_ai8")))
    last = replace(every, scopes=(Scope(FLOAT, layer="^last"),))
    moved = []
    for recipe in (every, last, replace(every, scheme="static_wi4_ai8"), every):
        made = bench.make(recipe)
        by_hand = quantize(edgewise.load(file), recipe, samples=given)
        assert made.to_bytes() == by_hand.to_bytes()
        moved.append(bench._start(recipe).model is not bench._start(last).model)
    assert moved == [True, False, True, True]


@pytest.mark.ci
def test_a_process_that_dies_is_told(tmp_path):
    with processes(tmp_path) as station, pytest.raises(InternalError, match=r"problem\.json"):
        station("{}")


@pytest.mark.ci
def test_a_recipe_that_cannot_be_made_is_an_error_of_its_trial(bench):
    trial = Trial(Recipe("static_wi8_ai8", (Scope("float16", "CONV_2D"),)), "search", 4)
    assert Bench.of(bench).score(trial).error == ""
    broken = Problem.load(bench)
    nothing = np.full((2, 1, 12, 12, 3), np.nan, np.float32)
    parts = {**broken.examples, "calibration": Examples((nothing,), np.zeros(2, np.int64))}
    other = Problem(broken.model, parts, "top1", "litert-2.3", None)
    assert "not finite" in Bench(other).score(trial).error


class _FakeRay(SimpleNamespace):
    """Ray's functions that are used, in this process."""

    def __init__(self) -> None:
        super().__init__(killed=0, started=[])

    def is_initialized(self) -> bool:
        return bool(self.started)

    def init(self, address: str | None, log_to_driver: bool) -> None:
        self.started.append(address)

    def put(self, value: object) -> object:
        return value

    def get(self, value: object) -> object:
        return value

    def kill(self, actor: object) -> None:
        self.killed += 1

    def remote(self, num_cpus: int):
        def bound(made: object, name: str) -> SimpleNamespace:
            return SimpleNamespace(remote=getattr(made, name))

        def make(actor: type) -> SimpleNamespace:
            def start(*given: object) -> SimpleNamespace:
                made = actor(*given)
                return SimpleNamespace(**{n: bound(made, n) for n in ("answer", "close")})

            return SimpleNamespace(remote=start)

        return make


@pytest.mark.ci
def test_a_cluster_answers_the_same(bench, monkeypatch):
    ray = _FakeRay()
    monkeypatch.setitem(sys.modules, "ray", ray)
    trial = Trial(Recipe("static_wi8_ai8"), "search", 6)
    with cluster(bench, "local") as there, processes(bench) as here:
        answers = [Score.from_json(station(trial.to_json())) for station in (there, here)]
    assert answers[0].hits == answers[1].hits
    assert answers[0].divergence == answers[1].divergence
    assert (ray.killed, ray.started) == (1, [None])


def test_a_journal_in_memory_measures_once():
    asked: list[str] = []

    def station(line: str) -> str:
        asked.append(line)
        return Score("1").to_json() + "\n"

    journal = Journal(None, "x")
    trials = [Trial(Recipe("float16"), "search", 1)] * 3
    assert journal.measure(trials, station, 1) == [Score("1")] * 3
    assert journal.measure(trials, station, 1) == [Score("1")] * 3
    assert len(asked) == 1
