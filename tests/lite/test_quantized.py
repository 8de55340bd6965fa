"""`TFLiteConverter` with optimizations: TensorFlow's tutorials, rules and sentences."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

import edgewise
from edgewise import lite
from edgewise.errors import ConversionError, InputError, QuantizationError
from edgewise.ir import Builder, Model

FIXTURES = Path(__file__).parents[1] / "frontends" / "keras" / "fixtures"
DEFAULT = [lite.Optimize.DEFAULT]
INT8 = [lite.OpsSet.TFLITE_BUILTINS_INT8]
INT16 = [lite.OpsSet.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8]
RNG = np.random.default_rng(3)
SAMPLES = [RNG.uniform(-1, 1, (1, 8, 8, 3)).astype(np.float32) for _ in range(6)]


def network(*, with_float_operator: bool = False) -> Model:
    """Two convolutions, a dense layer with 1280 weights and one with 160, a softmax."""
    rng = np.random.default_rng(5)
    b = Builder()
    x = b.input("image", (1, 8, 8, 3))
    y = b.conv_2d(x, b.constant(rng.normal(size=(4, 3, 3, 3)).astype(np.float32)), None)
    if with_float_operator:
        y = b.sin(y)
    y = b.reshape(y, b.constant(np.array([2, 128], np.int32)), new_shape=(2, 128))
    y = b.fully_connected(y, b.constant(rng.normal(size=(10, 128)).astype(np.float32)), None)
    y = b.fully_connected(y, b.constant(rng.normal(size=(16, 10)).astype(np.float32)), None)
    model = Model()
    model.add(b.finish(b.softmax(y)))
    return model


def converter(*, with_float_operator: bool = False) -> lite.TFLiteConverter:
    made = network(with_float_operator=with_float_operator)
    found = lite.TFLiteConverter.from_keras_model(made)
    found.optimizations = DEFAULT
    return found


def dataset():
    for sample in SAMPLES:
        yield [sample]


def interpreter(data: bytes) -> lite.Interpreter:
    made = lite.Interpreter(model_content=data)
    made.allocate_tensors()
    return made


def run(data: bytes, sample: np.ndarray) -> np.ndarray:
    made = interpreter(data)
    made.set_tensor(made.get_input_details()[0]["index"], sample)
    made.invoke()
    return made.get_tensor(made.get_output_details()[0]["index"])


def weights(data: bytes) -> Counter[str]:
    return Counter(v.dtype.text for v in edgewise.load(data).main.constants() if len(v.shape) > 1)


def operators(data: bytes) -> Counter[str]:
    return Counter(n.op.builtin for n in edgewise.load(data).main.nodes)


def test_dynamic_range_leaves_small_weights_alone():
    data = converter().convert()
    assert weights(data) == {"int8": 1, "float32": 2}
    assert not {"QUANTIZE", "DEQUANTIZE"} & set(operators(data))
    np.testing.assert_allclose(run(data, SAMPLES[0]), run(plain(), SAMPLES[0]), atol=0.03)


def plain() -> bytes:
    return lite.TFLiteConverter.from_keras_model(network()).convert()


def test_float16():
    made = converter()
    made.target_spec.supported_types = [np.float16]
    data = made.convert()
    assert set(weights(data)) == {"float16"}
    np.testing.assert_allclose(run(data, SAMPLES[0]), run(plain(), SAMPLES[0]), atol=1e-3)


def test_static_int8_has_float_ends_and_falls_back():
    made = converter(with_float_operator=True)
    made.representative_dataset = dataset
    data = made.convert()
    details = interpreter(data).get_input_details()[0]
    assert details["dtype"] == np.float32
    assert operators(data) == {
        "QUANTIZE": 2,
        "DEQUANTIZE": 2,
        "CONV_2D": 1,
        "SIN": 1,
        "RESHAPE": 1,
        "FULLY_CONNECTED": 2,
        "SOFTMAX": 1,
    }


@pytest.mark.parametrize("kind", [np.int8, np.uint8, np.float32])
def test_all_integers(kind):
    made = converter()
    made.representative_dataset = lite.RepresentativeDataset(dataset)
    made.target_spec.supported_ops = INT8
    made.inference_input_type = made.inference_output_type = kind
    data = made.convert()
    found = interpreter(data)
    ends = [found.get_input_details()[0], found.get_output_details()[0]]
    assert [end["dtype"] for end in ends] == [kind, kind]
    if kind is not np.float32:
        scale, point = ends[0]["quantization"]
        sample = np.clip(np.rint(SAMPLES[0] / scale) + point, *limits(kind)).astype(kind)
        got = run(data, sample)
        scale, point = ends[1]["quantization"]
        real = scale * (got.astype(np.float32) - point)
        np.testing.assert_allclose(real, run(plain(), SAMPLES[0]), atol=0.05)


def limits(kind: type) -> tuple[int, int]:
    return np.iinfo(kind).min, np.iinfo(kind).max


def test_sixteen_bits():
    made = converter()
    made.representative_dataset = dataset
    made.target_spec.supported_ops = INT16
    made.inference_input_type = made.inference_output_type = np.int16
    data = made.convert()
    assert interpreter(data).get_input_details()[0]["dtype"] == np.int16
    types = {v.dtype.text for v in edgewise.load(data).main.values() if not v.is_constant}
    assert types == {"int16"}


def test_integers_only_lists_what_is_not():
    made = converter(with_float_operator=True)
    made.representative_dataset = dataset
    made.target_spec.supported_ops = INT8
    with pytest.raises(QuantizationError, match=r"1 operators cannot be integers.*\n.*SIN has no"):
        made.convert()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"supported_ops": INT8}, "a `representative_dataset` must be specified"),
        ({"supported_types": [np.int8]}, "a `representative_dataset` must be specified"),
        (
            {"supported_ops": INT8, "supported_types": [np.float16]},
            "`target_spec.supported_types` should be left uninitizalized or set",
        ),
        ({"inference_input_type": np.int8}, "must be tf.float32"),
        (
            {"inference_output_type": np.int32, "representative_dataset": dataset},
            r"must be in \['tf.float32', 'tf.int8', 'tf.uint8', 'tf.int16'\]",
        ),
        (
            {
                "supported_ops": INT16,
                "inference_output_type": np.int8,
                "representative_dataset": dataset,
            },
            r"must be in \['tf.float32', 'tf.int16'\]",
        ),
        ({"representative_dataset": 3}, "must be a function that returns an iterator"),
    ],
)
def test_what_tensorflow_refuses(options, says):
    made = converter()
    for name, value in options.items():
        setattr(made.target_spec if name.startswith("supported") else made, name, value)
    with pytest.raises(ConversionError, match=says):
        made.convert()


def test_samples_by_name_and_by_signature():
    by_list, by_name, by_key = converter(), converter(), converter()
    by_list.representative_dataset = dataset
    by_name.representative_dataset = lambda: ({"image": sample} for sample in SAMPLES)
    assert by_name.convert() == by_list.convert()
    by_key.representative_dataset = lambda: (("nobody", {"image": s}) for s in SAMPLES)
    with pytest.raises(InputError, match="no signature 'nobody'"):
        by_key.convert()


def test_without_optimizations_nothing_is_quantized():
    made = lite.TFLiteConverter.from_keras_model(network())
    made.representative_dataset = dataset
    assert made.convert() == plain()
