"""The interpreter of `edgewise.lite` behaves as LiteRT's: arrays, shapes, errors, signatures."""

from __future__ import annotations

import os
import threading
import warnings
from pathlib import Path

import numpy as np
import pytest

import edgewise
from edgewise import lite
from edgewise.errors import CancelledError, LimitError
from edgewise.ir.build import Builder
from edgewise.ir.dim import Sym
from edgewise.ir.evaluate import evaluate
from edgewise.ir.model import Model, Signature
from tests.runtime.by_hand import sums

CONVOLUTION = Path(__file__).parents[1] / "frontends" / "keras" / "fixtures" / "convolution.keras"


@pytest.fixture(scope="module")
def content() -> bytes:
    """A small convolutional model: [batch, 8, 8, 3] to [batch, 4, 4, 2]."""
    return edgewise.convert(CONVOLUTION).to_bytes()


@pytest.fixture
def interpreter(content) -> lite.Interpreter:
    return lite.Interpreter(model_content=content)


@pytest.fixture
def image() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(1, 8, 8, 3)).astype(np.float32)


def ends(interpreter: lite.Interpreter) -> tuple[int, int]:
    [x], [y] = interpreter.get_input_details(), interpreter.get_output_details()
    return x["index"], y["index"]


def run(interpreter: lite.Interpreter, image: np.ndarray) -> np.ndarray:
    x, y = ends(interpreter)
    interpreter.set_tensor(x, image)
    interpreter.invoke()
    return interpreter.get_tensor(y)


# -- the usual four ---------------------------------------------------------------------------


def test_the_usual_four(content, interpreter, image):
    interpreter.allocate_tensors()
    [expected] = edgewise.Interpreter(content)(image).values()
    np.testing.assert_array_equal(run(interpreter, image), expected)


def test_a_path_or_content(content, interpreter, image, tmp_path):
    path = tmp_path / "model.tflite"
    path.write_bytes(content)
    interpreter.allocate_tensors()
    expected = run(interpreter, image)
    for source in (
        {"model_path": path},
        {"model_path": str(path)},
        {"model_path": os.fsencode(path)},
        {"model_path": path, "num_threads": 4},
        {"model_content": bytearray(content)},
        {"model_content": memoryview(content)},
    ):
        other = lite.Interpreter(**source)
        other.allocate_tensors()
        np.testing.assert_array_equal(run(other, image), expected)


def test_get_tensor_copies_and_tensor_does_not(interpreter, image):
    interpreter.allocate_tensors()
    x, y = ends(interpreter)
    view, result = interpreter.tensor(x), interpreter.tensor(y)
    view()[...] = image
    interpreter.invoke()
    expected = run(interpreter, image)
    np.testing.assert_array_equal(result(), expected)
    copy = interpreter.get_tensor(x)
    copy.fill(0)
    np.testing.assert_array_equal(view(), image)


def test_constants_can_be_read_before_allocation(interpreter):
    kernel = interpreter._get_ops_details()[0]["inputs"][1]
    shape = interpreter.get_tensor_details()[kernel]["shape"]
    assert interpreter.get_tensor(kernel).shape == tuple(shape)


def test_intermediate_tensors_only_on_request(content, interpreter, image):
    interpreter.allocate_tensors()
    run(interpreter, image)
    outputs = {int(o["outputs"][0]) for o in interpreter._get_ops_details()}
    middle = min(outputs - {ends(interpreter)[1]})
    with pytest.raises(ValueError, match="experimental_preserve_all_tensors=True"):
        interpreter.get_tensor(middle)
    keeping = lite.Interpreter(model_content=content, experimental_preserve_all_tensors=True)
    keeping.allocate_tensors()
    run(keeping, image)
    assert keeping.get_tensor(middle).any()


def test_allocating_again_keeps_the_inputs(interpreter, image):
    interpreter.allocate_tensors()
    x, _ = ends(interpreter)
    interpreter.set_tensor(x, image)
    interpreter.resize_tensor_input(x, image.shape)  # the shape it has
    interpreter.allocate_tensors()
    np.testing.assert_array_equal(interpreter.get_tensor(x), image)


# -- shapes -------------------------------------------------------------------------------------


