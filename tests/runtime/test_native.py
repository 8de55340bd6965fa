"""Native plans of whole graphs: sessions, shapes, kept values, variables, real models."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgewise import Interpreter
from edgewise.dtypes import DType
from edgewise.errors import InputError, ShapeError
from edgewise.format import load
from edgewise.ir import Builder, Graph, Model, Op, Quant, TensorType
from edgewise.ir.dim import Sym
from edgewise.ir.evaluate import evaluate
from edgewise.ops.activation import Relu
from edgewise.ops.arithmetic import Add
from edgewise.ops.binary import Atan2
from edgewise.ops.control import While
from edgewise.ops.embedding import EmbeddingLookup
from edgewise.ops.gather import Gather, GatherNd, ScatterNd
from edgewise.ops.join import Concatenation
from edgewise.ops.reshape import Reshape
from edgewise.ops.resize import ResizeBilinear, ResizeNearestNeighbor
from edgewise.runtime import plannable, planner
from edgewise.runtime.executor import Executor
from edgewise.runtime.library import Isa, host_isa
from edgewise.runtime.plan import Target
from edgewise.runtime.plannable import NotPlannable
from edgewise.runtime.planner import plan
from edgewise.runtime.select import TABLE
from edgewise.runtime.session import Session
from edgewise.runtime.specialize import MOST_PLANS
from tests.isas import ISAS


def chain(shape: tuple[object, ...] = (2, 3)) -> Graph:
    """relu(atan2(z, z)) of z = x + x, z under another shape: a kernel, a Host step, an alias."""
    b = Builder()
    x = b.input("x", shape, DType.FLOAT32)  # type: ignore[arg-type]
    total = b.node(Add(), x, x).output
    flat = b.node(Reshape(new_shape=(-1,)), total).output
    y = b.node(Relu(), b.node(Atan2(), total, total).output).output
    return b.finish(y, flat, flat, x)


@pytest.fixture
def atan2_on_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    """An operator without a kernel."""
    monkeypatch.delitem(TABLE, "atan2")


@pytest.mark.usefixtures("atan2_on_the_host")
def test_a_session_runs_kernels_and_host_steps() -> None:
    session = Session(chain())
    x = np.arange(-3, 3, dtype=np.float32).reshape(2, 3)
    y, flat, again, same = session.run([x])
    np.testing.assert_array_equal(y, np.maximum(np.arctan2(2 * x, 2 * x), 0))
    np.testing.assert_array_equal(flat, (2 * x).reshape(-1))
    np.testing.assert_array_equal(again, flat)
    np.testing.assert_array_equal(same, x)
    assert not np.shares_memory(flat, again)
    assert not np.shares_memory(same, x)
    where = {p.node.split()[0]: p.where for p in session.placement()}
    assert where == {"add": "kernel", "reshape": "alias", "atan2": "host", "relu": "kernel"}


@pytest.mark.parametrize("axis", [4, -5])
def test_an_axis_beyond_the_rank_is_refused_like_by_the_reference(axis: int) -> None:
    """A hostile file may hide it from inference; the kernel must not wrap it around."""
    b = Builder()
    axes = b.constant(np.array([1], np.int32))
    model = Model()
    model.add(b.finish(b.mean(b.input("x", (1, 2, 3, 4)), axes)))
    axes.data = np.array([axis], np.int32)
    with pytest.raises(ShapeError, match=r"mean .*axes must be in"):
        Session(model.main).run([np.ones((1, 2, 3, 4), np.float32)])


def test_results_of_one_run_survive_the_next() -> None:
    session = Session(chain())
    first = session.run([np.ones((2, 3), np.float32)])
    copies = [a.copy() for a in first]
    session.run([np.full((2, 3), 7, np.float32)])
    for a, b in zip(first, copies, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("num_threads", [1, 2])
def test_a_repeated_run_sees_other_runs_and_errors(num_threads: int) -> None:
    """The same tuples again need no set-up, and what happened in between leaves nothing behind."""
    b = Builder()
    x = b.input("x", (2, 3))
    graph = b.finish(b.node(Relu(), b.node(Atan2(), b.node(Add(), x, x).output, x).output).output)
    session = Session(graph, num_threads=num_threads)
    feed, into = (np.ones((2, 3), np.float32),), (np.zeros((2, 3), np.float32),)
    outputs = session.run(feed, into)
    assert outputs[0] is into[0]
    assert session.run(feed, into) is outputs
    for event in ("arrays", "error", "close"):
        feed[0][...], into[0][...] = 1, 0
        if event == "arrays":
            (other,) = session.run([-feed[0]])
            np.testing.assert_array_equal(other, 0)
        elif event == "error":
            with pytest.raises(InputError):
                session.run((feed[0][:1],), into)
        else:
            session.close()
        session.run(feed, into)
        np.testing.assert_allclose(into[0], np.arctan2(2, 1), rtol=1e-6)
        feed[0][...] = -1
        session.run(feed, into)
        np.testing.assert_array_equal(into[0], 0)


def picks(kind: str) -> Graph:
    """Elements of x [5, 3] + x by computed indices, and something that follows."""
    b = Builder()
    x = b.input("x", (5, 3))
    x = b.add(x, x)
    if kind == "embedding_lookup":
        y = b.node(EmbeddingLookup(), b.input("i", (2,), DType.INT32), x).output
    elif kind == "gather":
        y = b.node(Gather(axis=1), x, b.input("i", (2,), DType.INT64)).output
    elif kind == "scatter_nd":
        shape = b.constant(np.array([4, 3], np.int32), name="shape")
        y = b.node(ScatterNd(), b.input("i", (5, 1), DType.INT32), x, shape).output
    else:
        y = b.node(GatherNd(), x, b.input("i", (2, 2), DType.INT32)).output
    return b.finish(b.add(y, y))


@pytest.mark.parametrize("num_threads", [1, 2])
@pytest.mark.parametrize("kind", ["gather", "gather_nd", "embedding_lookup", "scatter_nd"])
def test_a_computed_index_outside_is_refused_as_by_the_reference(
    kind: str, num_threads: int
) -> None:
    graph = picks(kind)
    x, (_, i) = np.ones((5, 3), np.float32), graph.inputs
    good, bad = (np.full(i.shape, n, i.dtype.numpy) for n in (1, 1))
    bad.flat[-1] = 5
    session, reference = Session(graph, num_threads=num_threads), Session(graph, native=False)
    for _ in range(2):
        with pytest.raises(ShapeError, match=kind) as wanted:
            reference.run([x, bad])
        with pytest.raises(ShapeError, match=r"got .*\.\.5") as got:
            session.run([x, bad])
        assert str(got.value) == str(wanted.value)
        np.testing.assert_array_equal(session.run([x, good])[0], reference.run([x, good])[0])
    assert {p.where for p in session.placement()} == {"kernel"}


@pytest.mark.parametrize("op", [ResizeBilinear(), ResizeNearestNeighbor()], ids=lambda op: op.name)
@pytest.mark.parametrize("native", [True, False])
def test_a_resize_without_channels_computes_no_place(op: Op, native: bool) -> None:
    """2**31 - 1 rows of nothing are 0 bytes, which no limit sees."""
    b = Builder()
    size = b.constant(np.array([2**31 - 1, 1], np.int32))
    session = Session(b.finish(b.node(op, b.input("x", (1, 2, 2, 0)), size).output), native=native)
    (y,) = session.run([np.zeros((1, 2, 2, 0), np.float32)])
    assert y.shape == (1, 2**31 - 1, 1, 0)


@pytest.mark.usefixtures("atan2_on_the_host")
def test_shapes_that_follow_from_the_inputs_are_planned() -> None:
    session = Session(chain((Sym("N"), 3)))
    for n in (1, 4, 1, 6, 7, 8, 9, 1):
        x = np.full((n, 3), -1, np.float32)
        y, flat, _, _ = session.run([x])
        assert y.shape == (n, 3)
        assert flat.shape == (3 * n,)
        assert {p.where for p in session.placement()} == {"kernel", "alias", "host"}


@pytest.mark.quick
def test_a_plan_needs_the_types_that_the_operands_give() -> None:
    b = Builder("g")
    y = b.relu(b.input("x", (2, 3)))
    y.type = y.type.with_shape((2, 4))
    with pytest.raises(NotPlannable, match="its operands give"):
        plan(b.finish(y), Target(host_isa()))


@pytest.mark.quick
def test_types_of_a_file_are_derived_by_its_reader_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A third of reading, an eighth of planning a transformer."""
    b, model = Builder("g"), Model()
    model.add(b.finish(b.relu(b.input("x", (2, 3)))))
    model.save(tmp_path / "m.tflite")
    monkeypatch.setattr(plannable, "result_types", lambda *_: pytest.fail("derived again"))
    interpreter = Interpreter(tmp_path / "m.tflite", cache=tmp_path / "cache")
    interpreter(np.ones((2, 3), np.float32))
    assert [p.where for p in interpreter.placement()] == ["kernel"]


