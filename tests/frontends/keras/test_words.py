"""StringLookup, and TextVectorization of words, with the answers of Keras 3.15 on TensorFlow."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import edgewise
from edgewise.errors import FormatError, UnsupportedOp
from edgewise.format import load
from edgewise.frontends.keras.lower import lower
from edgewise.passes.pipeline import canonicalize
from tests.frontends.keras.test_refused import layer, model

LOOKUP = Path(__file__).parent / "fixtures" / "lookup.keras"
WORDS = ["cat", "dog", "ε μ", "x"]
TEXT = [["cat", "x", "zz"], ["ε μ", "", "[UNK]"], ["dog", "Dog", "m"]]
ONE_HOT = np.eye(5, dtype=np.int64)


def as_bytes(rows: list[list[str]]) -> np.ndarray:
    return np.array([[word.encode() for word in row] for row in rows], object)


def run(x: np.ndarray, **config: object) -> np.ndarray:
    """What the file of a model of one StringLookup makes of x."""
    dtype = "int64" if config.get("invert") else "string"
    read = lower(model(layer("StringLookup", **config), [None, x.shape[1]], dtype))
    [y] = edgewise.Interpreter(canonicalize(read).to_bytes())(x).values()
    return y


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({}, [[1, 4, 0], [3, 0, 0], [2, 0, 0]]),
        ({"mask_token": ""}, [[2, 5, 1], [4, 0, 1], [3, 1, 1]]),
        ({"vocabulary": ["[UNK]", *WORDS]}, [[1, 4, 0], [3, 0, 0], [2, 0, 0]]),
        ({"output_mode": "one_hot"}, ONE_HOT[[[1, 4, 0], [3, 0, 0], [2, 0, 0]]]),
        ({"output_mode": "multi_hot"}, [[1, 1, 0, 0, 1], [1, 0, 0, 1, 0], [1, 0, 1, 0, 0]]),
        (
            {"output_mode": "count", "mask_token": ""},
            [[1, 1, 0, 0, 1], [1, 0, 0, 1, 0], [2, 0, 1, 0, 0]],
        ),
        (
            {"output_mode": "count", "max_tokens": 6, "pad_to_max_tokens": True},
            [[1, 1, 0, 0, 1, 0], [2, 0, 0, 1, 0, 0], [2, 0, 1, 0, 0, 0]],
        ),
    ],
)
def test_positions_of_words(config, expected):
    y = run(as_bytes(TEXT), **{"vocabulary": WORDS, **config})
    assert y.dtype == np.int64
    np.testing.assert_array_equal(y, expected)


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({}, [[2, 5, 1], [4, 0, 1], [3, 1, 1]]),
        ({"output_sequence_length": 5},
         [[2, 5, 1, 0, 0], [4, 0, 1, 0, 0], [3, 1, 1, 0, 0]]),
        ({"output_sequence_length": 2}, [[2, 5], [4, 0], [3, 1]]),
        ({"output_mode": "multi_hot"}, [[1, 1, 0, 0, 1], [1, 0, 0, 1, 0], [1, 0, 1, 0, 0]]),
        ({"output_mode": "count", "max_tokens": 7, "pad_to_max_tokens": True},
         [[1, 1, 0, 0, 1, 0, 0], [1, 0, 0, 1, 0, 0, 0], [2, 0, 1, 0, 0, 0, 0]]),
    ],
)  # fmt: skip
def test_text_vectorization_of_words(config, expected):
    made = layer("TextVectorization", standardize=None, split=None, vocabulary=WORDS, **config)
    read = canonicalize(lower(model(made, [None, 3], "string")))
    [y] = edgewise.Interpreter(read.to_bytes())(as_bytes(TEXT)).values()
    assert y.dtype == np.int64
    np.testing.assert_array_equal(y, expected)


def test_text_vectorization_of_text_is_refused():
    made = layer("TextVectorization", standardize="lower", split="whitespace", vocabulary=WORDS)
    with pytest.raises(UnsupportedOp) as caught:
        lower(model(made, [None, 1], "string"))
    assert str(caught.value) == (
        "m.keras: 1 layer cannot be converted:\n  - 'layer' (TextVectorization): processes text"
        " (standardize='lower', split='whitespace'), which .tflite has no operators for; do it"
        " before the model, and let the layer look up words: standardize=None, split=None"
    )


def test_without_an_index_for_unknown_words():
    y = run(as_bytes([["cat", "x"]]), vocabulary=WORDS, num_oov_indices=0)
    assert y.tolist() == [[0, 3]]


@pytest.mark.parametrize(
    ("mask", "expected"),
    [
        (None, [["[UNK]", "cat", "dog"], ["ε μ", "x", "[UNK]"], ["[UNK]", "[UNK]", "[UNK]"]]),
        ("", [["", "[UNK]", "cat"], ["dog", "ε μ", "x"], ["[UNK]", "[UNK]", "[UNK]"]]),
    ],
)
def test_words_at_positions(mask, expected):
    x = np.array([[0, 1, 2], [3, 4, 5], [6, -1, 99]])
    y = run(x, vocabulary=WORDS, invert=True, mask_token=mask)
    assert y.tolist() == as_bytes(expected).tolist()


def test_the_vocabulary_may_be_a_file():
    converted = edgewise.convert(LOOKUP)
    [y] = edgewise.Interpreter(converted)(as_bytes([["cat"], ["dog"], ["cow"]])).values()
    assert sorted(y.reshape(-1).tolist()) == [0, 1, 2]
    assert y[2] == 0


def test_the_table_is_filled_once():
    made = load(canonicalize(lower(model(layer("StringLookup", vocabulary=WORDS), [None, 1],
                                         "string"))).to_bytes())  # fmt: skip
    names = [node.op.name for graph in made.graphs.values() for node in graph.nodes]
    assert sorted(names) == ["call_once", "hashtable", "hashtable", "hashtable_find",
                             "hashtable_import"]  # fmt: skip


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ({"num_oov_indices": 2}, "num_oov_indices=2 hashes words that it does not know"),
        ({"encoding": "latin-1"}, "its encoding must be utf-8"),
        ({"output_mode": "tf_idf"}, "output_mode 'tf_idf'"),
    ],
)
def test_what_is_refused(config, reason):
    made = layer("StringLookup", vocabulary=WORDS, **config)
    with pytest.raises(UnsupportedOp, match=reason):
        lower(model(made, [None, 3], "string"))


def test_a_vocabulary_of_something_else():
    with pytest.raises(FormatError, match="its vocabulary must be words"):
        lower(model(layer("StringLookup", vocabulary=[1, 2]), [None, 3], "string"))


def test_a_word_that_is_no_text():
    with pytest.raises(FormatError, match="must fit together; 'utf-8' codec can't encode"):
        lower(model(layer("StringLookup", vocabulary=["\ud800"]), [None, 3], "string"))


def test_lines_of_the_file_end_at_newlines_only():
    words = "a\u2028b\nc"
    made = replace(layer("StringLookup"), assets={"vocabulary.txt": words.encode()})
    read = canonicalize(lower(model(made, [None, 2], "string")))
    [y] = edgewise.Interpreter(read.to_bytes())(as_bytes([["a\u2028b", "c"]])).values()
    assert y.tolist() == [[1, 2]]
