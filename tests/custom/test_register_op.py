"""Custom operators told in Python, in files that have them: both interpreters, shapes, options."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

import edgewise
from edgewise import lite
from edgewise.cli.main import cli, run
from edgewise.dtypes import DType
from edgewise.errors import EdgewiseError, FormatError, InputError, ShapeError, UnsupportedOp
from edgewise.format.flexbuffer import write
from edgewise.ir import Builder, Quant, TensorType
from edgewise.ir.dim import Sym
from edgewise.ir.parse import parse_model
from edgewise.ir.text import print_model
from edgewise.ops import opaque
from edgewise.ops.opaque import Opaque

X = np.linspace(-2, 2, 6, dtype=np.float32).reshape(2, 3)


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    """What a test registers is gone after it."""
    before = dict(opaque.definitions)
    yield
    opaque.definitions.clear()
    opaque.definitions.update(before)


def file_of(
    *results: TensorType | None,
    options: bytes = b"",
    shape: tuple[int, ...] = (2, 3),
    quant: Quant | None = None,
) -> bytes:
    """x, doubled, through the operator `Mine`; its results, and the first one doubled."""
    b = Builder()
    x = b.input("x", shape, DType.FLOAT32 if quant is None else DType.INT8, quant)
    doubled = x if quant else b.add(x, x)
    op = Opaque(custom_code="Mine", custom_options=options, result_total=len(results))
    outputs = b.node(op, doubled, results=results).outputs
    model = edgewise.Model()
    model.add(b.finish(*outputs))
    return model.to_bytes()


FLOATS = TensorType((2, 3), DType.FLOAT32)


def test_a_function_is_all_it_takes() -> None:
    edgewise.register_op("Mine", lambda x: x + 1)
    interpreter = edgewise.Interpreter(file_of(FLOATS))
    [y] = interpreter(X).values()
    np.testing.assert_array_equal(y, 2 * X + 1)
    assert [p.where for p in interpreter.placement()] == ["kernel", "host"]


def test_the_example_of_the_page_runs() -> None:
    page = Path(__file__).resolve().parents[2] / "docs" / "custom_operators.md"
    exec(page.read_text().split("```python\n")[1].split("```")[0])  # noqa: S102 (our own text)
    opaque.definitions["Mine"] = opaque.definitions["MyLeaky"]
    interpreter = edgewise.Interpreter(file_of(FLOATS, options=write({"alpha": 0.5})))
    [y] = interpreter(X).values()
    np.testing.assert_array_equal(y, np.where(X > 0, 2 * X, X))


def test_the_operator_of_a_real_file(shared_data: Path) -> None:
    file = shared_data / "tflite" / "litert_unit" / "testdata__custom_sinh.bin"
    edgewise.register_op("Sinh", np.sinh, infer=lambda x, **_: x.shape, options=lambda _: {})
    x = np.array([0.5], np.float32)
    [y] = edgewise.Interpreter(file)(x).values()
    np.testing.assert_array_equal(y, np.sinh(x))


def test_lite_runs_it() -> None:
    edgewise.register_op("Mine", lambda x: x + 1)
    interpreter = lite.Interpreter(model_content=file_of(FLOATS))
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], X)
    interpreter.invoke()
    y = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    np.testing.assert_array_equal(y, 2 * X + 1)


def test_options_come_by_name() -> None:
    edgewise.register_op("Mine", lambda x, alpha, is_fast: x * alpha + is_fast)
    content = file_of(FLOATS, options=write({"alpha": 0.5, "is_fast": True}))
    [y] = edgewise.Interpreter(content)(X).values()
    np.testing.assert_array_equal(y, X + 1)


def test_options_of_ones_own() -> None:
    edgewise.register_op(
        "Mine", lambda x, by: x * by, options=lambda data: {"by": int.from_bytes(data, "little")}
    )
    [y] = edgewise.Interpreter(file_of(FLOATS, options=b"\3\0"))(X).values()
    np.testing.assert_array_equal(y, 6 * X)


def test_options_that_cannot_be_read_are_told() -> None:
    edgewise.register_op("Mine", lambda x: x)
    interpreter = edgewise.Interpreter(file_of(FLOATS, options=b"\3\0\7"))
    with pytest.raises(ShapeError, match=r"options of 3 bytes cannot be read: .* register_op"):
        interpreter(X)


def test_shapes_are_inferred() -> None:
    """The file knows none of them, and everything is planned all the same."""
    edgewise.register_op(
        "Mine",
        lambda x: (x.T, x.sum(1)),
        infer=lambda x: [(x.shape[1], x.shape[0]), (x.shape[0],)],
    )
    unknown = TensorType(None, DType.FLOAT32)
    content = file_of(unknown, unknown)
    interpreter = edgewise.Interpreter(content)
    assert [t.shape for t in interpreter.outputs().values()] == [(3, 2), (2,)]
    y, total = interpreter(X).values()
    np.testing.assert_array_equal(y, 2 * X.T)
    np.testing.assert_array_equal(total, (2 * X).sum(1))
    assert [p.where for p in interpreter.placement()] == ["kernel", "host"]


def test_a_scalar_is_one_shape() -> None:
    edgewise.register_op("Mine", np.sum, infer=lambda x: ())
    [y] = edgewise.Interpreter(file_of(TensorType(None, DType.FLOAT32)))(X).values()
    assert y.shape == ()


def test_unknown_shapes_run_too() -> None:
    edgewise.register_op("Mine", lambda x: x[x > 0])
    [y] = edgewise.Interpreter(file_of(TensorType(None, DType.FLOAT32)))(X).values()
    np.testing.assert_array_equal(y, (2 * X)[X > 0])


def test_unknown_dimensions_are_given_through() -> None:
    edgewise.register_op("Mine", lambda x: x, infer=lambda x: x.shape)
    content = file_of(TensorType(None, DType.FLOAT32), shape=(Sym("n"), 3))  # type: ignore[arg-type]
    interpreter = edgewise.Interpreter(content)
    for rows in (2, 5):
        x = np.ones((rows, 3), np.float32)
        np.testing.assert_array_equal(next(iter(interpreter(x).values())), 2 * x)


def test_quantized_operands_are_dequantized() -> None:
    x, y = Quant(0.5, 3), Quant(0.25, -10)
    edgewise.register_op("Mine", lambda x: x + 1)
    content = file_of(TensorType((2, 3), DType.INT8, y), quant=x)
    q = np.arange(6, dtype=np.int8).reshape(2, 3)
    [found] = edgewise.Interpreter(content)(q).values()
    np.testing.assert_array_equal(found, (0.5 * (q - 3) + 1) / 0.25 - 10)
    assert found.dtype == np.int8


def test_integers_as_they_are_stored() -> None:
    edgewise.register_op(
        "Mine",
        lambda x: x,
        integer=lambda x, results: x.data + x.zero_point + int(results[0].quant.zero_point[0]),
    )
    content = file_of(TensorType((2, 3), DType.INT8, Quant(0.25, -10)), quant=Quant(0.5, 3))
    q = np.arange(6, dtype=np.int8).reshape(2, 3)
    [found] = edgewise.Interpreter(content)(q).values()
    np.testing.assert_array_equal(found, q + 3 - 10)


def test_a_name_may_be_told_again() -> None:
    edgewise.register_op("Mine", lambda x: x)
    interpreter = edgewise.Interpreter(file_of(FLOATS))
    interpreter(X)
    edgewise.register_op("Mine", lambda x: -x)
    np.testing.assert_array_equal(next(iter(interpreter(X).values())), -2 * X)


def test_files_keep_it() -> None:
    content = file_of(FLOATS, options=b"\1\2")
    model = edgewise.load(content)
    assert print_model(parse_model(print_model(model))) == print_model(model)
    assert edgewise.load(model.to_bytes()).main.outputs[0].producer.op.custom_options == b"\1\2"


@pytest.mark.parametrize(
    ("function", "infer", "error", "part"),
    [
        (lambda x: (x, x), None, ShapeError, "the function must give 1 results, .* got 2"),
        (lambda x: x[0], None, ShapeError, r"must give the shape \[2, 3\] .* got \[3\]"),
        (lambda x, y: x, None, ShapeError, "missing 1 required positional argument"),
        (lambda x: 1 / 0, None, ShapeError, "ZeroDivisionError"),
        (lambda x: x, lambda x: x.shap, FormatError, r"infer= failed: AttributeError: .*shap"),
        (lambda x: x, lambda x: [(2, 3), (1,)], FormatError, "infer must give 1 results"),
    ],
    ids=["count", "shape", "signature", "raises", "infer", "infer-count"],
)
def test_mistakes_are_told(function, infer, error: type[EdgewiseError], part: str) -> None:
    content = file_of(FLOATS)
    edgewise.register_op("Mine", function, infer=infer)
    with pytest.raises(error, match=part) as caught:
        edgewise.Interpreter(content)(X)
    assert "mine" in str(caught.value)


def test_what_nobody_has_told_is_refused() -> None:
    with pytest.raises(UnsupportedOp, match=r"register_op\('Mine', function\)"):
        edgewise.Interpreter(file_of(FLOATS))(X)


def test_what_edgewise_has_is_not_told_again() -> None:
    with pytest.raises(InputError, match="Edgewise has this operator"):
        edgewise.register_op("TFLite_Detection_PostProcess", lambda x: x)


# -- where operators come from -------------------------------------------------------------------

MINE = """
import edgewise

