"""Functions of jax.numpy, jax.lax and jax.nn with the arguments they are converted for.

A case is `Case(function, *arguments)`; `batch` says the arguments whose first size is unknown.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax


@dataclass(frozen=True)
class Case:
    function: Callable
    arguments: tuple[np.ndarray, ...]
    batch: bool
    tolerance: float


def case(function, *arguments, batch=True, tolerance=2e-6):
    return Case(function, arguments, batch, tolerance)


def real(*shape, seed=0, scale=1.0):
    return (np.random.default_rng(seed).normal(size=shape) * scale).astype(np.float32)


def positive(*shape, seed=1):
    return np.random.default_rng(seed).uniform(0.1, 3, shape).astype(np.float32)


def inside(*shape, seed=2):
    return np.random.default_rng(seed).uniform(-0.95, 0.95, shape).astype(np.float32)


def whole(*shape, low=-9, high=9, seed=3):
    return np.random.default_rng(seed).integers(low, high, shape).astype(np.int32)


X, Y, P, Q = real(3, 4), real(3, 4, seed=5), positive(3, 4), inside(3, 4)
M, N = whole(3, 4), whole(3, 4, low=1, seed=4)
B = M > 0
W, V = real(4, 5, seed=6), real(5, seed=7)

ELEMENTS = {
    **{
        name: case(getattr(jnp, name), X)
        for name in (
            "abs",
            "ceil",
            "cos",
            "exp",
            "expm1",
            "floor",
            "negative",
            "round",
            "sign",
            "sin",
            "sinh",
            "cosh",
            "square",
            "tanh",
            "tan",
            "arctan",
            "arcsinh",
            "cbrt",
            "exp2",
            "isfinite",
            "isnan",
            "isinf",
            "isneginf",
            "deg2rad",
            "sinc",
            "nan_to_num",
            "trunc",
            "reciprocal",
        )
    },
    **{name: case(getattr(jnp, name), P) for name in ("log", "log1p", "log2", "log10", "sqrt")},
    **{name: case(getattr(jnp, name), Q) for name in ("arcsin", "arccos", "arctanh")},
    "arccosh": case(jnp.arccosh, P + 1),
    **{
        name: case(getattr(jnp, name), X, Y)
        for name in (
            "add",
            "subtract",
            "multiply",
            "divide",
            "maximum",
            "minimum",
            "arctan2",
            "logaddexp",
            "hypot",
            "equal",
            "not_equal",
            "less",
            "less_equal",
            "greater",
            "greater_equal",
            "floor_divide",
            "heaviside",
            "fmax",
        )
    },
    **{name: case(getattr(jnp, name), X, P) for name in ("mod", "remainder", "fmod")},
    "power": case(jnp.power, P, Y, tolerance=1e-5),
    "power of an integer": case(lambda x: x**3 + x**-1 + x**0.5, P),
    "float_power": case(lambda x: jnp.float_power(x, 1.5), P),
    **{f"lax.{n}": case(getattr(lax, n), Q) for n in ("erf", "erfc", "erf_inv", "logistic")},
    **{f"lax.{n}": case(getattr(lax, n), P) for n in ("lgamma", "digamma", "rsqrt")},
    "rem": case(lax.rem, X, P),
    "clamp": case(lambda x: lax.clamp(-0.5, x, 0.5), X),
    "clip": case(lambda x: jnp.clip(x, -0.5, 0.5), X),
    "where": case(lambda x, y: jnp.where(x > y, x, 2.0), X, Y),
    "select_n": case(lambda i, x, y: lax.select_n(i, x, y, x * y), M % 3, X, Y),
    "casts": case(lambda x: x.astype(jnp.int32) + (x > 0).astype(jnp.int32), X * 5),
    "half": case(lambda x: (x.astype(jnp.float16) + 1).astype(jnp.float32), X, tolerance=1e-3),
    "whole numbers": case(lambda i, j: (i + j) * i - i // j + i % j, M, N),
    "whole powers": case(lambda i: i**2 + abs(i) + jnp.sign(i), M),
    "bits": case(lambda i, j: (i & j) + (i | j) + (i ^ j) + ~i, M, N),
    "shifts": case(lambda i, j: (j << 2) + (i >> 1), M, N),
    "logic": case(lambda x, y: (x > 0) & (y > 0) | ~(x < y) ^ (y > 0), X, Y),
    "bytes": case(lambda i: (i.astype(jnp.int8) + 3).astype(jnp.int32), M),
    "a weight that repeats itself": case(
        lambda x: x * jnp.broadcast_to(V[:4], (3, 4)), X, batch=False
    ),
    "spread twice": case(
        lambda x: jnp.broadcast_to(x[:, None], (3, 2, 4)) + jnp.ones((3, 2, 4)), X, batch=False
    ),
}

NETWORKS = {
    f"nn.{name}": case(getattr(jax.nn, name), X)
    for name in (
        "relu",
        "relu6",
        "sigmoid",
        "softplus",
        "silu",
        "swish",
        "soft_sign",
        "log_sigmoid",
        "leaky_relu",
        "hard_sigmoid",
        "hard_swish",
        "hard_tanh",
        "elu",
        "celu",
        "selu",
        "gelu",
        "glu",
        "softmax",
        "log_softmax",
        "logsumexp",
        "standardize",
        "mish",
        "squareplus",
        "sparse_plus",
        "sparse_sigmoid",
    )
}
NETWORKS |= {
    "nn.gelu exact": case(lambda x: jax.nn.gelu(x, approximate=False), X),
    "nn.one_hot": case(lambda i: jax.nn.one_hot(i, 5), N % 6),
    "nn.softmax where": case(lambda x: jax.nn.softmax(x, axis=0, where=B), X, batch=False),
    "nn.dot_product_attention": case(
        jax.nn.dot_product_attention, *(real(2, 5, 3, 4, seed=i) for i in range(3))
    ),
}

SHAPES = {
    "reshape": case(lambda x: x.reshape(-1, 2, 2), X),
    "reshape to twice": case(lambda x: x.reshape(x.shape[0] * 2, 2), X),
    "ravel": case(jnp.ravel, X),
    "transpose": case(lambda x: x.T, X),
    "moveaxis": case(lambda x: jnp.moveaxis(x, 0, 2), real(2, 3, 4)),
    "squeeze": case(lambda x: jnp.squeeze(x, 1), real(3, 1, 4)),
    "expand_dims": case(lambda x: jnp.expand_dims(x, (0, 2)), X),
    "broadcast_to": case(lambda x: jnp.broadcast_to(x[:, None], (x.shape[0], 5, 4)), X),
    "concatenate": case(lambda x, y: jnp.concatenate([x, y, x], 1), X, Y),
    "stack": case(lambda x, y: jnp.stack([x, y], 1), X, Y),
    "split": case(lambda x: jnp.split(x, 2, 1), X),
    "array_split": case(lambda x: jnp.array_split(x, 3, 1), X),
    "pad": case(lambda x: jnp.pad(x, ((0, 0), (1, 2)), constant_values=3), X),
    "pad bools": case(lambda x: jnp.pad(x > 0, ((0, 0), (1, 2))), X),
    "pad edge": case(lambda x: jnp.pad(x, ((0, 0), (1, 2)), mode="edge"), X),
    "pad reflect": case(lambda x: jnp.pad(x, ((0, 0), (1, 2)), mode="reflect"), X),
    "lax.pad negative": case(lambda x: lax.pad(x, 0.0, ((0, 0, 0), (-1, 2, 0))), X),
    "lax.pad interior": case(lambda x: lax.pad(x, 1.0, ((1, 0, 1), (-1, 2, 2))), X, batch=False),
    "slice": case(lambda x: x[:, 1:3], X),
    "slice with steps": case(lambda x: x[:, ::2], X),
    "slice back": case(lambda x: x[:, ::-1], X),
    "slice of the batch": case(lambda x: x[1:], X),
    "last": case(lambda x: x[:, -1], X),
    "new axis": case(lambda x: x[..., None, 1], X),
    "flip": case(lambda x: jnp.flip(x, (0, 2)), real(2, 3, 4)),
    "roll": case(lambda x: jnp.roll(x, 1, axis=1), X),
    "tile": case(lambda x: jnp.tile(x, (1, 2)), X),
    "repeat": case(lambda x: jnp.repeat(x, 2, axis=1), X),
    "arange": case(lambda x: x + jnp.arange(4), X),
    "arange of the batch": case(lambda x: x + jnp.arange(x.shape[0])[:, None], X),
    "eye": case(lambda x: x @ jnp.eye(4), X),
    "tril": case(jnp.tril, real(3, 4, 4)),
    "diagonal": case(lambda x: jnp.diagonal(x, axis1=1, axis2=2), real(3, 4, 4)),
    "zeros_like": case(lambda x: jnp.zeros_like(x) + jnp.ones_like(x), X),
    "full of the batch": case(lambda x: jnp.full((x.shape[0], 2), 3.0), X),
    "meshgrid": case(lambda x: x + jnp.meshgrid(jnp.arange(4), jnp.arange(3))[0], X, batch=False),
    "the batch as a number": case(lambda x: x / x.shape[0], X),
}

REDUCTIONS = {
    **{
        name: case(partial(getattr(jnp, name), axis=1), X)
        for name in (
            "sum",
            "mean",
            "max",
            "min",
            "prod",
            "var",
            "std",
            "argmax",
            "argmin",
            "cumsum",
            "cumprod",
            "median",
            "ptp",
            "count_nonzero",
            "nansum",
            "nanmax",
        )
    },
    "sum of all": case(jnp.sum, X),
    "mean over the batch": case(lambda x: jnp.mean(x, axis=0, keepdims=True), X),
    "any": case(lambda x: jnp.any(x > 1, axis=1), X),
    "all": case(lambda x: jnp.all(x > -1, axis=1), X),
    "product of whole numbers": case(lambda i, j: i @ j.T, M, N),
    "products of whole numbers": case(
        lambda i: jnp.einsum("bik,kbj->bij", i, jnp.asarray(whole(4, 2, 5, seed=8))),
        whole(2, 3, 4),
        batch=False,
    ),
    "sum of whole numbers": case(lambda i: jnp.sum(i, axis=(0, 1)) + jnp.max(i), M),
    "logsumexp": case(lambda x: jax.scipy.special.logsumexp(x, axis=1), X),
    "norm": case(lambda x: jnp.linalg.norm(x, axis=1), X),
    "cummax": case(lambda x: lax.cummax(x, axis=1), X),
    "cummin of whole numbers": case(lambda i: lax.cummin(i, axis=1, reverse=True), M),
    "cumlogsumexp": case(lambda x: lax.cumlogsumexp(x, axis=1), X),
    "cumsum back": case(lambda x: lax.cumsum(x, axis=1, reverse=True), X),
}

PRODUCTS = {
    "dot": case(lambda x: x @ W + V, X),
    "dot from the left": case(lambda x: jnp.dot(W.T, x.T), X),
    "vector": case(lambda x: W.T @ x, real(4), batch=False),
    "vectors": case(jnp.vdot, real(4), real(4, seed=3), batch=False),
    "outer": case(jnp.outer, real(4), real(3), batch=False),
    "matmul": case(jnp.matmul, real(2, 3, 4), real(2, 4, 5, seed=4)),
    "matmul repeats": case(jnp.matmul, real(2, 1, 3, 4), real(2, 4, 5, seed=4), batch=False),
    "tensordot": case(
        lambda x: jnp.tensordot(x, real(4, 3, 6, seed=8), ((1, 2), (1, 0))), real(2, 3, 4)
    ),
    "einsum attention": case(
        lambda q, k: jnp.einsum("bqhd,bkhd->bhqk", q, k), real(2, 3, 2, 4), real(2, 5, 2, 4, seed=9)
    ),
    "einsum with a weight": case(
        lambda x: jnp.einsum("bsd,dhk->bshk", x, real(4, 2, 3)), real(2, 3, 4)
    ),
    "einsum two sums": case(
        lambda x, y: jnp.einsum("bij,bij->b", x, y), real(2, 3, 4), real(2, 3, 4, seed=1)
    ),
}

INDICES = {
    "take": case(lambda x: jnp.take(x, jnp.array([0, 3, 1]), axis=1), X),
    "take rows": case(lambda i: jnp.take(real(7, 3), i, axis=0), N % 7),
    "take clipped": case(lambda i: jnp.take(real(7, 3), i, axis=0, mode="clip"), N),
    "embedding": case(lambda i: jnp.asarray(real(7, 3))[i], N % 7),
    "two indices": case(lambda i, j: jnp.asarray(real(7, 5, 3))[i, j], N % 7, N % 5),
    "index with a slice": case(
        lambda x, i: x[:, i], real(3, 4, 2), whole(2, low=0, high=4), batch=False
    ),
    "take_along_axis": case(lambda x, i: jnp.take_along_axis(x, i, axis=1), X, N % 4),
    "take_along_axis of three": case(
        lambda x, i: jnp.take_along_axis(x, i, axis=1),
        real(2, 4, 3),
        whole(2, 2, 3, low=0, high=4),
        batch=False,
    ),
    "constant index": case(lambda x: x[jnp.array([0, 2]), jnp.array([1, 3])], X, batch=False),
    "dynamic_slice": case(
        lambda x, i: lax.dynamic_slice(x, (0, i), (3, 2)), X, np.int32(1), batch=False
    ),
    "dynamic_slice beyond": case(
        lambda x, i: lax.dynamic_slice(x, (0, i), (3, 2)), X, np.int32(9), batch=False
    ),
    "dynamic_index": case(lambda x, i: x[:, i], X, np.int32(2), batch=False),
    "dynamic_update_slice": case(
        lambda x, y, i: lax.dynamic_update_slice(x, y, (1, i)),
        X,
        real(2, 2),
        np.int32(1),
        batch=False,
    ),
    "windows": case(
        lambda x, i: jax.vmap(lambda start: lax.dynamic_slice(x, (start, 0), (2, 4)))(i),
        X,
        whole(3, low=0, high=2),
        batch=False,
    ),
}

CASES = {
    f"{family}: {name}": found
    for family, table in {
        "elements": ELEMENTS,
        "networks": NETWORKS,
        "shapes": SHAPES,
        "reductions": REDUCTIONS,
        "products": PRODUCTS,
        "indices": INDICES,
    }.items()
    for name, found in table.items()
}