def test_resize(interpreter, image):
    x, y = ends(interpreter)
    interpreter.allocate_tensors()
    one = run(interpreter, image)
    interpreter.resize_tensor_input(x, [3, 8, 8, 3])
    assert interpreter.get_input_details()[0]["shape"].tolist() == [3, 8, 8, 3]
    assert interpreter.get_output_details()[0]["shape"].tolist() == [1, 4, 4, 2]  # as allocated
    with pytest.raises(ValueError, match="Tensor data is null"):
        interpreter.get_tensor(x)
    interpreter.allocate_tensors()
    assert interpreter.get_output_details()[0]["shape"].tolist() == [3, 4, 4, 2]
    batch = np.concatenate([image * 2, image, image * 3])
    np.testing.assert_allclose(run(interpreter, batch)[1:2], one, rtol=1e-5, atol=1e-6)
    assert y == ends(interpreter)[1]


@pytest.mark.parametrize(
    ("size", "strict", "error", "says"),
    [
        ([-1, 8, 8, 3], False, RuntimeError, "not negative"),
        (3, False, ValueError, "1D instead of 0"),
        ([[2]], False, ValueError, "1D instead of 2"),
        ([1, 9, 8, 3], True, RuntimeError, r"only dimensions that the signature \[-1, 8, 8, 3\]"),
        ([1, 8, 8], True, RuntimeError, "rank stays 4"),
    ],
)
def test_a_resize_that_is_refused(interpreter, size, strict, error, says):
    with pytest.raises(error, match=says):
        interpreter.resize_tensor_input(ends(interpreter)[0], size, strict=strict)


def test_a_strict_resize_of_the_batch(interpreter):
    interpreter.resize_tensor_input(ends(interpreter)[0], [5, 8, 8, 3], strict=True)
    interpreter.allocate_tensors()
    assert interpreter.get_output_details()[0]["shape"].tolist() == [5, 4, 4, 2]


def test_shapes_no_operator_accepts(interpreter):
    interpreter.resize_tensor_input(ends(interpreter)[0], [1, 8, 8, 4])
    with pytest.raises(RuntimeError, match="conv_2d"):
        interpreter.allocate_tensors()
    interpreter.resize_tensor_input(ends(interpreter)[0], [1, 8, 8, 3])
    interpreter.allocate_tensors()
    interpreter.invoke()


# -- errors: LiteRT's classes, its words where they are clear -----------------------------------


@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        ({}, ValueError, "`model_path` or `model_content` must be specified"),
        ({"model_path": "a", "model_content": b"b"}, ValueError, "Can't both provide"),
        ({"model_path": "no/such.tflite"}, ValueError, "no/such.tflite: does not exist"),
        ({"model_path": "."}, ValueError, "is a directory"),
        ({"model_path": 5}, TypeError, "PathLike"),
        ({"model_content": "text"}, TypeError, "takes the bytes of a model; got str"),
        ({"model_content": b""}, ValueError, "model"),
        ({"model_content": b"hello world hello world"}, ValueError, "model"),
        ({"model_content": b"x", "num_threads": 0}, ValueError, "num_threads should >= 1"),
        ({"model_content": b"x", "num_threads": "2"}, ValueError, "should be int"),
        ({"model_content": b"x", "experimental_op_resolver_type": 7}, ValueError, "resolver type"),
    ],
)
def test_what_the_constructor_refuses(arguments, error, says):
    with pytest.raises(error, match=says):
        lite.Interpreter(**arguments)


def test_before_allocation(interpreter, image):
    x, y = ends(interpreter)
    interpreter.reset_all_variables()
    with pytest.raises(RuntimeError, match=r"not ready\. Call"):
        interpreter.invoke()
    with pytest.raises(ValueError, match=r"unallocated\. Try calling"):
        interpreter.set_tensor(x, image)
    for tensor in (x, y):
        with pytest.raises(ValueError, match="Run allocate_tensors"):
            interpreter.get_tensor(tensor)
        with pytest.raises(ValueError, match="Run allocate_tensors"):
            interpreter.tensor(tensor)()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda a: a.astype(np.float64), "type FLOAT64 but expected type FLOAT32 for input 0"),
        (lambda a: a.tolist(), "type FLOAT64 but expected type FLOAT32"),
        (lambda a: a.astype(np.uint8), "type UINT8 but expected type FLOAT32"),
        (lambda a: a.astype(object), "type STRING but expected type FLOAT32"),
        (lambda a: a.astype("S"), "type STRING but expected type FLOAT32"),
        (lambda a: a[0], "Got 3 but expected 4 for input 0"),
        (lambda a: a[:, :-1], "Got 7 but expected 8 for dimension 1 of input 0"),
    ],
)
def test_arrays_that_do_not_fit(interpreter, image, change, says):
    interpreter.allocate_tensors()
    with pytest.raises(ValueError, match=says):
        interpreter.set_tensor(ends(interpreter)[0], change(image))


