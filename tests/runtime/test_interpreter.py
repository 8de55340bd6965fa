"""`edgewise.Interpreter`: arguments in, a dict of arrays out; what it says when they do not fit."""

from __future__ import annotations

import copy
import pickle
import threading

import numpy as np
import pytest

import edgewise
from edgewise import Model
from edgewise.dtypes import DType
from edgewise.errors import FormatError, InputError, OutputError, UnsupportedOp
from edgewise.ir.build import Builder
from edgewise.ir.dim import Sym
from edgewise.ir.graph import Graph, Value
from edgewise.ir.model import Signature
from edgewise.ir.types import Quant, TensorType
from edgewise.runtime.session import Session
from edgewise.runtime.turns import BusyError


def difference() -> Graph:
    """minuend - subtrahend, and that doubled; any batch."""
    b = Builder("difference")
    x = b.input("minuend", (Sym("batch"), 2))
    y = b.input("subtrahend", (Sym("batch"), 2))
    z = b.sub(x, y)
    return b.finish(z, b.add(z, z))


@pytest.fixture
def model() -> Model:
    model = Model()
    model.add(difference())
    model.signatures.append(
        Signature(
            "serving_default",
            "difference",
            {"left": 0, "right": 1},
            {"result": 0, "twice": 1},
        )
    )
    return model


@pytest.fixture
def interpreter(model) -> edgewise.Interpreter:
    return edgewise.Interpreter(model)


ONE = np.ones((1, 2), np.float32)


@pytest.mark.parametrize(
    "call",
    [
        lambda run: run(ONE * 5, ONE),
        lambda run: run(ONE * 5, right=ONE),
        lambda run: run(left=ONE * 5, right=ONE),
        lambda run: run(right=ONE, left=ONE * 5),
        lambda run: run(ONE * 5, ONE, signature="serving_default"),
    ],
)
def test_arguments_by_position_and_by_name(interpreter, call):
    outputs = call(interpreter)
    assert list(outputs) == ["result", "twice"]
    np.testing.assert_array_equal(outputs["result"], ONE * 4)
    np.testing.assert_array_equal(outputs["twice"], ONE * 8)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda run: run(), "missing inputs: left, right; the model takes left, right"),
        (lambda run: run(ONE), "missing inputs: right; the model takes left, right"),
        (lambda run: run(ONE, ONE, ONE), r"takes 2 inputs \(left, right\); got 3 arrays"),
        (lambda run: run(ONE, write=ONE), "no input is named write; inputs are left, right"),
        (lambda run: run(ONE, left=ONE), "given both by position and by name: left"),
        (
            lambda run: run(ONE.astype(np.float64), ONE),
            r"input 'minuend' takes float32; got float64. Convert it with \.astype\('float32'\)",
        ),
        (lambda run: run(ONE, ONE[0]), r"input 'subtrahend' takes shape \['batch', 2\]; got \[2\]"),
        (lambda run: run(ONE[:, :1], ONE), r"takes shape \['batch', 2\]; got \[1, 1\]"),
        (lambda run: run(ONE, ONE, signature="x"), r"no signature 'x'; the model has \['serving"),
    ],
)
def test_arguments_that_do_not_fit(interpreter, call, says):
    with pytest.raises(InputError, match=says):
        call(interpreter)
    np.testing.assert_array_equal(interpreter(ONE, ONE)["result"], ONE * 0)


def test_any_batch(interpreter):
    for batch in (1, 7, 2, 0):
        x = np.arange(batch * 2, dtype=np.float32).reshape(batch, 2)
        np.testing.assert_array_equal(interpreter(x, x * 3)["twice"], x * -4)


def test_an_integer_input_with_a_scale_says_so():
    b = Builder("q")
    x = b.input("x", (2,), DType.INT8, Quant(0.5, 3))
    model = Model()
    model.add(b.finish(b.dequantize(x, dtype=DType.FLOAT32)))
    run = edgewise.Interpreter(model)
    with pytest.raises(InputError, match="or quantize it with the input's scale"):
        run(np.zeros(2, np.float32))
    [real] = run(np.array([3, 5], np.int8)).values()
    np.testing.assert_array_equal(real, [0.0, 1.0])


def test_a_model_without_signatures_uses_the_names_of_its_tensors():
    model = Model()
    model.add(difference())
    run = edgewise.Interpreter(model)
    assert run.signatures == []
    assert list(run.inputs()) == ["minuend", "subtrahend"]
    assert list(run(minuend=ONE, subtrahend=ONE)) == list(run.outputs())


def test_several_signatures(model):
    other = Builder("other")
    model.add(other.finish(other.neg(other.input("self", (2,)))))
    model.signatures.append(Signature("negate", "other", {"self": 0}, {"y": 0}))
    run = edgewise.Interpreter(model)
    assert run.signatures == ["serving_default", "negate"]
    assert [str(t) for t in run.inputs("negate").values()] == ["float32[2]"]
    np.testing.assert_array_equal(run(self=ONE[0], signature="negate")["y"], -ONE[0])
    np.testing.assert_array_equal(run(ONE, ONE)["result"], ONE * 0)  # serving_default
    del model.signatures[0]
    model.signatures.append(Signature("again", "other", {"self": 0}, {"y": 0}))
    with pytest.raises(InputError, match="several signatures"):
        edgewise.Interpreter(model)(ONE)


def test_every_tensor_on_request(model, interpreter):
    with pytest.raises(InputError, match="keep_all=True"):
        _ = interpreter.tensors
    keeping = edgewise.Interpreter(model, keep_all=True)
    assert keeping.tensors == {}
    outputs = keeping(ONE, ONE * 2)
    np.testing.assert_array_equal(keeping.tensors["sub"], outputs["result"])


