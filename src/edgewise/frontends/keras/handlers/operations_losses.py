"""`keras.ops` nodes that compare: crossentropies, likenesses of images, correlations, distances.

Source: keras/src/backend/tensorflow/{nn,numpy,math}.py and ops/image.py, Keras 3.15.
"""

from __future__ import annotations

import math

import numpy as np

from edgewise.dtypes import DType
from edgewise.frontends.context import Handler, Structure, Unsupported, known_sizes
from edgewise.frontends.decompose import activations
from edgewise.frontends.decompose.functions import clip, log1p, plus, scaled
from edgewise.frontends.decompose.index import last_axis
from edgewise.frontends.decompose.labels import decoded
from edgewise.frontends.keras.description import KerasLayer
from edgewise.frontends.keras.handlers.config import flag, integer, number, text
from edgewise.frontends.keras.handlers.context import Context
from edgewise.frontends.keras.handlers.layout import channels_last
from edgewise.frontends.keras.handlers.operands import Operand, axis_in, promoted, real, tensor
from edgewise.frontends.keras.handlers.operations_images import filtered, gaussian
from edgewise.ir.dim import elements
from edgewise.ir.enums import Padding
from edgewise.ir.graph import Value

EPSILON = 1e-7  # Keras's own


def _binary(c: Context, layer: KerasLayer, target: Operand, output: Operand) -> Value:
    """-(t log y + (1 - t) log(1 - y)); of logits max(x, 0) - x t + log(1 + exp(-|x|))."""
    t, y = real(c, target), real(c, output)
    if flag(layer, "from_logits"):
        rest = log1p(c, c.b.exp(c.b.neg(c.b.abs(y))))
        return c.b.add(c.b.sub(c.b.relu(y), c.b.mul(y, t)), rest)
    y, one = clip(c, y, EPSILON, 1 - EPSILON), c.scalar(1)
    first = c.b.mul(t, c.b.log(y))
    second = c.b.mul(c.b.sub(one, t), c.b.log(c.b.sub(one, y)))
    return c.b.neg(c.b.add(first, second))


def _categorical(c: Context, layer: KerasLayer, target: Operand, output: Operand) -> Value:
    """-sum(t log y), y scaled to a sum of 1; of logits, their log_softmax."""
    t, y = real(c, target), real(c, output)
    axis = axis_in(layer, layer.config.get("axis", -1), len(y.shape))
    along = c.ints([axis])
    if flag(layer, "from_logits"):
        logs = activations.log_softmax(c, y, axis)
    else:
        y = c.b.div(y, c.b.sum(y, along, keep_dims=True))
        logs = c.b.log(clip(c, y, EPSILON, 1 - EPSILON))
    return c.b.neg(c.b.sum(c.b.mul(t, logs), along))


def _sparse_categorical(c: Context, layer: KerasLayer, target: Operand, output: Operand) -> Value:
    """-log_softmax of the logits at the target; probabilities by their logarithms."""
    y, i = real(c, output), c.cast(tensor(c, target), DType.INT32)
    axis = axis_in(layer, layer.config.get("axis", -1), len(y.shape))
    y, _ = last_axis(c, y, axis)
    if len(i.shape) < len(y.shape):
        i = c.b.expand_dims(i, c.ints([len(i.shape)]))
    if not flag(layer, "from_logits"):
        y = c.b.log(clip(c, y, EPSILON, 1 - EPSILON))
    logs, last = activations.log_softmax(c, y), len(y.shape) - 1
    found = c.b.gather(logs, i, axis=last, batch_dims=last)
    return c.b.neg(c.reshape(found, found.shape[:-1]))


def _psnr(c: Context, layer: KerasLayer, x: Operand, y: Operand) -> Value:
    """20 log10(max_val) - 10 log10(mean((x - y)**2))."""
    a, b = real(c, x), real(c, y)
    error = c.b.mean(c.b.squared_difference(a, b), c.ints(range(len(a.shape))))
    top = 20 * math.log10(number(layer, "max_val"))
    return plus(c, scaled(c, c.b.log(error), -10 / math.log(10)), top)


