"""Integer weights under float activations: the formula of `kernels/rows_h8.h` in NumPy against the
kernels of every instruction set, what results may depend on, and how far they are from the meaning.
"""

from __future__ import annotations

import numpy as np
import pytest

from edgewise.dtypes import DType
from edgewise.errors import ConversionError
from edgewise.ir import Builder, Graph, Quant, TensorType
from edgewise.ir.enums import Activation, Padding
from edgewise.ir.evaluate import evaluate
from edgewise.ir.graph import Value
from edgewise.ops.batch_matmul import BatchMatMul
from edgewise.ops.conv import Conv2D
from edgewise.ops.fully_connected import FullyConnected
from edgewise.ops.rnn import UnidirectionalSequenceRNN
from edgewise.ops.window import Axis, along
from edgewise.runtime.executor import Executor
from edgewise.runtime.library import Isa, host_isa
from edgewise.runtime.plan import Target
from edgewise.runtime.planner import plan
from edgewise.runtime.threads import Threads
from tests.isas import ISAS
from tests.ops.case import Case, all_cases, inputs_of, model_of
from tests.ops.litert import prepare, stored

CASES = [c for c in all_cases() if "hybrid" in c.id and not c.error]
PRODUCTS = (Conv2D, FullyConnected, BatchMatMul)


def kernels_of(graph: Graph) -> str:
    """What the report says of the only operator."""
    return plan(graph, Target(host_isa())).placement[0].detail


QUANTIZED = [c for c in CASES if "x quantized per" in kernels_of(model_of(c).main)]