def test_progress(model):
    seen = []
    edgewise.Interpreter(model, progress=lambda done, total: seen.append((done, total)))(ONE, ONE)
    assert seen == [(0, 2), (1, 2)]


def test_a_model_a_path_or_bytes(model, tmp_path):
    path = tmp_path / "m.tflite"
    model.save(path)
    for source in (model, path, str(path), path.read_bytes()):
        outputs = edgewise.Interpreter(source)(left=ONE * 2, right=ONE)
        np.testing.assert_array_equal(outputs["twice"], ONE * 2)


def test_the_model_given_is_not_changed(model):
    run = edgewise.Interpreter(model)
    model.graphs.clear()
    assert run(ONE, ONE)


@pytest.mark.parametrize("source", [b"", b"not a model at all", "no/such/file.tflite", "."])
def test_sources_that_are_no_model(source):
    with pytest.raises(FormatError):
        edgewise.Interpreter(source)


def test_one_thread_at_a_time(model):
    inside, leave = threading.Event(), threading.Event()

    def pause(done: int, total: int) -> None:
        inside.set()
        assert leave.wait(10)

    run = edgewise.Interpreter(model, progress=pause)
    thread = threading.Thread(target=run, args=(ONE, ONE))
    thread.start()
    assert inside.wait(10)
    with pytest.raises(BusyError, match="one interpreter per thread"):
        run(ONE, ONE)
    leave.set()
    thread.join(10)
    assert run(ONE, ONE)


@pytest.mark.parametrize("how", [pickle.dumps, copy.deepcopy])
def test_an_interpreter_is_not_pickled(interpreter, how):
    interpreter(ONE, ONE)
    with pytest.raises(TypeError, match="cannot be pickled; pickle the model"):
        how(interpreter)


def recurrent(name: str = "cell") -> Graph:
    """A SVDF with one unit that remembers its last two inputs."""
    b = Builder(name)
    x = b.input("x", (1, 1))
    state = Value(TensorType((1, 2), DType.FLOAT32), "state", is_variable=True)
    one = np.ones((1, 1), np.float32)
    y = b.svdf(x, b.constant(one), b.constant(np.ones((1, 2), np.float32)), None, state, rank=1)
    return b.finish(y)


def test_variables_last_until_they_are_reset():
    model = Model()
    model.add(recurrent())
    model.signatures += [Signature(key, "cell", {"x": 0}, {"y": 0}) for key in ("a", "b")]
    run = edgewise.Interpreter(model)
    x = np.full((1, 1), 1, np.float32)
    values = [float(run(x, signature=key)["y"].item()) for key in ("a", "b", "a")]
    assert values == [1.0, 2.0, 2.0]  # signatures of one graph share its variables
    run.reset_variables()
    assert run(x, signature="b")["y"].item() == 1.0


def test_all_operators_that_cannot_run_are_told_before_any_runs(shared_data):
    path = shared_data / "tflite" / "litert_unit" / "testdata__multi_add_flex.bin"
    run = edgewise.Interpreter(path)
    arrays = [np.zeros([1 for _ in t.shape or ()], t.dtype.numpy) for t in run.inputs().values()]
    with pytest.raises(UnsupportedOp, match="3 x FlexAddV2"):
        run(*arrays)


def test_a_refused_resize_keeps_the_old_shapes():
    b = Builder("g")
    x = b.input("x", (Sym("n"), 2))
    graph = b.finish(b.add(x, b.constant(np.ones((3, 2), np.float32))))
    session = Session(graph)
    session.resize([(3, 2)])
    with pytest.raises(ValueError, match="broadcast"):
        session.resize([(4, 2)])
    assert [v.type.shape for v in (*graph.inputs, *graph.outputs)] == [(3, 2), (3, 2)]


def test_outputs_are_the_callers_own():
    b = Builder("g")
    x = b.input("x", (2, 3))
    ones = np.ones(3, np.float32)
    view = b.reshape(x, b.constant([3, 2]), label="view")
    model = Model()
    model.add(b.finish(view, x, b.constant(ones, name="ones")))
    run = edgewise.Interpreter(model)
    given = np.zeros((2, 3), np.float32)
    outputs = run(given)
    for array in outputs.values():
        array[...] = 7
    assert not given.any()
    np.testing.assert_array_equal(ones, 1)
    np.testing.assert_array_equal(run(given)["ones"], 1)


def test_names_that_are_not_unique():
    b = Builder("g")
    x, y = b.input("x", (1, 2)), b.input("x", (1, 2))
    b.graph.set_outputs([b.sub(x, y, label="z"), x, x])
    model = Model()
    model.add(b.graph)
    run = edgewise.Interpreter(model)
    assert list(run.inputs()) == ["x", "x_1"]
    outputs = run(ONE * 3, ONE)
    assert list(outputs) == ["z", "x", "x_2"]
    np.testing.assert_array_equal(outputs["z"], ONE * 2)


def test_two_names_of_one_input():
    b = Builder("g")
    x = b.input("x", (1, 2))
    model = Model()
    model.add(b.finish(b.neg(x)))
    model.signatures.append(Signature("s", "g", {"a": 0, "b": 0}, {"y": 0}))
    np.testing.assert_array_equal(edgewise.Interpreter(model)(a=ONE, b=ONE)["y"], -ONE)


def test_an_unknown_format_is_refused(model):
    with pytest.raises(OutputError, match=r"no format has the suffix '\.onnx'; known: \.tflite"):
        model.to_bytes(".onnx")
