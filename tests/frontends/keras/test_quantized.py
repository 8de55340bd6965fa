"""Layers that Keras quantized keep their integers: what files hold, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import edgewise
from edgewise.errors import UnsupportedOp
from edgewise.frontends.keras.description import DTypePolicy, KerasLayer
from edgewise.ir import Model
from edgewise.ir.evaluate import evaluate
from edgewise.passes import canonicalize
from edgewise.passes.target import require_target
from tests.frontends.keras.test_lower import chain, dense, lower
from tests.frontends.keras.test_operations import archive, arrays, converted

CASES = [key.removesuffix(".model") for key in archive("quantized").files if key.endswith(".model")]
NO_ZEROS = (
    "is quantized by Keras (gptq), which leaves the zeros of its groups out of files; "
    "give the model itself, or the float model"
)
# The integers that a case stores, where they are not int8.
STORED = {"dense_int4_rows": "int4"}


def matrices(model: Model) -> list:
    """Weights of the operators that have some."""
    readers = ("fully_connected", "embedding_lookup")
    return [node.operand(1) for node in model.main.nodes if node.op.name in readers]


@pytest.mark.parametrize("case", CASES)
def test_weights_are_integers_with_a_scale_per_row(case: str) -> None:
    found = matrices(canonicalize(converted("quantized", case)))
    assert found
    for value in found:
        assert value.dtype.text == STORED.get(case, "int8"), value.name
        assert value.quant is not None
        assert value.quant.axis == 0
        assert value.quant.scale.size == value.shape[0]


@pytest.mark.parametrize("case", CASES)
def test_the_file_runs_in_litert_and_natively(case: str) -> None:
    model = canonicalize(converted("quantized", case))
    require_target(model, "litert-2.3")
    inputs = arrays("quantized", case, "x")
    wanted = evaluate(model.main, inputs)
    names = [value.name for value in model.main.inputs]
    runner = edgewise.Interpreter(edgewise.load(model.to_bytes()))
    given = list(runner(**dict(zip(names, inputs, strict=True))).values())
    for y, want in zip(given, wanted, strict=True):
        np.testing.assert_allclose(y, want, rtol=0, atol=1e-5 * float(np.abs(want).max()))


def stored(mode: str, bits: int, groups: int) -> tuple[KerasLayer, np.ndarray]:
    """A Dense layer of 6 to 5 as GPTQ or AWQ leaves it in memory, and the kernel it stands for."""
    rng = np.random.default_rng(5)
    q = rng.integers(0, 2**bits, (5, 6))
    scale = rng.uniform(0.5, 1.5, (5, groups)).astype(np.float32)
    zero = rng.integers(2 ** (bits - 1) - 1, 2 ** (bits - 1), (5, groups), endpoint=True)
    index = np.arange(6) * groups // 6
    kernel = (q - zero[:, index]) * scale[:, index]
    packed = q if bits == 8 else np.stack([*q, np.zeros(6, q.dtype)])
    if bits == 4:
        packed = packed[0::2] | packed[1::2] << 4
    weights = {"kernel": packed.astype(np.uint8), "kernel_scale": scale}
    weights |= {"kernel_zero": zero.astype(np.uint8), "g_idx": index.astype(np.float32)}
    if mode == "awq":
        weights["awq_scales"] = rng.uniform(0.5, 2, 6).astype(np.float32)
        kernel = kernel / weights["awq_scales"]
    made = dense("d", 6, 5)
    policy = DTypePolicy(f"{mode}/{bits}/-1", quantization=mode)
    layer = replace(made, policy=policy, weights={"bias": made.weights["bias"], **weights})
    return layer, kernel.T


@pytest.mark.parametrize(
    ("mode", "bits", "groups", "tolerance"),
    [("gptq", 4, 1, 1e-6), ("gptq", 8, 1, 0.02), ("gptq", 4, 3, 0.02), ("awq", 4, 2, 0.02)],
)
def test_gptq_and_awq_are_matrices_in_groups(
    mode: str, bits: int, groups: int, tolerance: float
) -> None:
    layer, kernel = stored(mode, bits, groups)
    model = lower(chain(layer, shape=(None, 6)))
    x = np.random.default_rng(6).normal(size=(3, 6)).astype(np.float32)
    (y,) = evaluate(model.main, [x])
    want = x @ kernel + layer.weights["bias"]
    assert np.abs(y - want).max() <= tolerance * np.abs(want).max()
    (w,) = matrices(model)
    assert (w.dtype.text, w.quant.scale.size) == ("int8", 5)


@pytest.mark.parametrize("case", ["heads_int8", "dense_int8", "reversible_int4_tied"])
def test_a_weight_is_a_byte(case: str) -> None:
    found = matrices(converted("quantized", case))
    assert sum(v.data.nbytes for v in found) == sum(v.data.size for v in found)


@pytest.mark.parametrize(
    ("mode", "weights", "reason"),
    [
        ("float8", {}, "is quantized by Keras (float8)"),
        (
            "gptq",
            {
                "kernel": np.zeros((3, 2), np.float32),
                "kernel_scale": np.ones((2, 1), np.float32),
                "kernel_zero": np.zeros((2, 1), np.uint8),
                "g_idx": np.zeros(3, np.float32),
            },
            "is quantized by Keras (gptq), but not calibrated",
        ),
        (
            "gptq",
            {"kernel": np.zeros((1, 3), np.uint8), "kernel_scale": np.ones((2, 1), np.float32)},
            NO_ZEROS,
        ),
        (
            "int4",
            {
                "kernel": np.zeros((3, 1), np.int8),
                "kernel_scale": np.ones((1, 2), np.float32),
                "kernel_zero": np.zeros((1, 2), np.int8),
                "g_idx": np.full(3, 7, np.float32),
            },
            "its groups do not fit its weights [3, 2]",
        ),
    ],
)
def test_what_is_not_read_is_named(mode: str, weights: dict, reason: str) -> None:
    made = dense("d", 3, 2)
    policy = DTypePolicy(f"{mode}_from_float32", quantization=mode)
    layer = replace(made, policy=policy, weights={**made.weights, **weights})
    with pytest.raises(UnsupportedOp) as caught:
        lower(chain(layer, shape=(None, 3)))
    way_out = "" if "; " in reason else "; convert the float model and quantize the result"
    assert str(caught.value) == (
        f"model.keras: 1 layer cannot be converted:\n  - 'd' (Dense): {reason}{way_out}"
    )


def test_rounded_groups_are_told(caplog: pytest.LogCaptureFixture) -> None:
    layer, _ = stored("gptq", 4, 3)
    with caplog.at_level("WARNING", "edgewise"):
        lower(chain(layer, shape=(None, 6)))
    (message,) = caplog.messages
    assert message == (
        "model.keras: 1 layers have several scales in a row of weights, which a .tflite file does "
        "not have; their weights are rounded to int8 with one scale per row: d (kernel)"
    )