def integers(rows: np.ndarray, under: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Rows [M, K] as integers less their zero points, and the scales [M, 1]; by the ranges of
    `under` [M, L], which are their own where it is None."""
    under = rows if under is None else under
    part = np.float32(1) / np.float32(255)
    low = np.minimum(under.min(1, keepdims=True), np.float32(0))
    high = np.maximum(under.max(1, keepdims=True), np.float32(0))
    scale = high * part - low * part
    with np.errstate(divide="ignore"):
        inverse = np.where(scale >= 2.0**-126, np.float32(1) / scale, np.float32(0))
    zero = -np.rint(low * inverse)
    return np.minimum(np.rint(rows * inverse), 255 - zero), scale


def quantized(rows: np.ndarray, under: np.ndarray | None = None) -> np.ndarray:
    """Rows [M, K] as what their 8-bit integers (`integers`) stand for, float64."""
    q, scale = integers(rows, under)
    return q.astype(np.float64) * scale


def taps(op: Conv2D, x: np.ndarray, axis: int, kernel: int) -> np.ndarray:
    """x, padded, with two axes [outputs, kernel] in place of axis 1 or 2."""
    is_h = axis == 1
    stride = op.stride_h if is_h else op.stride_w
    dilation = op.dilation_h_factor if is_h else op.dilation_w_factor
    width = [(0, 0)] * x.ndim
    width[axis] = Axis(kernel, stride, dilation).pads(x.shape[axis], along(op.padding, axis - 1))
    padded = np.pad(x, width)
    outputs = (padded.shape[axis] - (kernel - 1) * dilation - 1) // stride + 1
    return np.take(
        padded, np.arange(outputs)[:, None] * stride + np.arange(kernel) * dilation, axis
    )


def windows(op: Conv2D, x: np.ndarray, kernel: tuple[int, int]) -> np.ndarray:
    """The windows [N, OH, OW, KH, KW, C] of x."""
    lines = np.moveaxis(taps(op, x, 1, kernel[0]), 2, -2)  # [N, OH, W, KH, C]
    return taps(op, lines, 2, kernel[1]).swapaxes(3, 4)


def rows_of(op: Conv2D, x: np.ndarray, kernel: tuple[int, int], detail: str) -> np.ndarray:
    """The windows [N * OH * OW, K] of x, quantized by the ranges that the report `detail` says."""
    found = windows(op, x, kernel)
    rows = found.reshape(-1, int(np.prod(found.shape[3:])))
    if "per line" not in detail:
        return quantized(rows)
    lines = taps(op, x, 1, kernel[0])
    under = lines.reshape(found.shape[0] * found.shape[1], -1)
    return quantized(rows, np.repeat(under, found.shape[2], 0))


def emulated(case: Case) -> np.ndarray:
    """The result by the formula, in float64."""
    op = case.op
    graph = model_of(case).main
    [x] = inputs_of(case)
    [node] = graph.nodes
    w = node.operand(1)
    assert w.quant is not None
    assert w.data is not None
    real = w.quant.dequantize(w.data).astype(np.float64)
    if isinstance(op, BatchMatMul):
        rows = quantized(x.reshape(-1, x.shape[-1])).reshape(x.shape)
        return rows @ (real.swapaxes(-1, -2) if op.adj_y else real)
    bias = node.operand(2).data
    assert bias is not None
    if isinstance(op, Conv2D):
        o, kh, kw, c = real.shape
        groups = x.shape[3] // c
        parts = []
        for g in range(groups):
            rows = rows_of(op, x[..., g * c : (g + 1) * c], (kh, kw), kernels_of(graph))
            parts.append(rows @ real.reshape(groups, o // groups, -1)[g].T)
        y = (np.concatenate(parts, 1) + bias).reshape(graph.outputs[0].shape)
        return np.clip(y, 0, 6) if op.fused_activation_function.name == "RELU6" else y
    return quantized(x.reshape(-1, real.shape[1])) @ real.T + bias


def rms(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(a.astype(np.float64) - b.astype(np.float64)))))


@pytest.mark.parametrize("isa", ISAS, ids=lambda i: i.name.lower())
@pytest.mark.parametrize(
    "case", [c for c in QUANTIZED if isinstance(c.op, PRODUCTS)], ids=lambda c: c.id
)
def test_kernels_compute_the_formula(case: Case, isa: Isa) -> None:
    """Integers and scales are those of the formula: one wrong step would be 1e-3 of the range."""
    wanted = emulated(case)
    [got] = Executor(plan(model_of(case).main, Target(isa))).run(inputs_of(case), {}, None)
    np.testing.assert_allclose(got, wanted, rtol=0, atol=3e-6 * np.abs(wanted).max())


@pytest.mark.parametrize("case", QUANTIZED, ids=lambda c: c.id)
def test_tiles_and_threads_change_no_bit(case: Case) -> None:
    graph, inputs = model_of(case).main, inputs_of(case)
    wanted = Executor(plan(graph, Target(host_isa()))).run(inputs, {}, None)
    for target in (Target(host_isa(), 3), Target(host_isa(), 1, 1024)):
        got = Executor(plan(graph, target), threads=Threads(target.threads)).run(inputs, {}, None)
        for a, b in zip(got, wanted, strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.id)
def test_no_further_from_the_meaning_than_litert(case: Case) -> None:
    """Root mean square of the difference from float arithmetic on dequantized weights, against that
    of LiteRT on the same input (stored answers). Rows are quantized as LiteRT quantizes a batch's
    (1x1 and fully connected: equal within 1e-5, halves fall either way); a larger window or a line
    of them is a row here, and the whole image there, which on the noise of these cases differs by
    4 % either way."""
    try:
        answer = stored(prepare(case).digest)
    except ConversionError:
        pytest.skip("LiteRT has no such operator")
    if answer.resolver is None:
        pytest.skip("LiteRT does not run it")
    graph, inputs = model_of(case).main, inputs_of(case)
    got = Executor(plan(graph, Target(host_isa()))).run(inputs, {}, None)
    meant = evaluate(graph, inputs)
    for ours, theirs, wanted in zip(got, answer.outputs[answer.resolver], meant, strict=True):
        bound = max(1.05 * rms(theirs, wanted), 1e-6 * float(np.abs(wanted).max(initial=0)))
        assert rms(ours, wanted) <= bound


def recurrent(cells: int, size: int = 37, time: int = 9) -> tuple[Graph, dict[str, np.ndarray]]:
    """h = tanh(W x + R h + b) over a sequence, and its constants as real numbers."""
    rng = np.random.default_rng(cells)
    b = Builder()
    x = b.input("x", (1, time, size), DType.FLOAT32)
    data = {"w": rng.integers(-127, 128, (cells, size)), "r": rng.integers(-127, 128, (cells,) * 2)}
    bias = rng.uniform(-1, 1, cells).astype(np.float32)
    w, r = (b.constant(a.astype(np.int8), quant=Quant(0.002)) for a in data.values())
    state = Value(TensorType((1, cells), DType.FLOAT32), "h", is_variable=True)
    op = UnidirectionalSequenceRNN(fused_activation_function=Activation.TANH)
    graph = b.finish(b.node(op, x, w, r, b.constant(bias), state).output)
    return graph, {"b": bias, **{k: a * float(np.float32(0.002)) for k, a in data.items()}}


@pytest.mark.parametrize("isa", ISAS, ids=lambda i: i.name.lower())
@pytest.mark.parametrize("cells", [24, 65, 136])
def test_hidden_values_are_quantized_step_by_step(cells: int, isa: Isa) -> None:
    """By the formula, on every instruction set; a step off would be 4e-3 after the first steps."""
    graph, real = recurrent(cells)
    x = np.random.default_rng(1).standard_normal((1, 9, 37)).astype(np.float32)
    made = plan(graph, Target(isa))
    assert "recurrent_h8" in made.placement[0].detail
    [got] = Executor(made).run([x], {}, None)
    h = np.zeros((1, cells), np.float32)
    for t in range(9):
        products = quantized(x[:, t]) @ real["w"].T + quantized(h) @ real["r"].T
        h = np.tanh(products + real["b"]).astype(np.float32)
        np.testing.assert_allclose(got[:, t], h, rtol=0, atol=1e-3 if t else 3e-6)


def test_recurrent_weights_stay_integers_in_memory() -> None:
    graph, _ = recurrent(256, 256)
    made = plan(graph, Target(host_isa()))
    assert made.constants.nbytes < 1.2 * 2 * 256 * 256


def dense(m: int, k: int = 48, o: int = 40) -> Graph:
    """x [M, K] by int8 weights."""
    rng = np.random.default_rng(7)
    b = Builder()
    x = b.input("x", (m, k), DType.FLOAT32)
    w = rng.integers(-127, 128, (o, k)).astype(np.int8)
    scale = Quant(rng.uniform(0.001, 0.01, o).astype(np.float32), axis=0)
    return b.finish(b.node(FullyConnected(), x, b.constant(w, quant=scale), None).output)


@pytest.mark.parametrize("isa", ISAS, ids=lambda i: i.name.lower())
@pytest.mark.parametrize("m", [1, 3, 40])
@pytest.mark.parametrize("k", [48, 512, 513, 1100])
def test_the_largest_sums_and_zero_points(k: int, m: int, isa: Isa) -> None:
    """Floats hold all sums of 512 products and their zero points' share (`gemm_h8.c`), beyond that
    only integers do; results are those of integers to the bit."""
    rng = np.random.default_rng(k)
    w = rng.integers(-127, 128, (72, k))
    w[::3], w[1::3] = 127, -127
    w[:, 0] -= np.sign(w[:, 0]) * rng.integers(0, 2, 72)  # odd sums and even ones
    x = rng.uniform(-1, 1, (m, k)).astype(np.float32)
    x[::3], x[1::3, 1:] = -np.abs(x[::3]), np.abs(x[1::3, 1:])
    x[::3, 1:] = x[::3, :1]  # all of them the lowest number
    b = Builder()
    constant = b.constant(w.astype(np.int8), quant=Quant(0.01))
    made = b.node(FullyConnected(), b.input("x", x.shape, DType.FLOAT32), constant, None)
    [got] = Executor(plan(b.finish(made.output), Target(isa))).run([x], {}, None)
    q, scale = integers(x)
    sums = q.astype(np.int64) @ w.T
    np.testing.assert_array_equal(got, sums.astype(np.float32) * (scale * np.float32(0.01)))


@pytest.mark.parametrize("isa", ISAS, ids=lambda i: i.name.lower())
def test_a_row_depends_on_itself_alone(isa: Isa) -> None:
    """Rows of any size, alone and together; infinities and NaNs stay in their row."""
    rng = np.random.default_rng(3)
    x = rng.standard_normal((9, 48)).astype(np.float32)
    x *= np.float32(10) ** np.array([0, 30, -30, -44, 37, 2, -3, 5, 1], np.float32)[:, None]
    x[5, 3], x[6, 40], x[7] = np.inf, np.nan, 0
    [all_rows] = Executor(plan(dense(9), Target(isa))).run([x], {}, None)
    one = Executor(plan(dense(1), Target(isa)))
    for row, got in zip(x, all_rows, strict=True):
        [alone] = one.run([row[None]], {}, None)
        np.testing.assert_array_equal(alone[0], got)
    assert np.isnan(all_rows[5:7]).all()
    assert not all_rows[7].any()
    finite = np.delete(np.arange(9), (5, 6))
    [meant] = evaluate(dense(9), [x])
    span = np.abs(meant[finite]).max(1, keepdims=True)
    apart = np.abs(all_rows[finite] - meant[finite]) / np.maximum(span, 1e-35)
    assert apart.max() < 0.02


@pytest.mark.parametrize("isa", ISAS, ids=lambda i: i.name.lower())
@pytest.mark.parametrize("stride", [1, 2, 4])
@pytest.mark.parametrize("outputs", [24, 200])
def test_a_window_depends_on_itself_alone(outputs: int, stride: int, isa: Isa) -> None:
    """A NaN spoils the windows that have it, of few outputs all of the line, where they overlap;
    neighbours share what they look at, not results."""
    rng = np.random.default_rng(stride)
    b = Builder()
    x = b.input("x", (1, 11, 29, 24), DType.FLOAT32)
    w = b.constant(rng.integers(-127, 128, (outputs, 3, 3, 24)).astype(np.int8), quant=Quant(0.01))
    op = Conv2D(padding=Padding.SAME, stride_h=stride, stride_w=stride)
    graph = b.finish(b.node(op, x, w, None).output)
    data = rng.standard_normal((1, 11, 29, 24)).astype(np.float32)
    run = Executor(plan(graph, Target(isa)))
    is_by_lines = outputs == 24 and stride < 4
    assert ("per line" in run.plan.placement[0].detail) == is_by_lines
    [clean] = run.run([data], {}, None)
    data[0, 4, 13, 5] = np.nan
    [spoilt] = run.run([data], {}, None)
    is_met = np.isnan(windows(op, data, (3, 3))).any((-1, -2, -3))
    assert is_met.any()
    if is_by_lines:
        is_met = np.broadcast_to(is_met.any(2, keepdims=True), is_met.shape)
    np.testing.assert_array_equal(np.isnan(spoilt), np.broadcast_to(is_met[..., None], clean.shape))
    np.testing.assert_array_equal(spoilt[~is_met], clean[~is_met])


@pytest.mark.parametrize("isa", ISAS, ids=lambda i: i.name.lower())
@pytest.mark.parametrize(
    ("m", "k", "o"),
    [
        *((5, 32, 24), (33, 65, 49), (47, 63, 33), (70, 130, 31), (16, 1000, 48)),
        *((40, 64, 136), (97, 70, 80)),  # the last of several panels has 8 columns, or 16
    ],
)
def test_rows_and_columns_around_whole_tiles(m: int, k: int, o: int, isa: Isa) -> None:
    """Registers of 16 rows, 16 columns and 64 elements; some rows have a zero point, some none."""
    x = np.random.default_rng(m).standard_normal((m, k)).astype(np.float32)
    x[: m // 2] = np.abs(x[: m // 2])
    graph = dense(m, k, o)
    [node] = graph.nodes
    w = node.operand(1)
    assert w.quant is not None
    assert w.data is not None
    wanted = quantized(x) @ w.quant.dequantize(w.data).astype(np.float64).T
    [got] = Executor(plan(graph, Target(isa))).run([x], {}, None)
    np.testing.assert_allclose(got, wanted, rtol=0, atol=3e-6 * np.abs(wanted).max())


@pytest.mark.parametrize("isa", ISAS, ids=lambda i: i.name.lower())
@pytest.mark.parametrize("block", [32, 64, 128])
def test_blocks_of_scales(block: int, isa: Isa) -> None:
    """Where a block is no whole register, and where it is."""
    rng = np.random.default_rng(block)
    b = Builder()
    x = b.input("x", (37, 256), DType.FLOAT32)
    scale = rng.uniform(0.001, 0.01, (40, 256 // block)).astype(np.float32)
    quant = Quant(scale, axis=1, block_size=block)
    w = b.constant(rng.integers(-7, 8, (40, 256)).astype(np.int8), quant=quant)
    graph = b.finish(b.node(FullyConnected(), x, w, None).output)
    data = rng.standard_normal((37, 256)).astype(np.float32)
    made = plan(graph, Target(isa))
    assert "conv_2d_h8" in made.placement[0].detail
    [got] = Executor(made).run([data], {}, None)
    assert w.data is not None
    wanted = quantized(data) @ quant.dequantize(w.data).astype(np.float64).T
    np.testing.assert_allclose(got, wanted, rtol=0, atol=3e-6 * np.abs(wanted).max())


@pytest.mark.parametrize("isa", ISAS, ids=lambda i: i.name.lower())
@pytest.mark.parametrize(
    ("shape", "kernel", "stride", "dilation", "padding"),
    [
        ((2, 9, 37, 24), (3, 3), (1, 1), (1, 1), Padding.SAME),
        ((2, 9, 37, 24), (3, 5), (2, 2), (1, 1), Padding.SAME),
        ((1, 3, 19, 25), (5, 3), (1, 3), (1, 1), Padding.SAME),
        ((2, 8, 18, 24), (3, 3), (2, 1), (1, 1), Padding.VALID),
        ((1, 12, 21, 24), (3, 3), (1, 1), (4, 2), Padding.SAME),
        ((2, 1, 40, 24), (1, 7), (1, 2), (1, 1), Padding.SAME),
        ((1, 6, 3, 24), (4, 1), (1, 1), (2, 1), Padding.SAME),
    ],
    ids=str,
)
@pytest.mark.parametrize("block_bytes", [1024, 128 * 1024])
@pytest.mark.parametrize("outputs", [33, 240])
def test_ranges_of_windows(
    shape: tuple[int, ...],
    kernel: tuple[int, int],
    stride: tuple[int, int],
    dilation: tuple[int, int],
    padding: Padding,
    block_bytes: int,
    outputs: int,
    isa: Isa,
) -> None:
    """Found from those of pixels, which neighbouring windows and tiles share; of few outputs, those
    of the lines under a line of windows."""
    rng = np.random.default_rng(7)
    b, quant = Builder(), Quant(0.01)
    x = b.input("x", shape, DType.FLOAT32)
    w = rng.integers(-127, 128, (outputs, *kernel, shape[3])).astype(np.int8)
    op = Conv2D(
        padding=padding,
        stride_h=stride[0],
        stride_w=stride[1],
        dilation_h_factor=dilation[0],
        dilation_w_factor=dilation[1],
    )
    graph = b.finish(b.node(op, x, b.constant(w, quant=quant), None).output)
    # each pixel has a magnitude of its own, so that a window's range is that of one pixel
    size = np.exp2(rng.integers(-6, 7, (*shape[:3], 1))).astype(np.float32)
    data = rng.standard_normal(shape).astype(np.float32) * size
    made = plan(graph, Target(isa, 1, block_bytes))
    detail = made.placement[0].detail
    assert ("per line" in detail) == (w.size <= 40 * 1024 and min(kernel) > 1)
    real = w.reshape(outputs, -1) * float(np.float32(0.01))
    wanted = rows_of(op, data, kernel, detail) @ real.T
    [got] = Executor(made).run([data], {}, None)
    np.testing.assert_allclose(
        got.reshape(wanted.shape), wanted, rtol=0, atol=3e-6 * np.abs(wanted).max()
    )


def test_the_report_says_which_way_and_why() -> None:
    assert kernels_of(dense(4)) == "conv_2d_h8 (x quantized per row)"
    assert kernels_of(dense(4, o=8)) == (
        "conv_2d_f32 (in float: 8 outputs of runs of 48 do not pay)"
    )
