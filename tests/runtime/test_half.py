"""Weights that are numbers of float16 or bfloat16: 16 bits in memory, float32's bits in results."""

from __future__ import annotations

from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

from edgewise import Interpreter, lite
from edgewise.dtypes import DType
from edgewise.errors import InputError
from edgewise.ir import Builder, Graph, Model
from edgewise.ops.conv import Conv2D
from edgewise.ops.convert import Dequantize
from edgewise.ops.fully_connected import FullyConnected
from edgewise.runtime.executor import Executor
from edgewise.runtime.library import Isa, host_isa
from edgewise.runtime.plan import Plan, Precision, Target
from edgewise.runtime.planner import plan
from edgewise.runtime.select import conv_f32
from tests.isas import BUILT

KINDS = [(isa, k) for isa, kinds in conv_f32.NARROW.items() if isa in BUILT for k in kinds]


def halves(shape: tuple[int, ...], kind: str) -> np.ndarray:
    """Numbers of all sizes: subnormal ones, zeros of both signs, the largest."""
    rng = np.random.default_rng(5)
    w = (rng.standard_normal(shape) * 10.0 ** rng.integers(-7, 2, shape)).astype(np.float32)
    if kind == "bf16":
        w.view(np.uint32)[...] &= 0xFFFF0000
        w.reshape(-1)[:4] = [0.0, -0.0, 2.0**-133, -(2.0**127)]
        return w
    half = w.astype(np.float16)
    half.reshape(-1)[:6] = [0.0, -0.0, 6e-8, -6e-8, 65504, -65504]
    return half


def dense(w: np.ndarray, m: int) -> Graph:
    b = Builder()
    x = b.input("x", (m, w.shape[1]), DType.FLOAT32)
    wide = b.node(Dequantize(), b.constant(w)).output if w.dtype == np.float16 else b.constant(w)
    return b.finish(b.node(FullyConnected(), x, wide, None).output)


def conv(w: np.ndarray, groups: int) -> Graph:
    b = Builder()
    x = b.input("x", (2, 7, 9, w.shape[3] * groups), DType.FLOAT32)
    wide = b.node(Dequantize(), b.constant(w)).output if w.dtype == np.float16 else b.constant(w)
    return b.finish(b.node(Conv2D(stride_h=2), x, wide, None).output)


GRAPHS = {
    "row": (dense, (135, 70), 1),
    "rows": (dense, (135, 70), 13),
    "window": (conv, (40, 3, 3, 20), 1),
    "groups": (conv, (64, 3, 3, 16), 2),
}


def run(made: Plan, graph: Graph) -> np.ndarray:
    shape = tuple(int(d) for d in graph.inputs[0].shape)
    x = np.random.default_rng(6).standard_normal(shape).astype(np.float32)
    return Executor(made).run([x], {}, None)[0]


@pytest.mark.parametrize(("isa", "kind"), KINDS)
@pytest.mark.parametrize("name", GRAPHS)
def test_results_are_float32s_bits(
    name: str, isa: Isa, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    make, shape, more = GRAPHS[name]
    graph = make(halves(shape, kind), more)
    made = plan(graph, Target(isa))
    assert f"{kind} weights" in made.placement[-1].detail
    got = run(made, graph)
    monkeypatch.setattr(conv_f32, "NARROW", {})
    wide = plan(graph, Target(isa))
    assert made.constants.nbytes < 0.6 * wide.constants.nbytes
    np.testing.assert_array_equal(got, run(wide, graph))


@pytest.mark.parametrize("kind", ["f16", "bf16"])
@pytest.mark.parametrize("odd", [1 / 3, 70000 + 1 / 128])
def test_one_number_of_float32_keeps_all(odd: float, kind: str) -> None:
    w = halves((135, 70), kind).astype(np.float32)
    w[100, 3] = odd
    made = plan(dense(w, 3), Target(host_isa()))
    assert made.placement[-1].detail == "conv_2d_f32"


def model(graph: Graph) -> Model:
    made = Model()
    made.add(graph)
    return made


def weights() -> np.ndarray:
    w = np.random.default_rng(7).standard_normal((135, 70)).astype(np.float32)
    w.reshape(-1)[:4] = [1 + 2.0**-8, 1 + 3 * 2.0**-8, -(2.0**-149), 3e38]  # two ties
    return w


@pytest.mark.parametrize("isa", [isa for isa in conv_f32.NARROW if isa in BUILT])
def test_precision_bf16_rounds_weights(isa: Isa) -> None:
    """By ml_dtypes, which rounds to the nearest, halves to even."""
    graph = dense(weights(), 3)
    wide, made = (plan(graph, Target(isa, precision=p)) for p in Precision)
    assert made.placement[-1].detail == "conv_2d_f32 (weights rounded to bf16)"
    assert made.constants.nbytes < 0.6 * wide.constants.nbytes
    rounded = dense(weights().astype(ml_dtypes.bfloat16).astype(np.float32), 3)
    got = run(made, graph)
    np.testing.assert_array_equal(got, run(plan(rounded, Target(isa)), rounded))
    assert not np.array_equal(got, run(wide, graph))


def test_the_interpreter_takes_a_precision(tmp_path: Path) -> None:
    """Plans of both are in the cache, each under its own key."""
    path = tmp_path / "dense.tflite"
    model(dense(weights() / 3, 3)).save(path)
    x = np.random.default_rng(6).standard_normal((3, 70)).astype(np.float32)

    def outputs(precision: str) -> np.ndarray:
        with Interpreter(path, precision=precision, cache=tmp_path / "cache") as interpreter:
            return next(iter(interpreter(x).values()))

    first = {p: outputs(p) for p in ("f32", "bf16")}
    assert not np.array_equal(first["f32"], first["bf16"])
    for precision, wanted in first.items():
        np.testing.assert_array_equal(outputs(precision), wanted)
    interpreter = lite.Interpreter(str(path), precision="bf16")
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], x)
    interpreter.invoke()
    got = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    np.testing.assert_array_equal(got, first["bf16"])


def test_an_unknown_precision_is_refused() -> None:
    with pytest.raises(InputError, match="precision must be one of 'f32', 'bf16'; got 'fp8'"):
        Interpreter(model(dense(weights(), 3)), precision="fp8")


@pytest.mark.parametrize("odd", [np.inf, np.nan])
def test_infinities_are_not_float16s(odd: float) -> None:
    """The load converts finite numbers only."""
    w = halves((135, 70), "f16").astype(np.float32)
    w[100, 3] = odd
    assert "f16" not in plan(dense(w, 3), Target(host_isa())).placement[-1].detail


def test_halves_beside_float32_are_read_as_halves():
    """PRELU's alpha may have a type of its own; its copies were given half of their room."""
    b = Builder()
    x = b.input("x", (1, 5, 5, 3))
    alpha = np.float16([0.1, 0.2, 0.3])
    model = Model()
    model.add(b.finish(b.prelu(x, b.constant(alpha))))
    run = Interpreter(model.to_bytes(), cache=False)
    data = np.random.default_rng(0).normal(size=(1, 5, 5, 3)).astype(np.float32)
    (found,) = run(data).values()
    np.testing.assert_allclose(found, np.where(data >= 0, data, data * alpha), rtol=1e-6)
    assert [p.where for p in run.placement()] == ["kernel"]
