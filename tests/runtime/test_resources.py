"""Variables and tables that operators name: kept from run to run, shared by signatures, reset."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

import edgewise
from edgewise import lite
from edgewise.dtypes import DType
from edgewise.errors import EdgewiseError
from edgewise.ir import Builder, Graph, Model, Signature, TensorType, Value
from edgewise.ops.state import AssignVariable, CallOnce, ReadVariable, VarHandle
from edgewise.runtime import once, planner
from edgewise.runtime.session import Session
from tests.oracle.litert import Oracle

BOTH = pytest.mark.parametrize("native", [True, False], ids=["native", "references"])
ONE = np.ones(2, np.float32)
ZERO = np.zeros(2, np.float32)


def handle(b: Builder, name: str) -> Value:
    return b.node(VarHandle(shared_name=name)).output


def read(b: Builder, name: str, *shape: int) -> Value:
    declared = TensorType(shape, DType.FLOAT32)
    return b.node(ReadVariable(), handle(b, name), results=[declared]).output


def assign(b: Builder, name: str, x: Value) -> None:
    b.node(AssignVariable(), handle(b, name), x)


def initial(**values: np.ndarray) -> Graph:
    """A graph for CALL_ONCE."""
    b = Builder("init")
    for name, array in values.items():
        assign(b, name, b.constant(array))
    return b.finish()


def model_of(signatures: dict[str, Graph], others: Sequence[Graph]) -> Model:
    model = Model()
    for key, graph in signatures.items():
        model.add(graph)
        names = [{v.name: i for i, v in enumerate(vs)} for vs in (graph.inputs, graph.outputs)]
        model.signatures.append(Signature(key, graph.name, *names))
    for graph in others:
        model.add(graph)
    return model


def counter() -> Model:
    """`add` adds x to the variable, which begins as [5, 7]; `peek` returns it plus x."""
    init = initial(total=np.array([5, 7], np.float32))
    graphs = {}
    for key in ("add", "peek"):
        b = Builder(key)
        b.node(CallOnce(init=init))
        x = b.input("x", (2,))
        y = b.add(read(b, "total", 2), x, label="y")
        if key == "add":
            assign(b, "total", y)
        graphs[key] = b.finish(y)
    return model_of(graphs, [init])


@BOTH
def test_signatures_share_what_survives(native: bool) -> None:
    run = edgewise.Interpreter(counter(), native=native)
    found = [run(x, signature=key)["y"] for key, x in CALLS]
    np.testing.assert_array_equal(found, WANTED)
    run.reset_variables()
    np.testing.assert_array_equal(run(ZERO, signature="peek")["y"], [5, 7])


CALLS = [("peek", ZERO), ("add", ONE), ("add", ONE * 2), ("peek", ONE), ("add", ZERO)]
WANTED = [[5, 7], [6, 8], [8, 10], [9, 11], [8, 10]]


def test_lite_resets_as_litert_does() -> None:
    """Variables that operators name survive; LiteRT resets variable tensors only."""
    interpreter = lite.Interpreter(model_content=counter().to_bytes())
    runners = {key: interpreter.get_signature_runner(key) for key in ("add", "peek")}
    found = [runners[key](x=x)["y"] for key, x in CALLS]
    np.testing.assert_array_equal(found, WANTED)
    interpreter.reset_all_variables()
    np.testing.assert_array_equal(runners["peek"](x=ZERO)["y"], WANTED[-1])


@pytest.mark.parity
def test_litert_agrees(oracle: Oracle) -> None:
    steps = [{"x": x} for _, x in CALLS]
    keys = [key for key, _ in CALLS]
    answers = oracle.run_sequence(counter().to_bytes(), steps, signature=keys)
    np.testing.assert_array_equal([a.named["y"] for a in answers], WANTED)


@BOTH
def test_interpreters_share_nothing(native: bool) -> None:
    model = counter()
    first, second = (edgewise.Interpreter(model, native=native) for _ in range(2))
    first(ONE, signature="add")
    np.testing.assert_array_equal(second(ZERO, signature="peek")["y"], [5, 7])


@BOTH
def test_a_value_that_was_never_assigned(native: bool) -> None:
    b = Builder()
    x = b.input("x", (2,))
    graph = b.finish(b.add(read(b, "net/kernel", 2), x))
    with pytest.raises(EdgewiseError) as caught:
        edgewise.Interpreter(model_of({"main": graph}, []), native=native)(ONE)
    assert str(caught.value) == (
        "read_variable 'read_variable': reads the variable 'net/kernel', which has no value yet; "
        "run the signature that assigns it first"
    )


@BOTH
def test_a_variable_changes_its_shape(native: bool) -> None:
    """Shapes that only the run knows."""
    b = Builder("grow")
    x = b.input("x", (2,))
    assign(b, "rows", x)
    assign(b, "rows", b.concatenation(x, x, axis=0))
    graph = b.finish(b.add(read(b, "rows", 4), b.constant(1.0)))
    (y,) = edgewise.Interpreter(model_of({"main": graph}, []), native=native)(ONE).values()
    np.testing.assert_array_equal(y, [2, 2, 2, 2])


def test_variables_are_places_of_the_plan() -> None:
    """No operator on a variable is Python's; CALL_ONCE has no step."""
    run = edgewise.Interpreter(regression())
    run(**batches(1)[0], signature="train")
    found = run.placement("train")
    assert not [p.node for p in found if p.where == "host"]
    (once,) = [p for p in found if p.node == "call_once ''"]
    assert (once.where, once.detail) == ("removed", "its graph runs once, before the first run")


