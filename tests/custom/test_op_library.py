"""Custom operators in C: the example of edgewise_op.h, compiled, loaded and run through plans."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import edgewise
from edgewise.cli.main import cli, run
from edgewise.dtypes import DType
from edgewise.errors import (
    CancelledError,
    ConversionError,
    FormatError,
    InputError,
    ShapeError,
)
from edgewise.format.flexbuffer import write
from edgewise.ir import Builder, Quant, TensorType
from edgewise.ir.dim import Sym
from edgewise.ops import opaque
from edgewise.ops.opaque import Opaque

HEADER = Path(edgewise.get_include()) / "edgewise_op.h"

# Splits the elements of x, int8 or float32, into even and odd ones, and checks what it is told.
PARTS = """
#include "edgewise_op.h"
#include <string.h>

typedef struct { uint32_t count, bytes; } parts_params;

static int32_t prepare(ew_op_call *call) {
    if (call->n_x != 3 || call->n_y != 2) return ew_op_refuse(call, "other counts");
    if (call->x[0].rank != 1) return 1;
    parts_params *p = (parts_params *)call->params;
    p->count = call->x[0].dims[0] / 2;
    p->bytes = call->x[0].dtype == EW_OP_s8 ? 1 : 4;
    if (call->x[1].dtype != EW_OP_absent) return ew_op_refuse(call, "the second one is there");
    if (call->n_bytes != 1 || call->bytes[0] != 7) return ew_op_refuse(call, "other options");
    for (int k = 0; k < 2; k++) {
        call->y[k].rank = 1;
        call->y[k].dims[0] = p->count;
    }
    if (call->x[0].dtype == EW_OP_s8 && call->x[0].scale != 0.5f)
        return ew_op_refuse(call, "the scale is lost");
    call->n_params = sizeof *p;
    call->n_tiles = p->count;
    call->scratch_bytes = 64;
    return 0;
}

static void kernel(const void *params, void *const *operand, uint32_t tile_begin,
                   uint32_t tile_end, void *scratch) {
    const parts_params *p = params;
    const char *x = operand[0];
    memset(scratch, 0xFF, 64);
    for (uint32_t i = tile_begin; i < tile_end; i++)
        for (uint32_t k = 0; k < 2; k++)
            memcpy((char *)operand[3 + k] + i * p->bytes, x + (2 * i + k) * p->bytes, p->bytes);
}

static int32_t lie(ew_op_call *call) {
    call->y[0].rank = 9;
    return 0;
}

static int32_t lie_more(ew_op_call *call) {
    ew_op_same_shape(&call->y[0], &call->x[0]);
    call->n_params = 5000;
    return 0;
}

static const ew_op ops[] = {
    {"Parts", prepare, kernel}, {"Liar", lie, kernel}, {"Boaster", lie_more, kernel}};
EW_OP_LIBRARY(ops)
"""


def build(source: str, folder: Path, name: str) -> Path:
    (folder / f"{name}.c").write_text(source)
    zig = [
        sys.executable,
        "-m",
        "ziglang",
        "cc",
        "-fno-sanitize=all",
        "-Wall",
        "-Wextra",
        "-Werror",
    ]
    command = [*zig, "-O2", "-shared", "-fPIC", "-I", str(HEADER.parent)]
    target = folder / f"{name}.so"
    subprocess.run([*command, "-o", str(target), str(folder / f"{name}.c")], check=True)
    return target


@pytest.fixture(scope="module")
def scale(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example of the header."""
    pytest.importorskip("ziglang")
    comment = HEADER.read_text().partition("*/")[0]
    code = re.search(r" \*     #include.*EW_OP_LIBRARY\(ops\)", comment, re.DOTALL)
    assert code is not None
    return build(code[0].replace("\n *", "\n")[2:], tmp_path_factory.mktemp("scale"), "scale")


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("ziglang")
    return build(PARTS, tmp_path_factory.mktemp("parts"), "parts")


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    before = dict(opaque.definitions)
    yield
    opaque.definitions.clear()
    opaque.definitions.update(before)


def scaled(*, shape=(40, 100), options: bytes = b"", result=None, dtype=DType.FLOAT32) -> bytes:
    """x, doubled, scaled, and one added: kernels of ours around the library's."""
    b = Builder()
    x = b.input("x", shape, dtype)
    op = Opaque(custom_code="Scale", custom_options=options, result_total=1)
    declared = TensorType(shape if result is None else result, dtype)
    y = b.node(op, b.add(x, x), results=[declared]).output
    one = b.constant(np.ones((), dtype.numpy), name="one")
    model = edgewise.Model()
    model.add(b.finish(b.add(y, one)))
    return model.to_bytes()


X = np.linspace(-4, 4, 4000, dtype=np.float32).reshape(40, 100)


@pytest.mark.ci
@pytest.mark.parametrize("threads", [1, 3])
def test_the_example_runs_in_a_plan(scale: Path, threads: int) -> None:
    content = scaled(options=write({"alpha": 0.5}))
    assert edgewise.load_op_library(scale) == ["Scale"]
    with edgewise.Interpreter(content, num_threads=threads) as interpreter:
        for _ in range(3):
            [y] = interpreter(X).values()
            np.testing.assert_array_equal(y, 2 * X * np.float32(0.5) + 1)
        where = [(p.where, p.detail.partition("#")[0]) for p in interpreter.placement()]
    assert where == [("kernel", "add_f32"), ("kernel", "Scale"), ("kernel", "add_f32")]


