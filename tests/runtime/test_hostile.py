"""What hostile models do to reader, planner, kernels and references: nothing but errors of ours,
soon, in little memory.

Workers (`mutant_worker`) change files field by field and run them, so that a crash is a failure
that names the file. `tools/fuzz.py` does the same by the million (docs/robustness.md).
"""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from edgewise import Interpreter
from edgewise.dtypes import DType
from edgewise.errors import (
    FormatError,
    LimitError,
    QuantizationError,
    ShapeError,
    UnsupportedOp,
)
from edgewise.format import load, write
from edgewise.ir import Builder, Model, Op, Quant, Sym, TensorType, Value
from edgewise.ir.enums import Activation
from edgewise.ir.evaluate import evaluate_op
from edgewise.ops.arithmetic import Add
from edgewise.ops.conv import Conv2D
from edgewise.ops.convert import Cast, Dequantize, Quantize
from edgewise.ops.fully_connected import FullyConnected
from edgewise.ops.pad import Pad
from edgewise.ops.random import Multinomial, RandomStandardNormal
from edgewise.ops.ranking import TopKV2
from edgewise.ops.reduce import Sum
from edgewise.ops.regions import StablehloComposite
from edgewise.ops.requant import multiplier
from edgewise.ops.resize import ResizeBilinear, ResizeNearestNeighbor
from edgewise.ops.rnn import UnidirectionalSequenceRNN
from edgewise.ops.scan import Cumsum
from edgewise.ops.select import Where
from edgewise.ops.softmax import LogSoftmax, Softmax
from edgewise.passes.pipeline import to_tflite
from edgewise.runtime.limits import Limits
from tests.ops.case import all_cases, model_of

from .mutant_files import DATA
from .mutants import options, run

needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="../shared/data is missing")


def attempt(
    seed: int, count: int, sources: str, *, sanitizer: str | None = None, cache: Path | None = None
) -> None:
    """At least half of the files get as far as an inference (54 % of those of operators do, and a
    few may by chance be fewer); none ends in a fault."""
    batch = run(seed, 0, count, sources, options(sanitizer, cache))
    print(f"{sources}, seed {seed}: {batch}")
    assert batch.files == count
    assert not batch.faults, "\n".join(batch.faults[:5])
    assert batch.begun >= (0.5 if count >= 1000 else 0.35)


@pytest.mark.ci
def test_a_few_mutants_of_operators() -> None:
    attempt(1, 60, "operators")


@pytest.mark.ci
def test_mutants_of_operators() -> None:
    attempt(2, 1500, "operators")


@needs_data
@pytest.mark.ci
def test_mutants_of_real_models() -> None:
    attempt(3, 700, "real")


@needs_data
@pytest.mark.ci
def test_mutants_of_networks() -> None:
    attempt(4, 30, "networks")


@pytest.mark.ci
@pytest.mark.parametrize("sanitizer", ["asan", "ubsan"])
def test_mutants_under_sanitizers(sanitizer: str, built_kernels: Path) -> None:
    """Reads beyond a buffer, and integers beyond their range, end the process."""
    attempt(5, 300, "operators", sanitizer=sanitizer, cache=built_kernels)


@needs_data
@pytest.mark.full
@pytest.mark.timeout(5000)
@pytest.mark.parametrize("sanitizer", [None, "asan", "ubsan"])
def test_ten_thousand_mutants(sanitizer: str | None, seed: int, built_kernels: Path) -> None:
    attempt(seed, 10_000, "operators,real", sanitizer=sanitizer, cache=built_kernels)


@needs_data
@pytest.mark.full
@pytest.mark.timeout(5000)
def test_a_thousand_mutants_of_networks(seed: int) -> None:
    attempt(seed, 1000, "networks")


@pytest.mark.ci
def test_files_of_one_operator_cut_off_anywhere() -> None:
    """The last bytes may be padding that nobody misses."""
    for case in [case for case in all_cases() if not case.error][::150]:
        try:
            data = b"".join(write(to_tflite(model_of(case))))
        except UnsupportedOp:  # an operator that no file can hold
            continue
        for end in range(len(data) - 16):
            with pytest.raises(FormatError):
                load(data[:end])


