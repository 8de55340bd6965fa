"""The table of quantization: what each recipe costs in accuracy, here and with a peer.

    python benchmarks/quantize.py [--data ../shared/data] [--litert PYTHON] [--aeq PYTHON]
        [--tensorflow PYTHON] [--model NAME ...] [--recipe NAME ...] [--count 200] [--json FILE]

Every model is quantized by every recipe with the same calibration samples and runs on the same test
samples (of which none is a calibration sample). A line has the size, the top-1 accuracy, its
difference from float's on the same samples in points with the interval that McNemar's test does not
reject (95 %), the share of samples with the class of the float model, the mean divergence KL(float
|| quantized) of the softmax, and the time of one inference on one thread (a tenth of them are
faster); each on Edgewise and, with `--litert`, of the same file in LiteRT; with `--aeq`, of AI Edge
Quantizer's file for the same recipe in LiteRT; and with `--tensorflow`, of the file that
TensorFlow's converter makes of the source of the same weights, where there is one, with the same
calibration samples. What a peer does not do has its reason on standard error instead of a line.
Behind the peers stands whether ours is worse than one of them in KL or in agreement, by more than
the interval of the difference on the same samples.
"""

from __future__ import annotations

import argparse
import json
import logging
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

import edgewise
from edgewise.data.image import NORMALIZATIONS, centre, open_picture
from edgewise.ir.graph import Value
from edgewise.ir.infer import result_types
from edgewise.ir.types import TensorType
from edgewise.metrics import bootstrap, paired_difference
from edgewise.ops.fully_connected import FullyConnected
from edgewise.ops.requant import quantize_real
from edgewise.optimize import Recipe, calibrate, quantize
from edgewise.optimize.quantize import NothingToQuantize
from edgewise.runtime.session import Session
from edgewise.zoo.entries import get

WORKER = Path(__file__).with_name("quantize_worker.py")
RECIPES = (
    "float16",
    "weight_only_wi8_afp32",
    "dynamic_wi8_afp32",
    "dynamic_wi8_afp32@1024",  # weights from so many elements on, as TensorFlow's converter does
    "weight_only_wi4_afp32",
    "static_wi8_ai8",
    "static_wi8_ai16",
    "static_wi4_ai8",
    "static_wi8_au8",
    # with techniques: what a recipe does best
    *("static_wi8_ai8+compensate", "static_wi8_ai8+activations+compensate"),
    *("static_wi8_ai16+compensate", "dynamic_wi8_afp32+compensate"),
    *("static_wi4_ai8+compensate", "weight_only_wi4_afp32+compensate"),
)
# the names of the same recipes in AI Edge Quantizer
AEQ = {
    "weight_only_wi8_afp32": "weight_only_wi8_afp32",
    "weight_only_wi4_afp32": "weight_only_wi4_afp32",
    "dynamic_wi8_afp32": "dynamic_wi8_afp32",
    "static_wi8_ai8": "static_wi8_ai8",
    "static_wi8_ai16": "static_wi8_ai16",
}
CALIBRATION = 100
PROBE = 160  # pixels
TIMED = 10  # percent of the inferences are faster than the time told: others use the cores, too
LITERT = "  in litert"
# the sources of the same weights, for TensorFlow's converter
TENSORFLOW = {
    "mnist_valid": "keras/mnist_valid.h5",
    "mnist_dw": "keras/mnist_dw.h5",
    "kws": "savedmodel/kws_ref_model",
    "resnet8": "keras/pretrainedResnet.h5",
    "mbnet128": "keras/mbnet128_0.25.h5",
}
TENSORFLOW_RECIPES = ("float16", "dynamic_wi8_afp32@1024", "static_wi8_ai8", "static_wi8_ai16")
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
    operands = [graph.outputs[0], *(Value(TensorType.of(a), "", a) for a in constants)]
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


@dataclass
class Score:
    """How one file does on the test samples, against the float model."""

    bytes: int
    top1: float
    difference: tuple[float, float, float]  # points, and the ends of the interval
    agree: float
    kl: float
    ms: float

    def __str__(self) -> str:
        points, low, high = self.difference
        return (
            f"{self.bytes / 1000:8.0f} kB {self.top1:5.1f} % {points:+5.1f} [{low:.1f}, {high:.1f}]"
            f" {self.agree:5.1f} % {self.kl:9.2e} {self.ms:8.3f} ms"
        )


@dataclass
class Samples:
    """The same, sample by sample."""

    agree: np.ndarray
    kl: np.ndarray


