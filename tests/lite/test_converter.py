"""`TFLiteConverter`: the usual tutorial, what converters take, and what they say they cannot do."""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest

import edgewise
from edgewise import lite
from edgewise.cli.tflite_convert import main as tflite_convert
from edgewise.errors import ConversionError
from tests.oracle.litert import find_python

FIXTURES = Path(__file__).parents[1] / "frontends" / "keras" / "fixtures"
CONVOLUTION = FIXTURES / "convolution.keras"


class SavesItself:
    """As much of a Keras model as a converter needs: `save` writes a file of it."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def save(self, path: str) -> None:
        shutil.copy(self.file, path)


class TensorFlowType:
    """A tf.DType, as far as anybody looks."""

    def __init__(self, numpy_type: type) -> None:
        self.as_numpy_dtype = numpy_type


@pytest.fixture
def converter() -> lite.TFLiteConverter:
    return lite.TFLiteConverter.from_keras_model(SavesItself(CONVOLUTION))


def tutorial(model: object, image: np.ndarray, folder: Path, constructor: str) -> np.ndarray:
    """Line by line what tutorials for tf.lite do."""
    converter = getattr(lite.TFLiteConverter, constructor)(model)
    tflite_model = converter.convert()
    (folder / "model.tflite").write_bytes(tflite_model)

    interpreter = lite.Interpreter(model_content=tflite_model)
    interpreter.allocate_tensors()
    input_details = interpreter.get_input_details()
    output_details = interpreter.get_output_details()
    assert input_details[0]["dtype"] == np.float32
    assert list(input_details[0]["shape"]) == list(image.shape)
    interpreter.set_tensor(input_details[0]["index"], image)
    interpreter.invoke()
    output_data = interpreter.get_tensor(output_details[0]["index"])

    again = lite.Interpreter(model_path=str(folder / "model.tflite"))
    runner = again.get_signature_runner()
    [named] = runner(**{next(iter(runner.get_input_details())): image}).values()
    np.testing.assert_array_equal(named, output_data)
    return output_data


@pytest.mark.parametrize("constructor", ["from_keras_model", "from_saved_model"])
def test_the_usual_tutorial(shared_data, tmp_path, constructor):
    folder = shared_data / "bench" / "tiny_resnet8"
    image = np.load(folder / "in.npy")
    found = tutorial(SavesItself(folder / "m.keras"), image, tmp_path, constructor)
    with np.load(folder / "out.npz") as expected:
        [keras] = expected.values()
    np.testing.assert_allclose(found, keras, atol=3e-4)


_SAVE = """
import os, sys
os.environ["KERAS_BACKEND"] = "tensorflow"  # whatever the tests run on
import keras
import numpy as np
keras.utils.set_random_seed(1)
model = keras.applications.MobileNetV2(weights=None, input_shape=(96, 96, 3), alpha=0.35)
model.save(sys.argv[1])
image = np.random.default_rng(1).uniform(-1, 1, (1, 96, 96, 3)).astype(np.float32)
np.savez(sys.argv[2], image=image, keras=model.predict(image, verbose=0))
"""


@pytest.mark.full
def test_the_usual_tutorial_with_mobilenet_v2_of_keras(request, tmp_path):
    python = find_python(request.config.getoption("--oracle-python"), "keras")
    if python is None:
        pytest.skip("keras is not installed; install it or pass --oracle-python PATH")
    file, arrays = tmp_path / "mobilenet_v2.keras", tmp_path / "arrays.npz"
    subprocess.run([python, "-c", _SAVE, file, arrays], check=True, capture_output=True)
    with np.load(arrays) as loaded:
        image, keras = loaded["image"], loaded["keras"]
    found = tutorial(SavesItself(file), image, tmp_path, "from_saved_model")
    np.testing.assert_allclose(found, keras, atol=3e-4)


def test_every_way_to_name_a_keras_model_gives_the_same_bytes(converter):
    expected = converter.convert()
    assert isinstance(expected, bytes)
    for source in (CONVOLUTION, str(CONVOLUTION)):
        assert lite.TFLiteConverter.from_keras_model(source).convert() == expected
    saved = lite.TFLiteConverter.from_saved_model(CONVOLUTION)
    assert saved.saved_model_dir == str(CONVOLUTION)
    assert saved.convert() == expected


@pytest.mark.parametrize("name", ["inference_input_type", "inference_output_type"])
@pytest.mark.parametrize("kind", [np.float32, "float32", TensorFlowType(np.float32), None])
def test_float_types_are_fine(converter, name, kind):
    setattr(converter, name, kind)
    assert converter.convert()


def test_what_is_not_here_is_refused_by_name(converter):
    converter.optimizations = {lite.Optimize.EXPERIMENTAL_SPARSITY}
    with pytest.raises(ConversionError, match="EXPERIMENTAL_SPARSITY"):
        converter.convert()
    converter.optimizations = set()
    converter.target_spec.supported_ops = [lite.OpsSet.EXPERIMENTAL_STABLEHLO_OPS]
    with pytest.raises(ConversionError, match="EXPERIMENTAL_STABLEHLO_OPS"):
        converter.convert()


def test_operator_sets(converter):
    converter.target_spec.supported_ops = [lite.OpsSet.TFLITE_BUILTINS, lite.OpsSet.SELECT_TF_OPS]
    assert converter.convert()
    assert lite.OpsSet.get_options() == [str(option) for option in lite.OpsSet]


@pytest.mark.ci
def test_recurrent_layers_of_any_batch_keep_no_state_whatever_the_operators(tmp_path):
    """With SELECT_TF_OPS, which tutorials set for LSTM layers, as without."""
    with (
        np.load(FIXTURES / "loops.npz") as archive,
        zipfile.ZipFile(io.BytesIO(archive["lstm.saved"].tobytes())) as file,
    ):
        file.extractall(tmp_path / "saved")
    converter = lite.TFLiteConverter.from_saved_model(str(tmp_path / "saved"))
    for others in ([], [lite.OpsSet.SELECT_TF_OPS]):
        converter.target_spec.supported_ops = [lite.OpsSet.TFLITE_BUILTINS, *others]
        main = edgewise.load(converter.convert()).main
        assert "while" in [node.op.name for node in main.nodes]
        assert not any(value.is_variable for value in main.values())


def test_types_without_optimizations_change_nothing_as_in_tensorflow(converter):
    converter.target_spec.supported_types = [np.float16]
    assert converter.convert()
    converter.optimizations = [lite.Optimize.DEFAULT]
    assert b"_float16" in converter.convert()


def test_a_type_that_is_none(converter):
    converter.inference_input_type = "float33"
    with pytest.raises(ConversionError, match="'float33' is not an element type"):
        converter.convert()


def test_options_without_meaning_warn_once(converter):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(2):
            converter.experimental_new_quantizer = False
            converter._experimental_lower_tensor_list_ops = False
            converter.allow_custom_ops = True
            converter.experimental_new_converter = True  # the default
    texts = sorted(str(w.message) for w in caught)
    assert len(texts) == 2, texts
    assert (
        "experimental_new_quantizer has no effect in Edgewise: there is one quantizer" in texts[1]
    )
    assert converter.convert()


@pytest.mark.parametrize(
    ("source", "says"),
    [
        (lambda: lite.TFLiteConverter.from_keras_model(FIXTURES / "lambda.keras"), "'code'"),
        (lambda: lite.TFLiteConverter.from_keras_model("no/such.keras"), "does not exist"),
        (lambda: lite.TFLiteConverter.from_keras_model(object()), "builtins.object object"),
        (lambda: lite.TFLiteConverter.from_saved_model("."), "is a directory"),
        (lambda: lite.TFLiteConverter([object()]), "a list of builtins.object objects cannot be"),
        (lambda: lite.TFLiteConverter.from_concrete_functions([]), "an empty list cannot be conv"),
        (lambda: lite.TFLiteConverter.experimental_from_jax([abs], []), "JAX functions need"),
    ],
)
def test_sources_that_cannot_be_converted(source, says):
    converter = source()  # made without looking, as TensorFlow's
    with pytest.raises(ConversionError, match=says):
        converter.convert()


def test_an_object_whose_save_fails():
    class Broken:
        name = "net"

        def save(self, path: str) -> None:
            raise RuntimeError("no config")

    with pytest.raises(ConversionError, match="cannot save model 'net': no config"):
        lite.TFLiteConverter.from_keras_model(Broken()).convert()


# -- experimental -------------------------------------------------------------------------------


def test_the_analyzer_prints_every_subgraph(converter, capsys):
    content = converter.convert()
    lite.experimental.Analyzer.analyze(model_content=content)
    text = capsys.readouterr().out
    assert text.startswith("Subgraph ")
    assert "conv_2d" in text
    with pytest.raises(ValueError, match="must be specified"):
        lite.experimental.Analyzer.analyze()


def test_the_quantization_debugger_says_what_it_needs():
    with pytest.raises(ConversionError, match="needs post-training quantization"):
        lite.experimental.QuantizationDebugger(quant_debug_model_content=b"")
    assert lite.experimental.QuantizationDebugOptions().fully_quantize is False


def test_decorated_functions_stay_what_they_are():
    with warnings.catch_warnings(record=True):
        warnings.simplefilter("always")

        @lite.experimental.authoring.compatible
        def double(x):
            """Twice."""
            return x * 2

        @lite.experimental.authoring.compatible(converter_target_spec=lite.TargetSpec())
        def triple(x):
            return x * 3

    assert (double(2), triple(2), double.__doc__, double.__name__) == (4, 6, "Twice.", "double")
    with pytest.raises(ConversionError, match="there is no log"):
        double.get_compatibility_log()


# -- the command --------------------------------------------------------------------------------


def test_tflite_convert(converter, tmp_path, monkeypatch, capsys):
    def run(*arguments: str) -> int:
        monkeypatch.setattr(sys, "argv", ["tflite_convert", *arguments])
        with pytest.raises(SystemExit) as exit_:
            tflite_convert()
        return int(exit_.value.code or 0)

    output = tmp_path / "m.tflite"
    for _ in range(2):  # overwritten, as TensorFlow does
        assert run(f"--keras_model_file={CONVOLUTION}", f"--output_file={output}") == 0
    assert output.read_bytes() == converter.convert()
    assert run(f"--output_file={output}") == 2
    assert run(f"--keras_model_file={CONVOLUTION}", f"--output_file={output}", "--nonsense=1") == 2
    assert "nonsense" in capsys.readouterr().err
    assert run("--saved_model_dir=.", f"--output_file={tmp_path / 'n.tflite'}") == 1
    assert "is a directory" in capsys.readouterr().err
    assert not (tmp_path / "n.tflite").exists()
