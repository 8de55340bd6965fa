"""Detail dictionaries are LiteRT's, field for field, for every tensor of every model there is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edgewise import lite
from edgewise.errors import UnsupportedOp
from tests.oracle import answers

from .store_details import digests

STORED = json.loads(Path(__file__).with_name("details.json").read_text())

# Differences that are meant, with the reason.
_KNOWS = (
    "LiteRT finds these shapes when it runs; here they are inferred from the shapes' arithmetic"
)
_EARLY = "refused when it is opened, with the operator and the rule; LiteRT says so when allocating"
_OPENS = "LiteRT refuses what it cannot lay out in memory; here the file is valid"
DIFFERENT = {
    "tflite/audio/melspectrogram.tflite": _OPENS,
    "tflite/audio/nmp.tflite": _KNOWS,
    "tflite/classify/mbnet128_0.25_f.tflite": _KNOWS,
    "tflite/classify/mbnet128_0.25_q.tflite": _KNOWS,
    "tflite/litert_unit/converter__quantization__lite__testdata__lstm_calibrated2.bin": _OPENS,
    "tflite/litert_unit/converter__quantization__lite__testdata__lstm_quantized2.bin": _OPENS,
    "tflite/litert_unit/converter__quantization__lite__testdata__single_conv_no_bias.bin": _OPENS,
    "tflite/litert_unit/converter__quantization__lite__testdata__svdf_calibrated.bin": _EARLY,
    "tflite/litert_unit/converter__quantization__lite__testdata__svdf_quantized.bin": _EARLY,
    "tflite/litert_unit/testdata__add_shared_tensors.bin": _EARLY,
    "tflite/litert_unit/testdata__segment_sum_invalid_buffer.bin": _EARLY,
    "tflite/litert_unit/testdata__tensor_string_data_type.bin": _EARLY,
    "tflite/litert_unit/testdata__test_model.bin": _EARLY,
    "tflite/litert_unit/testdata__test_model_versioned_ops.bin": _EARLY,
    "tflite/micro/person_detect.tflite": _OPENS,
    "tflite/ops_tflite2onnx/conv-transpose_relu.float32.tflite": _EARLY,
    "tflite/vision/style_transfer_quantized_dynamic.tflite": _KNOWS,
}


def comparable(ours: dict, theirs: dict, interpreter: lite.Interpreter) -> tuple[dict, dict]:
    """Both without the states that need operators which this version cannot run."""
    try:
        interpreter.allocate_tensors()
    except UnsupportedOp:
        return {"before": ours["before"]}, {"before": theirs["before"]}
    except RuntimeError:
        pass
    return ours, theirs


@pytest.mark.ci
@pytest.mark.parametrize("file", [f for f in STORED if f not in DIFFERENT])
def test_every_tensor_before_and_after_allocation_and_resized(shared_data, file):
    path = shared_data / file
    ours, theirs = digests(lambda _: lite.Interpreter(path)), STORED[file]
    if ours == theirs:
        return
    # a digest that differs: `store_details.py --show FILE` prints LiteRT's texts
    ours, theirs = comparable(ours, theirs, lite.Interpreter(path))
    assert ours == theirs


@pytest.mark.ci
@pytest.mark.parametrize("file", DIFFERENT)
def test_differences_are_still_there(shared_data, file):
    ours = digests(lambda _: lite.Interpreter(shared_data / file))
    assert ours != STORED[file], f"agrees now: take it out of DIFFERENT ({DIFFERENT[file]})"


@pytest.mark.ci
def test_signatures(shared_data):
    for file, answer in answers.load().items():
        if not answer.details or file in DIFFERENT:
            continue
        interpreter = lite.Interpreter(shared_data / file)
        assert interpreter.get_signature_list() == answer.details["signatures"], file
        for key in answer.details["signatures"]:
            runner = interpreter.get_signature_runner(key)
            assert list(runner.get_input_details()) == answer.details["signatures"][key]["inputs"]
            outputs = answer.details["signatures"][key]["outputs"]
            assert list(runner.get_output_details()) == outputs


def test_zero_points_that_are_all_the_same_become_one_on_request(shared_data):
    path = shared_data / "bench" / "tiny_ae" / "int8.tflite"
    for compress, sizes in ((False, {1, 8, 128, 640}), (True, {1})):
        interpreter = lite.Interpreter(
            path, experimental_compress_quantization_zero_points=compress
        )
        details = interpreter.get_tensor_details()
        points = [d["quantization_parameters"]["zero_points"] for d in details]
        assert {p.size for p in points if p.size} == sizes
        assert interpreter.experimental_compress_quantization_zero_points is compress