def score(
    size: int, y: np.ndarray, ms: float, base: np.ndarray, labels: np.ndarray
) -> tuple[Score, Samples]:
    """Outputs [N, C] that are probabilities, or are made so."""
    right, was = y.argmax(1) == labels, base.argmax(1) == labels
    is_softmax = bool((base >= 0).all()) and abs(float(base.sum(1).mean()) - 1) < 0.01
    p, q = (probabilities(part, is_softmax=is_softmax) for part in (base, y))
    kl = (p * (np.log(p) - np.log(q))).sum(1)
    agree = y.argmax(1) == base.argmax(1)
    found = paired_difference(was, right)
    points = (100 * found.value, 100 * found.low, 100 * found.high)
    rates = 100 * float(right.mean()), points, 100 * float(agree.mean()), float(kl.mean())
    return Score(size, *rates, ms), Samples(agree, kl)


def behind(ours: Samples, theirs: Samples) -> list[str]:
    """In what ours is worse by more than the interval of the difference."""
    found = []
    more = bootstrap(ours.kl - theirs.kl)
    if more.low > 0:
        found.append(f"KL is higher by {more.value:.1e} [{more.low:.1e}, {more.high:.1e}]")
    less = paired_difference(theirs.agree, ours.agree)
    if less.high < 0:
        found.append(f"agreement is lower by {-100 * less.value:.1f} points")
    return found


def probabilities(y: np.ndarray, *, is_softmax: bool) -> np.ndarray:
    """Rows that sum to 1; nothing below 1e-4, which is what an int8 softmax can tell. The sum of
    one over a thousand classes is off by a tenth: what it is, is asked of the float model."""
    y = y.astype(np.float64)
    if not is_softmax:
        y = np.exp(y - y.max(1, keepdims=True))
    y = np.maximum(y, 1e-4)
    return y / y.sum(1, keepdims=True)


def run(model: edgewise.Model, x: np.ndarray) -> tuple[np.ndarray, float]:
    """Outputs [N, C] on Edgewise, as real numbers, and milliseconds."""
    session = Session(model.main, stateless=True)
    session.resize([(1, *x.shape[1:])])
    first, last = model.main.inputs[0], model.main.outputs[0]
    rows, times = [], []
    for sample in x:
        given = [stored(sample[None], first)]
        start = time.perf_counter()
        row = session.run(given)[0].reshape(-1)
        times.append(time.perf_counter() - start)
        rows.append(row if last.quant is None else last.quant.dequantize(row))
    return np.stack(rows), 1000 * float(np.percentile(times, TIMED))


def stored(x: np.ndarray, value: Value) -> np.ndarray:
    """Real numbers as an input takes them."""
    return x if value.quant is None else quantize_real(x, value.quant, value.dtype)


class Peers:
    """Other packages, in processes of their own, with their files in one folder."""

    def __init__(self, folder: Path, args: argparse.Namespace) -> None:
        self.folder, self.litert, self.aeq = folder, args.litert, args.aeq
        self.tensorflow = args.tensorflow
        # by peer and recipe its file, outputs and time: a recipe is asked for with and without
        # techniques
        self.known: dict[tuple[str, str], tuple[bytes, tuple[np.ndarray, float]]] = {}

    def run(self, data: bytes, samples: Path) -> tuple[np.ndarray, float] | None:
        """Outputs of LiteRT on a file, and milliseconds."""
        model, result = self.folder / "model.tflite", self.folder / "result.npz"
        model.write_bytes(data)
        if not self._ask(self.litert, "litert", model, samples, result):
            return None
        found = np.load(result)
        return found["y"], 1000 * float(np.percentile(found["seconds"], TIMED))

    def quantize(self, data: bytes, samples: Path, recipe: str) -> bytes | None:
        """AI Edge Quantizer's file."""
        model, result = self.folder / "float.tflite", self.folder / "aeq.tflite"
        model.write_bytes(data)
        result.unlink(missing_ok=True)
        if not self._ask(self.aeq, "aeq", model, samples, AEQ[recipe], result):
            return None
        return result.read_bytes()

    def convert(self, source: Path, samples: Path, recipe: str) -> bytes | None:
        """TensorFlow's file."""
        result = self.folder / "tensorflow.tflite"
        result.unlink(missing_ok=True)
        if not self._ask(self.tensorflow, "tensorflow", source, samples, recipe, result):
            return None
        return result.read_bytes()

    def _ask(self, python: str | None, *arguments: object) -> bool:
        if python is None:
            return False
        command = [python, str(WORKER), *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["it died"])[-1]
            sys.stderr.write(f"  {arguments[0]}: {last[:200]}\n")
        return done.returncode == 0


