"""`edgewise.tune`: what counts as faster, and that the next interpreter runs what was found."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import edgewise
from edgewise.api import Model
from edgewise.dtypes import DType
from edgewise.errors import FormatError, InputError
from edgewise.ir import Builder, Sym, Value
from edgewise.ir.model import Signature
from edgewise.runtime import planner
from edgewise.runtime.cache import default_folder
from edgewise.runtime.choices import alternatives
from edgewise.runtime.library import host_isa
from edgewise.runtime.plan import Plan, Target
from edgewise.runtime.select import TABLE
from edgewise.runtime.trials import Comparison, Trial, _clear, differing
from tests.ops.cases.control import branch

from .test_variables import recurrent

SMALL = "tiles of 16 KB"


# -- what counts ----------------------------------------------------------------------------------


def test_how_many_pairs_must_agree() -> None:
    """By counting all outcomes of tossing coins."""
    for pairs in (1, 5, 8, 9, 12):
        heads = [sum(toss) for toss in product((0, 1), repeat=pairs)]
        chances = [sum(h >= n for h in heads) / len(heads) for n in range(pairs + 2)]
        assert _clear(pairs) == next(n for n, chance in enumerate(chances) if chance <= 0.005)


def noisy(rng: np.random.Generator, seconds: float, rounds: int) -> np.ndarray:
    """Times with noise of 2 %, of which every tenth is up to three times as long."""
    times = seconds * rng.normal(1.0, 0.02, rounds)
    return np.where(rng.random(rounds) < 0.1, times * rng.uniform(1, 3, rounds), times)


def share_won(ratio: float) -> float:
    rng = np.random.default_rng(0)
    won = [Trial((0,), noisy(rng, 1.0, 15), noisy(rng, ratio, 15)).is_faster() for _ in range(500)]
    return sum(won) / 500


def test_noise_wins_nothing_and_hides_little() -> None:
    assert share_won(1.0) == 0
    assert share_won(0.99) <= 0.01  # too little to be worth it
    assert share_won(0.8) >= 0.8


def test_a_trial() -> None:
    trial = Trial((3,), [2.0] * 9, [1.0] * 9)
    assert (trial.ratio, trial.seconds, trial.saved) == (0.5, 2.0, 1.0)
    assert trial.is_faster()
    assert not Trial((3,), [2.0] * 9, [1.0] * 8 + [3.0]).is_faster()  # one of nine disagrees
    idle = Trial((3,), [0.0] * 9, [0.0] * 9)  # a branch that was not taken
    assert (idle.ratio, idle.is_faster()) == (1.0, False)


# -- what is kept ---------------------------------------------------------------------------------


def network() -> Model:
    """Two convolutions whose tiles depend on their size, any batch."""
    b = Builder()
    rng = np.random.default_rng(0)
    x = b.input("x", (Sym("batch", 1), 24, 24, 32), DType.FLOAT32)
    for label in ("first", "second"):
        w = b.constant(rng.normal(size=(32, 3, 3, 32)).astype(np.float32) / 16)
        x = b.conv_2d(x, w, None, label=label)
    model = Model()
    model.add(b.finish(x))
    return model


X = np.random.default_rng(1).normal(size=(1, 24, 24, 32)).astype(np.float32)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "model.tflite"
    network().save(path)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[Plan]]:
    """Let measuring say what the test wants: the plans that were measured are listed."""

    def say(ratio: Callable[[Plan, int], float], whole: float = 0.9) -> list[Plan]:
        plans: list[Plan] = []

        def compare(before: Plan, after: Plan, *_: object) -> Comparison:
            plans.append(after)
            nine = [1.0] * 9
            groups = [
                Trial(nodes, nine, [ratio(after, nodes[0])] * 9)
                for nodes in differing(before, after)
            ]
            return Comparison(Trial((), nine, [whole] * 9), groups)

        monkeypatch.setattr("edgewise.runtime.tune.compare", compare)
        return plans

    return say


def is_small(made: Plan, node: int) -> bool:
    return SMALL in made.placement[node].detail


def run(file: Path, folder: Path, **options: Any) -> tuple[np.ndarray, list[str]]:
    with edgewise.Interpreter(file, cache=folder, **options) as interpreter:
        [y] = interpreter(X).values()
        return y.copy(), [p.detail for p in interpreter.placement()]


def test_the_next_interpreter_runs_what_won(
    file: Path,
    folder: Path,
    measured: Callable[..., list[Plan]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wanted, before = run(file, folder)
    assert before == ["conv_2d_f32"] * 2
    measured(lambda made, node: 0.8 if node == 1 and is_small(made, node) else 1.1)
    found = edgewise.tune(file, cache=folder)
    [changed] = found.changed
    assert (changed.nodes, str(changed.chosen), found.ratio) == ((1,), SMALL, 0.9)
    assert "second" in changed.names[0]
    assert not any(group.chosen for group in found.groups if group.nodes == (0,))
    monkeypatch.setattr(planner, "plan", None)  # it is not called again
    got, after = run(file, folder)
    assert after == ["conv_2d_f32", f"conv_2d_f32; tuned: {SMALL}"]
    assert got.tobytes() == wanted.tobytes()


def test_the_interpreter_of_tf_lite_finds_it(
    file: Path, measured: Callable[..., list[Plan]], monkeypatch: pytest.MonkeyPatch
) -> None:
    measured(lambda made, node: 0.8)
    assert edgewise.tune(file).folder == default_folder()
    monkeypatch.setattr(planner, "plan", None)  # it is not called
    interpreter = edgewise.lite.Interpreter(str(file))
    interpreter.allocate_tensors()
    interpreter.set_tensor(0, X)
    interpreter.invoke()


def test_others_run_as_before(
    file: Path, folder: Path, measured: Callable[..., list[Plan]]
) -> None:
    measured(lambda made, node: 0.8)
    assert edgewise.tune(file, cache=folder).changed
    for options in ({"num_threads": 2}, {"precision": "bf16"}, {"keep_all": True}):
        assert not any("tuned" in detail for detail in run(file, folder, **options)[1])
    assert "tuned" in run(file, folder)[1][0]
    measured(lambda made, node: 1.0)  # tuned again, with another outcome
    assert not edgewise.tune(file, cache=folder).changed
    assert not any("tuned" in detail for detail in run(file, folder)[1])


def test_threads_shapes_and_precision_are_what_is_tuned(
    file: Path, folder: Path, measured: Callable[..., list[Plan]]
) -> None:
    plans = measured(lambda made, node: 0.8)
    found = edgewise.tune(
        file, cache=folder, num_threads=2, precision="bf16", shapes={"x": (3, 24, 24, 32)}
    )
    assert (found.target.threads, found.target.precision.value) == (2, "bf16")
    assert plans[0].io[0].shape == (3, 24, 24, 32)
    x = np.repeat(X, 3, axis=0)
    with edgewise.Interpreter(file, cache=folder, num_threads=2, precision="bf16") as interpreter:
        interpreter(x)
        assert "tuned" in interpreter.placement()[0].detail
        interpreter(X)
        assert "tuned" not in interpreter.placement()[0].detail


def test_state_is_carried_on_by_a_tuned_plan(
    tmp_path: Path, folder: Path, measured: Callable[..., list[Plan]]
) -> None:
    """Of two signatures one is tuned; the values of variables are found by number in both."""
    model, other = recurrent(), recurrent().main
    other.name = "other"
    model.add(other)
    model.signatures = [Signature(key, key, {"x": 0}, {"y": 0}) for key in model.graphs]
    model.save(path := tmp_path / "state.tflite")
    x = np.random.default_rng(7).uniform(-1, 1, (300, 3, 2)).astype(np.float32)
    wanted = edgewise.Interpreter(path, cache=False)
    measured(lambda made, node: 0.8)
    found = edgewise.tune(
        path, cache=folder, signature="other", shapes={"x": x.shape}, num_threads=2
    )
    assert found.changed
    run = edgewise.Interpreter(path, cache=folder, num_threads=2)
    for key in ("other", "other", "main"):
        [a], [b] = run(x, signature=key).values(), wanted(x, signature=key).values()
        assert a.tobytes() == b.tobytes()
        assert any("tuned" in p.detail for p in run.placement(key)) == (key == "other")


def test_what_does_not_win_twice_goes_back(
    file: Path, folder: Path, measured: Callable[..., list[Plan]]
) -> None:
    ways = len(alternatives(Target(host_isa())))
    plans = measured(lambda made, node: 1.0 if node == 0 and len(plans) > ways else 0.8)
    found = edgewise.tune(file, cache=folder)
    assert [group.nodes for group in found.changed] == [(1,)]
    assert ["tuned" in detail for detail in run(file, folder)[1]] == [False, True]
    assert len(plans) == ways + 2  # both, and the one that is left


def test_a_whole_that_is_no_faster_goes_back(
    file: Path, folder: Path, measured: Callable[..., list[Plan]]
) -> None:
    measured(lambda made, node: 0.8, whole=1.0)
    found = edgewise.tune(file, cache=folder)
    assert (found.changed, found.ratio) == ((), 1.0)
    assert not any("tuned" in detail for detail in run(file, folder)[1])


@pytest.mark.parametrize("threads", [1, 2])
def test_measuring(file: Path, folder: Path, threads: int) -> None:
    """Whatever the clock says here: every way is timed, and results stay."""
    wanted, _ = run(file, folder)
    steps: list[tuple[int, int]] = []
    found = edgewise.tune(
        file,
        cache=folder,
        seconds=0,
        num_threads=threads,
        progress=lambda done, total: steps.append((done, total)),
    )
    assert found.groups
    for group in found.groups:
        assert group.seconds > 0
        assert all(t.ratio > 0 for t in group.tried)
        assert group.best.ratio == min(t.ratio for t in group.tried)
    assert steps == [(n, steps[-1][1]) for n in range(steps[-1][1] + 1)]
    assert math.isfinite(found.seconds)
    assert found.seconds > 0
    assert run(file, folder, num_threads=threads)[0].tobytes() == wanted.tobytes()
    assert found.as_json()["threads"] == threads


def test_operators_of_a_branch_are_one(tmp_path: Path, folder: Path) -> None:
    """Both branches of an IF; the one that is taken is timed."""

    def convolved(b: Builder, x: Value) -> Value:
        w = np.random.default_rng(0).normal(size=(32, 3, 3, 32)).astype(np.float32)
        return b.conv_2d(x, b.constant(w / 16), None)

    op = branch(convolved, lambda b, x: b.neg(x), [(X.shape, "float32")])
    b, model = Builder(), Model()
    condition = b.input("condition", (), DType.BOOL)
    model.add(b.finish(b.node(op, condition, b.input("x", X.shape, DType.FLOAT32)).output))
    for graph in op.graphs:
        model.add(graph)
    model.save(tmp_path / "branch.tflite")
    found = edgewise.tune(tmp_path / "branch.tflite", cache=folder, seconds=0)
    [group] = found.groups
    assert (group.nodes, group.names[0].split()[0]) == ((0,), "if")
    assert group.seconds > 0
    run = edgewise.Interpreter(tmp_path / "branch.tflite", cache=folder)
    [kept] = run(np.False_, X).values()
    np.testing.assert_array_equal(kept, -X)


def test_a_network_that_runs_in_one_way(tmp_path: Path, folder: Path) -> None:
    b, model = Builder(), Model()
    model.add(b.finish(b.softmax(b.input("x", (1, 4), DType.FLOAT32))))
    model.save(tmp_path / "small.tflite")
    found = edgewise.tune(tmp_path / "small.tflite", cache=folder)
    assert (found.groups, found.seconds, found.ratio, found.operators) == ((), 0.0, 1.0, 1)


# -- what is refused ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_threads": 0}, "num_threads must be a positive integer; got 0"),
        ({"seconds": -1.0}, "seconds must be a number, 0 or more"),
        ({"seconds": math.nan}, "seconds must be a number, 0 or more"),
        ({"precision": "f8"}, "precision must be one of 'f32', 'bf16'"),
        ({"cache": False}, "there is no plan cache to keep the plan in; got cache=False"),
        ({"shapes": {"z": (1,)}}, "no input is named z; inputs are x"),
        ({"shapes": {"x": (1, 24)}}, "input 'x' takes shape"),
        ({"shapes": {"x": (1, 24, 24, 31)}}, "input 'x' takes shape"),
        ({"shapes": {"x": (1 << 40, 24, 24, 32)}}, "would fill the memory"),
        ({"signature": "other"}, "no signature 'other'"),
    ],
)
def test_arguments(file: Path, folder: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message.replace("(", r"\(")):
        edgewise.tune(file, **{"cache": folder, **options})
    assert not list(folder.glob("*")) or options.keys() & {"shapes", "precision", "signature"}


def test_models(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(InputError, match="a Model in memory has no cached plan"):
        edgewise.tune(network(), cache=folder)  # type: ignore[arg-type]
    (tmp_path / "bad.tflite").write_bytes(b"not a model")
    with pytest.raises(FormatError):
        edgewise.tune(tmp_path / "bad.tflite", cache=folder)
    with pytest.raises(FormatError, match=r"missing\.tflite: does not exist"):
        edgewise.tune(tmp_path / "missing.tflite", cache=folder)


def test_plans_that_are_not_kept(
    file: Path, tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    b, model = Builder(), Model()
    model.add(b.finish(b.where(b.input("x", (4,), DType.BOOL))))
    model.save(tmp_path / "where.tflite")
    with pytest.raises(InputError, match="are not kept: the shape of 'where' is unknown until"):
        edgewise.tune(tmp_path / "where.tflite", cache=folder)
    monkeypatch.delitem(TABLE, "conv_2d")
    reason = "are not kept: 2 operators run in Python: conv_2d '.*: the operator has no kernel yet;"
    with pytest.raises(InputError, match=reason):
        edgewise.tune(file, cache=folder)


def test_a_folder_that_cannot_be_written(file: Path, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(InputError, match="the plan cannot be kept in"):
        edgewise.tune(file, cache=tmp_path / "taken", seconds=0)
