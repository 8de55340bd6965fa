"""StringLookup: words to their positions in a vocabulary and back, by a hash table.

Source: keras/src/layers/preprocessing/string_lookup.py and index_lookup.py, Keras 3.15.
"""

from __future__ import annotations

import numpy as np

from edgewise.dtypes import DType
from edgewise.errors import FormatError
from edgewise.frontends.context import Handler, Unsupported
from edgewise.frontends.keras.description import KerasLayer
from edgewise.frontends.keras.handlers.categories import (
    given_vocabulary,
    looked_up,
    split_vocabulary,
)
from edgewise.frontends.keras.handlers.config import flag, text
from edgewise.frontends.keras.handlers.context import Context
from edgewise.ir.graph import Value
from edgewise.ops.hashtable import Hashtable, HashtableFind

_HASHES = "hashes words that it does not know, which .tflite has no operator for"


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
    unknowns = len(special) - int(mask is not None)
    if unknowns > 1:
        raise Unsupported(f"num_oov_indices={unknowns} {_HASHES}; use num_oov_indices=1")
    positions = {word: len(special) + place for place, word in enumerate(words)}
    if mask is not None:
        positions[mask] = 0
    values = np.array(list(positions.values()), np.int64)
    table = _table(c, _bytes(list(positions)), values)
    beyond = c.b.constant(np.array(len(special) - 1 if unknowns else -1, np.int64))
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


HANDLERS: dict[str, Handler] = {"StringLookup": string_lookup}
