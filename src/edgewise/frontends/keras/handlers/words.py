"""Words to their positions in a vocabulary and back, by a hash table: StringLookup, and
TextVectorization of words.

Source: keras/src/layers/preprocessing/{string_lookup,index_lookup,text_vectorization}.py, Keras
3.15.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from edgewise.dtypes import DType
from edgewise.errors import FormatError
from edgewise.frontends.context import Handler, Unsupported, known_sizes
from edgewise.frontends.keras.description import KerasLayer
from edgewise.frontends.keras.handlers.categories import (
    first_unknown,
    given_vocabulary,
    looked_up,
    split_vocabulary,
)
from edgewise.frontends.keras.handlers.config import flag, integer, text
from edgewise.frontends.keras.handlers.context import Context
from edgewise.ir.graph import Value
from edgewise.ops.hashtable import Hashtable, HashtableFind

_HASHES = "hashes words that it does not know, which .tflite has no operator for"


def text_vectorization(c: Context, layer: KerasLayer, x: Value) -> Value:
    """The position of each word, in rows of `output_sequence_length`: of words only, not of text
    that is still to be split."""
    steps = ("standardize", "split", "ngrams")
    found = [f"{key}={layer.config[key]!r}" for key in steps if layer.config.get(key) is not None]
    if found:
        raise Unsupported(
            f"processes text ({', '.join(found)}), which .tflite has no operators for; do it before"
            " the model, and let the layer look up words: standardize=None, split=None"
        )
    if flag(layer, "ragged"):
        raise Unsupported("ragged=True; make its output dense")
    y = string_lookup(c, replace(layer, config={**layer.config, "mask_token": ""}), x)
    length, size = layer.config.get("output_sequence_length"), y.shape[-1]
    if length is None or length == size:
        return y
    (size,), wanted = known_sizes([size], "its input"), integer(layer, "output_sequence_length")
    axes = len(y.shape)
    if wanted < size:
        return c.b.slice(y, c.ints([0] * axes), c.ints([-1] * (axes - 1) + [wanted]))
    margins = [(0, 0)] * (axes - 1) + [(0, wanted - size)]
    return c.b.pad(y, c.b.constant(np.array(margins, np.int32)))


def string_lookup(c: Context, layer: KerasLayer, x: Value) -> Value:
    """The position of each word in the vocabulary, where words that are not in it come first; or,
    with `invert`, the word at each position."""
    if text(layer, "encoding", "utf-8").lower() not in ("utf-8", "utf8"):
        raise Unsupported("its encoding must be utf-8")
    mask, unknown = layer.config.get("mask_token"), text(layer, "oov_token", "[UNK]")
    if mask is not None:
        mask = text(layer, "mask_token")
    special, words = split_vocabulary(layer, _vocabulary(layer), mask, unknown)
    if flag(layer, "invert"):
        known = [*special, *words]
        table = _table(c, np.arange(len(known), dtype=np.int64), _bytes(known))
        default = c.b.constant(_bytes([unknown]).reshape(()))
        return c.b.node(HashtableFind(), table, c.cast(x, DType.INT64), default).output
    if x.dtype is not DType.STRING:
        raise Unsupported(f"it takes strings; got {x.dtype.text}")
    first, unknowns = first_unknown(layer, mask), integer(layer, "num_oov_indices", 1)
    if unknowns > 1:
        raise Unsupported(f"num_oov_indices={unknowns} {_HASHES}; use num_oov_indices=1")
    positions = {word: len(special) + place for place, word in enumerate(words)}
    if mask is not None:
        positions[mask] = first - 1
    values = np.array(list(positions.values()), np.int64)
    table = _table(c, _bytes(list(positions)), values)
    beyond = c.b.constant(np.array(first if unknowns else -1, np.int64))
    found = c.b.node(HashtableFind(), table, x, beyond).output
    return looked_up(c, layer, found, len(special) + len(words))


def _table(c: Context, keys: np.ndarray, values: np.ndarray) -> Value:
    """The handle of the layer's table: one for all its calls."""
    kinds = [DType.STRING if a.dtype == object else DType.INT64 for a in (keys, values)]
    op = Hashtable(table_id=len(c.tables), key_dtype=kinds[0], value_dtype=kinds[1])
    op, _, _ = c.tables.setdefault("/".join(c.path), (op, keys, values))
    return c.b.node(op).output


def _bytes(words: list[str]) -> np.ndarray:
    made = np.empty(len(words), object)
    made[:] = [word.encode() for word in words]
    return made


def _vocabulary(layer: KerasLayer) -> list[str]:
    words = given_vocabulary(layer)
    if not all(isinstance(word, str) for word in words):
        raise FormatError(f"layer '{layer.name}': its vocabulary must be words")
    return [str(word) for word in words]


HANDLERS: dict[str, Handler] = {
    "StringLookup": string_lookup,
    "TextVectorization": text_vectorization,
}