def test_a_plan_is_kept_for_each_of_the_last_shapes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file whose signature has an unknown dimension, with a loop: nothing is planned while it
    goes on, nor for a shape that comes again."""
    made: list[str] = []

    def counted(graph: Graph, *arguments: object, **options: object) -> object:
        made.append(graph.name)
        return plan(graph, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(planner, "plan", counted)
    inner = Builder("inner")
    count, x = inner.input("count", (), DType.INT32), inner.input("x", (Sym("n"), 3))
    body = inner.finish(inner.add(count, inner.constant(np.int32(1))), inner.add(x, x))
    inner = Builder("until")
    count, x = inner.input("count", (), DType.INT32), inner.input("x", (Sym("n"), 3))
    condition = inner.finish(inner.less(count, inner.constant(np.int32(6))))
    b = Builder("main")
    x = b.input("x", (Sym("n"), 3))
    loop = b.node(While(cond=condition, body=body), b.constant(np.int32(0)), x)
    model = Model()
    for graph in (b.finish(loop.outputs[1]), condition, body):
        model.add(graph)
    run = Interpreter(model.to_bytes(), cache=False)
    for _ in range(3):
        for rows in range(1, MOST_PLANS + 1):
            [y] = run(np.ones((rows, 3), np.float32)).values()
            np.testing.assert_array_equal(y, np.full((rows, 3), 64))
    assert made == ["main"] * MOST_PLANS
    run(np.ones((9, 3), np.float32))  # takes the place of the one that ran longest ago
    run(np.ones((2, 3), np.float32))
    assert len(made) == MOST_PLANS + 1
    run(np.ones((1, 3), np.float32))
    assert len(made) == MOST_PLANS + 2


def test_keep_all_keeps_every_value() -> None:
    kept = Session(chain(), keep_all=True)
    plain = Session(chain(), keep_all=True, native=False)
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    kept.run([x])
    plain.run([x])
    assert {v.name for v in kept.kept} == {v.name for v in plain.kept}
    wanted = {v.name: a for v, a in plain.kept.items()}
    for value, array in kept.kept.items():
        np.testing.assert_allclose(array, wanted[value.name], rtol=1e-6)  # kernels fuse products


@pytest.mark.parametrize("native", [True, False])
def test_progress_counts_every_operator_once(native: bool) -> None:
    calls: list[tuple[int, int]] = []
    session = Session(chain(), native=native, progress=lambda *c: calls.append(c))
    session.run([np.ones((2, 3), np.float32)])
    assert calls == [(i, 4) for i in range(4)]


def _inputs(graph: Graph) -> list[np.ndarray]:
    rng = np.random.default_rng(7)
    arrays = []
    for value in graph.inputs:
        shape = [d if isinstance(d, int) else 1 for d in value.shape]
        if value.dtype.is_float:
            arrays.append(rng.uniform(-1, 1, shape).astype(value.dtype.numpy))
        else:
            low, high = value.dtype.range
            arrays.append(rng.integers(low, high, shape, endpoint=True, dtype=value.dtype.numpy))
    return arrays


TINY = ("tiny_ae", "tiny_dscnn", "tiny_resnet8", "tiny_vww")


@pytest.mark.parametrize("isa", ISAS, ids=lambda i: i.name.lower())
@pytest.mark.parametrize("kind", ["int8", "f32", "f16", "dr"])
@pytest.mark.parametrize("name", TINY)
def test_tiny_models_equal_the_reference(name: str, kind: str, isa: Isa, shared_data: Path) -> None:
    """Integers bit for bit on every instruction set; every operator has a kernel. Hybrid ones (dr)
    quantize their data on the way, on every instruction set alike: test_hybrid.py."""
    tolerance = 5e-2 if kind == "dr" else 1e-5
    graph = load(shared_data / "bench" / name / f"{kind}.tflite").main
    inputs = _inputs(graph)
    made = plan(graph, Target(isa))
    assert [p for p in made.placement if p.where == "host"] == []
    wanted = evaluate(graph, inputs)
    for a, b in zip(Executor(made).run(inputs, {}, None), wanted, strict=True):
        if b.dtype.kind == "f":
            np.testing.assert_allclose(a, b, rtol=0, atol=tolerance * float(np.abs(b).max()))
        else:
            np.testing.assert_array_equal(a, b)


@pytest.mark.ci
@pytest.mark.parametrize(
    "file", ["mobilenet_v2/int8", "mobilenet_v2/f32", "efficientnet_lite0/int8"]
)
def test_networks_equal_the_reference(file: str, shared_data: Path) -> None:
    graph = load(shared_data / "bench" / f"{file}.tflite").main
    inputs = _inputs(graph)
    made = plan(graph, Target(host_isa()))
    wanted = evaluate(graph, inputs)
    for a, b in zip(Executor(made).run(inputs, {}, None), wanted, strict=True):
        tolerance = 0 if b.dtype.kind != "f" else 1e-5 * float(np.abs(b).max())
        np.testing.assert_allclose(a, b, rtol=0, atol=tolerance)


def test_the_arena_of_a_network_is_near_its_bound(shared_data: Path) -> None:
    graph = load(shared_data / "bench" / "tiny_vww" / "int8.tflite").main
    made = plan(graph, Target(host_isa()))
    assert made.arena_bytes <= 1.05 * made.arena_lower_bound


@pytest.mark.parametrize("name", TINY)
def test_the_plain_plan_of_an_8_bit_model_stays_small(name: str, shared_data: Path) -> None:
    """Microcontrollers keep the constants in flash: the scalar build takes weights as they are."""
    graph = load(shared_data / "bench" / name / "int8.tflite").main
    arrays = [v.data for v in graph.values() if v.data is not None]
    weights = sum(a.nbytes for a in arrays if a.dtype == np.int8)
    channels = sum(a.size for a in arrays if a.dtype == np.int32 and a.ndim == 1)
    made = plan(graph, Target(Isa.SCALAR))
    # and a bias and a scale for each channel, which the file holds as well
    assert made.constants.nbytes <= 1.1 * weights + 8 * channels
    assert made.scratch_bytes <= 4096


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 8, 16])
def test_joined_operands_of_other_scales_are_rescaled(channels: int) -> None:
    """Two, four or eight channels were moved as one element, of which the first was rescaled."""
    b = Builder("main")
    quants = (Quant(0.5, 3), Quant(0.25, -7))
    xs = [b.input("x", (1, 3, channels), DType.INT8, quant=quant) for quant in quants]
    declared = TensorType((1, 3, 2 * channels), DType.INT8, quants[0])
    model = Model()
    model.add(b.finish(b.node(Concatenation(axis=-1), *xs, results=[declared]).output))
    feeds = [np.arange(3 * channels, dtype=np.int8).reshape(1, 3, channels) - n for n in (0, 9)]
    interpreter = Interpreter(model)
    (got,) = interpreter(*feeds).values()
    (wanted,) = Interpreter(model, native=False)(*feeds).values()
    assert interpreter.placement()[0].where == "kernel"
    np.testing.assert_array_equal(got, wanted)
