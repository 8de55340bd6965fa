"""Graphs whose shapes depend on data run in stages: plans before and after, none made in vain."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np
import pytest

from edgewise import Interpreter
from edgewise.dtypes import DType
from edgewise.errors import CancelledError, LimitError, ShapeError
from edgewise.ir import Builder, Graph, Model, TensorType, Value
from edgewise.ir.dim import Sym
from edgewise.ir.nesting import reachable
from edgewise.ops.control import If, While
from edgewise.ops.hashtable import Hashtable, HashtableFind, HashtableImport
from edgewise.ops.state import AssignVariable, ReadVariable, VarHandle
from edgewise.runtime import planner, staged
from edgewise.runtime.limits import Limits

F32, I32 = DType.FLOAT32, DType.INT32


@pytest.fixture
def plans(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the graphs that were planned."""
    found: list[str] = []
    original = planner.plan

    def counted(graph: Graph, *args: object, **kwargs: object) -> object:
        made = original(graph, *args, **kwargs)  # type: ignore[arg-type]
        found.append(graph.name)
        return made

    monkeypatch.setattr(planner, "plan", counted)
    monkeypatch.setattr(staged, "plan", counted)
    return found


def model_of(graph: Graph) -> Model:
    model = Model()
    for inner in reachable(graph):
        model.graphs.setdefault(inner.name, inner)
    return model


def ints(b: Builder, *values: int) -> Value:
    return b.constant(np.array(values, np.int32))


def selected(b: Builder, x: Value) -> Value:
    """The rows of x [N, C] whose sum is positive."""
    is_wanted = b.greater(b.sum(x, ints(b, 1)), b.constant(np.float32(0)))
    return b.gather_nd(x, b.cast(b.where(is_wanted), out_data_type=I32))


def network(shape: tuple[int, ...] = (1, 8, 8, 4)) -> Model:
    """A convolution, the positive rows of what it gives, a dense layer on those."""
    rng = np.random.default_rng(0)

    def weights(*shape: int) -> Value:
        return b.constant(rng.normal(size=shape).astype(np.float32))

    b = Builder("main")
    x = b.input("x", shape, F32)
    c = b.conv_2d(x, weights(16, 3, 3, 4), b.constant(np.zeros(16, np.float32)))
    rows = selected(b, b.reshape(c, ints(b, -1, 16)))
    dense = b.fully_connected(rows, weights(32, 16), b.constant(np.zeros(32, np.float32)))
    return model_of(b.finish(b.softmax(dense)))


def image(seed: int, shape: tuple[int, ...] = (1, 8, 8, 4)) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def where(model: Interpreter) -> dict[str, str]:
    return {p.node.split()[0]: p.where for p in model.placement()}


def assert_same(model: Model, *feeds: list[np.ndarray], tolerance: float = 1e-5) -> Interpreter:
    """Every run in a row gives what the references give; the interpreter."""
    ours, theirs = Interpreter(model), Interpreter(model, native=False)
    for feed in feeds:
        found, wanted = ours(*feed), theirs(*feed)
        for name, array in wanted.items():
            assert found[name].dtype == array.dtype
            if array.dtype == object:
                assert found[name].tolist() == array.tolist()
            else:
                np.testing.assert_allclose(found[name], array, rtol=tolerance, atol=tolerance)
    return ours


def test_what_follows_runs_in_kernels() -> None:
    ours = assert_same(network(), *[[image(seed)] for seed in (1, 2, 2, 2)])
    assert "host" not in where(ours).values()
    assert [p.detail for p in ours.placement() if p.node.startswith("where")] == ["where"]


def test_plans_are_made_when_shapes_come_again(plans: list[str]) -> None:
    ours = Interpreter(network())
    ours(image(1))
    assert len(plans) == 1, "what comes before; after it the references, as the shapes are new"
    for _ in range(5):
        ours(image(1))
    assert len(plans) == 2
    for _ in range(2):
        ours(image(2))
    assert len(plans) == 3, "two rows more or less"
    for _ in range(5):
        ours(image(1))
        ours(image(2))
    assert len(plans) == 3, "both are kept"