@pytest.mark.parametrize("index", [-1, 1000])
def test_tensors_that_do_not_exist(interpreter, image, index):
    interpreter.allocate_tensors()
    for call in (
        lambda: interpreter.get_tensor(index),
        lambda: interpreter.set_tensor(index, image),
        lambda: interpreter.tensor(index)(),
        lambda: interpreter.resize_tensor_input(index, [1]),
    ):
        with pytest.raises(ValueError, match=f"Invalid tensor index {index} exceeds max"):
            call()


def test_tensors_and_subgraphs_that_are_not_meant(interpreter, image):
    interpreter.allocate_tensors()
    x, y = ends(interpreter)
    with pytest.raises(ValueError, match=rf"tensor {y} is not an input; inputs are {x} "):
        interpreter.set_tensor(y, image)
    for index in (-1, 5):
        with pytest.raises(ValueError, match=f"out of range: {index} .* has 1 subgraphs"):
            interpreter.get_tensor_details(index)
        with pytest.raises(ValueError, match=f"out of range: {index}"):
            interpreter.get_tensor(0, index)


def test_a_delegate_is_refused_as_code_with_a_fallback_expects():
    for error in (ValueError, OSError):
        with pytest.raises(error, match=r"delegate 'libedgetpu\.so\.1': .* leave"):
            lite.experimental.load_delegate("libedgetpu.so.1")


def test_options_without_meaning_warn_once(content):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(2):
            lite.Interpreter(
                model_content=content,
                experimental_delegates=[object()],
                experimental_disable_delegate_clustering=True,
            )
            lite.interpreter.InterpreterWithCustomOps(["Register"], model_content=content)
    texts = [str(w.message) for w in caught]
    assert len(texts) == len(set(texts)) <= 2, texts


# -- signatures and state -----------------------------------------------------------------------


def doubler() -> bytes:
    """Two signatures on one graph, one on another, which keeps nothing."""
    twice, minus = Builder("twice"), Builder("minus")
    x = twice.input("x", (Sym("n"), 2))
    twice.finish(twice.add(x, x))
    a, b = minus.input("a", (Sym("n"), 2)), minus.input("b", (Sym("n"), 2))
    minus.finish(minus.sub(a, b))
    model = Model()
    model.add(twice.graph)
    model.add(minus.graph)
    model.signatures += [
        Signature("twice", "twice", {"x": 0}, {"y": 0}),
        Signature("also", "twice", {"z": 0}, {"y": 0}),
        Signature("minus", "minus", {"b": 1, "a": 0}, {"difference": 0}),
    ]
    return model.to_bytes()


def test_signature_runners():
    interpreter = lite.Interpreter(model_content=doubler())
    assert interpreter.get_signature_list() == {
        "also": {"inputs": ["z"], "outputs": ["y"]},
        "minus": {"inputs": ["a", "b"], "outputs": ["difference"]},
        "twice": {"inputs": ["x"], "outputs": ["y"]},
    }
    one, two = np.ones((1, 2), np.float32), np.full((3, 2), 2, np.float32)
    runner = interpreter.get_signature_runner("twice")
    np.testing.assert_array_equal(runner(x=one)["y"], one * 2)
    np.testing.assert_array_equal(runner(x=two)["y"], two * 2)
    np.testing.assert_array_equal(interpreter.get_signature_runner("also")(z=one)["y"], one * 2)
    minus = interpreter.get_signature_runner("minus")
    np.testing.assert_array_equal(minus(b=one, a=one * 5)["difference"], one * 4)
    assert [d["shape"].tolist() for d in minus.get_input_details().values()] == [[1, 2], [1, 2]]


def test_what_a_signature_runner_refuses():
    interpreter = lite.Interpreter(model_content=doubler())
    one = np.ones((1, 2), np.float32)
    with pytest.raises(ValueError, match="model has 3 Signatures"):
        interpreter.get_signature_runner()
    for wrong in ("", "nope"):
        with pytest.raises(ValueError, match="signature_key provided"):
            interpreter.get_signature_runner(wrong)
    with pytest.raises(ValueError, match="None interpreter provided"):
        lite.interpreter.SignatureRunner()
    minus = interpreter.get_signature_runner("minus")
    with pytest.raises(ValueError, match="expected 2 vs provided 1; inputs are a, b"):
        minus(a=one)
    with pytest.raises(ValueError, match=r"Invalid Input name \(c\).*inputs are a, b"):
        minus(a=one, c=one)
    with pytest.raises(ValueError, match="type FLOAT64 but expected type FLOAT32"):
        minus(a=one, b=one.astype(float))


