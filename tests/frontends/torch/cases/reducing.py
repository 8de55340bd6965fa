"""Reductions, running sums, order."""

from tests.frontends.torch.case import bools, case, floats, ints

X = floats(3, 4, 5)
case("sum", "x.sum(), x.sum(1), x.sum((0, 2), keepdim=True), x.sum(-1)", x=X)
case("sum-ints", "x.sum(), x.sum(0)", x=ints(3, 4, dtype="int32"))
case("sum-bools", "(x > 0).sum(1)", x=X)
case("mean", "x.mean(), x.mean(1), x.mean((1, 2), keepdim=True)", x=X)
case("mean-dynamic", "x.mean(0), x.mean((1, 2))", x=X, dynamic=True)
case("prod", "x.prod(), x.prod(1)", x=X)
case("extremes", "x.amax((0, 1)), x.amin(2, keepdim=True), x.max(), x.min()", x=X)
case("max-dim", "x.max(1).values, x.max(1).indices, x.min(-1, keepdim=True)[0]", x=X)
case("argmax", "x.argmax(1), x.argmin(-1, keepdim=True), x.argmax()", x=X)
case("any-all", "x.any(), x.all(1), (x | True).any(0)", x=bools(3, 4))
case("any-numbers", "torch.any(x, 1), torch.all(x)", x=ints(3, 4, low=0, high=2))
case("var", "x.var(), x.var(1), x.var((0, 2), correction=0), x.var(1, unbiased=False)", x=X)
case("std", "x.std(1), x.std(2, keepdim=True)", x=X)
case("var-mean", "v, m = torch.var_mean(x, 1)\nreturn v * m", x=X)
case("var-dynamic", "x.var(0)", x=X, dynamic=True)
case("logsumexp", "x.logsumexp(1), torch.logsumexp(x, (0, 2), keepdim=True)", x=X)
case("norms", "torch.linalg.vector_norm(x, dim=1), x.norm(), x.norm(1, dim=2), x.norm(3, 1)", x=X)
case("norm-infinite", "torch.linalg.vector_norm(x, float('inf'), dim=1)", x=X)
case("count-nonzero", "torch.count_nonzero(x, 1)", x=ints(3, 4, low=0, high=2))
case("cumsum", "x.cumsum(1), torch.cumsum(x, -1)", x=X)
case("cumsum-ints", "x.cumsum(0)", x=ints(3, 4))
case("cumprod", "x.cumprod(1)", x=X)
case("logcumsumexp", "x.logcumsumexp(1)", x=X)
case("topk", "v, i = x.topk(3)\nreturn v, i", x=X)
case("topk-smallest", "v, i = x.topk(2, dim=1, largest=False)\nreturn v, i", x=X)
case("sort", "v, i = x.sort(1)\nreturn v, i", x=X)
case(
    "sort-descending",
    "v, i = torch.sort(x, dim=-1, descending=True, stable=True)\nreturn v, i",
    x=X,
)
case("sort-ints", "torch.sort(x, 0)[0], x.argsort(1)", x=ints(6, 4, low=-9, high=9, dtype="int32"))
case("split-uneven", "a, b = torch.split(x, 2, 1)\nreturn a.sum() * b", x=floats(2, 3, 4))
case("normalize", "F.normalize(x, dim=1), F.normalize(x, p=1, dim=-1)", x=floats(2, 3, 4))
case(
    "binary-mse",
    "F.mse_loss(x, y), F.mse_loss(x, y, reduction='none')",
    x=X,
    y=floats(3, 4, 5, seed=1),
)
case("cdist-like", "((x[:, None] - y[None]) ** 2).sum(-1).sqrt()", x=floats(3, 4), y=floats(5, 4))
