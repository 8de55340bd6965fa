"""StringLookup: words to their positions in a vocabulary and back, by a hash table.

Source: keras/src/layers/preprocessing/string_lookup.py and index_lookup.py, Keras 3.15.
"""

from __future__ import annotations

import numpy as np

from edgewise.dtypes import DType
from edgewise.errors import FormatError
from edgewise.frontends.context import Handler, Unsupported
from edgewise.frontends.keras.description import KerasLayer
from edgewise.frontends.keras.handlers.categories import encoded
from edgewise.frontends.keras.handlers.config import flag, integer, text
from edgewise.frontends.keras.handlers.context import Context
from edgewise.ir.graph import Value
from edgewise.ops.hashtable import Hashtable, HashtableFind

_HASHES = "hashes words that it does not know, which .tflite has no operator for"


def string_lookup(c: Context, layer: KerasLayer, x: Value) -> Value:
    """The position of each word in the vocabulary, where words that are not in it come first; or,
    with `invert`, the word at each position."""
    if text(layer, "encoding", "utf-8").lower() not in ("utf-8", "utf8"):
        raise Unsupported("its encoding must be utf-8")
    mask, unknowns = layer.config.get("mask_token"), integer(layer, "num_oov_indices", 1)
    unknown = text(layer, "oov_token", "[UNK]")
    special = [] if mask is None else [text(layer, "mask_token")]
    special += [unknown] * unknowns
    words = _vocabulary(layer)
    words = words[len(special) :] if words[: len(special)] == special else words
    if flag(layer, "invert"):
        known = [*special, *words]
        table = _table(c, np.arange(len(known), dtype=np.int64), _bytes(known))
        default = c.b.constant(_bytes([unknown]).reshape(()))
        return c.b.node(HashtableFind(), table, c.cast(x, DType.INT64), default).output
    if x.dtype is not DType.STRING:
        raise Unsupported(f"it takes strings; got {x.dtype.text}")
    if unknowns > 1:
        raise Unsupported(f"num_oov_indices={unknowns} {_HASHES}; use num_oov_indices=1")
    first = len(special)
    positions = {word: first + place for place, word in enumerate(words)}
    if mask is not None:
        positions[special[0]] = 0
    values = np.array(list(positions.values()), np.int64)
    beyond = first - 1 if unknowns else -1
    table = _table(c, _bytes(list(positions)), values)
    found = c.b.node(HashtableFind(), table, x, c.b.constant(np.array(beyond, np.int64))).output
    if text(layer, "output_mode", "int") == "int":
        return found
    if mask is not None:
        raise Unsupported("mask_token together with encoded outputs; use output_mode='int'")
    depth = first + len(words)
    if flag(layer, "pad_to_max_tokens"):
        depth = integer(layer, "max_tokens")
    y = encoded(c, layer, c.cast(found, DType.INT32), depth)
    return c.cast(y, DType.INT64) if c.is_keras_3 else y


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
    given = layer.config.get("vocabulary")
    if given is None and "vocabulary.txt" in layer.assets:
        try:
            given = layer.assets["vocabulary.txt"].decode().splitlines()
        except UnicodeDecodeError as error:
            raise FormatError(f"layer '{layer.name}': its vocabulary must be UTF-8") from error
    if isinstance(given, np.ndarray):
        given = given.tolist()
    if not isinstance(given, list | tuple) or not given:
        raise Unsupported("it has no vocabulary; call adapt() before saving")
    if not all(isinstance(word, str) for word in given):
        raise FormatError(f"layer '{layer.name}': its vocabulary must be words")
    return list(given)


HANDLERS: dict[str, Handler] = {"StringLookup": string_lookup}
