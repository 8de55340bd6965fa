"""SavedModels and graphs that were tampered with, through `convert` to the bytes of a `.tflite`.

`test_hostile` reads them; here the operations and the writer are part of it. The files are
converted in a worker process (`tests.frontends.hostile`).
"""

from __future__ import annotations

from pathlib import Path

import pytest

import edgewise
from edgewise.errors import ConversionError, LimitError
from edgewise.frontends.decompose import resize
from tests.frontends.hostile import attempt
from tests.frontends.wire import PLACEHOLDER, graph, message, node

SAVED = "tests.frontends.tensorflow.tensorflow_mutants:saved_model"
FROZEN = "tests.frontends.tensorflow.tensorflow_mutants:frozen"


def run(make: str, seed: int, count: int) -> None:
    turns = attempt(make, seed, count)
    assert {turn.outcome for turn in turns} == {"converted", "refused"}


@pytest.mark.ci
@pytest.mark.parametrize("make", [SAVED, FROZEN])
def test_mutated_files(make: str):
    run(make, 1, 40)


@pytest.mark.ci
@pytest.mark.parametrize("make", [SAVED, FROZEN])
def test_more_mutated_files(make: str, seed: int):
    run(make, seed, 200)


@pytest.mark.full
@pytest.mark.timeout(5000)
@pytest.mark.parametrize("make", [SAVED, FROZEN])
def test_ten_thousand_mutated_files(make: str, seed: int):
    run(make, seed, 10_000)


# -- what the mutants found -------------------------------------------------------------------


def test_a_size_that_no_tflite_file_can_hold(tmp_path: Path):
    shape = message((7, message((2, message((1, 2**40))))))
    path = tmp_path / "m.pb"
    nodes = [node("x", "Placeholder", attrs=PLACEHOLDER | {"shape": shape}), node("y", "Relu", "x")]
    path.write_bytes(graph(nodes))
    with pytest.raises(ConversionError, match=r"sizes are in \[0, 2147483647\]; got 1099511627776"):
        edgewise.convert(path).to_bytes()


def test_a_resize_to_gigabytes():
    for wanted in (1 << 31, 1 << 18):
        with pytest.raises(LimitError, match="MAX_ELEMENTS: resizing 9 to"):
            resize.area_matrix(9, wanted, False)
    with pytest.raises(LimitError, match="MAX_ELEMENTS"):
        resize.bicubic_matrix(1 << 20, 1 << 10, False, True)
    with pytest.raises(LimitError, match="MAX_ELEMENTS"):
        resize.sampled_matrix(1 << 20, 1 << 10, 1.0, 0.0, "triangle", True)


def test_an_inverse_transform_of_length_zero(tmp_path: Path):
    """It was divided by."""
    shape = message((7, message((2, message((1, 5))))))
    zero = message((8, message((1, 3), (2, message((2, message((1, 1))))), (7, 0))))
    nodes = [
        node("x", "Placeholder", attrs={"dtype": message((6, 8)), "shape": shape}),
        node("n", "Const", attrs={"dtype": message((6, 3)), "value": zero}),
        node("y", "IRFFT", ["x", "n"]),
    ]
    path = tmp_path / "m.pb"
    path.write_bytes(graph(nodes))
    with pytest.raises(ConversionError, match=r"IRFFT: a transform has at least one element"):
        edgewise.convert(path)
