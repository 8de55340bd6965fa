"""What `benchmarks/quantize.py` asks of other packages, run by their own Python.

    PYTHON quantize_worker.py litert MODEL.tflite IN.npz OUT.npz
    PYTHON quantize_worker.py aeq FLOAT.tflite IN.npz FOLDER RECIPE ...
    PYTHON quantize_worker.py tensorflow SOURCE IN.npz FOLDER RECIPE ...

`IN.npz` has the model's one input, all samples on the first axis. The last two write
`FOLDER/RECIPE.tflite` of each recipe, or `FOLDER/RECIPE.txt` with why there is none: starting costs
them more than quantizing a small model. Edgewise is not imported here.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Sequence

import numpy as np


def litert(model: str, samples: str, result: str) -> None:
    """Run LiteRT on every sample; integers that go in and come out are real numbers here."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model, num_threads=1)
    (first, *_), (last, *_) = interpreter.get_input_details(), interpreter.get_output_details()
    x = np.load(samples)["x"]
    interpreter.resize_tensor_input(first["index"], [1, *x.shape[1:]])
    interpreter.allocate_tensors()
    outputs, seconds = [], []
    for sample in x:
        interpreter.reset_all_variables()
        interpreter.set_tensor(first["index"], _stored(sample[None], first))
        start = time.perf_counter()
        interpreter.invoke()
        seconds.append(time.perf_counter() - start)
        outputs.append(_real(interpreter.get_tensor(last["index"]).reshape(-1), last))
    np.savez(result, y=np.stack(outputs), seconds=seconds)


def _stored(x: np.ndarray, detail: dict[str, object]) -> np.ndarray:
    """Real numbers as the input takes them."""
    dtype, (scale, point) = np.dtype(detail["dtype"]), detail["quantization"]
    if dtype.kind == "f":
        return x
    limits = np.iinfo(dtype)
    return np.clip(np.rint(x / scale) + point, limits.min, limits.max).astype(dtype)


def _real(y: np.ndarray, detail: dict[str, object]) -> np.ndarray:
    """What an output says, as real numbers."""
    scale, point = detail["quantization"]
    return y.copy() if y.dtype.kind == "f" else (y.astype(np.float32) - point) * np.float32(scale)


def each(make: Callable[[str], bytes], folder: str, recipes: Sequence[str]) -> None:
    """The files of the recipes, or why there are none."""
    for recipe in recipes:
        path = f"{folder}/{recipe}"
        try:
            made, end = make(recipe), "tflite"
        except Exception as reason:
            said = [line for line in str(reason).splitlines() if line.strip()]
            made, end = (said or [type(reason).__name__])[-1].strip().encode(), "txt"
        with open(f"{path}.{end}", "wb") as file:  # noqa: PTH123
            file.write(made)


def aeq(model: str, samples: str, recipe: str) -> bytes:
    """Quantize with AI Edge Quantizer."""
    from ai_edge_litert.interpreter import Interpreter
    from ai_edge_quantizer import quantizer
    from ai_edge_quantizer import recipe as recipes

    made = getattr(recipes, recipe)()
    one = quantizer.Quantizer(model, made)
    found = None
    if one.need_calibration:
        runners = Interpreter(model).get_signature_list()
        key, inputs = next(((k, v["inputs"]) for k, v in runners.items()), (None, None))
        if key is None:
            details = Interpreter(model).get_input_details()
            key, inputs = "serving_default", [details[0]["name"]]
        data = [{inputs[0]: sample[None]} for sample in np.load(samples)["x"]]
        found = one.calibrate({key: data})
    return bytes(one.quantize(found, enable_progress_report=False).quantized_model)


def tensorflow(source: str, samples: str, recipe: str) -> bytes:
    """Quantize a Keras file or a SavedModel with TensorFlow's converter."""
    import tensorflow as tf

    class Depthwise(tf.keras.layers.DepthwiseConv2D):
        """Older files name an argument that Keras 3 does not take."""

        def __init__(self, *args: object, groups: int = 1, **options: object) -> None:
            super().__init__(*args, **options)

    if os.path.isdir(source):  # noqa: PTH112 (this file needs nothing but NumPy and its peers)
        converter = tf.lite.TFLiteConverter.from_saved_model(source)
    else:
        known = {"DepthwiseConv2D": Depthwise}
        model = tf.keras.models.load_model(source, custom_objects=known, compile=False)
        converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if recipe == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if recipe.startswith("static"):
        x = np.load(samples)["x"]
        converter.representative_dataset = lambda: ([sample[None]] for sample in x)
    if recipe == "static_wi8_ai16":
        ops = tf.lite.OpsSet
        wide = ops.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
        converter.target_spec.supported_ops = [wide, ops.TFLITE_BUILTINS]
    return bytes(converter.convert())


def main(job: str, model: str, samples: str, result: str, *recipes: str) -> None:
    """As the module's docstring says."""
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    if job == "litert":
        litert(model, samples, result)
        return
    make = {"aeq": aeq, "tensorflow": tensorflow}[job]
    each(lambda recipe: make(model, samples, recipe), result, recipes)


if __name__ == "__main__":
    main(*sys.argv[1:])
