"""optimize/finer.py: what depthwise layers read gets finer steps, and the network computes what it
did."""

from __future__ import annotations

import numpy as np
import pytest

from edgewise.dtypes import DType
from edgewise.ir.build import Builder
from edgewise.ir.enums import Activation, Padding
from edgewise.ir.graph import Value
from edgewise.ir.model import Model
from edgewise.ir.types import TensorType
from edgewise.metrics import Difference
from edgewise.ops.conv import Conv2D, DepthwiseConv2D
from edgewise.ops.pad import Pad
from edgewise.optimize import Recipe, Scope, Technique, channel_maxima, finer_steps, quantize, widen
from edgewise.optimize.match import match
from edgewise.runtime.session import Session

from .networks import residual
from .networks import samples as samples_of
from .test_defaults import samples, separable

WITHOUT = (Technique.COMPENSATE, Technique.CORRECT_BIASES)


def block(
    idle: int,
    act: Activation = Activation.RELU6,
    padding: Padding = Padding.SAME,
    small: float = 1,
) -> Model:
    """A convolution, a depthwise and a pointwise one; of the channels between them the last ones
    are zero, whatever the input, and two vary little around what is far from zero; the second one
    is `small`, which the depthwise layer makes up for."""
    rng, b, live, count = np.random.default_rng(5), Builder("main"), 2, 2 + idle
    sizes = np.array([1, small] + [1] * idle)

    def constant(data: np.ndarray) -> Value:
        return b.constant(data.astype(np.float32))

    w = rng.normal(0, 0.05, (count, 3, 3, 3))
    w[live:] *= 1e-6
    w *= sizes[:, None, None, None]
    bias = np.where(np.arange(count) < live, 3.0, -1.0) * sizes
    x = b.input("x", (1, 12, 12, 3))
    y = b.conv_2d(x, constant(w), constant(bias), fused_activation_function=Activation.RELU6)
    w = rng.normal(0, 2, (1, 3, 3, count))
    w = (w - w.mean((1, 2), keepdims=True)) / sizes
    offset = rng.normal(1, 0.5, count)
    y = b.depthwise_conv_2d(
        y, constant(w), constant(offset), fused_activation_function=act, padding=padding
    )
    w, bias = rng.normal(0, 1, (4, 1, 1, count)), rng.normal(0, 1, 4)
    model = Model()
    model.add(b.finish(b.conv_2d(y, constant(w), constant(bias), label="pointwise")))
    return model


def outputs(model: Model, given: list[np.ndarray], *, native: bool = True) -> np.ndarray:
    session = Session(model.main, stateless=True, native=native)
    return np.stack([session.run([x])[0] for x in given])


def between(model: Model) -> np.ndarray:
    """The largest number of each channel that the depthwise layer reads."""
    [node] = [n for n in model.main.nodes if isinstance(n.op, DepthwiseConv2D)]
    return channel_maxima(model, samples(1))[node.input.name]


def test_a_network_computes_what_it_did():
    made = finer_steps(separable(), samples(1))
    np.testing.assert_allclose(
        outputs(made, samples(2)), outputs(separable(), samples(2)), atol=2e-3
    )


@pytest.mark.parametrize("act", [Activation.NONE, Activation.RELU, Activation.RELU6])
@pytest.mark.parametrize("padding", [Padding.SAME, Padding.VALID])
def test_idle_channels_carry_copies(act: Activation, padding: Padding) -> None:
    model = block(2, act, padding)
    made = finer_steps(model, samples(1))
    assert (between(model) > 0).tolist() == [True, True, False, False]
    assert (between(made) > 0).all()
    exact, ours = (outputs(m, samples(2)) for m in (model, made))
    assert Difference.of(exact, ours).snr > 45
    assert len(made.to_bytes()) == len(model.to_bytes())


