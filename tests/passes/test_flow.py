"""passes/flow.py: branches and loops of which something is known."""

import numpy as np
import pytest

from edgewise.dtypes import DType
from edgewise.ir import Builder, Model, Signature, verify
from edgewise.ir.evaluate import evaluate
from edgewise.ops.control import If, While
from edgewise.passes import PipelineReport, canonicalize
from edgewise.passes.flow import fold_flow
from tests.passes.example import expression, normal

X = (2, 3)


def body(name, build, *shapes, dtypes=()):
    b = Builder(name)
    kinds = dtypes or (DType.FLOAT32,) * len(shapes)
    inputs = [b.input(f"a{i}", s, d) for i, (s, d) in enumerate(zip(shapes, kinds, strict=True))]
    made = build(b, *inputs)
    return b.finish(*(made if isinstance(made, tuple) else (made,)))


def model_of(main, *bodies):
    model = Model()
    model.add(main)
    for graph in bodies:
        model.add(graph)
    verify(model)
    return model


def branching(condition):
    """condition ? x * c : -x; None: the condition is an input."""
    then = body("then", lambda b, x: b.mul(x, b.constant(normal(*X))), X)
    other = body("other", lambda b, x: b.neg(x), X)
    b = Builder("main")
    x = b.input("x", X)
    c = b.input("c", (), DType.BOOL) if condition is None else b.constant(np.bool_(condition))
    made = b.node(If(then=then, otherwise=other), c, x, names=["y"]).output
    return model_of(b.finish(b.exp(made), made), then, other)


def looping(limit, *, read=(1,), first=0):
    """for i in range(first, limit): y = y * w; z = z + y. `read`: which of i, y, w, z are."""
    kinds = (DType.INT32, DType.FLOAT32, DType.FLOAT32, DType.FLOAT32)
    shapes = ((), X, X, X)

    def step(b, i, y, w, z):
        return b.add(i, b.constant(1)), b.mul(y, w), w, b.add(z, y)

    def test(b, i, y, w, z):
        return b.less(i, b.constant(limit))

    inner, cond = (body(n, f, *shapes, dtypes=kinds) for n, f in (("body", step), ("cond", test)))
    b = Builder("main")
    x = b.input("x", X)
    w = b.constant(np.full(X, 1.5, np.float32))
    operands = (b.constant(first), x, w, b.neg(x))
    found = b.node(While(cond=cond, body=inner), *operands, names=list("iywz")).outputs
    return model_of(b.finish(*[found[i] for i in read]), inner, cond)


def same(before, after):
    x = normal(*X)
    for a, c in zip(evaluate(before.main, [x]), evaluate(after.main, [x]), strict=True):
        np.testing.assert_array_equal(a, c)


@pytest.mark.parametrize(("condition", "text"), [(True, "mul(x, [2,3])"), (False, "neg(x)")])
def test_a_branch_that_is_known_is_put_in_place(condition, text):
    model = branching(condition)
    changed = model.copy()
    outcome = fold_flow(changed)
    assert outcome.counts == {"branch": 1}
    assert expression(changed.main) == f"exp({text}); {text}"
    assert list(changed.graphs) == ["main"]
    assert changed.main.outputs[1].name == "y"
    same(model, changed)


def test_a_branch_that_is_not_known_stays():
    model = branching(None)
    assert not fold_flow(model).changes
    assert list(model.graphs) == ["main", "then", "other"]


def test_a_graph_that_a_signature_names_stays():
    model = branching(True)
    model.signatures.append(Signature("negate", "other", {"x": 0}, {"y": 0}))
    fold_flow(model)
    assert list(model.graphs) == ["main", "other"]


@pytest.mark.parametrize(("limit", "first"), [(0, 0), (3, 3)])
def test_a_loop_that_never_runs_goes(limit, first):
    model = looping(limit, read=(1, 3), first=first)
    changed = model.copy()
    assert fold_flow(changed).counts == {"loop that never runs": 1}
    assert expression(changed.main) == "x; neg(x)"
    assert list(changed.graphs) == ["main"]
    same(model, changed)


def test_what_a_loop_carries_for_nothing_is_left_out():
    model = looping(4)
    changed = model.copy()
    outcome = fold_flow(changed)
    assert outcome.counts == {"values of a loop": 2}
    loop = next(node for node in changed.main.nodes if node.op.name == "while")
    assert expression(loop.op.body) == "add(a0, 1); mul(a1, [2,3])"
    assert [value.name for value in loop.outputs] == ["i", "y"]
    verify(changed)
    same(model, changed)


def test_what_is_read_is_carried():
    model = looping(4, read=(0, 1, 3))
    changed = model.copy()
    assert fold_flow(changed).counts == {"values of a loop": 1}
    same(model, changed)


def test_a_value_that_is_handed_on_is_read_from_outside():
    """Behind the loop, too; so nothing has to carry it."""
    model = looping(4, read=(1, 2))
    changed = model.copy()
    fold_flow(changed)
    assert expression(changed.main).endswith("; [2,3]")
    same(model, changed)


def test_a_graph_of_two_loops_stays_as_it_is():
    model = looping(4)
    loop = next(node for node in model.main.nodes if node.op.name == "while")
    b = Builder(model.main)
    again = b.node(loop.op, *loop.inputs).outputs
    model.main.set_outputs([loop.outputs[1], again[1]])
    assert not fold_flow(model).counts


def test_the_account_has_every_operator():
    report = PipelineReport()
    canonical = canonicalize(branching(True), report=report)
    growth = sum(sum(stage.growth.values()) for stage in report.stages)
    assert report.after - report.before == growth
    assert "1 branch whose condition is known put in place" in str(report)
    assert expression(canonical.main) == "exp(mul(x, [2,3])); mul(x, [2,3])"


def test_a_branch_inside_a_loop():
    """Inner graphs are put in place, too."""
    then = body("then", lambda b, y: b.mul(y, b.constant(2.0)), X)
    other = body("other", lambda b, y: b.neg(y), X)

    def step(b, i, y):
        made = b.node(If(then=then, otherwise=other), b.constant(np.bool_(True)), y).output
        return b.add(i, b.constant(1)), made

    kinds = (DType.INT32, DType.FLOAT32)
    inner = body("body", step, (), X, dtypes=kinds)
    cond = body("cond", lambda b, i, y: b.less(i, b.constant(3)), (), X, dtypes=kinds)
    b = Builder("main")
    x = b.input("x", X)
    made = b.node(While(cond=cond, body=inner), b.constant(0), x).outputs
    model = model_of(b.finish(made[1]), inner, cond, then, other)
    canonical = canonicalize(model, check_each=True)
    assert set(canonical.graphs) == {"main", "body", "cond"}
    same(model, canonical)
