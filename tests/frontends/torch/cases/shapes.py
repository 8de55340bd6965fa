"""Shapes and orders: views, permutations, joins, splits, repetitions, sizes."""

from tests.frontends.torch.case import case, floats, ints

X = floats(2, 3, 4)
case("view", "x.view(2, 12), x.reshape(-1, 6), x.view(x.size(0), -1)", x=X)
case("view-dynamic", "x.view(x.size(0), -1) * 2", x=X, dynamic=True)
case("view-dynamic-first", "x.view(-1, 2, 2).permute(0, 2, 1)", x=X, dynamic=True)
case("view-dynamic-merged", "x.reshape(x.shape[0] * x.shape[1], 4)", x=X, dynamic=True)
case("view-as", "x.view_as(y)", x=floats(6, 4), y=X)
case("permute", "x.permute(2, 0, 1), x.transpose(1, 2), x.mT, x.movedim(0, -1)", x=X)
case("turned", "x.t(), x.T", x=floats(3, 4))
case("squeeze", "x.squeeze(), x.squeeze(0), x.squeeze((0, 2)), x.unsqueeze(-1)", x=floats(1, 3, 1))
case("flatten", "x.flatten(), x.flatten(1), torch.flatten(x, 0, 1)", x=X)
case("flatten-dynamic", "torch.flatten(x, 1)", x=X, dynamic=True)
case("unflatten", "x.unflatten(1, (2, -1))", x=floats(2, 6))
case(
    "expand",
    "x.expand(2, 3, 4), x.expand(3, -1), x.expand_as(y)",
    x=floats(3, 1)[:, :],
    y=floats(3, 4),
)
case("repeat", "x.repeat(2, 3), x.tile((2,)), x.repeat_interleave(2, dim=1)", x=floats(2, 3))
case("repeat-interleave", "torch.repeat_interleave(x, 3)", x=floats(2, 3))
case("cat", "torch.cat([x, y], 1), torch.cat([x, x * 2, x], -1)", x=X, y=floats(2, 1, 4))
case("cat-types", "torch.cat([x, y], 0)", x=floats(2, 3), y=ints(1, 3))
case(
    "cat-dynamic",
    "torch.cat([w.expand(x.shape[0], 1, 4), x], 1)",
    x=X,
    weights={"w": floats(1, 1, 4)},
    dynamic=True,
)
case("stack", "torch.stack([x, x + 1], 1), torch.stack((x, x), -1)", x=X)
case("stacks", "torch.hstack([x, x]), torch.vstack([x, x]), torch.dstack([x, x])", x=floats(2, 3))
case("split-even", "a, b = torch.split(x, 2, 2)\nreturn a + b", x=X)
case("split-sizes", "a, b = x.split([1, 2], 1)\nreturn b, a", x=X)
case("chunk", "a, b = x.chunk(2, -1)\nreturn a * torch.sigmoid(b)", x=X)
case("chunk-uneven", "a, b = x.chunk(2, 1)\nreturn a, b", x=X)
case("unbind", "a, b, c = x.unbind(1)\nreturn a + b * c", x=X)
case("size", "x * x.shape[0] + x.shape[0] * x.shape[1] // 2", x=X, dynamic=True)
case("numel", "x / x.numel()", x=X)
case("no-grad", "with torch.no_grad():\n    y = x.softmax(-1) * 2\nreturn y + x", x=X)