def test_kept_plans_are_few(plans: list[str]) -> None:
    ours = Interpreter(network())
    session = ours._session("main")
    for seed in range(40):
        ours(image(seed))
        ours(image(seed))
    assert session._executors is not None
    stage = session._executors._last[1]._stage  # type: ignore[union-attr]
    assert len(stage.rest._ready) == staged.MOST_RESTS
    assert len(stage.rest._seen) <= staged.MOST_SEEN


def test_much_to_compute_is_planned_at_once(plans: list[str]) -> None:
    ours = Interpreter(network((1, 64, 64, 4)))
    ours(image(1, (1, 64, 64, 4)))
    assert len(plans) == 2


def test_inputs_may_be_resized(plans: list[str]) -> None:
    b = Builder("main")
    model = model_of(b.finish(b.neg(selected(b, b.input("x", (Sym("n"), 3), F32)))))
    assert_same(model, *[[image(k, (k, 3))] for k in (5, 2, 7, 2, 2, 5)])


def test_nothing_may_be_left() -> None:
    b = Builder("main")
    x = b.input("x", (4, 3), F32)
    model = model_of(b.finish(b.neg(selected(b, x))))
    nothing = assert_same(model, *[[np.full((4, 3), -1, np.float32)]] * 3)
    assert nothing(np.full((4, 3), -1, np.float32))["neg"].shape == (0, 3)


def test_shapes_that_are_computed() -> None:
    """RANGE up to a number of the input, RESHAPE by a computed shape, SLICE by a computed size."""
    b = Builder("main")
    n = b.input("n", (), I32)
    count = b.range(b.constant(np.int32(0)), n, b.constant(np.int32(1)))
    squares = b.mul(count, count)
    half = b.floor_div(n, b.constant(np.int32(2)))
    sizes = b.pack(half, b.constant(np.int32(2)), values_count=2)
    pairs = b.reshape(squares, sizes)
    part = b.slice(pairs, ints(b, 0, 0), b.pack(half, b.constant(np.int32(1)), values_count=2))
    model = model_of(b.finish(b.neg(part), b.neg(pairs)))
    assert_same(model, *[[np.array(k, np.int32)] for k in (6, 10, 6, 6, 6)])


def grow(limit: int) -> While:
    """Appends [the sum, doubled] until there are `limit` rows."""

    def rows(b: Builder) -> Value:
        return b.input("rows", (Sym("rows"), 2), F32)

    cond = Builder("cond")
    size = cond.gather(cond.shape(rows(cond)), cond.constant(np.int32(0)))
    c = cond.finish(cond.less(size, cond.constant(np.int32(limit))))
    body = Builder("body")
    x = rows(body)
    total = body.sum(body.mul(x, body.constant(np.float32(0.5))), ints(body, 0), keep_dims=True)
    return While(cond=c, body=body.finish(body.concatenation(x, total, axis=0)))


def test_a_loop_that_changes_shapes(plans: list[str]) -> None:
    b = Builder("main")
    x = b.input("x", (2, 2), F32)
    y = b.node(grow(9), b.add(x, x)).output
    model = model_of(b.finish(b.mul(y, y)))
    ours = assert_same(model, *[[image(k, (2, 2))] for k in range(4)])
    made = len(plans)
    assert plans.count("body") == 7, "from 2 rows to 8"
    for k in range(20):
        ours(image(k, (2, 2)))
    assert len(plans) == made, "there are no other shapes: nothing is planned"