def test_the_only_signature_needs_no_key(interpreter, image):
    runner = interpreter.get_signature_runner()
    interpreter.allocate_tensors()
    [result] = runner(input_layer=image).values()
    np.testing.assert_array_equal(result, run(interpreter, image))


def test_variables_last_until_they_are_reset(shared_data):
    path = shared_data / "tflite" / "litert_unit" / "testdata__unidirectional_sequence_lstm.bin"
    interpreter = lite.Interpreter(path)
    interpreter.allocate_tensors()
    details = interpreter.get_input_details()[0]
    x = np.full(details["shape"], 0.5, np.float32)
    first, second = run(interpreter, x), run(interpreter, x)
    assert not np.array_equal(first, second)
    interpreter.reset_all_variables()
    np.testing.assert_array_equal(run(interpreter, x), first)


def test_strings(shared_data):
    path = shared_data / "tflite" / "litert_unit" / "java__src__testdata__string.bin"
    interpreter = lite.Interpreter(path)
    [details] = interpreter.get_input_details()
    assert details["dtype"] is np.bytes_
    interpreter.allocate_tensors()
    for text in ("hé", b"h\xc3\xa9"):
        interpreter.set_tensor(details["index"], np.full(details["shape"], text))
        found = interpreter.get_tensor(details["index"])
        assert found.dtype == object
        assert set(found.flat) == {"hé".encode()}
    with pytest.raises(ValueError, match="type INT64 but expected type STRING"):
        interpreter.set_tensor(details["index"], np.full(details["shape"], 5))


# -- what LiteRT does not have ----------------------------------------------------------------


def test_limits_end_a_model_of_others(content, image) -> None:
    """Before memory is taken, and again for other shapes."""
    with pytest.raises(LimitError, match="max_macs is 10"):
        lite.Interpreter(
            model_content=content, limits=edgewise.Limits(max_macs=10)
        ).allocate_tensors()
    interpreter = lite.Interpreter(model_content=content, limits=edgewise.Limits(max_bytes=1 << 20))
    interpreter.allocate_tensors()
    before = run(interpreter, image)
    interpreter.resize_tensor_input(ends(interpreter)[0], [10_000, 8, 8, 3])
    with pytest.raises(LimitError, match="max_bytes is 1048576"):
        interpreter.allocate_tensors()
    interpreter.resize_tensor_input(ends(interpreter)[0], [1, 8, 8, 3])
    interpreter.allocate_tensors()
    np.testing.assert_array_equal(run(interpreter, image), before)


def test_an_inference_is_cancelled() -> None:
    model = Model()
    model.add(sums(100))  # one that is over within microseconds is not stopped
    image = np.ones((64, 1024), np.float32)
    interpreter = lite.Interpreter(model_content=model.to_bytes())
    interpreter.allocate_tensors()
    interpreter.cancel()  # nothing runs: nothing happens
    before = run(interpreter, image)
    stop = threading.Event()

    def cancel_often() -> None:
        while not stop.is_set():
            interpreter.cancel()

    thread = threading.Thread(target=cancel_often)
    thread.start()
    with pytest.raises(CancelledError, match="the run was cancelled"):
        [interpreter.invoke() for _ in range(100_000)]
    stop.set()
    thread.join()
    np.testing.assert_array_equal(run(interpreter, image), before)


def test_a_transposed_convolution_takes_more_images_than_its_file_says() -> None:
    """Converters write `output_shape` with one image; LiteRT's default goes by x."""
    b = Builder()
    x = b.input("x", (1, 4, 5, 2))
    w = b.constant(np.random.default_rng(3).normal(size=(3, 2, 2, 2)).astype(np.float32))
    shape = b.constant(np.array([1, 8, 10, 3], np.int32))
    model = Model()
    model.add(b.finish(b.transpose_conv(shape, w, x, stride_h=2, stride_w=2)))
    interpreter = lite.Interpreter(model_content=model.to_bytes())
    images = np.random.default_rng(4).normal(size=(3, 4, 5, 2)).astype(np.float32)
    found = []
    for batch in (images[:1], images[1:2], images[2:], images):
        index = interpreter.get_input_details()[0]["index"]
        interpreter.resize_tensor_input(index, batch.shape)
        interpreter.allocate_tensors()
        interpreter.set_tensor(index, batch)
        interpreter.invoke()
        found.append(interpreter.get_tensor(interpreter.get_output_details()[0]["index"]))
    np.testing.assert_array_equal(found[3], np.concatenate(found[:3]))
    [by_reference] = evaluate(model.main, [images])
    np.testing.assert_allclose(by_reference, found[3], rtol=0, atol=1e-5)
