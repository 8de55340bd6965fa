"""Categories: Discretization, CategoryEncoding, IntegerLookup, and what cannot be converted.

Words are in `words.py`.

Source: keras/src/layers/preprocessing and utils/numerical_utils.py, Keras 3.15.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

from edgewise.dtypes import DType
from edgewise.errors import FormatError
from edgewise.frontends.context import Handler, Structure, Unsupported
from edgewise.frontends.decompose.index import one_hot
from edgewise.frontends.keras.description import KerasLayer
from edgewise.frontends.keras.handlers.config import flag, integer, text
from edgewise.frontends.keras.handlers.context import Context
from edgewise.ir.graph import Value

_T = TypeVar("_T", int, str)

# A lookup is a table over all values from the smallest to the largest word if that is short
# (4 MB), else a comparison with every word.
MAX_TABLE = 1 << 20


def discretization(c: Context, layer: KerasLayer, x: Value) -> Value:
    """The number of the bin between `bin_boundaries`."""
    edges = layer.config.get("bin_boundaries")
    if not isinstance(edges, list | tuple | np.ndarray):
        raise Unsupported("it has no bin_boundaries; call adapt() before saving")
    bins = c.b.bucketize(c.real(x), boundaries=tuple(float(edge) for edge in edges))
    y = encoded(c, layer, bins, len(edges) + 1)
    return y if c.is_keras_3 or y.dtype is DType.FLOAT32 else c.cast(y, DType.INT64)


def category_encoding(
    c: Context, layer: KerasLayer, x: Value, count_weights: Value | None = None
) -> Value:
    """Whole numbers below `num_tokens` as 0 and 1, or as counts."""
    return encoded(c, layer, c.cast(x, DType.INT32), integer(layer, "num_tokens"), count_weights)


def encoded(
    c: Context, layer: KerasLayer, x: Value, depth: int, weights: Value | None = None
) -> Value:
    """Indices in the layer's `output_mode`.

    Raises:
        Unsupported: sparse outputs, or a mode that needs more than the indices.
    """
    mode = text(layer, "output_mode", "int")
    if flag(layer, "sparse"):
        raise Unsupported("sparse=True; make its output dense")
    if mode == "int":
        return x
    if mode == "one_hot":
        is_column = len(x.shape) > 1 and x.shape[-1] == 1
        x = c.reshape(x, x.shape[:-1]) if is_column else x
        return one_hot(c, x, depth, len(x.shape), DType.FLOAT32)
    over = c.ints([min(1, len(x.shape) - 1)])
    ones = one_hot(c, x, depth, len(x.shape), DType.FLOAT32)
    if mode == "multi_hot":
        return c.b.reduce_max(ones, over)
    if mode != "count":
        raise Unsupported(f"output_mode '{mode}'; use int, one_hot, multi_hot or count")
    if weights is not None:
        ones = c.b.mul(ones, c.b.expand_dims(c.real(weights), c.ints([len(x.shape)])))
    return c.b.sum(ones, over)


def integer_lookup(c: Context, layer: KerasLayer, x: Value) -> Value:
    """The position of each number in the vocabulary; numbers that are not in it come first."""
    mask, unknown = layer.config.get("mask_token"), integer(layer, "oov_token", -1)
    if mask is not None:
        mask = integer(layer, "mask_token")
    special, words = split_vocabulary(layer, _vocabulary(layer), mask, unknown)
    first, unknowns = first_unknown(layer, mask), integer(layer, "num_oov_indices", 1)
    x = c.cast(x, DType.INT64)
    if flag(layer, "invert"):
        return _inverted(c, x, [*special, *words], unknown)
    if unknowns > 1:
        y = _positions(c, x, words, first + unknowns, -1)
        y = c.b.select_v2(c.b.less(y, c.scalar(0, y)), _bucket(c, layer, x, first, unknowns), y)
    else:
        y = _positions(c, x, words, first + unknowns, first if unknowns else -1)
    if mask is not None:
        y = c.b.select_v2(c.b.equal(x, c.scalar(mask, x)), c.scalar(first - 1, y), y)
    return looked_up(c, layer, y, len(special) + len(words))


def split_vocabulary(
    layer: KerasLayer, words: list[_T], mask: _T | None, unknown: _T
) -> tuple[list[_T], list[_T]]:
    """What comes first, the mask and `num_oov_indices` times `unknown`, and the words, which may
    begin with just that."""
    special = [] if mask is None or not first_unknown(layer, mask) else [mask]
    special += [unknown] * integer(layer, "num_oov_indices", 1)
    return special, words[len(special) :] if words[: len(special)] == special else words


def first_unknown(layer: KerasLayer, mask: object) -> int:
    """The index after the mask's, which is 0; among encoded outputs it has none, that is -1."""
    return int(mask is not None and text(layer, "output_mode", "int") == "int")


