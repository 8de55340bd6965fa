"""Attention layers. Source: keras/src/layers/attention, Keras 3.15.

Several attention axes are one axis of all their positions: they are last but one after a
transpose and a reshape, and come back in the same way.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgewise.frontends.context import Handler, Structure, Unsupported
from edgewise.frontends.decompose.index import repeat
from edgewise.frontends.keras.description import KerasLayer
from edgewise.frontends.keras.handlers import attention_core as core
from edgewise.frontends.keras.handlers.activations import MASKED
from edgewise.frontends.keras.handlers.config import flag, integer, number, numbers
from edgewise.frontends.keras.handlers.context import Context
from edgewise.ir.dim import elements
from edgewise.ir.graph import Value


def multi_head(
    c: Context,
    layer: KerasLayer,
    query: Value,
    value: Value,
    key: Value | None = None,
    query_mask: Value | None = None,
    value_mask: Value | None = None,
    key_mask: Value | None = None,
    attention_mask: Value | None = None,
    return_attention_scores: bool = False,
    use_causal_mask: bool = False,
) -> Structure:
    """MultiHeadAttention and GroupQueryAttention: each head of the query attends to its key."""
    is_grouped = layer.class_name != "MultiHeadAttention"
    heads, key_heads, size = _heads(layer, is_grouped)
    own_key = key is not None and key is not value
    query_mask = c.mask(query) if query_mask is None else query_mask
    value_mask = c.mask(value) if value_mask is None else value_mask
    if own_key and key is not None and key_mask is None:
        key_mask = c.mask(key)
    window = integer(layer, "sliding_window", 0)
    mask = core.all_of(c, [
        attention_mask,
        core.expanded(c, query_mask, 2),
        core.expanded(c, value_mask, 1),
        core.expanded(c, key_mask if own_key else None, 1),
        core.causal(c, query.shape[1], value.shape[1]) if use_causal_mask else None,
        core.causal(c, query.shape[1], value.shape[1], window) if window else None,
    ])  # fmt: skip
    q = _projected(c, layer, "query", query, heads)
    k = _projected(c, layer, "key", value if key is None else key, key_heads)
    v = _projected(c, layer, "value", value, key_heads)
    axes = _attention_axes(layer, len(query.shape))
    if len(query.shape) != 3 and mask is not None and len(axes) != len(query.shape) - 2:
        raise Unsupported("a mask together with batch axes beside attention_axes; leave one out")
    repeats = heads // key_heads
    k, v = (repeat(c, x, len(x.shape) - 2, repeats) if repeats > 1 else x for x in (k, v))
    q = c.b.mul(q, c.scalar(size**-0.5))
    outer = [a for a in range(1, len(query.shape) - 1) if a not in axes]
    shown = number(layer, "dropout", 0.0) > 0
    masked = MASKED if shown or return_attention_scores or len(q.shape) != 4 else core.MASKED_SCORE
    per_head = _per_head(c, mask, len(outer))
    rows, columns, values = (_to_heads(c, x, outer, axes) for x in (q, k, v))
    y, weights = core.attend(c, rows, columns, values, per_head, masked)
    if masked == MASKED and per_head is not None:  # the Softmax layer's zeros for masked positions
        weights = c.b.select_v2(per_head, weights, c.scalar(0))
        y = c.b.batch_matmul(weights, values)
    y = _from_heads(c, y, q, v, outer, axes)
    if flag(layer, "use_gate"):
        y = c.b.mul(y, c.b.logistic(_projected(c, layer, "gate", query, heads)))
    y = _output(c, layer, y, query)
    c.set_mask(y, query_mask)
    if not return_attention_scores:
        return y
    places = [x.shape[a] for x in (q, k) for a in axes]
    return [y, c.reshape(weights, (*weights.shape[:-2], *places))]


def _heads(layer: KerasLayer, is_grouped: bool) -> tuple[int, int, int]:
    """Heads of the query, heads of key and value, and the size that scales the query."""
    if not is_grouped:
        heads = integer(layer, "num_heads")
        return heads, heads, integer(layer, "key_dim")
    names = ("num_query_heads", "num_key_value_heads", "head_dim")
    first, second, third = (integer(layer, name) for name in names)
    return first, second, third


def _attention_axes(layer: KerasLayer, rank: int) -> list[int]:
    if layer.config.get("attention_axes") is None:
        return list(range(1, rank - 1))
    return [axis % rank for axis in numbers(layer, "attention_axes")]


def _projected(c: Context, layer: KerasLayer, part: str, x: Value, heads: int) -> Value:
    """[..., I] to [..., N, H]."""
    kernel = c.weight(layer, f"{part}/kernel")  # [I, N, H]
    w = c.matrix(layer, f"{part}/kernel", lambda w: w.reshape(w.shape[0], -1).T)
    y = c.b.fully_connected(c.real(x), w, _bias(c, layer, part), keep_num_dims=True)
    return c.reshape(y, (*x.shape[:-1], heads, kernel.shape[-1]))


def _bias(c: Context, layer: KerasLayer, part: str) -> Value | None:
    if not flag(layer, "use_bias", True):
        return None
    return c.constant(layer, f"{part}/bias", c.weight(layer, f"{part}/bias").reshape(-1))


def _to_heads(c: Context, x: Value, outer: Sequence[int], axes: Sequence[int]) -> Value:
    """[B, ..., N, H] to [B, outer, N, places, H]."""
    rank = len(x.shape)
    y = c.transpose(x, [0, *outer, rank - 2, *axes, rank - 1])
    first = 2 + len(outer)
    return c.reshape(y, (*y.shape[:first], elements(y.shape[first:-1]), y.shape[-1]))


def _from_heads(
    c: Context, y: Value, q: Value, v: Value, outer: Sequence[int], axes: Sequence[int]
) -> Value:
    """[B, outer, N, places, H] to [B, ..., N, H], the places those of the query."""
    rank = len(q.shape)
    first = 2 + len(outer)
    y = c.reshape(y, (*y.shape[:first], *(q.shape[a] for a in axes), v.shape[-1]))
    perm = [0, *outer, rank - 2, *axes, rank - 1]
    return c.transpose(y, np.argsort(perm).tolist())


def _per_head(c: Context, mask: Value | None, outer: int) -> Value | None:
    """[B, T, S] with axes of 1 for the heads; [B, N, T, S] as it is."""
    if mask is None or len(mask.shape) == 4 + outer:
        return mask
    batch, *rest = mask.shape if len(mask.shape) == 3 else (1, *mask.shape)
    return c.reshape(mask, (batch, *[1] * (1 + outer), *rest))


def _output(c: Context, layer: KerasLayer, y: Value, query: Value) -> Value:
    kernel = c.weight(layer, "output/kernel")  # [N, H, ...]
    rows = kernel.shape[0] * kernel.shape[1]
    w = c.matrix(layer, "output/kernel", lambda w: w.reshape(rows, -1).T)
    flat = c.reshape(y, (*y.shape[:-2], rows))
    z = c.b.fully_connected(flat, w, _bias(c, layer, "output"), keep_num_dims=True)
    return c.reshape(z, (*query.shape[:-1], *kernel.shape[2:]))


def attention(
    c: Context,
    layer: KerasLayer,
    inputs: Sequence[Value],
    mask: Sequence[Value | None] | None = None,
    return_attention_scores: bool = False,
    use_causal_mask: bool = False,
) -> Structure:
    """Attention and AdditiveAttention on [query, value] or [query, value, key]."""
    q, v = (c.real(x) for x in inputs[:2])
    k = c.real(inputs[2]) if len(inputs) > 2 else v
    masks = [c.mask(x) for x in inputs] if mask is None else list(mask)
    scores = _scores(c, layer, q, k)
    kept = core.all_of(c, [
        core.expanded(c, masks[1], 1),
        core.causal(c, q.shape[1], v.shape[1]) if use_causal_mask else None,
    ])  # fmt: skip
    if kept is not None:
        scores = c.b.select_v2(kept, scores, c.b.sub(scores, c.scalar(1e9)))
    weights = c.b.softmax(scores)
    y = c.b.batch_matmul(weights, v)
    if masks[0] is not None:
        y = c.b.select_v2(c.b.expand_dims(masks[0], c.ints([2])), y, c.scalar(0))
        c.set_mask(y, masks[0])
    return [y, weights] if return_attention_scores else y


def _scores(c: Context, layer: KerasLayer, q: Value, k: Value) -> Value:
    """[B, T, S]: dot products, or sums of scaled hyperbolic tangents of q + k."""
    additive = layer.class_name == "AdditiveAttention"
    scale = None
    if flag(layer, "use_scale", additive):
        scale = c.constant(layer, "scale", c.weight(layer, "scale"))
    if not additive and layer.config.get("score_mode", "dot") == "dot":
        scores = c.b.batch_matmul(q, k, adj_y=True)
        return scores if scale is None else c.b.mul(scores, scale)
    pairs = c.b.add(c.b.expand_dims(q, c.ints([2])), c.b.expand_dims(k, c.ints([1])))
    if additive:
        bent = c.b.tanh(pairs)
        return c.b.sum(bent if scale is None else c.b.mul(bent, scale), c.ints([3]))
    bent = c.b.tanh(pairs if scale is None else c.b.mul(pairs, scale))
    weight = c.constant(layer, "weight", c.weight(layer, "concat_score_weight"))
    return c.b.mul(c.b.sum(bent, c.ints([3])), weight)


HANDLERS: dict[str, Handler] = {
    **dict.fromkeys(
        ("MultiHeadAttention", "GroupQueryAttention", "GroupedQueryAttention"), multi_head
    ),
    "Attention": attention,
    "AdditiveAttention": attention,
}