def test_the_same_first_values_are_asked_for_twice() -> None:
    """The second CALL_ONCE does nothing; another one that nothing depends on yet comes first."""
    init, more = initial(a=ONE), initial(b=ONE * 3)
    more.name = "more"
    b = Builder("main")
    b.node(CallOnce(init=init))
    assign(b, "a", b.add(read(b, "a", 2), b.input("x", (2,))))
    b.node(CallOnce(init=init))
    b.node(CallOnce(init=more))
    graph = b.finish(b.add(read(b, "a", 2), read(b, "b", 2)))
    run = edgewise.Interpreter(model_of({"main": graph}, [init, more]))
    for wanted in (5, 6):
        np.testing.assert_array_equal(run(ONE)["add_1"], [wanted, wanted])
    assert not [p.node for p in run.placement() if p.where == "host"]


@BOTH
def test_first_values_come_after_a_value(native: bool) -> None:
    """CALL_ONCE changes a variable that was assigned before it, in the first run only."""
    init = initial(a=ONE * 7)
    b = Builder("main")
    assign(b, "a", b.input("x", (2,)))
    b.node(CallOnce(init=init))
    graph = b.finish(b.add(read(b, "a", 2), b.constant(1.0)))
    run = edgewise.Interpreter(model_of({"main": graph}, [init]), native=native)
    for wanted in (8, 2):
        np.testing.assert_array_equal(run(ONE)["add"], [wanted, wanted])


def computed_first() -> Model:
    """The variable begins as a product that takes more work than a plan."""
    init = Builder("init")
    matrix = init.constant(np.full((128, 128), 1 / 128, np.float32))
    assign(init, "w", init.batch_matmul(matrix, init.batch_matmul(matrix, matrix)))
    first = init.finish()
    b = Builder("main")
    b.node(CallOnce(init=first))
    graph = b.finish(b.add(read(b, "w", 128, 128), b.input("x", (128, 128)), label="y"))
    return model_of({"main": graph}, [first])