# -- what the mutants found -------------------------------------------------------------------


def repeated(dtype: DType, times: list[int] | None) -> Model:
    """TILE of twos; `times` None: of a row, given with the inputs."""
    b = Builder("main")
    x = b.input("x", (2,) * len(times or [0]), dtype)
    n = b.input("n", (1,), DType.INT32) if times is None else b.constant(times)
    model = Model()
    model.add(b.finish(b.tile(x, n)))
    return model


@pytest.mark.parametrize("native", [True, False])
def test_results_that_grow_with_the_operands(native: bool) -> None:
    """A few computed multiples filled the memory before any limit was asked."""
    interpreter = Interpreter(
        repeated(DType.FLOAT32, None), native=native, limits=Limits(max_bytes=1 << 20)
    )
    with pytest.raises(LimitError, match="and the model has 8000000000 bytes in tile"):
        interpreter(np.ones(2, np.float32), np.array([10**9], np.int32))
    (y,) = interpreter(np.ones(2, np.float32), np.array([2], np.int32)).values()
    assert y.shape == (4,)


def test_strings_have_a_size() -> None:
    words = np.array([b"a", b"b"], object)
    with pytest.raises(LimitError, match="max_bytes is 1048576"):
        Interpreter(repeated(DType.STRING, [10**6]), limits=Limits(max_bytes=1 << 20))(words)
    with pytest.raises(LimitError, match="the run needs more memory than there is"):
        Interpreter(  # 1 TB in one step: no machine's memory
            repeated(DType.STRING, [2**29] + [1] * 7), limits=Limits(max_bytes=1 << 62)
        )(np.full((2,) * 8, b"a", object))