@pytest.mark.ci
def test_defaults_references_and_kept_values(scale: Path) -> None:
    edgewise.load_op_library(scale)
    content = scaled()
    for facts in ({}, {"native": False}, {"keep_all": True}):
        [y] = edgewise.Interpreter(content, **facts)(X).values()
        np.testing.assert_array_equal(y, 2 * X + 1)


@pytest.mark.ci
def test_shapes_are_the_library_s(scale: Path) -> None:
    """Also where the file knows none, and where they change."""
    content = scaled(shape=(Sym("n"), 3))
    edgewise.load_op_library(scale)
    interpreter = edgewise.Interpreter(content)
    for rows in (1, 700):
        x = np.arange(rows * 3, dtype=np.float32).reshape(rows, 3)
        np.testing.assert_array_equal(next(iter(interpreter(x).values())), 2 * x + 1)
        assert interpreter.placement()[1].where == "kernel"


@pytest.mark.ci
def test_two_results_and_operands_left_out(parts: Path) -> None:
    def content(quant: Quant | None) -> bytes:
        b = Builder()
        dtype = DType.FLOAT32 if quant is None else DType.INT8
        x = b.input("x", (10,), dtype, quant)
        results = [TensorType((5,), dtype, quant)] * 2
        op = Opaque(custom_code="Parts", custom_options=b"\7", result_total=2)
        even, odd = b.node(op, x, None, x, results=results).outputs
        model = edgewise.Model()
        model.add(b.finish(odd, even))
        return model.to_bytes()

    files = content(None), content(Quant(0.5, 3))
    edgewise.load_op_library(parts)
    for file, dtype in zip(files, (np.float32, np.int8), strict=True):
        for native in (True, False):
            x = np.arange(10).astype(dtype)
            odd, even = edgewise.Interpreter(file, native=native)(x).values()
            np.testing.assert_array_equal(even, x[::2])
            np.testing.assert_array_equal(odd, x[1::2])


@pytest.mark.ci
def test_a_plan_with_it_is_not_stored(scale: Path, tmp_path: Path) -> None:
    """Its number is this process's."""
    edgewise.load_op_library(scale)
    (tmp_path / "model.tflite").write_bytes(scaled())
    for _ in range(2):
        with edgewise.Interpreter(tmp_path / "model.tflite", cache=tmp_path / "cache") as run_it:
            np.testing.assert_array_equal(next(iter(run_it(X).values())), 2 * X + 1)


@pytest.mark.ci
def test_mistakes_are_told(scale: Path, parts: Path, tmp_path: Path) -> None:
    wrong_type = scaled(dtype=DType.INT32)
    edgewise.load_op_library(scale)
    with pytest.raises(FormatError, match="refuses the call: Scale takes one float32 tensor"):
        edgewise.Interpreter(wrong_type)(X.astype(np.int32))
    edgewise.load_op_library(parts)
    for name, said in (("Liar", "rank 9"), ("Boaster", "5000 bytes of parameters")):
        b = Builder()
        x = b.input("x", (4,))
        op = Opaque(custom_code=name, result_total=1)
        with pytest.raises(ShapeError, match=said):
            b.node(op, x, results=[TensorType((4,), DType.FLOAT32)])
    (tmp_path / "no.so").write_text("nothing")
    with pytest.raises(InputError, match="cannot be loaded"):
        edgewise.load_op_library(tmp_path / "no.so")
    other = build("int other(void);\nint other(void) { return 1; }\n", tmp_path, "other")
    with pytest.raises(InputError, match=r"exports no edgewise_ops; see edgewise_op.h"):
        edgewise.load_op_library(other)
    source = PARTS.replace("edgewise_op.h", "old.h")
    (tmp_path / "old.h").write_text(HEADER.read_text().replace("VERSION = 1", "VERSION = 2"))
    old = build(source.replace("old.h", str(tmp_path / "old.h")), tmp_path, "old")
    with pytest.raises(InputError, match=r"another edgewise_op.h than version 1; compile it again"):
        edgewise.load_op_library(old)


@pytest.mark.ci
def test_the_command_line_takes_it(scale: Path, tmp_path: Path, capsys) -> None:
    (tmp_path / "model.tflite").write_bytes(scaled())
    model = str(tmp_path / "model.tflite")
    assert run(cli, ["inspect", model, "--placement", "--ops", str(scale)]) == 0
    assert "Scale#" in capsys.readouterr().out
    for verb in (["run"], ["benchmark", "--rounds", "1", "--seconds", "0"]):
        assert run(cli, [*verb, model, "--ops", str(scale)]) == 0


@pytest.mark.ci
def test_exported_c_is_refused(scale: Path, tmp_path: Path) -> None:
    edgewise.load_op_library(scale)
    with pytest.raises(ConversionError, match=r"scale.*in a library"):
        edgewise.export_c(edgewise.load(scaled()), tmp_path / "c")


@pytest.mark.ci
def test_cancel_stops_between_its_steps(scale: Path) -> None:
    """A loop around nothing but kernels; the library's is among them."""
    b = Builder()
    x = y = b.input("x", (40, 100))
    for _ in range(3000):
        op = Opaque(custom_code="Scale", result_total=1)
        y = b.node(op, y, results=[x.type]).output
    model = edgewise.Model()
    model.add(b.finish(y))
    edgewise.load_op_library(scale)
    interpreter = edgewise.Interpreter(model)
    interpreter(X)
    outcome: list[BaseException | None] = []

    def work() -> None:
        try:
            while True:
                interpreter(X)
        except CancelledError as error:
            outcome.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    while thread.is_alive():
        interpreter.cancel()
    thread.join()
    assert "scale" in str(outcome[0]) or "cancelled" in str(outcome[0])