def looked_up(c: Context, layer: KerasLayer, y: Value, depth: int) -> Value:
    """Positions below `depth` in the layer's `output_mode` and dtype."""
    is_index = text(layer, "output_mode", "int") == "int"
    if flag(layer, "pad_to_max_tokens"):
        depth = integer(layer, "max_tokens")
    y = encoded(c, layer, y if is_index else c.cast(y, DType.INT32), depth)
    return c.cast(y, DType.INT64) if c.is_keras_3 or is_index else y


def _bucket(c: Context, layer: KerasLayer, x: Value, first: int, count: int) -> Value:
    """One of `count` indices for numbers that are not in the vocabulary: the remainder."""
    if layer.config.get("oov_method") == "farmhash":
        raise Unsupported("oov_method 'farmhash' hashes strings; use 'floormod'")
    bucket = c.b.add(c.b.floor_mod(x, c.scalar(count, x)), c.scalar(first, x))
    return c.cast(bucket, DType.INT32)


def given_vocabulary(layer: KerasLayer) -> list[object]:
    """The entries of a lookup's vocabulary: those of its config, or the lines of its file."""
    given = layer.config.get("vocabulary")
    if given is None and "vocabulary.txt" in layer.assets:
        try:
            given = layer.assets["vocabulary.txt"].decode().split("\n")
        except UnicodeDecodeError as error:
            raise FormatError(f"layer '{layer.name}': its vocabulary must be UTF-8") from error
    if isinstance(given, np.ndarray):
        given = given.tolist()
    if not isinstance(given, list | tuple) or not given:
        raise Unsupported("it has no vocabulary; call adapt() before saving")
    return list(given)


def _vocabulary(layer: KerasLayer) -> list[int]:
    try:
        return [int(word) for word in given_vocabulary(layer) if word != ""]  # type: ignore[call-overload]
    except (TypeError, ValueError, OverflowError) as error:
        raise FormatError(f"layer '{layer.name}': its vocabulary must be whole; {error}") from error


def _positions(c: Context, x: Value, words: Sequence[int], start: int, unknown: int) -> Value:
    """`start` + the position of x in the words, `unknown` where it is not there; int32."""
    if not words:
        raise Unsupported("its vocabulary is empty; call adapt() before saving")
    low, high = min(words) - 1, max(words) + 1
    if high - low < MAX_TABLE:
        table = np.full(high - low + 1, unknown, np.int32)
        for position, word in enumerate(words):
            table[word - low] = start + position
        inside = c.b.minimum(c.b.maximum(x, c.scalar(low, x)), c.scalar(high, x))
        return c.b.gather(c.b.constant(table), c.b.sub(inside, c.scalar(low, x)))
    wide = c.b.expand_dims(x, c.ints([len(x.shape)]))
    found = c.cast(c.b.equal(wide, c.b.constant(np.array(words, np.int64))), DType.INT32)
    offsets = np.arange(start - unknown, start - unknown + len(words), dtype=np.int32)
    total = c.b.sum(c.b.mul(found, c.b.constant(offsets)), c.ints([len(x.shape)]))
    return c.b.add(total, c.scalar(unknown, total))


def _inverted(c: Context, x: Value, words: Sequence[int], unknown: int) -> Value:
    """The word at each position; `unknown` where there is none."""
    table = c.b.constant(np.array([unknown, *words, unknown], np.int64))
    inside = c.b.minimum(c.b.maximum(x, c.scalar(-1, x)), c.scalar(len(words), x))
    return c.b.gather(table, c.b.add(inside, c.scalar(1, x)))


def _refused(reason: str) -> Handler:
    def handler(c: Context, layer: KerasLayer, *args: object, **kwargs: object) -> Structure:
        raise Unsupported(reason)

    return handler


_HASHES = "hashes its input as text, which .tflite has no operator for; do it before the model"
_HISTOGRAM = "distributes the colours of an image by its histogram; do it before the model"
_CODE = "is code of another library, not in the file; write the layer with keras.ops"
_SAVED_MODEL = "is a SavedModel of its own; convert its folder, and run both models in turn"
_BOXES = "changes bounding boxes of training data; leave it out of the model"

HANDLERS: dict[str, Handler] = {
    "Discretization": discretization,
    "CategoryEncoding": category_encoding,
    "IntegerLookup": integer_lookup,
    **dict.fromkeys(("Hashing", "HashedCrossing"), _refused(_HASHES)),
    **dict.fromkeys(
        ("ContrastLimitedAdaptiveHistogramEqualization", "Equalization"), _refused(_HISTOGRAM)
    ),
    "MaxNumBoundingBoxes": _refused(_BOXES),
    **dict.fromkeys(("FlaxLayer", "JaxLayer", "TorchModuleWrapper"), _refused(_CODE)),
    "TFSMLayer": _refused(_SAVED_MODEL),
}