def _ssim(c: Context, layer: KerasLayer, x: Operand, y: Operand) -> Value:
    """The structural similarity of windows, its mean over each image: Wang et al. 2004."""
    top, size = number(layer, "max_val", 1), integer(layer, "filter_size", 11)
    c1, c2 = ((number(layer, key, d) * top) ** 2 for key, d in (("k1", 0.01), ("k2", 0.03)))
    kernel = gaussian([size] * 2, [number(layer, "filter_sigma", 1.5)] * 2)
    a, b = real(c, x), real(c, y)
    is_one = len(a.shape) == 3
    images = [c.b.expand_dims(v, c.ints([0])) if is_one else v for v in (a, b)]

    def mean(v: Value) -> Value:
        return channels_last(c, layer, v, lambda v: filtered(c, v, kernel, Padding.VALID))

    a, b = images
    first, second = mean(a), mean(b)
    both, squares = c.b.mul(first, second), [c.b.square(first), c.b.square(second)]
    spread = [c.b.sub(mean(c.b.square(v)), s) for v, s in zip(images, squares, strict=True)]
    shared = c.b.sub(mean(c.b.mul(a, b)), both)
    above = c.b.mul(plus(c, scaled(c, both, 2), c1), plus(c, scaled(c, shared, 2), c2))
    below = c.b.mul(plus(c, c.b.add(*squares), c1), plus(c, c.b.add(*spread), c2))
    return c.b.mean(c.b.div(above, below), c.ints([0, 1, 2, 3] if is_one else [1, 2, 3]))


def _distances(c: Context, layer: KerasLayer, x: Operand, y: Operand) -> Value:
    """[..., M, D] and [..., N, D] to [..., M, N]: the lengths of all differences."""
    a, b = real(c, x), real(c, y)
    rank = len(a.shape)
    a = c.b.expand_dims(a, c.ints([rank - 1]))
    b = c.b.expand_dims(b, c.ints([len(b.shape) - 2]))
    return c.b.sqrt(c.b.sum(c.b.squared_difference(a, b), c.ints([rank])))


def _vdot(c: Context, layer: KerasLayer, x: Operand, y: Operand) -> Value:
    a, b = (c.reshape(v, [elements(v.shape)]) for v in promoted(c, x, y))
    return c.b.sum(c.b.mul(a, b), c.ints([0]))


def _correlations(c: Context, layer: KerasLayer, x: Operand) -> Value:
    """Pearson's coefficients of all pairs of rows."""
    y = real(c, x)
    last = len(y.shape) - 1
    y = c.b.sub(y, c.b.mean(y, c.ints([last]), keep_dims=True))
    size = c.b.sqrt(c.b.sum(c.b.square(y), c.ints([last]), keep_dims=True))
    products = c.b.batch_matmul(y, y, adj_y=True) if last > 0 else c.b.square(size)
    over = size if last == 0 else c.b.batch_matmul(size, size, adj_y=True)
    over = c.b.square(over) if last == 0 else over
    return c.reshape(clip(c, c.b.div(products, over), -1, 1), products.shape[: 2 * last] or ())


def _correlate(c: Context, layer: KerasLayer, x: Operand, y: Operand) -> Value:
    """Sums of products with a vector at each of its places along another one."""
    a, b = real(c, x), real(c, y)
    n, m = (known_sizes(v.shape, "a vector")[0] for v in (a, b))
    mode = text(layer, "mode", "valid")
    if m > n:
        raise Unsupported("the second vector is longer than the first; swap them")
    if mode != "valid":
        # of all n + m - 1 places, the n in the middle
        before = m - 1 if mode == "full" else m - 1 - (m - 1) // 2
        behind = m - 1 if mode == "full" else (m - 1) // 2
        a = c.b.pad(a, c.b.constant(np.array([[before, behind]], np.int32)))
        n += before + behind
    line, kernel = c.reshape(a, (1, 1, n, 1)), c.reshape(b, (1, 1, m, 1))
    sums = c.b.conv_2d(line, kernel, padding=Padding.VALID, stride_h=1, stride_w=1)
    return c.reshape(sums, (n - m + 1,))


def _labels(c: Context, layer: KerasLayer, scores: Operand, lengths: Operand) -> Structure:
    """[1, B, T] labels of the best path, -1 behind them, and [B, 1] their scores."""
    if text(layer, "strategy", "greedy") != "greedy":
        raise Unsupported("a search for the best sequences; use strategy='greedy'")
    merges = flag(layer, "merge_repeated", True)
    found, best = decoded(
        c, real(c, scores), tensor(c, lengths), integer(layer, "mask_index", 0), merges=merges
    )
    return [c.b.expand_dims(found, c.ints([0])), best]


OPERATIONS: dict[str, Handler] = {
    "BinaryCrossentropy": _binary,
    "CategoricalCrossentropy": _categorical,
    "SparseCategoricalCrossentropy": _sparse_categorical,
    "CTCDecode": _labels,
    "PSNR": _psnr,
    "SSIM": _ssim,
    "CDist": _distances,
    "Vdot": _vdot,
    "Corrcoef": _correlations,
    "Correlate": _correlate,
}
