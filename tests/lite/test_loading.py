"""An interpreter of a file that is known already reads no more of it than it is asked for."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import edgewise
from edgewise import lite
from edgewise.dtypes import DType
from edgewise.errors import FormatError
from edgewise.ir.build import Builder
from edgewise.ir.dim import Sym
from edgewise.ir.graph import Value
from edgewise.ir.model import Model, Signature
from edgewise.ir.types import Quant
from edgewise.runtime.limits import Limits

X = np.random.default_rng(0).normal(size=(2, 8)).astype(np.float32)


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A model with a signature, whose second interpreter finds everything in the cache."""
    path = tmp_path / "model.tflite"
    network((2, 8)).save(path)
    run(lite.Interpreter(path))
    return path


def network(shape: tuple[object, ...]) -> Model:
    b = Builder("g")
    x = b.input("x", shape)
    y = b.relu(b.add(x, b.constant(np.full(8, 0.5, np.float32))))
    model = Model()
    model.add(b.finish(y))
    model.signatures = [Signature("serve", "g", {"given": 0}, {"found": 0})]
    return model


def run(interpreter: lite.Interpreter, x: np.ndarray = X) -> np.ndarray:
    interpreter.allocate_tensors()
    [given], [found] = interpreter.get_input_details(), interpreter.get_output_details()
    interpreter.set_tensor(given["index"], x)
    interpreter.invoke()
    return interpreter.get_tensor(found["index"])


def is_read(interpreter: lite.Interpreter) -> bool:
    return interpreter._source.is_read


def texts(interpreter: lite.Interpreter) -> list[str]:
    """What it says of inputs and outputs, before and after allocation and a run."""
    found = []
    for step in (lambda: None, interpreter.allocate_tensors, interpreter.invoke):
        step()
        ends = (*interpreter.get_input_details(), *interpreter.get_output_details())
        found.extend(map(repr, ends))
    return found


@pytest.mark.quick
def test_a_known_file_is_run_without_being_read(file: Path) -> None:
    warm = lite.Interpreter(file)
    np.testing.assert_array_equal(run(warm), np.maximum(X + np.float32(0.5), 0))
    assert warm.get_signature_list() == {"serve": {"inputs": ["given"], "outputs": ["found"]}}
    assert warm.num_subgraphs() == 1
    assert not is_read(warm)


def refusal(call: Callable[[], object]) -> str:
    with pytest.raises(ValueError, match="tensor") as raised:
        call()
    return str(raised.value)


READERS: dict[str, Callable[[lite.Interpreter], Any]] = {
    "details": lambda i: [repr(d) for d in i.get_tensor_details()],
    "operators": lambda i: repr(i._get_ops_details()),
    "constant": lambda i: i.get_tensor(1).tolist(),
    "no tensor": lambda i: refusal(lambda: i.get_tensor(9)),
    "no input": lambda i: refusal(lambda: i.set_tensor(2, X)),
    "resized": lambda i: (i.resize_tensor_input(0, [5, 8]), run(i, np.tile(X, (3, 1))[:5]).shape),
    "signature": lambda i: i.get_signature_runner()(given=np.ones((3, 8), np.float32))["found"],
}


@pytest.mark.quick
@pytest.mark.parametrize("is_run", [False, True])
@pytest.mark.parametrize("reader", READERS)
def test_what_else_is_asked_for_is_read_then(file: Path, reader: str, is_run: bool) -> None:
    cold = lite.Interpreter(
        model_content=file.read_bytes() + b"\0"
    )  # other bytes: not in the cache
    warm = lite.Interpreter(file)
    assert is_read(cold)
    assert not is_read(warm)
    for interpreter in (cold, warm):
        if is_run:
            run(interpreter)
        else:
            interpreter.allocate_tensors()
    np.testing.assert_equal(READERS[reader](warm), READERS[reader](cold))
    assert is_read(warm)
    np.testing.assert_array_equal(texts(warm), texts(cold))


@pytest.mark.quick
def test_a_file_may_lose_its_name(file: Path) -> None:
    warm = lite.Interpreter(file)
    file.unlink()
    run(warm)
    assert not is_read(warm)
    assert [d["name"] for d in warm.get_tensor_details()][:1] == ["x"]
    assert is_read(warm)


@pytest.mark.quick
def test_a_file_that_is_written_anew_is_noticed(file: Path, tmp_path: Path) -> None:
    warm = lite.Interpreter(file)
    network((3, 8)).save(tmp_path / "other.tflite")
    file.write_bytes((tmp_path / "other.tflite").read_bytes())
    with pytest.raises(FormatError, match="has changed since the interpreter was made"):
        warm.get_tensor_details()


@pytest.mark.quick
def test_limits_look_at_every_tensor(file: Path) -> None:
    limits = Limits(max_bytes=16)
    with pytest.raises(RuntimeError, match="bytes"):
        lite.Interpreter(file, limits=limits).allocate_tensors()