edgewise.register_op("Mine", lambda x: x + 1, infer=lambda x: x.shape)
"""


@pytest.fixture
def told(tmp_path: Path) -> tuple[str, str]:
    """A model, and a Python file that tells its operator."""
    (tmp_path / "model.tflite").write_bytes(file_of(FLOATS))
    (tmp_path / "mine.py").write_text(MINE)
    return str(tmp_path / "model.tflite"), str(tmp_path / "mine.py")


@pytest.mark.ci
@pytest.mark.parametrize(
    "arguments",
    [
        ["run"],
        ["inspect", "--placement"],
        ["benchmark", "--rounds", "1", "--seconds", "0"],
        ["profile", "--runs", "1"],
    ],
    ids=lambda a: a[0],
)
def test_verbs_take_files_of_operators(arguments: list[str], told: tuple[str, str], capsys) -> None:
    model, file = told
    assert run(cli, [*arguments, model]) in (0, 1)
    refused = "".join(capsys.readouterr())
    assert "Mine: a custom operator" in refused or "mine" in refused
    assert run(cli, [*arguments, model, "--ops", file]) == 0
    said = "".join(capsys.readouterr())
    assert "a custom operator" not in said


def test_a_file_that_fails_is_told(told: tuple[str, str], tmp_path: Path, capsys) -> None:
    (tmp_path / "bad.py").write_text("1 / 0")
    for name, part in (("bad.py", "ZeroDivisionError"), ("none.py", "no such file")):
        assert run(cli, ["run", told[0], "--ops", str(tmp_path / name)]) == 1
        assert part in capsys.readouterr().err


def test_lite_is_told_by_registerers(told: tuple[str, str]) -> None:
    model, file = told

    def tell(register: Callable[..., None]) -> None:
        register("Mine", lambda x: x + 1)

    for registerer in (tell, file):
        opaque.definitions.clear()
        interpreter = lite.interpreter.InterpreterWithCustomOps([registerer], model_path=model)
        interpreter.allocate_tensors()
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], X)
        interpreter.invoke()
        y = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
        np.testing.assert_array_equal(y, 2 * X + 1)