def test_nothing_repeated_often_is_nothing() -> None:
    """np.tile makes its way to an empty result over a large one."""
    b = Builder("main")
    model = Model()
    x = b.input("x", (3, 0), DType.STRING)
    model.add(b.finish(b.tile(x, b.constant([2**30 // 3, 1]))))
    (y,) = Interpreter(model)(np.empty((3, 0), object)).values()
    assert y.shape == (2**30 // 3 * 3, 0)


def test_a_factor_that_is_no_number() -> None:
    with pytest.raises(QuantizationError, match="must give a finite factor; got nan"):
        multiplier(float("nan"))


@pytest.mark.parametrize("op", [ResizeNearestNeighbor(), ResizeBilinear()])
def test_a_resize_needs_little_more_than_its_result(op: Op) -> None:
    """The references held indices and products of all of it: 20 to 70 times its bytes."""
    x, size = np.arange(2, dtype=np.uint8).reshape(1, 2, 1, 1), np.array([4_000_000, 2])
    type_ = TensorType(x.shape, DType.UINT8, Quant(0.1, 3))
    sizes, result = TensorType((2,), DType.INT32), type_.with_shape((1, *size.tolist(), 1))
    tracemalloc.start()
    (y,) = evaluate_op(op, [x, size], [type_, sizes], [result])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert y[0, [0, 1, -1], 0, 0].tolist() == [0, 0, 1]
    assert peak < y.nbytes + (100 << 20)


def test_recurrent_layers_on_references_have_a_limit_of_steps() -> None:
    """A million steps in Python took 5 s, between two operators, where no deadline looks."""
    b = Builder("main")
    weights = [b.constant(np.ones(shape, np.float32)) for shape in ((1, 1), (1, 1), (1,))]
    x = b.input("x", (1, 300, 1))
    state = Value(TensorType((1, 1), DType.FLOAT32), "state", is_variable=True)
    model = Model()
    model.add(b.finish(b.node(UnidirectionalSequenceRNN(), x, *weights, state).output))
    feed = np.zeros((1, 300, 1), np.float32)
    limits = Limits(max_loop_iterations=200)
    Interpreter(model, limits=limits)(feed)
    with pytest.raises(LimitError, match="max_loop_iterations is 200, and the model has 300 steps"):
        Interpreter(model, native=False, limits=limits)(feed)


@pytest.mark.parametrize("native", [True, False])
def test_a_cast_goes_by_the_declared_dtype(native: bool) -> None:
    """The references saturated to the attribute's dtype and let the declared one wrap."""
    b = Builder("main")
    x = b.input("x", (3,))
    declared = TensorType((3,), DType.UINT8)
    model = Model()
    model.add(b.finish(b.node(Cast(out_data_type=DType.INT32), x, results=[declared]).output))
    (y,) = Interpreter(model, native=native)(np.array([-3, 2, 300], np.float32)).values()
    assert y.tolist() == [0, 2, 255]


@pytest.mark.parametrize("native", [True, False])
def test_zero_is_the_border_of_integers_whose_scale_says_nothing(native: bool) -> None:
    b = Builder("main")
    x = b.input("x", (1,), DType.INT32, quant=Quant(0.5, 7))
    model = Model()
    model.add(b.finish(b.pad(x, b.constant([[1, 0]]))))
    (y,) = Interpreter(model, native=native)(np.array([3], np.int32)).values()
    assert y.tolist() == [0, 3]


@pytest.mark.parametrize("native", [True, False])
def test_a_scale_that_the_operator_needs_is_missing(native: bool) -> None:
    """The kernel took it for none, the reference refused it."""
    b = Builder("main")
    x = b.input("x", (1,), DType.INT8)
    declared = TensorType((2,), DType.INT8, Quant(0.5, 7))
    model = Model()
    model.add(b.finish(b.node(Pad(), x, b.constant([[1, 0]]), results=[declared]).output))
    with pytest.raises(QuantizationError, match="operand 'x' must have a scale, as the data has"):
        Interpreter(model, native=native)(np.array([3], np.int8))


@pytest.mark.parametrize(
    ("op", "scale", "result"),
    [(LogSoftmax(), 3e38, Quant(1 / 16, 127)), (Softmax(beta=np.inf), 0.1, Quant(1 / 256, -128))],
)
def test_scales_beyond_floats_saturate_alike(op: Op, scale: float, result: Quant) -> None:
    b = Builder("main")
    x = b.input("x", (1, 5), DType.INT8, quant=Quant(scale, 0))
    model = Model()
    declared = TensorType((1, 5), DType.INT8, result)
    model.add(b.finish(b.node(op, x, results=[declared]).output))
    feed = np.array([[1, -3, 127, 127, 0]], np.int8)
    with np.errstate(all="ignore"):
        native, references = (Interpreter(model, native=n)(feed) for n in (True, False))
    np.testing.assert_array_equal(*native.values(), *references.values())


@pytest.mark.parametrize("native", [True, False])
def test_an_activation_keeps_integers_of_64_bits(native: bool) -> None:
    """The references clipped them as float64, which has 53."""
    b = Builder("main")
    x, y = (b.input(name, (2,), DType.INT64) for name in "xy")
    model = Model()
    model.add(b.finish(b.node(Add(fused_activation_function=Activation.RELU), x, y).output))
    feeds = np.array([2**62 + 1, -5]), np.array([2, 1])
    (found,) = Interpreter(model, native=native)(*feeds).values()
    assert found.tolist() == [2**62 + 3, 0]


def test_a_composite_has_no_more_results_than_its_decomposition() -> None:
    """One without outputs was taken for a scalar, and ended in a ValueError."""
    inner = Builder("inner")
    inner.input("x", (2,))
    b = Builder("main")
    x = b.input("x", (2,))
    op = StablehloComposite(decomposition=inner.finish())
    with pytest.raises(ShapeError, match="as many results as its graph, 0; got 1"):
        b.node(op, x, results=[TensorType((), DType.FLOAT32)])


@pytest.mark.parametrize("declared", [DType.BOOL, DType.INT8, DType.INT32])
def test_places_are_written_as_wide_as_they_are_declared(declared: DType) -> None:
    """Indices of TOPK_V2 in bytes were written as 16 bits: beyond their memory."""
    b = Builder("main")
    x, k = b.input("x", (3, 40)), b.constant(np.int32(20))
    types = [TensorType((3, 20), DType.FLOAT32), TensorType((3, 20), declared)]
    node = b.node(TopKV2(), x, k, results=types)
    logits = b.input("logits", (2, 3))
    drawn = TensorType((2, 50), declared)
    classes = b.node(Multinomial(seed=3), logits, b.constant(np.int32(50)), results=[drawn])
    model = Model()
    model.add(b.finish(*node.outputs, classes.output))
    feeds = np.random.default_rng(1).normal(size=(3, 40)).astype(np.float32), np.zeros((2, 3))
    feeds = feeds[0], feeds[1].astype(np.float32)
    wanted = Interpreter(model, native=False)(*feeds)
    for name, found in Interpreter(model)(*feeds).items():
        np.testing.assert_array_equal(found, wanted[name])


@pytest.mark.parametrize("beta", [1.0, 1e3, 3e38])
def test_distances_beyond_32_bits_do_not_choose_a_place_in_a_table(beta: float) -> None:
    """SOFTMAX of int16 read outside of its table."""
    b = Builder("main")
    x = b.input("x", (3, 17), DType.INT16, Quant(0.01))
    model = Model()
    model.add(b.finish(b.softmax(x, beta=beta, dtype=DType.INT16, quant=Quant(2.0**-15))))
    feed = np.random.default_rng(2).integers(-(2**15), 2**15, (3, 17)).astype(np.int16)
    found, wanted = (
        [*Interpreter(model, native=native)(feed).values()] for native in (True, False)
    )
    np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("native", [True, False])
@pytest.mark.parametrize("op", [Quantize(), Dequantize()])
def test_scales_of_channels_that_are_not_there(op: Op, native: bool) -> None:
    """The size was unknown until the run; arithmetic spread the channel, or a pass failed."""
    scales = Quant([0.1, 0.2, 0.3], 0, axis=1)
    given, made = (DType.FLOAT32, DType.INT8)[:: 1 if isinstance(op, Quantize) else -1]
    b, shape = Builder("main"), (2, Sym("channels"), 5)
    x = b.input("x", shape, given, scales if given.is_integer else None)
    declared = TensorType(shape, made, scales if made.is_integer else None)
    model = Model()
    model.add(b.finish(b.node(op, x, results=[declared]).output))
    interpreter = Interpreter(model, native=native)
    interpreter(np.zeros((2, 3, 5), given.numpy))
    with pytest.raises(ShapeError, match="3 scales for 1 channels"):
        interpreter(np.zeros((2, 1, 5), given.numpy))


@pytest.mark.parametrize("native", [True, False])
def test_places_in_a_scalar_have_no_axes(native: bool) -> None:
    """WHERE gives [how many, 0]; the reference failed and the kernel took it for a vector."""
    b = Builder("main")
    model = Model()
    model.add(b.finish(b.node(Where(), b.input("x", ())).output))
    for number in (0, 3):
        (y,) = Interpreter(model, native=native)(np.float32(number)).values()
        assert y.shape == (min(number, 1), 0)


def test_random_numbers_need_little_more_than_themselves() -> None:
    """Words of 64 bits, and several arrays of floats, took 8 times their bytes."""
    op, shape = RandomStandardNormal(seed=1), np.array([1 << 22])
    tracemalloc.start()
    (y,) = evaluate_op(
        op, [shape], [TensorType((1,), DType.INT32)], [TensorType(None, DType.FLOAT32)]
    )
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2 * y.nbytes


@pytest.mark.parametrize("native", [True, False])
def test_work_that_only_the_run_knows_has_a_limit(native: bool) -> None:
    """A CONV_2D whose weights are as many as its pixels took 18 s (seed 6161, file 184)."""
    b = Builder("main")
    x = b.input("x", (Sym("n"), 40, 40, 4))
    model = Model()
    model.add(b.finish(b.conv_2d(x, x)))
    run = Interpreter(model, limits=Limits(max_macs=10**6), native=native)
    with pytest.raises(LimitError, match="max_macs is 1000000, and the model has 10240000"):
        run(np.zeros((1, 40, 40, 4), np.float32))


@pytest.mark.parametrize("dtype", [DType.INT8, DType.INT16])
def test_scales_whose_quotient_overflows_are_summed_alike(dtype: DType) -> None:
    """Of seed 6165, file 8166."""
    b = Builder("main")
    x = b.input("x", (4, 6), dtype, Quant(1e38))
    result = TensorType((4,), dtype, Quant(1e-38))
    axis = b.constant(np.array([1], np.int32))
    model = Model()
    model.add(b.finish(b.node(Sum(), x, axis, results=[result]).output))
    given = np.arange(-12, 12).reshape(4, 6).astype(dtype.numpy)
    with np.errstate(all="ignore"):
        found, wanted = (Interpreter(model, native=n)(given) for n in (True, False))
    for name, y in wanted.items():
        np.testing.assert_array_equal(found[name], y)


def test_a_bias_has_64_bits() -> None:
    """|-2**63| is -2**63 in 64 bits: it passed for a small one (seed 6161, file 1478)."""
    b = Builder("main")
    x = b.input("x", (2, 3), DType.INT16, Quant(0.5))
    w = b.constant(np.ones((4, 3), np.int8), quant=Quant(0.5))
    bias = b.constant(np.array([0, 1 << 46, -1 << 63, 5]), quant=Quant(0.25))
    result = TensorType((2, 4), DType.INT16, Quant(1.0))
    model = Model()
    model.add(b.finish(b.node(FullyConnected(), x, w, bias, results=[result]).output))
    given = np.arange(6, dtype=np.int16).reshape(2, 3)
    native, references = (Interpreter(model, native=n) for n in (True, False))
    found, wanted = native(given), references(given)
    for name, y in wanted.items():
        np.testing.assert_array_equal(found[name], y)
    assert [p.where for p in native.placement()] == ["kernel"]


@pytest.mark.parametrize("op", [Cumsum(), TopKV2()])
def test_a_number_that_is_computed_is_one(op: Op) -> None:
    """Its kernel read the first of five as CUMSUM's axis (seed 6207, file 6281)."""
    b = Builder("main")
    x, numbers = b.input("x", (5,)), b.input("numbers", (5,), DType.INT32)
    with pytest.raises(ShapeError, match="must be one number; got 5"):
        b.node(op, x, numbers)


@pytest.mark.parametrize("native", [True, False])
@pytest.mark.parametrize("dtype", [DType.INT8, DType.INT16])
def test_biases_may_lie_in_a_column(dtype: DType, native: bool) -> None:
    """The references added one to each row (seed 6212, file 5574)."""
    b = Builder("main")
    x = b.input("x", (1, 3), dtype, Quant(0.5))
    w = b.constant(np.ones((4, 3), np.int8), quant=Quant(0.5))
    wide = np.int64 if dtype is DType.INT16 else np.int32
    bias = b.constant(np.arange(4, dtype=wide)[:, None], quant=Quant(0.25))
    result = TensorType((1, 4), dtype, Quant(0.25))
    model = Model()
    model.add(b.finish(b.node(FullyConnected(), x, w, bias, results=[result]).output))
    (y,) = Interpreter(model, native=native)(np.array([[1, 2, 3]], dtype.numpy)).values()
    np.testing.assert_array_equal(y, [[6, 7, 8, 9]])


def test_sums_of_small_images_need_little_more_than_themselves() -> None:
    """65,536 of them took 480 MiB (seed 6200, file 9376); now the sums, of 64 bits, are whole."""
    types = [TensorType((32768, 3, 5, 1), DType.INT8, Quant(0.5))]
    types += [TensorType((15, 1, 1, 1), DType.INT8, Quant(0.5))]
    result = TensorType((32768, 3, 5, 15), DType.INT8, Quant(0.5))
    arrays = [np.ones(t.shape, np.int8) for t in types]
    tracemalloc.start()
    (y,) = evaluate_op(Conv2D(), [*arrays, None], [*types, None], [result])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20 * y.nbytes
