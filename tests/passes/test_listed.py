"""Lists of rules that are imported when a graph has the operators that they need."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from edgewise.format import load
from edgewise.passes import runtime
from edgewise.passes.listed import Listed, listed
from edgewise.passes.rewrite import Rule, rewrite
from tests.passes.example import expression, graph_of, normal

LISTS = (runtime._NORMS, runtime._PLAIN, runtime._SIMPLIFY, runtime._WHOLE, runtime._FUSE)


def test_what_a_list_needs() -> None:
    made = Listed("no.SUCH", 1, "log softmax, div|mul")
    fitting = ({"mul"}, {"add", "div"}, {"log", "softmax"})
    assert all(made.may_fit(names) for names in fitting)
    assert not any(made.may_fit(names) for names in ({"log"}, {"softmax", "add"}, set()))


def test_a_rule_may_make_what_another_list_needs() -> None:
    """The RELU that a clamp becomes goes into the addition before."""

    def build(b):
        x = b.input("x", (2, 4))
        zero = b.constant(normal(1) * 0)
        return b.maximum(b.add(x, b.constant(normal(4))), zero)

    graph = graph_of(build)
    names = ("activation.ACTIVATIONS", "activation.CLAMPS_NAMED")
    assert not listed(names)[0].may_fit({node.op.name for node in graph.nodes})
    rewrite(graph, listed(names))
    assert expression(graph) == "add(x, [4], RELU)"


@pytest.mark.parametrize("name", ["tiny_vww/f16", "mobilenet_v2/f16", "transformer/dr"])
def test_named_lists_do_what_their_rules_do(name: str, shared_data: Path) -> None:
    by_name, by_rules = (load(shared_data / "bench" / f"{name}.tflite").main for _ in range(2))
    for names in LISTS:
        rules: list[Rule] = [rule for each in listed(names) for rule in each.rules()]
        found, wanted = rewrite(by_name, listed(names)), rewrite(by_rules, rules)
        assert found.counts == wanted.counts
        assert [str(miss) for miss in found.misses] == [str(miss) for miss in wanted.misses]
    assert str(by_name) == str(by_rules)


def test_rules_that_cannot_fit_are_not_imported() -> None:
    program = (
        "import sys, edgewise.ops; from edgewise.ir.build import Builder;"
        "from edgewise.passes.runtime import to_runtime;"
        "b = Builder(); x = b.input('x', (1, 4)); to_runtime(b.finish(b.add(x, x)));"
        "print(*(name for name in sys.modules if name.startswith('edgewise.passes.')))"
    )
    command = [sys.executable, "-c", program]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    imported = {name.removeprefix("edgewise.passes.") for name in ran.stdout.split()}
    assert {"arithmetic", "rewrite"} <= imported
    lists = {name.split(".")[0] for name in runtime.LISTS}
    assert lists & imported == {"arithmetic"}