@pytest.mark.quick
@pytest.mark.parametrize("option", ["experimental_preserve_all_tensors", None])
def test_intermediate_tensors(file: Path, option: str | None) -> None:
    warm = lite.Interpreter(file, **({option: True} if option else {}))
    run(warm)
    [middle] = {0, 1, 2, 3} - {d["index"] for d in constants_and_ends(warm)}
    if option:
        np.testing.assert_array_equal(warm.get_tensor(middle), X + np.float32(0.5))
    else:
        with pytest.raises(ValueError, match="experimental_preserve_all_tensors"):
            warm.get_tensor(middle)


def constants_and_ends(interpreter: lite.Interpreter) -> list[dict[str, Any]]:
    ends = (*interpreter.get_input_details(), *interpreter.get_output_details())
    return [*ends, *(d for d in interpreter.get_tensor_details() if d["shape"].tolist() == [8])]


_IMPORTED = """
import sys
import numpy as np
from edgewise.lite import Interpreter
before = set(sys.modules)
interpreter = Interpreter(sys.argv[1])
interpreter.allocate_tensors()
[given] = interpreter.get_input_details()
interpreter.set_tensor(given["index"], np.zeros(given["shape"], given["dtype"]))
interpreter.invoke()
print(*(set(sys.modules) - before))
"""


def sum_of(b: Builder) -> Value:
    x = b.input("x", (2, 8))
    return b.relu(b.add(x, b.constant(np.full(8, 0.5, np.float32))))


def convolutions(b: Builder) -> Value:
    x = b.input("x", (1, 8, 8, 4))
    x = b.conv_2d(x, b.constant(np.ones((16, 3, 3, 4), np.float32)))
    x = b.depthwise_conv_2d(x, b.constant(np.ones((1, 3, 3, 16), np.float32)))
    return b.softmax(b.mean(x, b.constant(np.array([1, 2], np.int32))))


def convolutions_of_bytes(b: Builder) -> Value:
    scale = Quant(0.1)
    x = b.input("x", (1, 8, 8, 4), DType.INT8, scale)
    w = b.constant(np.ones((16, 3, 3, 4), np.int8), quant=scale)
    x = b.conv_2d(x, w, quant=scale)
    return b.add(x, x, quant=scale)


def attentive(b: Builder) -> Value:
    x = b.input("x", (1, 2, 8, 4))
    y = b.softmax(b.batch_matmul(x, x, adj_y=True))
    return b.gelu(b.batch_matmul(y, x))


@pytest.mark.ci
@pytest.mark.parametrize(
    ("build", "most", "needed"),
    [
        (sum_of, 84, {"ops.arithmetic", "runtime.select.binary"}),
        (convolutions, 84, {"runtime.select.conv_f32", "runtime.select.depthwise"}),
        (convolutions_of_bytes, 84, {"runtime.select.conv_b8", "runtime.select.binary_b8"}),
        (attentive, 86, {"passes.attention", "runtime.select.attention"}),
    ],
)
def test_a_first_start_imports_what_the_model_has(
    tmp_path: Path, build: Callable[[Builder], Value], most: int, needed: set[str]
) -> None:
    """`most`: modules, and a few more. Each takes 0.2 to 0.5 ms of a start of 60 to 100."""
    path, b = tmp_path / "model.tflite", Builder("g")
    model = Model()
    model.add(b.finish(build(b)))
    model.save(path)
    ran = subprocess.run(
        [sys.executable, "-c", _IMPORTED, path], capture_output=True, text=True, check=True
    )
    imported = set(ran.stdout.split())
    assert {f"edgewise.{name}" for name in needed} <= imported
    unneeded = {
        *("ops.lstm", "ops.strings", "ops.stablehlo", "ops.fourier", "passes.pipeline"),
        *("format.writer", "format.build", "format.schema_metadata", "format.flexbuffer"),
        *("runtime.select.recurrent", "runtime.tune", "runtime.staged", "runtime.control"),
        *("runtime.select.conv_bf16", "runtime.select.conv_s16", "passes.composites"),
    }
    assert not imported & {f"edgewise.{name}" for name in unneeded}
    assert not imported & {"hashlib", "logging", "pathlib", "random", "shutil", "tempfile"}
    assert len(imported) <= most


@pytest.mark.quick
def test_open_shapes_are_read_at_once(tmp_path: Path) -> None:
    path = tmp_path / "open.tflite"
    network((Sym("n"), 8)).save(path)
    for _ in range(2):
        interpreter = lite.Interpreter(path)
        assert is_read(interpreter)
        interpreter.resize_tensor_input(0, X.shape)
        run(interpreter)


@pytest.mark.ci
def test_every_shared_model_says_the_same(shared_data: Path) -> None:
    unread = 0
    for path in sorted(shared_data.glob("tflite/*/*")):
        try:
            cold = lite.Interpreter(path)
        except (ValueError, RuntimeError, OSError):
            continue
        warm = lite.Interpreter(path)
        said = []
        for interpreter in (cold, warm):
            try:
                said.append(texts(interpreter))
            except (RuntimeError, edgewise.errors.EdgewiseError) as error:
                said.append([f"{type(error).__name__}: {error}"])
        assert said[0] == said[1], path
        unread += not is_read(lite.Interpreter(path))
    assert unread > 100
