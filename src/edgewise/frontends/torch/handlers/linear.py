"""Products of matrices, Einstein sums, attention.

Source: aten/src/ATen/native/{Linear,LinearAlgebra}.cpp, native/transformers/attention.cpp,
PyTorch 2.13.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from edgewise.dtypes import FLOATS, DType
from edgewise.frontends.decompose.einsum import einsum, matmul
from edgewise.frontends.torch.context import Context, Handler, Unsupported
from edgewise.frontends.torch.handlers.binary import add, mul
from edgewise.frontends.torch.handlers.elementwise import dropout
from edgewise.ir.dim import Dim
from edgewise.ir.graph import Value


def linear(c: Context, x: Value, weight: Value, bias: Value | None = None) -> Value:
    """x @ weight.T + bias."""
    if weight.data is not None and len(weight.shape) == 2 and len(x.shape) > 1:
        if bias is None or bias.data is not None:
            return c.b.fully_connected(x, weight, bias, keep_num_dims=True)
        return c.b.add(c.b.fully_connected(x, weight, keep_num_dims=True), bias)
    turned = c.transpose(weight, [1, 0]) if len(weight.shape) == 2 else weight
    y = product(c, x, turned)
    return y if bias is None else c.b.add(y, bias)


def product(c: Context, x: Value, y: Value) -> Value:
    """x @ y as torch.matmul means it."""
    if x.dtype in FLOATS and y.dtype in FLOATS:
        if len(x.shape) == len(y.shape) == 1:
            return c.b.sum(c.b.mul(x, y), c.ints([0]))
        return matmul(c, x, y)
    raise Unsupported("a product of matrices of whole numbers; convert them to float32 before")


def _addmm(c: Context, x: Value, a: Value, b: Value, beta: float = 1, alpha: float = 1) -> Value:
    """beta * x + alpha * a @ b."""
    if beta == alpha == 1 and b.data is not None and x.data is not None and x.data.ndim == 1:
        w = c.b.constant(b.data.T.copy(), name=b.name)
        return c.b.fully_connected(a, w, x, keep_num_dims=True)
    y = product(c, a, b)
    y = y if alpha == 1 else mul(c, y, alpha)
    return y if beta == 0 else add(c, y, x, beta)


def _einsum(c: Context, equation: str, operands: Sequence[Value], path: object = None) -> Value:
    return einsum(c, equation, *(c.real(x) for x in operands))


def _inner(c: Context, x: Value, y: Value) -> Value:
    """Products of the rows of both."""
    return product(c, x, c.transpose(y, [1, 0]) if len(y.shape) == 2 else y)


def _outer(c: Context, x: Value, y: Value) -> Value:
    return mul(c, c.reshape(x, (*x.shape, 1)), y)


def _attention(
    c: Context,
    q: Value,
    k: Value,
    v: Value,
    attn_mask: Value | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Value:
    """softmax(scale * q k^T + mask) v; a mask of truth values says what is attended to."""
    if dropout_p:
        dropout(c, q, dropout_p, True)
    if enable_gqa and k.shape[-3] != q.shape[-3]:
        k, v = (_repeated(c, x, q.shape[-3]) for x in (k, v))
    if scale is None:
        if not isinstance(q.shape[-1], int):
            raise Unsupported("the size of its heads must be known")
        scale = 1 / math.sqrt(q.shape[-1])
    scores = mul(c, c.b.batch_matmul(q, k, adj_y=True), scale)
    if is_causal:
        attn_mask = _causal(c, q.shape[-2], k.shape[-2])
    if attn_mask is not None and attn_mask.dtype is DType.BOOL:
        scores = c.b.select_v2(attn_mask, scores, c.scalar(-np.inf, scores))
    elif attn_mask is not None:
        scores = c.b.add(scores, attn_mask)
    return c.b.batch_matmul(c.b.softmax(scores), v)


def _repeated(c: Context, x: Value, heads: Dim) -> Value:
    """Heads that several share, as many as those they serve."""
    *outer, count, steps, size = x.shape
    if not isinstance(heads, int) or not isinstance(count, int) or heads % count:
        raise Unsupported("the numbers of heads must be known, one a multiple of the other")
    wide = c.reshape(x, (*outer, count, 1, steps, size))
    tiled = c.b.tile(wide, c.ints([1] * len(outer) + [1, heads // count, 1, 1]))
    return c.reshape(tiled, (*outer, heads, steps, size))


def _causal(c: Context, steps: Dim, keys: Dim) -> Value:
    if not isinstance(steps, int) or not isinstance(keys, int):
        raise Unsupported("its mask needs a known number of steps; give the model a fixed shape")
    return c.b.constant(np.tril(np.ones((steps, keys), np.bool_)))


def _bilinear(c: Context, x: Value, y: Value, weight: Value, bias: Value | None = None) -> Value:
    """x[n, i] weight[o, i, j] y[n, j] + bias."""
    z = einsum(c, "...oj,...j->...o", einsum(c, "...i,oij->...oj", x, weight), y)
    return z if bias is None else c.b.add(z, bias)


def _cosine(c: Context, x: Value, y: Value, dim: int = 1, eps: float = 1e-8) -> Value:
    """The product of two vectors of length 1; lengths are at least eps."""
    axes, least = c.ints([dim % len(x.shape)]), c.scalar(eps, x)

    def unit(v: Value) -> Value:
        length = c.b.sqrt(c.b.sum(c.b.square(v), axes, keep_dims=True))
        return c.b.div(v, c.b.maximum(length, least))

    return c.b.sum(c.b.mul(unit(x), unit(y)), axes)


HANDLERS: dict[str, Handler] = {
    "linear": linear,
    **dict.fromkeys(("matmul", "mm", "bmm", "mv", "dot", "vdot"), product),
    **dict.fromkeys(("addmm", "baddbmm", "addmv"), _addmm),
    "inner": _inner,
    "einsum": _einsum,
    **dict.fromkeys(("outer", "ger"), _outer),
    "scaled_dot_product_attention": _attention,
    "bilinear": _bilinear,
    "cosine_similarity": _cosine,
}
