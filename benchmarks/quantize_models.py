"""The models of `benchmarks/quantize.py`, with their samples: what is shared, or built of it.

A model is read or built by a function of the data's folder; a second one gives its calibration
samples, its test samples (of which none is a calibration sample) and their labels.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

import edgewise
from edgewise.data.image import NORMALIZATIONS, centre, open_picture
from edgewise.ir.graph import Value
from edgewise.ir.infer import result_types
from edgewise.ir.types import TensorType
from edgewise.ops.fully_connected import FullyConnected
from edgewise.ops.requant import quantize_real
from edgewise.runtime.session import Session
from edgewise.zoo.entries import get

PROBE = 160  # pixels
TIMED = 10  # percent of the inferences are faster than the time told: others use the cores, too
# the sources of the same weights, for TensorFlow's converter
TENSORFLOW = {
    "mnist_valid": "keras/mnist_valid.h5",
    "mnist_dw": "keras/mnist_dw.h5",
    "kws": "savedmodel/kws_ref_model",
    "resnet8": "keras/pretrainedResnet.h5",
    "mbnet128": "keras/mbnet128_0.25.h5",
}
Data = tuple[np.ndarray, np.ndarray, np.ndarray]  # calibration x, test x, test labels


def pictures(data: Path, size: int, normalization: str, offset: int = 0) -> Data:
    """ImageNet pictures: every fifth is a calibration sample."""
    files = sorted((data / "datasets/imagenet_sample").glob("*.jpg"))
    read = [NORMALIZATIONS[normalization](centre(open_picture(f), size, size)) for f in files]
    labels = np.array([int(f.name[:4]) + offset for f in files])
    x = np.stack(read)
    chosen = np.arange(len(files)) % 5 == 2
    return x[chosen], x[~chosen], labels[~chosen]


def arrays(data: Path, file: str, shape: Sequence[int], scale: float) -> Data:
    """Arrays with a training and a test part."""
    found = np.load(data / file)
    train = found["x_train"].astype(np.float32).reshape(-1, *shape) / scale
    test = found["x_test"].astype(np.float32).reshape(-1, *shape) / scale
    return train, test, found["y_test"].astype(np.int64)


def speech(data: Path) -> Data:
    """MFCCs of words, which are stored as the int8 model takes them."""
    found = np.load(data / "datasets/kws01/kws01_int8_mfcc.npz")
    file = data / "tflite/mlperf_tiny/kws_ref_model.tflite"
    quant = edgewise.load(file).main.inputs[0].quant
    assert quant is not None
    x = quant.dequantize(found["x"])
    chosen = np.arange(len(x)) % 5 == 0
    return x[chosen], x[~chosen], found["y"][~chosen]


def lite0(data: Path) -> edgewise.Model:
    """EfficientNet-Lite0 with ImageNet weights."""
    return edgewise.convert(get("efficientnet_lite0", data / "weights/efficientnet_lite0_fp16.npz"))


def cats_and_dogs(data: Path, part: str) -> tuple[np.ndarray, np.ndarray]:
    """Pictures of a part, of both kinds in turn, and their labels."""
    folder = data / "datasets/cats_dogs" / part
    kinds = [sorted((folder / kind).iterdir()) for kind in ("cat", "dog")]
    files = [(f, y) for pair in zip(*kinds, strict=True) for y, f in enumerate(pair)]
    read = [NORMALIZATIONS["imagenet"](centre(open_picture(f), PROBE, PROBE)) for f, _ in files]
    return np.stack(read).astype(np.float32), np.array([y for _, y in files])


def probe(data: Path) -> edgewise.Model:
    """MobileNetV2's features with ImageNet weights, and a ridge regression of cats and dogs."""
    weights = data / "weights/mobilenet_v2_1.0_features_fp16.npz"
    model = edgewise.convert(get("mobilenet_v2_features", weights, size=PROBE))
    x, y = cats_and_dogs(data, "train")
    features = run(model, x)[0]
    mean = features.mean(0)
    centred = features - mean
    ridge = centred.T @ centred + 10 * np.eye(len(mean))
    w = np.linalg.solve(ridge, centred.T @ (np.eye(2)[y] - 0.5)).T.astype(np.float32)
    graph = model.main
    constants = (w, (-w @ mean).astype(np.float32))
    named = zip(("probe/w", "probe/b"), constants, strict=True)
    operands = [graph.outputs[0], *(Value(TensorType.of(a), name, a) for name, a in named)]
    scores = Value(result_types(FullyConnected(), operands)[0], "scores")
    graph.insert(FullyConnected(), operands, [scores])
    graph.set_outputs([scores])
    return model


def file(name: str) -> Callable[[Path], edgewise.Model]:
    """A `.tflite` file."""
    return lambda data: edgewise.load(data / "tflite" / name)


MNIST = "datasets/mnist/mnist_subset.npz"
MODELS: dict[str, tuple[Callable[[Path], edgewise.Model], Callable[[Path], Data]]] = {
    "mnist_valid": (
        file("micro/mnist_valid_f.tflite"),
        lambda d: arrays(d, MNIST, (28, 28, 1), 255),
    ),
    "mnist_dw": (file("micro/mnist_dw_f.tflite"), lambda d: arrays(d, MNIST, (28, 28, 1), 255)),
    "trained_lstm": (
        file("micro/trained_lstm.tflite"),
        lambda d: arrays(d, MNIST, (28, 28), 255),
    ),
    "kws": (lambda d: edgewise.convert(d / "savedmodel/kws_ref_model"), speech),
    "resnet8": (
        file("mlperf_tiny/pretrainedResnet.tflite"),
        lambda d: arrays(d, "datasets/cifar10/cifar10_subset.npz", (32, 32, 3), 1),
    ),
    "mbnet128": (
        file("classify/mbnet128_0.25_f.tflite"),
        lambda d: pictures(d, 128, "0..1"),
    ),
    "mobilenet_v1": (
        file("classify/mobilenet_v1_0.25_224_1_default_1.tflite"),
        lambda d: pictures(d, 224, "-1..1", 1),
    ),
    "mobilenet_v2_probe": (
        probe,
        lambda d: (cats_and_dogs(d, "train")[0][::5], *cats_and_dogs(d, "test")),
    ),
    "efficientnet_lite0": (lite0, lambda d: pictures(d, 224, "efficientnet-lite")),
}


def run(model: edgewise.Model, x: np.ndarray) -> tuple[np.ndarray, float]:
    """Outputs [N, C] on Edgewise, as real numbers, and milliseconds of a run alone: as LiteRT's
    (`quantize_worker.py`), on arrays that are filled before and read behind."""
    session = Session(model.main, stateless=True)
    session.resize([(1, *x.shape[1:])])
    first, last = model.main.inputs[0], model.main.outputs[0]
    given = (stored(x[:1], first).copy(),)
    into = tuple(session.run(given))
    rows, times = [], []
    for sample in x:
        given[0][...] = stored(sample[None], first)
        start = time.perf_counter()
        session.run(given, into)
        times.append(time.perf_counter() - start)
        row = into[0].reshape(-1).copy()
        rows.append(row if last.quant is None else last.quant.dequantize(row))
    return np.stack(rows), 1000 * float(np.percentile(times, TIMED))


def stored(x: np.ndarray, value: Value) -> np.ndarray:
    """Real numbers as an input takes them."""
    return x if value.quant is None else quantize_real(x, value.quant, value.dtype)
