"""Every operator that has a form in Keras, on the cases of its conformance table, and networks:
there and back is the same text, and Keras computes what the operator means."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import edgewise
from edgewise.dtypes import DType
from edgewise.errors import UnsupportedOp
from edgewise.ir import Builder, Model
from edgewise.ir.enums import Activation, Padding
from edgewise.ir.op import Op
from edgewise.ir.text import print_model
from edgewise.passes import canonicalize
from edgewise.train import from_keras, to_keras
from edgewise.train.forms import FORMS, Untrainable
from tests.ops.case import Case, all_cases, inputs_of, model_of
from tests.train.here import need_keras

keras = need_keras()
pytestmark = pytest.mark.filterwarnings("ignore")
KNOWN = {DType.FLOAT32, DType.INT32, DType.BOOL}
NAMES = sorted(cls.name for cls in FORMS)
# What means the same, in other words: Keras has no such operation, counts axes from the front, or
# makes a RESHAPE of it. Numbers are compared for these, too.
SPELLED = {
    "add", "add_n", "atan2", "cast", "concatenation", "expand_dims", "fully_connected", "gather",
    "neg", "pack", "padv2", "resize_nearest_neighbor", "reduce_all", "reduce_any", "reduce_max",
    "reduce_min", "reduce_prod", "mean", "sum", "reshape", "sign", "slice", "softmax", "split",
    "split_v", "squared_difference", "squeeze", "strided_slice", "unpack", "zeros_like",
    "batch_norm", "layer_norm",
}  # fmt: skip


def _cases(name: str) -> list[Case]:
    """Its float cases that run on numbers Keras has."""
    found = []
    for case in all_cases():
        if case.op.name != name or case.error:
            continue
        graph = model_of(case).main
        dtypes = {value.dtype for value in graph.inputs}
        is_float = all(value.quant is None for value in graph.values())
        if is_float and dtypes and dtypes <= KNOWN:
            found.append(case)
    return found


def _round_trip(case: Case) -> bool:
    """Checks the numbers of one case; whether the text is the same. Raises Untrainable."""
    model = canonicalize(model_of(case))
    try:
        there = to_keras(model, keep_batch=True)
    except UnsupportedOp as refused:
        raise Untrainable(str(refused)) from refused
    x = inputs_of(case)
    found = there(x if len(x) > 1 else x[0])
    wanted = edgewise.Interpreter(model)(*x).values()
    for y, want in zip(found if isinstance(found, list) else [found], wanted, strict=True):
        _close(_numbers(y), want)
    return print_model(from_keras(there, like=model)) == print_model(model)


def _numbers(tensor: object) -> np.ndarray:
    return np.asarray(keras.ops.convert_to_numpy(tensor))


def _close(y: np.ndarray, want: np.ndarray) -> None:
    assert y.shape == want.shape
    finite = np.abs(want[np.isfinite(want)].astype(np.float64)).max(initial=1.0)
    np.testing.assert_allclose(y.astype(np.float64), want, rtol=0, atol=1e-5 * finite)


@pytest.mark.ci
@pytest.mark.parametrize("name", NAMES)
def test_operator(name):
    _check(name, itertools.islice(_cases(name), 1))


@pytest.mark.full
@pytest.mark.parametrize("name", NAMES)
def test_operator_in_all_cases(name):
    _check(name, _cases(name))


def _check(name: str, cases: object) -> None:
    answered = 0
    for case in cases:
        if case.op.name.startswith("reduce_m") and case.label == "empty":
            continue  # Keras has no maximum of nothing
        try:
            is_same = _round_trip(case)
        except Untrainable:
            continue
        answered += 1
        assert is_same or name in SPELLED, case.id
    assert answered or name in ("resize_bilinear", "resize_nearest_neighbor"), name  # legacy grids


def network() -> Model:
    """One of everything that mobile networks are made of."""
    b, rng = Builder(), np.random.default_rng(4)

    def weights(*shape: int) -> object:
        return b.constant((rng.normal(size=shape) * 0.3).astype(np.float32))

    x = b.input("image", (1, 12, 12, 3))
    options = {"stride_w": 2, "stride_h": 2, "fused_activation_function": Activation.RELU6}
    y = b.conv_2d(x, weights(8, 3, 3, 3), weights(8), label="net/stem.0", **options)
    z = b.depthwise_conv_2d(y, weights(1, 3, 3, 8), weights(8))
    z = b.conv_2d(b.hard_swish(z), weights(8, 1, 1, 8), weights(8), padding=Padding.VALID)
    y = b.add(y, z)
    gate = b.mean(y, b.constant(np.array([1, 2], np.int32)), keep_dims=True)
    y = b.mul(y, b.logistic(b.conv_2d(gate, weights(8, 1, 1, 8), weights(8))))
    y = b.reshape(b.max_pool_2d(y, stride_w=2, stride_h=2, filter_width=2, filter_height=2),
                  b.constant(np.array([1, 72], np.int32)))  # fmt: skip
    y = b.softmax(b.fully_connected(y, weights(5, 72), weights(5)), label="scores")
    model = Model(description="small", metadata={"note": b"kept"})
    model.add(b.finish(y))
    return canonicalize(model)


def test_names_weights_and_metadata_come_back():
    model = network()
    there = to_keras(model, keep_batch=True)
    paths = [v.path for v in there.weights]
    assert "net_stem_0/kernel" in paths
    kernel = next(n for n in model.main.nodes if n.op.name == "conv_2d").operand(1).data
    mine = next(v for v in there.weights if v.path == "net_stem_0/kernel")
    np.testing.assert_array_equal(_numbers(mine), kernel.transpose(1, 2, 3, 0))
    back = from_keras(there, like=model)
    assert print_model(back) == print_model(model)
    assert back.metadata["note"] == b"kept"


@pytest.mark.ci
def test_the_batch_is_open_and_weights_train():
    model = network()
    there = to_keras(model)
    x = np.random.default_rng(0).normal(size=(32, 12, 12, 3)).astype(np.float32)
    one = edgewise.Interpreter(model)
    np.testing.assert_allclose(
        _numbers(there(x[:3])), np.concatenate([one(i[None])["scores"] for i in x[:3]]),
        atol=1e-5,
    )  # fmt: skip
    there.compile("adam", "sparse_categorical_crossentropy")
    losses = there.fit(x, np.arange(32) % 5, epochs=8, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    trained = from_keras(there)
    found = edgewise.Interpreter(trained)(x[:1])
    np.testing.assert_allclose(next(iter(found.values())), _numbers(there(x[:1])), atol=1e-5)


def test_weights_that_are_shared_stay_shared():
    b = Builder()
    w, v = (b.constant(np.eye(3, dtype=np.float32) * n) for n in (2, 3))
    x = b.input("x", (1, 3))
    model = Model()
    model.add(b.finish(b.fully_connected(b.fully_connected(b.fully_connected(x, w), v), w)))
    there = to_keras(model)
    assert [tuple(v.shape) for v in there.trainable_weights] == [(3, 3), (3, 3)]


def test_parallel_branches_keep_their_order_and_names():
    """Keras makes the shortcut before the second convolution."""
    b, rng = Builder(), np.random.default_rng(5)

    def conv(x: object, kernel: int, label: str) -> object:
        w = b.constant(
            rng.normal(size=(4, kernel, kernel, 4)).astype(np.float32), name=f"{label}_w"
        )
        return b.conv_2d(x, w, label=label)

    x = b.input("x", (1, 6, 6, 4))
    y = conv(conv(x, 3, "first"), 3, "second")
    model = Model()
    model.add(b.finish(b.add(conv(x, 1, "shortcut"), y)))
    back = from_keras(to_keras(model), like=model, inputs=(1, 6, 6, 4))
    assert print_model(back) == print_model(model)


def test_every_operator_that_has_no_form_is_named():
    b = Builder()
    x = b.input("x", (1, 4))
    y = b.cumsum(x, b.constant(np.array(1, np.int32)), label="first")
    y = b.reverse_v2(b.relu(y), b.constant(np.array([1], np.int32)), label="second")
    model = Model(description="strange")
    model.add(b.finish(y))
    with pytest.raises(UnsupportedOp) as raised:
        to_keras(model)
    assert str(raised.value).startswith("strange: 2 operators cannot be trained in Keras:")
    assert "cumsum" in str(raised.value)
    assert "reverse_v2" in str(raised.value)


def test_a_quantized_model_is_refused_with_the_way_out():
    model = edgewise.quantize(network(), "weight_only_wi8_afp32")
    with pytest.raises(UnsupportedOp, match="take the model it was made of"):
        to_keras(model)


def test_forms_are_of_operators():
    assert all(Op.registry[cls.name] is cls for cls in FORMS)
