"""The networks of keras.applications, made, converted and run next to TensorFlow's conversion.

Minutes long; needs TensorFlow and Keras in the oracle's environment. Prints a table: operators and
megabytes of ours and TensorFlow's two conversions (`static`: batch 1; `dynamic`: any), and the
distances to Keras and between LiteRT's outputs, relative to the output's range.
"""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import edgewise
from tests.e2e.answers import distance, operators
from tests.oracle.litert import Oracle

BAR = 3e-4
SCRIPT = Path(__file__).parents[2] / "tools" / "oracle" / "keras_in_tensorflow.py"
# Small images: what differs between sizes is the padding, and 3 of these are odd somewhere.
NETWORKS = {
    "MobileNet": 128,
    "MobileNetV2": 96,
    "MobileNetV3Small": 96,
    "MobileNetV3Large": 64,
    "EfficientNetB0": 64,
    "EfficientNetV2B0": 64,
    "ResNet50": 64,
    "ResNet50V2": 64,
    "DenseNet121": 64,
    "InceptionV3": 75,
    "Xception": 72,
    "VGG16": 32,
    "ConvNeXtTiny": 64,
    "NASNetMobile": 64,
}
HEAD = (
    f"{'network':<18}{'ours':>6}{'static':>8}{'dynamic':>9}{'MB':>8}{'theirs':>8}"
    f"{'keras':>9}{'litert':>9}{'theirs':>9}"
)


@pytest.fixture(scope="module")
def table() -> Iterator[list[str]]:
    lines = [HEAD]
    yield lines
    print("\n" + "\n".join(lines))


@pytest.mark.parity
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", NETWORKS)
def test_converts_as_well_as_tensorflow(oracle: Oracle, tmp_path, table, name):
    command = [oracle.python, str(SCRIPT), "application", name, str(NETWORKS[name]), str(tmp_path)]
    made = subprocess.run(command, capture_output=True, text=True, check=False)
    if "No module named" in made.stderr:
        pytest.skip("tensorflow and keras are not installed next to the oracle")
    assert made.returncode == 0, made.stderr[-2000:]
    x, archive = np.load(tmp_path / "in.npy"), np.load(tmp_path / "out.npz")
    keras = [archive[key] for key in archive.files]

    ours = tmp_path / "ours.tflite"
    edgewise.convert(tmp_path / "model.keras").save(ours)
    mine = list(edgewise.Interpreter(ours)(x).values())
    answer = oracle.run(ours.read_bytes(), [x])
    assert answer.error is None, answer.error
    found = operators(edgewise.load(ours))

    counts, sizes, apart = {}, {}, 0.0
    for kind in ("static", "dynamic"):
        path = tmp_path / f"{kind}.tflite"
        if path.exists():
            counts[kind] = operators(edgewise.load(path))
            sizes[kind] = path.stat().st_size
            theirs = oracle.run(path.read_bytes(), [x])
            apart = max(apart, distance(answer.outputs, theirs.outputs))
    to_keras, to_litert = distance(mine, keras), distance(mine, answer.outputs)
    table.append(
        f"{name:<18}{found.total():>6}{_total(counts, 'static'):>8}{_total(counts, 'dynamic'):>9}"
        f"{ours.stat().st_size / 1e6:>8.2f}{min(sizes.values()) / 1e6:>8.2f}"
        f"{to_keras:>9.1e}{to_litert:>9.1e}{apart:>9.1e}"
    )
    assert counts, made.stdout
    again = edgewise.convert(tmp_path / "saved")
    more = _excess(again, counts.get("dynamic"), sizes.get("dynamic"))
    to_saved = distance(list(edgewise.Interpreter(again)(x).values()), keras)
    table.append(f"{'  its SavedModel':<18}{len(again.main):>6}{'':>33}{to_saved:>9.1e}")
    assert to_saved <= BAR
    assert not more, more
    assert max(to_keras, to_litert, apart) <= BAR
    for kind, theirs in counts.items():
        more, less = found - theirs, theirs - found
        assert found.total() <= theirs.total(), f"{kind}: ours has {more}, theirs {less}"
        assert ours.stat().st_size <= sizes[kind], kind


def _excess(model, theirs, size):
    """What a model has more than TensorFlow's conversion of the same SavedModel for any batch."""
    data = model.to_bytes()
    found = operators(edgewise.load(data))
    if theirs is None or (found.total() <= theirs.total() and len(data) <= size):
        return ""
    return f"{found - theirs} more, {theirs - found} less; {len(data)} bytes for {size}"


def _total(counts, kind):
    return counts[kind].total() if kind in counts else "-"
