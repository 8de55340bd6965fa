"""optimize/shift.py: channels fill the range of their tensor, and the network computes what it
did."""

from __future__ import annotations

import numpy as np
import pytest

from edgewise.ir.build import Builder
from edgewise.ir.enums import Activation, Padding
from edgewise.ir.graph import Value
from edgewise.ir.model import Model
from edgewise.metrics import Difference
from edgewise.ops.conv import DepthwiseConv2D
from edgewise.optimize import Recipe, Scope, Technique, quantize, shift_channels
from edgewise.optimize.observe import observe
from edgewise.runtime.session import Session

from . import test_defaults

NARROW, ZERO, CAP = range(3)  # channels: around 3; from zero on; up to the 6 of RELU6
RELU6 = Activation.RELU6


def samples(seed: int) -> list[np.ndarray]:
    """Smooth pictures of 24 by 24."""
    return [x.repeat(2, 1).repeat(2, 2) for x in test_defaults.samples(seed)]


def block(
    kernel: int = 1,
    act: Activation = RELU6,
    padding: Padding = Padding.SAME,
    times: int = 1,
    weigh: float = 1,
) -> Model:
    """A depthwise layer of three channels, so many times, and a convolution that reads it, the
    first of them with larger weights."""
    rng, b = np.random.default_rng(7), Builder("main")

    def constant(data: np.ndarray) -> Value:
        return b.constant(np.asarray(data, np.float32))

    x = b.input("x", (1, 24, 24, 3))
    w = rng.uniform(0.02, 0.06, (1, 3, 3, 3 * times)) * np.repeat([1, 10, 10], times)
    bias = constant(np.repeat([3, 0, 6], times))
    y = b.depthwise_conv_2d(
        x, constant(w), bias, fused_activation_function=act, depth_multiplier=times
    )
    w = rng.normal(0, 1, (4, kernel, kernel, 3 * times))
    w[..., :times] *= weigh
    offset = rng.normal(0, 1, 4) - 3 * w[..., :times].sum((1, 2, 3))
    y = b.conv_2d(y, constant(w), constant(offset), padding=padding, label="last")
    model = Model()
    model.add(b.finish(y))
    return model


def outputs(model: Model, given: list[np.ndarray]) -> np.ndarray:
    session = Session(model.main, stateless=True)
    return np.stack([session.run([x])[0] for x in given])


def between(model: Model, given: list[np.ndarray]) -> np.ndarray:
    """What the depthwise layer gives, [N, C]."""
    [node] = [n for n in model.main.nodes if isinstance(n.op, DepthwiseConv2D)]
    seen = [found[node.output] for found in observe(model, given)]
    return np.concatenate([y.reshape(-1, y.shape[-1]) for y in seen])


def test_channels_fill_the_range() -> None:
    given = samples(1)
    before, after = (between(m, given) for m in (block(), made(block())))
    assert np.ptp(before[:, NARROW]) < 1
    assert np.ptp(after[:, NARROW]) > 4
    assert after.min() >= 0
    assert after.max() <= 6
    # both ends of this one are cut off
    assert (before[:, ZERO].min(), after[:, ZERO].min()) == (0, 0)
    assert (before[:, CAP].max(), after[:, CAP].max()) == (6, 6)


def made(model: Model, scheme: str = "static_wi8_ai8") -> Model:
    return shift_channels(model, scheme, samples(1))


@pytest.mark.parametrize("act", [Activation.RELU, RELU6])
@pytest.mark.parametrize(("kernel", "padding"), [(1, Padding.SAME), (3, Padding.VALID)])
def test_a_layer_computes_what_it_did(act: Activation, kernel: int, padding: Padding) -> None:
    model = block(kernel, act, padding)
    changed = made(model)
    assert changed is not model
    exact, ours = (outputs(m, samples(2)) for m in (model, changed))
    assert Difference.of(exact, ours).snr > 45


def test_small_maps_stay() -> None:
    """144 pixels: channels of what few samples show are cut off by others."""
    model = test_defaults.separable()
    assert shift_channels(model, "static_wi8_ai8", test_defaults.samples(1)) is model


@pytest.mark.parametrize(("channel", "end"), [(ZERO, 0), (CAP, 6)])
def test_a_channel_that_was_cut_off_is_cut_off_there(channel: int, end: int) -> None:
    """Also for inputs ten times those of the samples."""
    model, far = block(), [10 * x for x in samples(2)]
    exact, ours = (between(m, far)[:, channel] for m in (model, made(model)))
    assert (exact == end).any()
    np.testing.assert_array_equal(exact == end, np.isclose(ours, end, atol=1e-5))


def test_rounding_costs_less() -> None:
    """A channel that is a sixth of the range has six times finer steps: 15 dB, where nothing else
    is rounded."""
    model = block(weigh=30)
    exact = outputs(model, samples(2))
    rest = (Technique.COMPENSATE, Technique.CORRECT_BIASES)
    recipes = [
        Recipe("static_wi8_ai8", techniques=named)
        for named in (rest, (Technique.SHIFT_CHANNELS, *rest))
    ]
    before, after = (
        Difference.of(exact, outputs(quantize(model, r, samples=samples(1)), samples(2))).snr
        for r in recipes
    )
    assert after - before > 6


def test_weights_of_four_bits_allow_less() -> None:
    """What is stretched has smaller weights behind it, on the grid of the large ones."""
    model = block(times=16)
    reach = {
        scheme: float(np.ptp(between(made(model, scheme), samples(1))[:, :16], axis=0).mean())
        for scheme in ("static_wi8_ai8", "static_wi4_ai8")
    }
    assert reach["static_wi4_ai8"] < 0.8 * reach["static_wi8_ai8"]


@pytest.mark.parametrize(
    "scheme", ["static_wi8_au8", "static_wi8_ai16", "dynamic_wi8_afp32", "float16"]
)
def test_it_is_for_data_of_8_bits(scheme: str) -> None:
    model = block()
    assert made(model, scheme) is model
    assert Technique.SHIFT_CHANNELS not in Recipe(scheme).techniques_for(has_samples=True)


def test_what_is_padded_or_read_in_floats_stays() -> None:
    model = block(3)
    assert made(model) is model
    model, named = block(), Recipe("static_wi8_ai8", [Scope("float32", layer="^last")])
    assert shift_channels(model, named, samples(1)) is model


def test_samples_that_come_once_are_enough() -> None:
    given = samples(1)
    once, again = (shift_channels(block(), "static_wi8_ai8", s) for s in (iter(given), given))
    np.testing.assert_array_equal(outputs(once, samples(2)), outputs(again, samples(2)))