def test_copies_are_of_channels_whose_errors_add_up() -> None:
    """One varies by a few steps, alike in neighbours, and its filter sums them up; the errors of
    the other one are of chance, and its filter is half as large again."""
    rng, b = np.random.default_rng(6), Builder("main")

    def constant(data: object) -> Value:
        return b.constant(np.asarray(data, np.float32))

    x, act = b.input("x", (1, 12, 12, 3)), Activation.RELU6
    w = np.array([[0.1, 0, 0], [0, 0, 0.5], [0, 0, 0]]).reshape(3, 1, 1, 3)
    y = b.conv_2d(x, constant(w), constant([3, 3, -1]), fused_activation_function=act)
    w = np.stack([np.full(9, 1 / 3), 0.5 * (-1.0) ** np.arange(9), np.ones(9)], -1)
    y = b.depthwise_conv_2d(y, constant(w.reshape(1, 3, 3, 3)), constant([0, 3, 0]))
    y = b.conv_2d(y, constant(np.ones((4, 1, 1, 3))), constant([0, 0, 0, 0]))
    model = Model()
    model.add(b.finish(y))
    given = rng.uniform(-1, 1, (20, 1, 12, 12, 3)).astype(np.float32)
    given[..., 0] = rng.uniform(-1, 1, (20, 1, 2, 2)).repeat(6, 2).repeat(6, 3)
    made = finer_steps(model, list(given))
    first = next(n for n in made.main.nodes if isinstance(n.op, Conv2D))
    slow, _, copy = first.operand(1).data
    np.testing.assert_array_equal(copy, slow)


@pytest.mark.parametrize(
    ("idle", "small", "least"), [(0, 1, -0.1), (2, 1, 3), (6, 1, 6), (0, 0.1, 10)]
)
def test_rounding_costs_less(idle: int, small: float, least: float) -> None:
    """dB that are gained: two copies take 6 of what is rounded before the depthwise layer, four 12,
    and ten times finer steps of one of two channels nearly 20."""
    model = block(idle, small=small)
    exact = outputs(model, samples(2))
    kept = (Scope("float32", layer="^pointwise"),)
    before, after = (
        Difference.of(exact, outputs(quantize(model, recipe, samples=samples(1)), samples(2))).snr
        for recipe in (
            Recipe("static_wi8_ai8", kept, techniques=WITHOUT),
            Recipe("static_wi8_ai8", kept),
        )
    )
    assert after - before > least


def test_what_may_wake_up_is_no_idle_channel():
    """A channel that is zero on the samples, and may be more on inputs of twice their size."""
    model = block(1)
    first = next(node for node in model.main.nodes if isinstance(node.op, Conv2D))
    weights = np.array(first.operand(1).data)
    reach = np.abs(np.stack(samples(1))).max((0, 1, 2, 3))
    weights[2] = 0.6 / (9 * reach.sum())  # with its bias of -1, at most -0.4 on the samples
    model.main.set_input(first, 1, Value(first.operand(1).type, "w", weights))
    made = finer_steps(model, samples(1))
    assert between(model).tolist()[2] == between(made).tolist()[2] == 0


def chain() -> Model:
    """Two such blocks, of 4 and 8 channels. Of the first one two are idle, of the second one all
    but two and the third, which is 0.3 (x0 + x1) - 1."""
    b, y = Builder("main"), None
    second = np.eye(8, 4)
    second[2, :2] = 0.3
    weights = (np.eye(4, 2), second, np.ones((1, 8)))
    biases = ([0, 0, -1, -1], [0, 0, *[-1] * 6], [0])
    for w, bias in zip(weights, biases, strict=True):
        count, read = w.shape
        if y is None:
            y = b.input("x", (1, 1, 1, read))
        else:
            ones = b.constant(np.ones((1, 1, 1, read), np.float32))
            y = b.depthwise_conv_2d(y, ones, b.constant(np.zeros(read, np.float32)))
        operands = w.reshape(count, 1, 1, read).astype(np.float32), np.array(bias, np.float32)
        act = Activation.RELU if count > 1 else Activation.NONE
        y = b.conv_2d(y, *map(b.constant, operands), fused_activation_function=act)
    model = Model()
    model.add(b.finish(y))
    return model


def test_what_reads_copies_may_wake_up():
    """What is 0.6 - 1 of the sample, where idle channels before it carry copies, is 1.2 - 1 of
    twice its size."""
    sample = np.ones((1, 1, 1, 2), np.float32)
    made = finer_steps(chain(), [sample])
    np.testing.assert_allclose(outputs(made, [sample, 2 * sample]).ravel(), [2, 4.2], rtol=0.01)