@pytest.mark.ci
def test_a_loop_through_many_shapes_does_not_plan_all_the_time(plans: list[str]) -> None:
    b = Builder("main")
    x = b.input("x", (2, 2), F32)
    ours = Interpreter(model_of(b.finish(b.node(grow(62), x).output)))
    for k in range(20):
        ours(image(k, (2, 2)))
    assert len(plans) <= 2 * (staged.MOST_RESTS + 20 * 60 // staged.RUNS_PER_PLAN)


def test_branches_of_different_shapes() -> None:
    b = Builder("main")
    flag, x = b.input("flag", (), DType.BOOL), b.input("x", (6, 4), F32)
    then, other = Builder("then"), Builder("otherwise")
    t, o = (g.input("x", (6, 4), F32) for g in (then, other))
    op = If(
        then=then.finish(then.slice(t, ints(then, 0, 0), ints(then, 2, 4))),
        otherwise=other.finish(other.exp(o)),
    )
    y = b.node(op, flag, x).output
    model = model_of(b.finish(b.softmax(y)))
    feeds = [[np.array(f), image(k, (6, 4))] for k, f in enumerate([True, False] * 3)]
    assert_same(model, *feeds)


def test_strings_do_not_slow_what_is_around_them() -> None:
    """Words to numbers by a table, numbers to a dense layer."""
    b = Builder("main")
    words = b.input("words", (3,), DType.STRING)
    keys = np.array([b"cat", b"dog", b"cow"], object)
    table = b.node(Hashtable(table_id=1)).output
    values = np.arange(3, dtype=np.int64)
    b.node(HashtableImport(), table, b.constant(keys), b.constant(values))
    number = b.node(HashtableFind(), table, words, b.constant(np.array([2], np.int64))).output
    rng = np.random.default_rng(0)
    x = b.gather(b.constant(rng.normal(size=(3, 8)).astype(np.float32)), number)
    model = model_of(b.finish(b.softmax(x), b.equal(words, b.constant(keys))))
    text = np.array([b"dog", b"cow", b"mouse"], object)
    ours = assert_same(model, [text], [text[::-1].copy()], [text])
    assert where(ours)["softmax"] == "kernel"


def test_state_keeps_its_order() -> None:
    """A variable is read, assigned from rows chosen by data, and read again."""
    b = Builder("main")
    x = b.input("x", (4, 2), F32)
    handle = b.node(VarHandle(container="", shared_name="total")).output
    kind = TensorType((2,), F32)
    b.node(AssignVariable(), handle, b.constant(np.zeros(2, np.float32)))
    before = b.node(ReadVariable(), handle, results=[kind]).output
    chosen = b.sum(selected(b, x), ints(b, 0))
    b.node(AssignVariable(), handle, b.add(before, chosen))
    after = b.node(ReadVariable(), handle, results=[kind]).output
    model = model_of(b.finish(b.mul(after, after)))
    assert_same(model, *[[image(k, (4, 2))] for k in range(4)])


def test_variable_tensors_are_those_of_the_session() -> None:
    """An SVDF, whose state is a variable tensor, on rows that data chooses."""
    b = Builder("main")
    x = b.input("x", (4, 2), F32)
    rng = np.random.default_rng(0)
    weights = [b.constant(rng.normal(size=s).astype(np.float32)) for s in ((3, 2), (3, 5))]
    state = Value(TensorType((1, 15), F32), "state", is_variable=True)
    chosen = b.sum(selected(b, x), ints(b, 0), keep_dims=True)
    y = b.svdf(b.neg(chosen), *weights, None, state, rank=1)
    model = model_of(b.finish(b.neg(y)))
    ours = assert_same(model, *[[image(k, (4, 2))] for k in range(6)])
    [(value, array)] = ours._session("main").variables().items()
    assert value.name == "state"
    assert np.abs(array).max() > 0
    ours.reset_variables()
    first = Interpreter(model, native=False)(image(0, (4, 2)))
    np.testing.assert_allclose(ours(image(0, (4, 2)))["neg_1"], first["neg_1"], rtol=1e-5)


def test_what_is_computed_is_no_variable_whatever_a_file_says() -> None:
    """The piece that reads it took it for one of the session's: KeyError."""
    b = Builder("main")
    words = b.input("words", (2,), DType.STRING)
    computed = b.where(b.input("x", (3,), F32))
    computed.is_variable = True
    model = model_of(b.finish(b.add(computed, computed), b.tile(words, ints(b, 2))))
    ours = Interpreter(model)
    for _ in range(3):
        given = np.array([b"a", b"b"], object), np.array([1, 0, 2], np.float32)
        places, repeated = ours(*given).values()
        assert places.tolist() == [[0], [4]]
        assert repeated.tolist() == [b"a", b"b"] * 2


def test_sizes_that_are_computed_from_sizes() -> None:
    """A resize to half the size, told in floats: numbers, once the input's shape is one."""
    b = Builder("main")
    x = b.input("x", (1, Sym("h"), Sym("w"), 3), F32)
    size = b.strided_slice(b.shape(x), ints(b, 1), ints(b, 3), ints(b, 1))
    half = b.mul(b.cast(size, out_data_type=F32), b.constant(np.float32(0.5)))
    y = b.resize_bilinear(x, b.cast(half, out_data_type=I32))
    model = model_of(b.finish(b.neg(y)))
    ours = assert_same(model, [image(0, (1, 8, 6, 3))], [image(0, (1, 4, 4, 3))])
    assert "host" not in where(ours).values()


def endless() -> Model:
    """A loop that never ends, because its shapes change in it."""
    cond, body = Builder("cond"), Builder("body")
    cond.input("x", (Sym("n"), 2), F32)
    x = body.input("x", (Sym("n"), 2), F32)
    turned = body.concatenation(body.slice(x, ints(body, 1, 0), ints(body, -1, 2)), x, axis=0)
    kept = body.slice(turned, ints(body, 0, 0), ints(body, 3, 2))
    op = While(cond=cond.finish(cond.constant(np.array(True))), body=body.finish(kept))
    b = Builder("main")
    x = b.input("x", (2, 2), F32)
    return model_of(b.finish(b.node(op, x).output))


def test_limits_hold() -> None:
    with pytest.raises(LimitError, match="max_loop_iterations is 50"):
        Interpreter(endless(), limits=Limits(max_loop_iterations=50))(image(0, (2, 2)))
    with pytest.raises(LimitError, match="deadline_s"):
        Interpreter(endless(), limits=Limits(deadline_s=0.2))(image(0, (2, 2)))
    b = Builder("main")
    n = b.input("n", (), I32)
    count = b.range(b.constant(np.int32(0)), n, b.constant(np.int32(1)))
    model = model_of(b.finish(b.neg(count)))
    with pytest.raises(LimitError, match="max_bytes"):
        Interpreter(model, limits=Limits(max_bytes=1 << 20))(np.array(1 << 28, np.int32))


def test_cancel_ends_a_run(request: pytest.FixtureRequest) -> None:
    ours = Interpreter(endless())
    errors: list[BaseException] = []
    begun = threading.Event()

    def run(call: Callable[[], object]) -> None:
        begun.set()
        try:
            call()
        except CancelledError as error:
            errors.append(error)

    thread = threading.Thread(target=run, args=(lambda: ours(image(0, (2, 2))),))
    thread.start()
    begun.wait()
    while thread.is_alive():
        ours.cancel()
        thread.join(0.01)
    assert len(errors) == 1


def test_an_operator_is_planned_when_its_parameters_come_again(plans: list[str]) -> None:
    """A transposed convolution whose output shape is an input."""
    b = Builder("main")
    x, shape = b.input("x", (1, 4, 5, 2)), b.input("shape", (4,), I32)
    w = np.random.default_rng(3).normal(size=(3, 2, 2, 2)).astype(np.float32)
    b.finish(b.transpose_conv(shape, b.constant(w), x, stride_h=2, stride_w=2))
    model = Model()
    model.add(b.graph)
    ours, references = Interpreter(model), Interpreter(model, native=False)
    data = np.random.default_rng(4).normal(size=(1, 4, 5, 2)).astype(np.float32)
    for sizes, made in (([8, 10], 0), ([8, 10], 1), ([8, 10], 1), ([7, 9], 1), ([7, 9], 2)):
        given = data, np.array([1, *sizes, 3], np.int32)
        [found], [wanted] = ours(*given).values(), references(*given).values()
        np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-5)
        assert len(plans) == made
    assert {p.where for p in ours.placement()} == {"kernel"}
    with pytest.raises(ShapeError, match="end with 3 channels"):
        ours(data, np.array([1, 8, 10, 4], np.int32))
