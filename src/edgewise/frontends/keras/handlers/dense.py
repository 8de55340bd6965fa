"""Dense and embedding layers. Source: keras/src/layers/core, Keras 3.15."""

from __future__ import annotations

import numpy as np

from edgewise.dtypes import DType
from edgewise.frontends.context import Handler, Unsupported
from edgewise.frontends.keras.description import KerasLayer
from edgewise.frontends.keras.handlers import einsum
from edgewise.frontends.keras.handlers.config import flag, optional_number, text
from edgewise.frontends.keras.handlers.context import Context
from edgewise.ir.graph import Value
from edgewise.ir.types import TensorType
from edgewise.ops.embedding import EmbeddingLookup


def dense(c: Context, layer: KerasLayer, x: Value) -> Value:
    """The last axis of x times the kernel [K, O]."""
    w = c.matrix(layer, "kernel", np.transpose)
    keep = len(x.shape) > 2
    y = c.b.fully_connected(c.real(x), w, c.bias(layer), keep_num_dims=keep)
    return c.activate(layer, y)


def embedding(c: Context, layer: KerasLayer, x: Value) -> Value:
    """Rows of the table; with `mask_zero`, id 0 is a step that does not count."""
    ids = x if x.dtype in (DType.INT32, DType.INT64) else c.cast(x, DType.INT32)
    table = c.matrix(layer, "embeddings", np.asarray)
    y = c.b.gather(table, ids) if table.quant is None else _quantized_rows(c, table, ids)
    if flag(layer, "mask_zero"):
        c.set_mask(y, c.b.not_equal(ids, c.scalar(0, ids)))
    return y


def _quantized_rows(c: Context, table: Value, ids: Value) -> Value:
    """Rows of a table of integers, each with its scale: EMBEDDING_LOOKUP knows that, GATHER not."""
    flat = c.cast(c.reshape(ids, (-1,)), DType.INT32)
    shape = (*flat.shape, table.shape[1])
    rows = c.b.node(EmbeddingLookup(), flat, table, results=[TensorType(shape, DType.FLOAT32)])
    return c.reshape(rows.output, (*ids.shape, table.shape[1]))


def reversible_embedding(c: Context, layer: KerasLayer, x: Value, reverse: bool = False) -> Value:
    """Rows of the table; in reverse x times the table transposed, or times a kernel of its own."""
    if not reverse:
        return embedding(c, layer, x)
    if layer.config.get("reverse_dtype") not in (None, "float32"):
        raise Unsupported("reverse_dtype; use float32, in which everything is computed")
    name = "embeddings" if flag(layer, "tie_weights", True) else "reverse_embeddings"
    w = c.matrix(layer, name, np.asarray if name == "embeddings" else np.transpose)
    y = c.b.fully_connected(c.real(x), w, None, keep_num_dims=len(x.shape) > 2)
    cap = optional_number(layer, "logit_soft_cap")
    if cap is None:
        return y
    limit = c.scalar(cap)
    return c.b.mul(c.b.tanh(c.b.div(y, limit)), limit)


def einsum_dense(c: Context, layer: KerasLayer, x: Value) -> Value:
    """The Einstein sum over x and the kernel; the bias broadcasts."""
    y = einsum.dense(c, layer, "kernel", text(layer, "equation"), c.real(x))
    if layer.config.get("bias_axes") is not None:
        y = c.b.add(y, c.constant(layer, "bias", c.weight(layer, "bias")))
    return c.activate(layer, y)


def layer_scale(c: Context, layer: KerasLayer, x: Value) -> Value:
    """x * gamma, per channel (ConvNeXt in keras.applications)."""
    return c.b.mul(x, c.constant(layer, "gamma", c.weight(layer, "gamma")))


HANDLERS: dict[str, Handler] = {
    "Dense": dense,
    "Embedding": embedding,
    "ReversibleEmbedding": reversible_embedding,
    "EinsumDense": einsum_dense,
    "LayerScale": layer_scale,
}
