"""Exported C as text: golden files, exact literals, names of others, refusals."""

from __future__ import annotations

import math
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import edgewise
from edgewise.deploy import c_export
from edgewise.deploy.c_text import comment, elements, identifier, literal
from edgewise.dtypes import DType
from edgewise.errors import ConversionError, OutputError, UnsupportedOp
from edgewise.ir import Builder, Model, Quant, Sym, TensorType
from edgewise.ir.model import Signature
from edgewise.ops.arithmetic import Add
from edgewise.ops.opaque import Opaque
from edgewise.runtime.library import Isa
from edgewise.runtime.plan import Target

GOLDEN = Path(__file__).with_name("golden")


def two_operators() -> Model:
    """A quantized sum with a constant, and the real numbers it stands for."""
    b = Builder()
    x = b.input("x", (Sym("batch"), 4), DType.INT8, Quant(0.5, -1))
    c = b.constant(np.array([-128, 0, 1, 127], np.int8), quant=Quant(0.25))
    total = TensorType(None, DType.INT8, Quant(0.75, 3))
    y = b.node(Add(), x, c, results=[total], names=["*/ sum /*"]).output
    model = Model()
    model.add(b.finish(b.dequantize(y, label="real \u00e9\\")))
    model.signatures.append(Signature("serving_default", "main", {"x": 0}, {"class": 0}))
    return model


@pytest.mark.parametrize("file", ["model.h", "model.c"])
def test_two_operators_as_c(file: str, tmp_path: Path, update_golden: bool) -> None:
    edgewise.export_c(two_operators(), tmp_path)
    text = (tmp_path / file).read_text()
    golden = GOLDEN / f"two_operators_{file}.txt"
    if update_golden:
        golden.write_text(text)
    assert text == golden.read_text(), f"--update-golden writes {golden.name}; review the diff"
    assert max(map(len, text.splitlines())) <= 100


def test_only_what_is_needed_is_written(tmp_path: Path) -> None:
    made = edgewise.export_c(two_operators(), tmp_path, name="Tiny Net")
    assert [f.name for f in made.files[:2]] == ["tiny_net.h", "tiny_net.c"]
    kernels = {f.name for f in made.files[2:]}
    assert {"kernel.h", "params.h", "unary.c"} <= kernels
    assert not {"run.c", "table.c", "depthwise.c"} & kernels
    for file in made.files:
        included = [line for line in file.read_text().splitlines() if line.startswith("#include <")]
        allowed = {"stdint", "stddef", "immintrin", "emmintrin", "arm_neon"}
        assert {line.split("<")[1].split(".")[0] for line in included} <= allowed


def test_shapes_of_inputs(tmp_path: Path) -> None:
    model = two_operators()
    edgewise.export_c(model, tmp_path / "1")
    edgewise.export_c(model, tmp_path / "5", shapes={"x": (5, 4)})
    for n in (1, 5):
        assert f"MODEL_X_ELEMENTS {4 * n}\n" in (tmp_path / f"{n}" / "model.h").read_text()
    with pytest.raises(ConversionError, match=r"no input is named z; inputs are x"):
        edgewise.export_c(model, tmp_path / "z", shapes={"z": (5, 4)})
    assert not (tmp_path / "z").exists()


def test_all_operators_without_a_kernel_are_named(tmp_path: Path) -> None:
    b = Builder()
    x = b.input("x", (2, 3), DType.STRING)
    model = Model()
    model.add(b.finish(x))
    with pytest.raises(ConversionError, match="holds string"):
        edgewise.export_c(model, tmp_path / "strings")
    b = Builder()
    x = b.input("x", (2, 3))
    declared = [TensorType((2, 3), DType.FLOAT32)]
    y = b.node(Opaque(custom_code="First"), x, results=declared).output
    model = Model()
    model.add(b.finish(b.node(Opaque(custom_code="Second"), y, results=declared).output))
    with pytest.raises(UnsupportedOp, match="2 operators have no kernel") as error:
        edgewise.export_c(model, tmp_path / "custom")
    assert "first" in str(error.value)
    assert "second" in str(error.value)


def test_the_target_is_plain_c(tmp_path: Path) -> None:
    with pytest.raises(ConversionError, match="plain C; got a target for BASELINE"):
        c_export.export_c(two_operators(), tmp_path, target=Target(Isa.BASELINE))


def test_files_of_others_are_kept(tmp_path: Path) -> None:
    (tmp_path / "kernels").mkdir()
    (tmp_path / "kernels" / "simd.h").write_text("mine")
    with pytest.raises(OutputError, match=r"simd\.h: exists already"):
        edgewise.export_c(two_operators(), tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["kernels"]
    edgewise.export_c(two_operators(), tmp_path, overwrite=True)
    assert (tmp_path / "kernels" / "simd.h").read_text() != "mine"
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="file"):
        edgewise.export_c(two_operators(), tmp_path / "file")


@given(st.floats(width=32))
def test_float_literals_are_exact(value: float) -> None:
    text = literal(value)
    if math.isfinite(value):
        assert text.endswith("f")
        assert struct.pack("f", float.fromhex(text[:-1])) == struct.pack("f", value)
    else:
        assert text == ('__builtin_nanf("")' if math.isnan(value) else text)
        assert text.startswith("-") == (value == -math.inf)


@pytest.mark.parametrize(
    ("array", "texts"),
    [
        (np.array([-128, 127], np.int8), ["-128", "127"]),
        (np.array([0, 1 << 31], np.uint32), ["0", "2147483648u"]),
        (np.array([-(1 << 63), 5], np.int64), ["-9223372036854775807ll - 1", "5ll"]),
        (np.array([1.5], np.float16), ["15872"]),
        (np.array([True, False]), ["1", "0"]),
        (np.array([0.1], np.float64), ["0x1.999999999999ap-4"]),
    ],
)
def test_elements(array: np.ndarray, texts: list[str]) -> None:
    assert elements(array) == texts


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("serving_default_x:0", "serving_default_x_0"),
        ("3d", "value_3d"),
        ("", "value"),
        ("\u00e9", "value"),
        ("int", "value_int"),
        ("taken", "taken_2"),
    ],
)
def test_identifiers(name: str, found: str) -> None:
    assert identifier(name, {"taken"}) == found


def test_comments_end_where_they_should() -> None:
    assert comment("a*/b\n/*c\\\u202e") == "a* /b?/ *c??"
