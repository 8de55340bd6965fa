"""Real networks whose plain int8 models are useless are brought back, and the layers are named."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest

import edgewise
from edgewise.api import Model
from edgewise.data.image import NORMALIZATIONS, centre, open_picture
from edgewise.ir.graph import Value
from edgewise.ir.infer import result_types
from edgewise.ir.types import TensorType
from edgewise.ops.fully_connected import FullyConnected
from edgewise.optimize import Recipe, quantize
from edgewise.optimize.autopilot import autopilot
from edgewise.optimize.compare import compare
from edgewise.runtime.session import Session
from edgewise.zoo.entries import get
from tests.optimize.damage import damaged, free_layers, gated

SIZE = 96  # of the small network's pictures
Part = tuple[np.ndarray, np.ndarray]


@pytest.fixture(autouse=True)
def _few_words(caplog: pytest.LogCaptureFixture) -> None:
    """A gate that is always 1 is told of each model."""
    caplog.set_level(logging.ERROR, "edgewise")


def outputs(model: Model, x: np.ndarray) -> np.ndarray:
    session = Session(model.main, stateless=True)
    return np.stack([session.run([picture[None]])[0].reshape(-1) for picture in x])


def top1(model: Model, part: Part) -> float:
    return 100 * float((outputs(model, part[0]).argmax(1) == part[1]).mean())


def cats_and_dogs(shared: Path, part: str, every: int = 1) -> Part:
    normalize = NORMALIZATIONS["imagenet"]
    folder = shared / "datasets" / "cats_dogs" / part
    files = [(y, f) for y, k in enumerate(("cat", "dog")) for f in sorted((folder / k).iterdir())]
    files = files[::every]
    x = [normalize(centre(open_picture(f), SIZE, SIZE)) for _, f in files]
    return np.stack(x).astype(np.float32), np.array([y for y, _ in files])


def like_mobilenet_v3(shared: Path) -> Model:
    """MobileNetV2's features, gates, and a probe of cats and dogs."""
    weights = shared / "weights" / "mobilenet_v2_1.0_features_fp16.npz"
    model = gated(edgewise.convert(get("mobilenet_v2_features", weights, size=SIZE)), hard=True)
    x, y = cats_and_dogs(shared, "train")
    features = outputs(model, x)
    mean = features.mean(0)
    centred = features - mean
    ridge = centred.T @ centred + 10 * np.eye(len(mean))
    w = np.linalg.solve(ridge, centred.T @ (np.eye(2)[y] - 0.5)).T.astype(np.float32)
    bias = (-w @ mean).astype(np.float32)
    graph = model.main
    operands = [graph.outputs[0], *(Value(TensorType.of(a), "", a) for a in (w, bias))]
    scores = Value(result_types(FullyConnected(), operands)[0], "scores")
    graph.insert(FullyConnected(), operands, [scores])
    graph.set_outputs([scores])
    return model


def like_efficientnet_b0(shared: Path) -> Model:
    """EfficientNet-Lite0 with ImageNet weights and gates."""
    weights = shared / "weights" / "efficientnet_lite0_fp16.npz"
    return gated(edgewise.convert(get("efficientnet_lite0", weights)), hard=False)


def imagenet(shared: Path, every: int) -> Part:
    files = sorted((shared / "datasets" / "imagenet_sample").glob("*.jpg"))[::every]
    normalize = NORMALIZATIONS["efficientnet-lite"]
    x = np.stack([normalize(centre(open_picture(f), 224, 224)) for f in files])
    return x.astype(np.float32), np.array([int(f.name[:4]) for f in files])


@pytest.mark.ci
def test_equalization_brings_a_mobilenet_v3_back(shared_data):
    """Top-1 of 60 pictures: float 90, plain int8 50, which is chance. 300 pictures: 90.7, 50.0, by
    weights 91.3, by data 91.0."""
    sound = like_mobilenet_v3(shared_data)
    given = [picture[None] for picture in cats_and_dogs(shared_data, "train", 18)[0]]
    test = cats_and_dogs(shared_data, "test", 5)
    model = damaged(sound, given)
    before = top1(model, test)
    assert abs(before - top1(sound, test)) <= 2, "channels have other units, and nothing else"
    plain = quantize(model, "static_wi8_ai8", samples=given)
    assert top1(plain, test) <= before - 10
    for technique in ("cross_layer", "activations"):
        recipe = Recipe("static_wi8_ai8", techniques=(technique,))
        assert top1(quantize(model, recipe, samples=given), test) >= before - 2
    data = edgewise.open_data(test[0])
    found = compare(model, plain, data, limit=8, layer_examples=4)
    blamed = [layer.name for layer in found.layers[:5]]
    assert set(blamed) <= free_layers(model)


@pytest.mark.full
@pytest.mark.timeout(7200)
@pytest.mark.parametrize(
    ("network", "pictures", "seen"),
    [
        (like_mobilenet_v3, lambda d: cats_and_dogs(d, "test"), (cats_and_dogs, "train", 9)),
        (like_efficientnet_b0, lambda d: imagenet(d, 1), (imagenet, 10)),
    ],
    ids=["mobilenet_v3", "efficientnet_b0"],
)
def test_the_autopilot_brings_it_back(shared_data, network, pictures, seen):
    read, *options = seen
    given = [picture[None] for picture in read(shared_data, *options)[0]]
    model = damaged(network(shared_data), given)
    x, y = pictures(shared_data)
    found = autopilot(
        model,
        edgewise.open_data({"x": x, "y": y}),
        schemes=["static_wi8_ai8", "static_wi8_ai16"],
        max_drop=1.0,
    )
    drops = {c.name: found.drop(c) for c in found.candidates}
    assert drops["static_wi8_ai8"] >= 10
    assert found.proof.difference.value >= -0.01
    assert found.chosen.score.bytes < 0.5 * found.floats.score.bytes
    blamed = [layer.name for layer in found.layers if layer.name != f"all {layer.operator.upper()}"]
    assert set(blamed[:5]) <= free_layers(model)
