"""Scores to class names."""

from __future__ import annotations

import numpy as np
import pytest

from edgewise.errors import InputError
from edgewise.ir.types import Quant
from edgewise.tasks.classify import Guess, default_labels, imagenet_labels, read_labels, top


def test_the_best_come_first_and_ties_by_index():
    scores = np.array([[0.1, 0.4, 0.1, 0.4]], np.float32)
    assert [g.index for g in top(scores, 3)] == [1, 3, 0]
    assert top(scores[0], 1, list("abcd")) == [Guess(1, "b", float(np.float32(0.4)))]
    assert len(top(scores, 100)) == 4


def test_quantized_scores_are_told_as_real_numbers():
    [best] = top(np.array([[-128, 127]], np.int8), 1, quant=Quant(1 / 256, -128))
    assert best == Guess(1, "class 1", 255 / 256)


def test_labels_of_imagenet():
    labels = imagenet_labels()
    assert len(set(labels)) >= 998  # two pairs of classes share a name
    assert (labels[0], labels[281], labels[999]) == (
        "tench, Tinca tinca",
        "tabby, tabby cat",
        "toilet tissue, toilet paper, bathroom tissue",
    )
    assert default_labels(1001) == ["background", *labels]
    assert default_labels(2) == ["class 0", "class 1"]


def test_labels_from_a_file(tmp_path):
    path = tmp_path / "labels.txt"
    path.write_text("Käse\nbread\n", "utf-8")
    assert read_labels(path) == ["Käse", "bread"]
    path.write_bytes(b"\xff\xfe\x00")
    for file in (path, tmp_path / "none.txt", tmp_path):
        with pytest.raises(InputError, match="cannot be read as a list of labels"):
            read_labels(file)


@pytest.mark.parametrize(
    ("scores", "labels", "says"),
    [
        (np.zeros((2, 3), np.float32), None, r"scores of one picture; got shape \[2, 3\]"),
        (np.zeros((1, 3), np.float32), ["a"], "3 classes need as many labels; got 1"),
    ],
)
def test_scores_that_do_not_fit(scores, labels, says):
    with pytest.raises(InputError, match=says):
        top(scores, 1, labels)
