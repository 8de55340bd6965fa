"""Every operator of the registry, quantized by its own rule: from its first float case."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

import edgewise.ops  # noqa: F401  (defines the operators)
from edgewise.dtypes import DType
from edgewise.errors import QuantizationError
from edgewise.ir.evaluate import evaluate
from edgewise.ir.graph import Graph, Node
from edgewise.ir.model import Model
from edgewise.ir.op import FixedRange, NotQuantized, Role, SameScale
from edgewise.ops.control import Control
from edgewise.ops.convert import Dequantize, FakeQuant, Quantize
from edgewise.optimize import calibrate, prepare, quantize
from edgewise.optimize.rules import is_data
from tests.ops.case import Case, all_cases, inputs_of, model_of

SCHEMES = {
    "static_wi8_ai8": DType.INT8,
    "static_wi8_au8": DType.UINT8,
    "static_wi8_ai16": DType.INT16,
}
OTHERS = (Quantize, Dequantize, Control)  # tested elsewhere
# have a rule, and stay float all the same: LiteRT has no int8 kernel
KEPT = {"l2_pool_2d", "reverse_sequence"}


@cache
def cases() -> dict[str, Case]:
    """The first case of each operator that a file can hold and that has floats to quantize."""
    found: dict[str, Case] = {}
    for case in all_cases():
        name, first = case.op.name, next((a for a in case.args if a is not None), None)
        if name in found or case.error or case.write is not None or first is None:
            continue
        data = [
            a.dtype
            for a, role in zip(case.args, case.roles, strict=True)
            if a is not None and role is not Role.PARAMETER
        ]
        if not case.op.builtin or case.op.custom or DType.FLOAT32 not in data:
            continue
        if any(a is not None and a.quant is not None for a in case.args) or 0 in first.shape:
            continue
        if isinstance(case.op, OTHERS) or isinstance(getattr(case.op, "padding", 0), tuple):
            continue
        found[name] = case
    return found


def main_node(graph: Graph, case: Case) -> Node:
    """The operator of the case in a model that was made of it."""
    return next(node for node in graph.nodes if type(node.op) is type(case.op))


@cache
def example(name: str) -> tuple[Model, list[np.ndarray]]:
    case = cases()[name]
    return prepare(model_of(case), None), inputs_of(case)


def quantized(name: str, scheme: str) -> Model | str:
    """The quantized model of an operator's case, or why it stays float."""
    model, inputs = example(name)
    ranges = calibrate(model, [inputs])
    try:
        return quantize(model, scheme, ranges)
    except QuantizationError as refusal:
        return str(refusal)


def check_rule(node: Node, dtype: DType) -> None:
    """Types and scales are those that the operator's class asks for."""
    data = [v for i, v in enumerate(node.inputs) if v is not None and is_data(node, i)]
    data = [v for v in data if v.dtype is not DType.BOOL and v.quant is not None]
    results = [v for v in node.outputs if v.quant is not None]
    assert data
    assert {v.dtype for v in (*data, *results)} == {dtype}
    assert all(v.quant.scale.size == 1 for v in (*data, *results))
    rule = node.op.quantization
    if isinstance(rule, SameScale):
        assert len({v.quant for v in (*data, *results)}) == 1
    if isinstance(rule, FixedRange):
        assert all(v.quant == rule.of(dtype) for v in results)
    if dtype is DType.INT16:
        assert all(v.quant.zero_point.tolist() == [0] for v in (*data, *results))
    if node.op.updates:
        return  # its class says how the others are stored: test_recurrent.py
    weight = None
    for index, value in enumerate(node.inputs):
        declared = node.op.declared(index)
        if value is None or value.quant is None or is_data(node, index):
            continue
        if declared.role is Role.WEIGHT:
            weight = value
            if dtype is not DType.UINT8:
                assert not value.quant.zero_point.any()
                assert value.data.min() > value.dtype.range[0]
                axis = declared.channel_axis
                assert value.quant.scale.size == (1 if axis is None else value.data.shape[axis])
        if declared.role is Role.BIAS:
            assert value.dtype is (DType.INT64 if dtype is DType.INT16 else DType.INT32)
            products = data[0].quant.scale * weight.quant.scale
            np.testing.assert_array_equal(value.quant.scale, products.astype(np.float32))


@pytest.mark.sampled(5)
@pytest.mark.parametrize("name", sorted(cases()))
@pytest.mark.parametrize("scheme", SCHEMES)
def test_rule(name: str, scheme: str) -> None:
    case, made = cases()[name], quantized(name, scheme)
    if isinstance(made, str):
        # the operator and the reason; FAKE_QUANT is a scale of what stands around it, here nothing
        assert name in made or isinstance(case.op, FakeQuant)
        return
    node = main_node(made.main, case)
    check_rule(node, SCHEMES[scheme])
    assert not isinstance(case.op.quantization, NotQuantized)


@pytest.mark.sampled(5)
@pytest.mark.parametrize("name", sorted(cases()))
def test_numbers_stay_near(name: str) -> None:
    """Within the quantization steps of operands and result, which the operator may add up."""
    made = quantized(name, "static_wi8_ai8")
    if isinstance(made, str):
        return
    model, inputs = example(name)
    expected, got = evaluate(model.main, inputs), evaluate(made.main, inputs)
    for x, y in zip(expected, got, strict=True):
        assert x.shape == y.shape
        if x.dtype == np.float32 and x.size:
            assert np.abs(x - y).mean() <= 0.03 * np.ptp(x) + 1e-6


@pytest.mark.ci
@pytest.mark.parametrize("name", sorted(n for n, c in cases().items() if Role.WEIGHT in c.roles))
@pytest.mark.parametrize("scheme", ["float16", "weight_only_wi8_afp32", "dynamic_wi8_afp32"])
def test_floats_on_narrow_weights(name: str, scheme: str) -> None:
    model, inputs = example(name)
    made = quantize(model, scheme)
    expected = evaluate(model.main, inputs)
    for x, y in zip(expected, evaluate(made.main, inputs), strict=True):
        assert x.dtype == y.dtype
        if x.dtype == np.float32 and x.size:
            assert np.abs(x - y).mean() <= 0.01 * np.ptp(x) + 1e-6


def test_most_operators_that_have_a_rule_are_quantized() -> None:
    """What has a rule and yet stays float is a short list, with reasons."""
    floats = {
        name
        for name, case in cases().items()
        if not isinstance(case.op.quantization, NotQuantized)
        and isinstance(quantized(name, "static_wi8_ai8"), str)
    }
    assert floats == KEPT