def test_much_work_for_first_values_is_planned(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("kernels multiply")

    x = np.zeros((128, 128), np.float32)
    run = edgewise.Interpreter(computed_first())
    with monkeypatch.context() as patch:
        patch.setattr(once, "evaluate_node", refuse)
        for _ in range(2):
            np.testing.assert_allclose(run(x)["y"], x + np.float32(1 / 128), rtol=1e-6)
    run.reset_variables()
    np.testing.assert_allclose(run(x)["y"], x + np.float32(1 / 128), rtol=1e-6)


def test_why_variables_are_not_places_of_the_plan() -> None:
    """Which variable a loop's body means is not known where the handle may change."""
    b = Builder()
    x = b.input("x", (2,))
    handles = [handle(b, name) for name in ("a", "b")]
    for h in handles:
        b.node(AssignVariable(), h, x)
    chosen = b.select(b.input("first", (), DType.BOOL), *handles)
    declared = TensorType((2,), DType.FLOAT32)
    graph = b.finish(b.add(b.node(ReadVariable(), chosen, results=[declared]).output, x))
    run = edgewise.Interpreter(model_of({"main": graph}, []))
    np.testing.assert_array_equal(run(ONE, np.array(True))["add"], [2, 2])
    [reason] = {p.detail for p in run.placement() if p.node.startswith("read_variable")}
    assert reason == "read_variable 'read_variable' may mean any variable"


# -- a model that trains itself ------------------------------------------------------------------

RATE = 0.1


def regression() -> Model:
    """`train`: one step of gradient descent on a batch [8, 3] -> [8, 1], gives the loss;
    `infer`: x [N, 3] w + b."""
    init = initial(w=np.zeros((3, 1), np.float32), b=np.zeros((1,), np.float32))
    b = Builder("train")
    b.node(CallOnce(init=init))
    x, y = b.input("x", (8, 3)), b.input("y", (8, 1))
    w, bias = read(b, "w", 3, 1), read(b, "b", 1)
    error = b.sub(b.add(b.batch_matmul(x, w), bias), y)
    loss = b.mean(b.mul(error, error), b.constant([0, 1]), label="loss")
    scaled = b.mul(error, b.constant(2 * RATE / 8))
    assign(b, "w", b.sub(w, b.batch_matmul(x, scaled, adj_x=True)))
    assign(b, "b", b.sub(bias, b.sum(scaled, b.constant([0]))))
    train = b.finish(loss)
    b = Builder("infer")
    b.node(CallOnce(init=init))
    x = b.input("x", (1, 3))
    infer = b.finish(b.add(b.batch_matmul(x, read(b, "w", 3, 1)), read(b, "b", 1), label="y"))
    return model_of({"train": train, "infer": infer}, [init])


def batches(count: int) -> list[dict[str, np.ndarray]]:
    rng = np.random.default_rng(7)
    wanted = np.array([[1.0], [-2.0], [0.5]], np.float32)
    x = rng.standard_normal((count, 8, 3)).astype(np.float32)
    return [{"x": a, "y": a @ wanted + np.float32(3)} for a in x]


def descended(steps: list[dict[str, np.ndarray]]) -> tuple[list[float], np.ndarray, np.ndarray]:
    """Losses and weights of the same descent in NumPy."""
    w, b, losses = np.zeros((3, 1)), np.zeros(1), []
    for step in steps:
        error = step["x"] @ w + b - step["y"]
        losses.append(float(np.mean(error**2)))
        w = w - RATE * 2 / 8 * step["x"].T @ error
        b = b - RATE * 2 / 8 * error.sum(0)
    return losses, w, b


@BOTH
def test_a_model_trains_itself(native: bool) -> None:
    steps = batches(60)
    run = edgewise.Interpreter(regression().to_bytes(), native=native)
    losses = [float(run(**step, signature="train")["loss"]) for step in steps]
    wanted, w, b = descended(steps)
    np.testing.assert_allclose(losses, wanted, rtol=1e-4, atol=1e-5)
    assert losses[-1] < 0.01 * losses[0]
    x = np.array([[1, 2, 3]], np.float32)
    np.testing.assert_allclose(run(x, signature="infer")["y"], x @ w + b, rtol=1e-4)


def test_it_trains_by_the_runners_of_lite() -> None:
    """As `tf.lite.Interpreter` trains on a device; `infer` sees each step, whose inputs and outputs
    are the same arrays every time."""
    steps = batches(60)
    run = lite.Interpreter(model_content=regression().to_bytes())
    train, infer = run.get_signature_runner("train"), run.get_signature_runner("infer")
    x, found = np.array([[1, 2, 3]], np.float32), []
    for count, step in enumerate(steps, 1):
        found.append(float(train(**step)["loss"]))
        if count in (1, 2, 3, 60):
            losses, w, b = descended(steps[:count])
            np.testing.assert_allclose(infer(x=x)["y"], x @ w + b, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found, losses, rtol=1e-4, atol=1e-5)


def test_a_variable_tensor_and_named_ones_are_reset_apart() -> None:
    """`reset_all_variables` of LiteRT leaves what has a name; ours leaves nothing."""
    run = lite.Interpreter(model_content=regression().to_bytes())
    train, infer = run.get_signature_runner("train"), run.get_signature_runner("infer")
    x = np.array([[1, 2, 3]], np.float32)
    train(**batches(1)[0])
    before = infer(x=x)["y"]
    run.reset_all_variables()
    np.testing.assert_array_equal(infer(x=x)["y"], before)
    ours = edgewise.Interpreter(regression())
    ours(**batches(1)[0], signature="train")
    assert np.abs(ours(x, signature="infer")["y"]).max() > 0
    ours.reset_variables()
    np.testing.assert_array_equal(ours(x, signature="infer")["y"], [[0]])


@BOTH
def test_threads_on_two_signatures_lose_no_step(native: bool) -> None:
    """While one thread trains, others infer: what they see is what some step left."""
    steps = batches(150)
    run = edgewise.Interpreter(regression(), native=native)
    x = np.array([[1, 0, 0]], np.float32)
    run(x, signature="infer")
    is_done, seen, errors = threading.Event(), [], []

    def infer() -> None:
        try:
            while not is_done.is_set():
                seen.append(float(run(x, signature="infer")["y"][0, 0]))
        except EdgewiseError as error:
            errors.append(error)

    thread = threading.Thread(target=infer)
    thread.start()
    losses = [float(run(**step, signature="train")["loss"]) for step in steps]
    is_done.set()
    thread.join()
    assert errors == []
    wanted, w, b = descended(steps)
    np.testing.assert_allclose(losses, wanted, rtol=1e-3, atol=1e-5)
    possible = [0.0]
    for count in range(1, len(steps) + 1):
        _, w, b = descended(steps[:count])
        possible.append(float(w[0, 0] + b[0]))
    distance = np.abs(np.array(seen)[:, None] - np.array(possible)).min(1)
    assert distance.max() < 1e-3


@BOTH
def test_a_signature_waits_for_the_other_one(native: bool) -> None:
    """In the middle of a step another thread infers: it sees the variables after the step."""
    [step] = batches(1)
    x, seen = np.array([[1, 2, 3]], np.float32), []
    waiting: list[bool] = []

    def infer() -> None:
        seen.append(run(x, signature="infer")["y"])

    def progress(done: int, total: int) -> None:
        if (
            is_training
            and threading.current_thread() is main
            and done == total // 2
            and not other.ident
        ):
            other.start()
            other.join(0.3)
            waiting.append(other.is_alive())

    main, other = threading.current_thread(), threading.Thread(target=infer)
    run = edgewise.Interpreter(regression(), native=native, progress=progress)
    is_training = False
    run(x, signature="infer")
    is_training = True
    run(**step, signature="train")
    other.join()
    assert waiting == [True]
    _, w, b = descended([step])
    np.testing.assert_allclose(seen[0], x @ w + b, rtol=1e-4)


def test_a_run_that_repeats_sees_what_others_assigned(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same arrays again cost no set-up: until another signature changes the variable."""
    run = lite.Interpreter(model_content=counter().to_bytes())
    add, peek = run.get_signature_runner("add"), run.get_signature_runner("peek")
    monkeypatch.setattr(Session, "_repeat", None)  # C's function does it
    for count in range(1, 4):
        for _ in range(3):
            np.testing.assert_array_equal(peek(x=ZERO)["y"], np.array([5, 7]) + count - 1)
        add(x=ONE)


def test_its_plans_are_stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second start plans nothing, and begins with what CALL_ONCE assigns."""
    data, steps = regression().to_bytes(), batches(5)
    with edgewise.Interpreter(data, cache=tmp_path) as run:
        first = [float(run(**step, signature="train")["loss"]) for step in steps]
        answer = run(steps[0]["x"][:1], signature="infer")["y"]

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the plan is stored")

    monkeypatch.setattr(planner, "plan", refuse)
    with edgewise.Interpreter(data, cache=tmp_path) as run:
        again = [float(run(**step, signature="train")["loss"]) for step in steps]
        assert again == first
        np.testing.assert_array_equal(run(steps[0]["x"][:1], signature="infer")["y"], answer)
        assert not [p.node for p in run.placement("train") if p.where == "host"]


@pytest.mark.parity
def test_litert_trains_it_alike(oracle: Oracle) -> None:
    steps = batches(20)
    answers = oracle.run_sequence(regression().to_bytes(), steps, signature="train")
    losses = [float(a.named["loss"]) for a in answers]
    np.testing.assert_allclose(losses, descended(steps)[0], rtol=1e-4, atol=1e-5)


@BOTH
def test_a_handle_as_a_result_is_its_number(native: bool) -> None:
    """The plan had no number for it and returned whatever was in memory."""
    b = Builder("main")
    x = b.input("x", (2,))
    assign(b, "a", x)
    assign(b, "b", x)
    model = Model()
    model.add(b.finish(handle(b, "b"), read(b, "a", 2)))
    number, y = edgewise.Interpreter(model, native=native)(ONE).values()
    assert (number.shape, number.item()) == ((), 1)
    np.testing.assert_array_equal(y, ONE)
