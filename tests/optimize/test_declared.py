"""optimize/declared.py: models that were trained with quantization keep the ranges they learned."""

from __future__ import annotations

import numpy as np
import pytest

from edgewise.errors import QuantizationError
from edgewise.ir.build import Builder
from edgewise.ir.graph import Value
from edgewise.ir.model import Model
from edgewise.ops.convert import FakeQuant, Quantize
from edgewise.optimize import Recipe, calibrate, prepare, quantize
from edgewise.runtime.session import Session

LOW, HIGH = -1.3, 2.9


def network(*, bits: int = 8, is_input: bool = True) -> Model:
    """A convolution between two FAKE_QUANT; its result is an output."""
    b, rng = Builder("main"), np.random.default_rng(0)

    def rounded(x: Value, low: float, high: float, label: str) -> Value:
        return b.fake_quant(x, min=low, max=high, num_bits=bits, narrow_range=False, label=label)

    x = b.input("x", (1, 6, 6, 3))
    x = rounded(x, -1.0, 1.0, "seen") if is_input else x
    w, bias = rng.normal(size=(4, 3, 3, 3)) / 3, rng.normal(size=4)
    y = b.conv_2d(x, b.constant(w.astype(np.float32)), b.constant(bias.astype(np.float32)))
    model = Model()
    model.add(b.finish(rounded(y, LOW, HIGH, "result")))
    return model


def samples(count: int = 12) -> list[np.ndarray]:
    rng = np.random.default_rng(1)
    return [rng.uniform(-1, 1, (1, 6, 6, 3)).astype(np.float32) for _ in range(count)]


def outputs(model: Model) -> np.ndarray:
    session = Session(model.main, stateless=True)
    return np.stack([session.run([x])[0] for x in samples()])


def test_the_ranges_are_those_of_training_and_need_no_samples():
    model = network()
    made = quantize(model, "static_wi8_ai8")
    assert not [n for n in made.main.nodes if isinstance(n.op, FakeQuant)]
    [conv] = [n for n in made.main.nodes if n.op.name == "conv_2d"]
    assert conv.output.quant is not None
    scale = (HIGH - LOW) / 255
    assert conv.output.quant.scale[0] == pytest.approx(scale, rel=1e-6)
    assert conv.input.quant is not None
    assert conv.input.quant.scale[0] == pytest.approx(2 / 255, rel=1e-6)
    assert made.main.outputs[0].name == prepare(model).main.outputs[0].name
    # what it computes is what it was trained to: one step apart where the weights' rounding tips it
    apart = np.abs(outputs(made) - outputs(model))
    assert apart.max() <= 1.01 * scale
    assert (apart < scale / 2).mean() > 0.8


def test_what_was_measured_gives_way():
    wide = [5 * x for x in samples()]
    plain = Recipe("static_wi8_ai8", techniques=())
    by_samples, by_ranges = (
        quantize(network(), plain, samples=wide),
        quantize(network(), "static_wi8_ai8", calibrate(network(), wide)),
    )
    np.testing.assert_array_equal(outputs(by_samples), outputs(by_ranges))
    [first] = [n for n in by_samples.main.nodes if isinstance(n.op, Quantize)]
    assert first.output.quant is not None
    assert first.output.quant.scale[0] == pytest.approx(2 / 255, rel=1e-6)


def test_what_is_not_declared_is_asked_for():
    with pytest.raises(QuantizationError, match=r"1 values? of @main ha.* no range:\n.*'x'"):
        quantize(network(is_input=False), "static_wi8_ai8")


def test_other_widths_and_float_recipes_keep_the_operators():
    made = quantize(network(bits=4), "static_wi8_ai8", samples=samples())
    assert len([n for n in made.main.nodes if isinstance(n.op, FakeQuant)]) == 2
    made = quantize(network(), "dynamic_wi8_afp32")
    assert len([n for n in made.main.nodes if isinstance(n.op, FakeQuant)]) == 2