def measure(name: str, recipes: Sequence[str], args: argparse.Namespace) -> list[dict[str, object]]:
    """The lines of one model, printed as they come."""
    read, samples_of = MODELS[name]
    model = read(args.data)
    calibration, x, labels = samples_of(args.data)
    calibration, x, labels = calibration[:CALIBRATION], x[: args.count], labels[: args.count]
    with tempfile.TemporaryDirectory() as folder:
        peers = Peers(Path(folder), args)
        tests, seen = Path(folder) / "test.npz", Path(folder) / "calibration.npz"
        np.savez(tests, x=x)
        np.savez(seen, x=calibration)
        if not model.signatures:  # AI Edge Quantizer calibrates by signature
            one = model.signature()
            model.signatures.append(replace(one, key="serving_default"))
        data = model.to_bytes()
        base, ms = run(edgewise.load(data), x)
        lines = [("float32", "edgewise", score(len(data), base, ms, base, labels)[0])]
        sys.stdout.write(f"\n{name}: {len(x)} samples\n")
        tell(*lines[0])
        source = args.data / TENSORFLOW[name] if name in TENSORFLOW else None
        given = [sample[None] for sample in calibration]
        ranges = calibrate(model, given)
        for recipe in recipes:
            scheme, *techniques = recipe.split("+")
            scheme, _, least = scheme.partition("@")
            wanted = Recipe(scheme, (), int(least or 0)).with_techniques(techniques)
            known = None if techniques else ranges
            try:
                made = quantize(model, wanted, known, samples=given if techniques else None)
            except NothingToQuantize as reason:
                sys.stderr.write(f"  {recipe}: {str(reason)[:200]}\n")
                continue
            ours: Samples | None = None
            for row in compare(recipe, made, data, source, peers, tests, seen):
                who, written, outputs = row
                y, ms = run(edgewise.load(written), x) if outputs is None else outputs
                found, samples = score(len(written), y, ms, base, labels)
                lines.append((recipe, who, found))
                worse = [] if ours is None or who == LITERT else behind(ours, samples)
                tell(*lines[-1], "; ".join(worse))
                ours = ours or samples
    return [{"model": name, "recipe": r, "by": who, **asdict(s)} for r, who, s in lines]


def compare(
    recipe: str,
    model: edgewise.Model,
    data: bytes,
    source: Path | None,
    peers: Peers,
    tests: Path,
    seen: Path,
) -> list[tuple[str, bytes, tuple[np.ndarray, float] | None]]:
    """(who, file, LiteRT's outputs and time; None: on Edgewise) of our file and the peers'."""
    written = model.to_bytes(target="litert-2.3")
    rows: list[tuple[str, bytes, tuple[np.ndarray, float] | None]] = [("edgewise", written, None)]
    if (outputs := peers.run(written, tests)) is not None:
        rows.append((LITERT, written, outputs))
    recipe = recipe.split("+")[0]  # peers do what they do
    makers: dict[str, Callable[[], bytes | None]] = {}
    if recipe in AEQ:
        makers["aeq"] = lambda: peers.quantize(data, seen, recipe)
    if source is not None and recipe in TENSORFLOW_RECIPES:
        makers["tensorflow"] = lambda: peers.convert(source, seen, recipe)
    for who, make in makers.items():
        key = who, recipe
        if key not in peers.known:
            theirs = make()
            found = None if theirs is None else peers.run(theirs, tests)
            if theirs is None or found is None:
                continue
            peers.known[key] = theirs, found
        rows.append((who, *peers.known[key]))
    return rows


def tell(recipe: str, who: str, found: Score, worse: str = "") -> None:
    """Print a line. `worse`: in what ours is behind this peer."""
    said = f"  ours is behind: {worse}" if worse else ""
    sys.stdout.write(f"  {recipe:<38} {who:<12} {found}{said}\n")
    sys.stdout.flush()


def main() -> None:
    """Parse the options and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--litert", help="a Python with ai-edge-litert")
    parser.add_argument("--aeq", help="a Python with ai-edge-quantizer")
    parser.add_argument("--tensorflow", help="a Python with tensorflow")
    parser.add_argument("--model", action="append", choices=[*MODELS])
    parser.add_argument("--recipe", action="append")
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    logging.getLogger("edgewise").setLevel(logging.ERROR)
    sys.stdout.write(f"{'size':>62}   top-1  points [95 %]  agree        KL     latency\n")
    rows = [
        row for name in args.model or MODELS for row in measure(name, args.recipe or RECIPES, args)
    ]
    if args.json:
        args.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
