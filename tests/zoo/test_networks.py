"""The zoo's architectures are those of their sources: same weights, same answers.

Networks of Keras Applications come from stored answers (made for `tests/e2e`, without weights), or
in the full tier from Keras itself; those of MLPerf Tiny from files in the data folder.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import edgewise
from edgewise.errors import FormatError, InputError
from edgewise.zoo import entries
from edgewise.zoo.network import Network
from edgewise.zoo.weight_files import open_weights
from tests.e2e.applications import CASES, images
from tests.e2e.test_stored_applications import unpacked
from tests.oracle.litert import Oracle

BAR = 3e-4
SCRIPT = Path(__file__).parents[2] / "tools" / "oracle" / "zoo_network.py"


def answer(model: edgewise.Model, x: np.ndarray) -> np.ndarray:
    """What the simplified model says of an input."""
    (found,) = edgewise.Interpreter(edgewise.convert(model).to_bytes())(x).values()
    return found


def logits(model: edgewise.Model, x: np.ndarray) -> np.ndarray:
    """What stands before the softmax: probabilities would hide mistakes."""
    [softmax] = model.main.outputs
    assert softmax.producer is not None
    before = softmax.producer.inputs[0]
    assert before is not None
    model.main.set_outputs([before])
    return answer(model, x)


def apart(found: np.ndarray, expected: np.ndarray) -> float:
    return float(np.abs(found - expected).max() / np.ptp(expected))


# network of tests/e2e/applications.py, entry with that width, what turns its input into ours
STORED = [
    ("MobileNet-narrow", "mobilenet_v1_0.25_128", lambda x: x),
    ("MobileNetV3Small", "mobilenet_v3_small_1.0", lambda x: x / np.float32(127.5) - 1),
]


@pytest.mark.ci
@pytest.mark.parametrize(("case", "name", "turn"), STORED, ids=[case[0] for case in STORED])
@pytest.mark.parametrize("file", ["model.h5", "model.keras"])
def test_networks_of_keras(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    case: str,
    name: str,
    turn: Callable[[np.ndarray], np.ndarray],
    file: str,
) -> None:
    _, keras = unpacked(case, tmp_path)
    x = turn(images(CASES[case], len(keras))[:1])
    # ours are square; these were stored to show the padding of others
    monkeypatch.setattr(Network, "image", lambda net, _: net.builder.input("image", x.shape))
    alpha = CASES[case].options.get("alpha")
    options = {} if alpha is None else {"width": alpha}
    model = entries.entry(name).build(open_weights(tmp_path / file), size=0, **options)
    assert apart(logits(model, x), keras[:1]) <= BAR


@pytest.mark.ci
def test_mobilenet_v2_of_keras(tmp_path: Path) -> None:
    """The stored network is for any size, which Keras pads as if sides were even: ours is compared
    with what its file converts to, at such a size."""
    unpacked("MobileNetV2-any-size", tmp_path)
    model = entries.entry("mobilenet_v2_1.0_96").build(open_weights(tmp_path / "model.h5"), size=96)
    pooling = model.main.outputs[0].producer  # the largest of each feature there, the mean here
    assert pooling is not None
    model.main.set_outputs([pooling.inputs[0]])
    x = np.random.default_rng(0).uniform(-1, 1, (1, 96, 96, 3)).astype(np.float32)
    (expected,) = edgewise.Interpreter(edgewise.convert(tmp_path / "model.h5"))(x).values()
    assert apart(answer(model, x).max((1, 2)), expected) <= BAR


LIVE = [
    ("MobileNet", 128, {"alpha": 0.75}, "mobilenet_v1_0.75_128"),
    ("MobileNet", 160, {"alpha": 1.0}, "mobilenet_v1_1.0_160"),
    ("MobileNetV2", 96, {"alpha": 0.35}, "mobilenet_v2_0.35_96"),
    ("MobileNetV2", 224, {"alpha": 1.4}, "mobilenet_v2_1.4_224"),
    ("MobileNetV3Small", 96, {"alpha": 0.75}, "mobilenet_v3_small_0.75"),
    ("MobileNetV3Small", 96, {"minimalistic": True}, "mobilenet_v3_small_minimalistic_1.0"),
    ("MobileNetV3Large", 96, {"alpha": 1.0}, "mobilenet_v3_large_1.0"),
    ("MobileNetV3Large", 97, {"alpha": 0.75}, "mobilenet_v3_large_0.75"),
    ("MobileNetV3Large", 64, {"minimalistic": True}, "mobilenet_v3_large_minimalistic_1.0"),
    ("ResNet50", 96, {}, "resnet50"),
    ("ResNet50", 65, {}, "resnet50"),
]


@pytest.mark.parity
@pytest.mark.timeout(600)
@pytest.mark.parametrize(("network", "size", "options", "name"), LIVE)
def test_networks_of_a_keras_that_runs(
    oracle: Oracle, tmp_path: Path, network: str, size: int, options: dict[str, object], name: str
) -> None:
    given = options | ({"include_preprocessing": False} if "V3" in network else {})
    command = [oracle.python, SCRIPT, network, str(size), json.dumps(given), tmp_path]
    made = subprocess.run(command, capture_output=True, text=True, check=False)
    if "No module named 'keras'" in made.stderr:
        pytest.skip("tensorflow and keras are not installed next to the oracle")
    assert made.returncode == 0, made.stderr[-2000:]
    with np.load(tmp_path / "answer.npz") as stored:
        x, keras = stored["x"], stored["y"]
    if network == "ResNet50":  # its weights are for BGR, ours turned for RGB
        x = np.ascontiguousarray(x[..., ::-1])
    for file in ("model.h5", "model.keras"):
        model = entries.entry(name).build(open_weights(tmp_path / file), size=size)
        distance = apart(logits(model, x), keras)
        print(f"{network} {size} {options} {file}: {distance:.1e}")
        assert distance <= BAR


@pytest.mark.ci
@pytest.mark.parametrize("name", ["resnet8", "vww", "ds_cnn", "autoencoder"])
def test_networks_of_mlperf_tiny(shared_data: Path, name: str) -> None:
    folders = {"ds_cnn": "tiny_dscnn", "autoencoder": "tiny_ae"}
    folder = shared_data / "bench" / folders.get(name, f"tiny_{name}")
    model = entries.get(f"tiny_{name}", folder / "m.keras")
    with np.load(folder / "out.npz") as stored:
        [expected] = stored.values()
    assert apart(answer(model, np.load(folder / "in.npy")), expected) <= BAR


@pytest.mark.ci
def test_real_weights(shared_data: Path) -> None:
    """The published ResNet8 and a MobileNetV1, next to the official `.tflite` files of them."""
    rng = np.random.default_rng(0)
    for name, file, official, most in (
        ("tiny_resnet8", "pretrainedResnet.h5", "mlperf_tiny/pretrainedResnet", 255),
        ("mobilenet_v1_0.25_128", "mbnet128_0.25.h5", "classify/mbnet128_0.25_f", 1),
    ):
        model = entries.get(name, shared_data / "keras" / file)
        shape = edgewise.convert(model).main.inputs[0].shape
        x = rng.uniform(0, most, shape).astype(np.float32)
        theirs = edgewise.Interpreter(shared_data / "tflite" / f"{official}.tflite")(x)
        np.testing.assert_allclose(answer(model, x), *theirs.values(), atol=1e-5)
    resnet = entries.get("tiny_resnet8", shared_data / "keras" / "pretrainedResnet.h5")
    said = edgewise.metadata.read(resnet)
    assert said is not None
    assert (said.description or "").endswith(
        "measured: 89.0 % top-1 of 500 test pictures of CIFAR-10"
    )
    assert edgewise.metadata.labels(resnet)[3] == "cat"  # type: ignore[index]


@pytest.mark.ci
def test_features_of_a_classifier(shared_data: Path) -> None:
    file = shared_data / "keras" / "mbnet128_0.25.h5"
    whole = entries.get("mobilenet_v1_0.25_128", file)
    cut = entries.get("mobilenet_v1_0.25_128", file, is_cut=True, size=96)
    assert edgewise.metadata.labels(cut) is None
    assert len(edgewise.metadata.labels(whole) or ()) == 1000
    x = np.zeros((1, 96, 96, 3), np.float32)
    assert answer(cut, x).shape == (1, 256)
    with pytest.raises(InputError, match="was trained for 128 pixels; leave size out"):
        entries.get("mobilenet_v1_0.25_128", file, size=96)


@pytest.mark.ci
def test_weights_of_another_network(shared_data: Path, tmp_path: Path) -> None:
    file = shared_data / "keras" / "mbnet128_0.25.h5"
    with pytest.raises(FormatError, match=r"'conv1' must be a kernel \[16, 3, 3, 3\]; got \[8, 3"):
        entries.get("mobilenet_v1_0.5_128", file)
    with pytest.raises(FormatError, match=r"'conv1' must be a kernel \[32, 3, 3, 3\]"):
        entries.get("mobilenet_v2_1.0_128", file)
    with pytest.raises(FormatError, match="the weights end before the network does"):
        entries.get("tiny_resnet8", file)
    with pytest.raises(FormatError, match="the weights end before the network does"):
        entries.get("tiny_resnet8", shared_data / "bench" / "tiny_vww" / "m.keras")
    net = Network(open_weights(shared_data / "bench" / "tiny_resnet8" / "m.keras"), epsilon=1e-3)
    stem = net.conv(net.image(32), 16, 3)
    with pytest.raises(InputError, match="the file has more weights; are they another network's"):
        net.finish(stem, "y", "a stem")
    damaged = tmp_path / "half.h5"
    damaged.write_bytes(file.read_bytes()[:20_000])
    with pytest.raises(FormatError, match=r"half\.h5"):
        entries.get("mobilenet_v1_0.25_128", damaged)