def test_channels_have_room_for_what_samples_did_not_reach():
    """Samples whose maxima are 1 and 3: their mean is 2, and 3 + (3 - 2) is expected."""
    b = Builder("main")
    x = b.input("x", (1, 1, 1, 2))
    eye = np.eye(2, dtype=np.float32).reshape(2, 1, 1, 2)
    y = b.conv_2d(x, b.constant(eye), None)
    w = b.constant(np.ones((1, 1, 1, 2), np.float32))
    model = Model()
    model.add(b.finish(b.depthwise_conv_2d(y, w, None)))
    given = [np.array([[[[first, 8.0]]]], np.float32) for first in (1, 3)]
    made = finer_steps(model, given)
    assert [float(outputs(made, given).ravel()[i]) for i in (0, 2)] == [1, 3]
    first = next(node for node in made.main.nodes if isinstance(node.op, Conv2D))
    np.testing.assert_allclose(np.diag(first.operand(1).data[:, 0, 0]), [8 / 4, 1])


@pytest.mark.parametrize(("pads", "idle"), [(False, 0), (True, 2)])
def test_narrow_tensors_get_as_many_channels_again(pads: bool, idle: int) -> None:
    model = block(idle)
    if pads:
        [node] = [n for n in model.main.nodes if isinstance(n.op, DepthwiseConv2D)]
        x = node.input
        padded, none = Value(x.type, "padded"), np.zeros((4, 2), np.int32)
        by = Value(TensorType.of(none), "by", none)
        model.main.insert(Pad(), [x, by], [padded], before=node)
        model.main.set_input(node, 0, padded)
    made = widen(model)
    # on the references: the order in which kernels sum depends on the number of channels
    exact = [outputs(m, samples(2), native=False) for m in (made, model)]
    np.testing.assert_array_equal(*exact)
    np.testing.assert_allclose(outputs(made, samples(2)), outputs(model, samples(2)), atol=2e-5)
    count = 2 + idle
    assert (between(made) > 0).tolist() == [True, True] + [False] * (2 * count - 2)
    shared = finer_steps(made, samples(1))
    assert (between(shared) > 0).all()
    assert Difference.of(outputs(model, samples(2)), outputs(shared, samples(2))).snr > 45


def test_copies_in_added_channels_take_what_rounding_costs() -> None:
    """dB that are gained: two copies take 6 of what is rounded before the depthwise layer, and up
    to 3 of what is behind it."""
    model = block(0)
    exact = outputs(model, samples(2))
    kept, given = (Scope("float32", layer="^pointwise"),), samples(1)
    before, after = (
        Difference.of(exact, outputs(quantize(model, recipe, samples=given), samples(2))).snr
        for recipe in (
            Recipe("static_wi8_ai8", kept, techniques=techniques)
            for techniques in ([Technique.FINER_STEPS], [Technique.WIDEN, Technique.FINER_STEPS])
        )
    )
    assert after - before > 2


@pytest.mark.parametrize("live", [16, 17])
def test_wide_tensors_stay_as_they_are(live: int) -> None:
    model = block(live - 2)
    assert (widen(model) is model) == (live > 16)


def test_widened_layers_are_not_taken_for_others() -> None:
    """The first layer has 8 channels now, as the second one had."""
    model = chain()
    found = match(model.main, widen(model).main)
    assert [m.first for m in found] == [list(model.main.nodes)[-1]]


def test_a_model_without_depthwise_layers_is_the_same():
    b = Builder("main")
    w = b.constant(np.ones((4, 1, 1, 3), np.float32))
    model = Model()
    model.add(b.finish(b.conv_2d(b.input("x", (1, 4, 4, 3)), w, None)))
    assert finer_steps(model, []) is model


@pytest.mark.parametrize(
    ("scheme", "expected"),
    [
        ("static_wi8_ai8", True),
        ("static_wi4_ai8", True),
        ("static_wi8_au8", False),
        ("static_wi8_ai16", False),
        ("dynamic_wi8_afp32", False),
    ],
)
def test_it_is_done_where_data_is_int8(scheme: str, expected: bool) -> None:
    wanted = Recipe(scheme).techniques_for(has_samples=True)
    assert (Technique.FINER_STEPS in wanted) == expected


def test_residual_networks_go_on(caplog: pytest.LogCaptureFixture) -> None:
    """Values that an ADD or other layers read keep their units."""
    model = residual()
    given = samples_of(model)
    made = finer_steps(model, given)
    for x in given:
        [exact], [ours] = (Session(m.main).run(x) for m in (model, made))
        np.testing.assert_allclose(ours, exact, atol=1e-5)
    changed = quantize(model, "static_wi8_ai8", samples=given)
    assert any(v.dtype is DType.INT8 for v in changed.main.values())
