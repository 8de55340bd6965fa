"""Every choice of how an operator runs gives the same bits, floats included."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgewise.format import load
from edgewise.ir import Graph
from edgewise.runtime.choices import Choice, Choices, alternatives
from edgewise.runtime.executor import ONE_THREAD, Executor
from edgewise.runtime.library import Isa, host_isa
from edgewise.runtime.plan import Plan, Precision, Target
from edgewise.runtime.plannable import NotPlannable
from edgewise.runtime.planner import plan
from edgewise.runtime.specialize import specialize
from edgewise.runtime.threads import Threads
from edgewise.runtime.trials import differing
from tests.isas import BUILT
from tests.ops.case import Case, inputs_of, model_of

from .golden_hashes import spread_out
from .matrix import cases

ISAS = [
    pytest.param(isa, marks=pytest.mark.ci if isa is host_isa() else pytest.mark.full)
    for isa in BUILT
]
# smaller tiles than are ever tried, more of them, and all that can be switched
EXTREME = Choice(block_bytes=256, tiles_per_thread=7, is_joined=False, is_shared=True)
NETWORKS = [
    *(f"tiny_resnet8/{kind}" for kind in ("f32", "dr", "int8", "i16x8")),
    *(f"tiny_vww/{kind}" for kind in ("f32", "dr", "int8", "i16x8")),
    *("lstm_kws/f32", "lstm_kws/dr", "tiny_dscnn/f16"),
]


def run(made: Plan, inputs: list[np.ndarray], threads: Threads = ONE_THREAD) -> list[np.ndarray]:
    return [a.copy() for a in Executor(made, threads=threads).run(inputs, {})]


def everywhere(graph: Graph, choice: Choice) -> Choices:
    return dict.fromkeys(range(len(graph)), choice)


def same_bits(found: list[np.ndarray], wanted: list[np.ndarray]) -> None:
    for a, b in zip(found, wanted, strict=True):
        assert a.dtype == b.dtype
        assert a.tobytes() == b.tobytes()


@pytest.mark.parametrize("isa", ISAS, ids=lambda isa: isa.name.lower())
def test_no_operator_depends_on_it(isa: Isa) -> None:
    """The whole matrix, on three threads, beside what one thread computes as planned."""
    threads = Threads(3)
    compared = sum(is_same(case, isa, threads) for case in cases())
    threads.close()
    assert compared > 1500


def is_same(case: Case, isa: Isa, threads: Threads) -> bool:
    graph, inputs = model_of(case).main, inputs_of(case)
    try:
        made = plan(graph, Target(isa))
    except NotPlannable:
        return False
    other = plan(graph, Target(isa, threads=3), choices=everywhere(graph, EXTREME))
    wanted = run(made, inputs)
    if any(a.tobytes() != b.tobytes() for a, b in zip(wanted, run(made, inputs), strict=True)):
        return False  # random numbers
    same_bits(run(other, inputs, threads), wanted)
    return True


@pytest.mark.ci
@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("threads", [1, 2])
def test_no_network_depends_on_it(shared_data: Path, name: str, threads: int) -> None:
    """Every alternative that `tune` tries, for all operators at once."""
    graph = load(shared_data / "bench" / f"{name}.tflite").main
    inputs = [
        spread_out([d if isinstance(d, int) else 1 for d in v.shape], v.dtype, k)
        for k, v in enumerate(graph.inputs)
    ]
    graph, _ = specialize(graph, inputs)
    target, pool = Target(host_isa(), threads), Threads(threads)
    planned = plan(graph, target)
    wanted, differ = run(planned, inputs, pool), 0
    for choice in alternatives(target):
        made = plan(graph, target, choices=everywhere(graph, choice))
        same_bits(run(made, inputs, pool), wanted)
        differ += bool(differing(planned, made))
    pool.close()
    assert differ >= 1


def test_a_choice_is_for_one_operator(shared_data: Path) -> None:
    graph = load(shared_data / "bench" / "tiny_vww" / "int8.tflite").main
    graph, _ = specialize(graph, [np.zeros(v.shape, v.dtype.numpy) for v in graph.inputs])
    target = Target(host_isa())
    planned = plan(graph, target)
    small = Choice(block_bytes=16 * 1024)
    each = differing(planned, plan(graph, target, choices=everywhere(graph, small)))
    assert len(each) > 3
    for nodes in each:
        made = plan(graph, target, choices=dict.fromkeys(nodes, small))
        assert differing(planned, made) == [nodes]
        told = {number for number, p in enumerate(made.placement) if "tuned" in p.detail}
        assert told == set(nodes)
        assert made.placement[nodes[0]].detail.endswith("; tuned: tiles of 16 KB")
    assert differing(planned, plan(graph, target)) == []


def test_what_runs_by_itself_is_the_group_it_was_in(shared_data: Path) -> None:
    graph = load(shared_data / "bench" / "tiny_resnet8" / "int8.tflite").main
    target = Target(host_isa())
    planned = plan(graph, target)
    joined = {p.into for p in planned.placement if p.where == "kernel" and p.into is not None}
    alone = plan(graph, target, choices=everywhere(graph, Choice(is_joined=False)))
    assert not any(p.where == "kernel" and p.into is not None for p in alone.placement)
    assert {nodes[0] for nodes in differing(planned, alone)} == joined
    assert joined


@pytest.mark.parametrize("threads", [1, 4])
@pytest.mark.parametrize("precision", Precision)
def test_alternatives_depart_from_the_plan(threads: int, precision: Precision) -> None:
    target = Target(Isa.AVX2, threads, precision=precision)
    found = alternatives(target)
    assert len(set(found)) == len(found) == len({str(c) for c in found})
    assert all(str(c) and c != Choice() for c in found)
    changed = [c.target(target) for c in found]
    moved = [c for c, t in zip(found, changed, strict=True) if t != target]
    assert all(t.isa is Isa.AVX2 and t.precision is precision for t in changed)
    assert {c for c in found if c not in moved} == {
        c for c in found if not c.is_joined or c.is_shared is not None
    }
    if threads == 1:
        assert not any(c.tiles_per_thread or c.is_shared is not None for c in found)
