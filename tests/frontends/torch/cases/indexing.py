"""Slices, indices, gather and scatter; tensors made of numbers; triangles."""

import numpy as np

from tests.frontends.torch.case import bools, case, floats, ints

X = floats(3, 4, 5)
PLACES = ints(2, 3, low=0, high=3)
case("slice", "x[1:], x[:, 1:3], x[..., ::2], x[:, -2:], x[:-1, :, 1:4:2]", x=X)
case("select", "x[0], x[:, -1], x[1, 2], x.select(2, 3)", x=X)
case("slice-dynamic", "x[:, 1:], x[:, 0], x[:, -1:]", x=X, dynamic=True)
case("slice-by-size", "w[:, : x.shape[1]] + x", x=X, weights={"w": floats(1, 9, 5)}, dynamic=True)
case("narrow", "x.narrow(1, 1, 2)", x=X)
case("none", "x[:, None], x[None, ..., None]", x=floats(3, 4))
case("index", "x[i], x[:, i]", x=X, i=PLACES)
case("index-constant", "x[:, [2, 0, -1]]", x=X)
case("index-negative", "x[i]", x=X, i=ints(4, low=-3, high=3))
case("index-several", "x[i, i + 1], x[:, i, i + 2], x[i, :, i]", x=X, i=PLACES)
case("index-mask-set", "y = x.clone()\ny[y < 0] = 0.5\nreturn y", x=X)
case("index-put", "y = x.clone()\ny[i] = 7.0\nreturn y", x=X, i=ints(2, low=0, high=3, seed=4))
case("index-put-values", "x.index_put((i, i + 1), v)", x=X, i=np.array([0, 2]), v=floats(2, 5))
case(
    "index-put-add",
    "x.index_put((i,), v, accumulate=True)",
    x=floats(4, 2),
    i=np.array([1, 1, 3]),
    v=floats(3, 2),
)
case("index-select", "x.index_select(1, i), torch.take(x, i)", x=X, i=np.array([3, 0, 1]))
case(
    "embedding",
    "F.embedding(i, w)",
    i=ints(2, 5, low=0, high=7),
    weights={"w": floats(7, 3)},
    dynamic=True,
)
case(
    "embedding-padding",
    "F.embedding(i, w, padding_idx=0) * 2",
    i=ints(5, low=0, high=7, dtype="int32"),
    weights={"w": floats(7, 3)},
)
case("gather", "x.gather(1, i), x.gather(0, i[:, :1])", x=floats(3, 4), i=ints(3, 4, low=0, high=3))
case("gather-smaller", "x.gather(1, i)", x=floats(3, 4, 5), i=ints(2, 3, 5, low=0, high=4))
case("take-along", "torch.take_along_dim(x, x.argsort(1), 1)", x=floats(3, 4))
case(
    "scatter",
    "x.scatter(1, i, v)",
    x=floats(3, 4),
    i=np.array([[0, 2], [1, 3], [3, 0]]),
    v=floats(3, 2),
)
case("scatter-number", "torch.zeros(3, 4).scatter_(1, i, 1.0)", i=ints(3, 1, low=0, high=4))
case(
    "scatter-add",
    "x.scatter_add(0, i, v)",
    x=floats(3, 4),
    i=ints(5, 4, low=0, high=3),
    v=floats(5, 4),
)
case(
    "index-add",
    "x.index_add(0, i, v)",
    x=floats(3, 4),
    i=np.array([2, 0, 2]),
    v=floats(3, 4, seed=3),
)
case("write-slice", "y = x.clone()\ny[:, 1:3] = 0\ny[0] += 1\nreturn y", x=X)
case("in-place", "y = x * 2\ny += 1\ny[:, 0] = 0\ny[1].mul_(3)\nreturn y", x=floats(3, 5))
case("flip", "x.flip(1), x.flip((0, 2)), torch.fliplr(x)", x=X)
case("roll", "x.roll(2, 1), x.roll((1, -1), (0, 2)), x.roll(3)", x=X)
case("roll-dynamic", "x.roll(1, 1)", x=X, dynamic=True)
case("one-hot", "F.one_hot(i, 5)", i=ints(2, 3, low=0, high=5))
case("unfold", "x.unfold(1, 2, 1)", x=floats(3, 7))
case(
    "meshgrid", "a, b = torch.meshgrid(x, y, indexing='ij')\nreturn a * b", x=floats(3), y=floats(4)
)
case(
    "meshgrid-xy",
    "a, b = torch.meshgrid(x, y, indexing='xy')\nreturn a - b",
    x=floats(3),
    y=floats(4),
)
case(
    "creating",
    "x + torch.ones(5) * torch.full((4, 5), 2.5) - torch.zeros(1), torch.full_like(x, 3)",
    x=X,
)
case(
    "creating-like",
    "torch.zeros_like(x) + torch.ones_like(x), x.new_zeros(2), x.new_full((2,), 4)",
    x=X,
)
case(
    "arange",
    "x * torch.arange(5), torch.arange(2, 9, 3) + x[0, 0, 0].int()",
    x=X,
)
case(
    "arange-dynamic", "torch.arange(x.shape[0])[:, None] + x[:, 0]", x=floats(3, 4, 5), dynamic=True
)
case("zeros-dynamic", "torch.cat([torch.zeros(x.shape[0], 1), x], 1)", x=floats(3, 4), dynamic=True)
case("like-dynamic", "x * torch.ones_like(x) + torch.zeros_like(x)", x=floats(3, 4), dynamic=True)
case("linspace", "x + torch.linspace(0, 1, 5) + torch.eye(4, 5)", x=X)
case("triangles", "x.tril(), x.triu(1), torch.tril(x, -1)", x=X)
case(
    "causal-mask",
    "m = torch.triu(torch.ones(4, 4), diagonal=1).bool()\nreturn x.masked_fill(m, -1e9)",
    x=floats(2, 4, 4),
)
case("diagonal", "torch.diagonal(x, 0, 1, 2), x[0].diag(1), x.diagonal(-1, 1, 2)", x=X)
case("diag-embed", "torch.diag_embed(x), torch.diag(x[0])", x=floats(3, 4))
case("broadcast", "a, b = torch.broadcast_tensors(x, y)\nreturn a * b", x=floats(3, 1), y=floats(4))
case(
    "expand-dynamic",
    "w.expand(x.shape[0], -1, -1) + x[:, :1]",
    x=floats(2, 3, 4),
    weights={"w": floats(1, 1, 4)},
    dynamic=True,
)
case("mask-lengths", "torch.arange(5)[None] < n[:, None]", n=ints(3, low=0, high=6), dynamic=True)
case("where-mask", "x * y.unsqueeze(-1).float()", x=X, y=bools(3, 4))
