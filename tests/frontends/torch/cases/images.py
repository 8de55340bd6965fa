"""Convolutions, pooling, margins, resizing, pixel shuffles."""

from tests.frontends.torch.case import case, floats

X = floats(2, 3, 8, 9)
K = {"w": floats(4, 3, 3, 3), "b": floats(4)}
case("conv2d", "F.conv2d(x, w, b)", x=X, weights=K, dynamic=True)
case("conv2d-strided", "F.conv2d(x, w, b, stride=2, padding=1)", x=X, weights=K)
case("conv2d-same", "F.conv2d(x, w, b, padding='same', dilation=2)", x=X, weights=K)
case(
    "conv2d-uneven",
    "F.conv2d(x, w, stride=(2, 1), padding=(1, 2), dilation=(1, 2))",
    x=X,
    weights={"w": K["w"]},
)
case(
    "conv2d-depthwise",
    "F.conv2d(x, w, b, padding=1, groups=3)",
    x=X,
    weights={"w": floats(6, 1, 3, 3), "b": floats(6)},
)
case(
    "conv2d-groups",
    "F.conv2d(x, w, b, groups=2)",
    x=floats(2, 4, 8, 9),
    weights={"w": floats(6, 2, 3, 3), "b": floats(6)},
)
case("conv2d-one", "F.conv2d(x, w, b)", x=X[0], weights=K)
case("conv2d-computed", "F.conv2d(x, y)", x=X, y=K["w"])
case(
    "conv1d",
    "F.conv1d(x, w, b, padding=2, dilation=2)",
    x=floats(2, 3, 9),
    weights={"w": floats(4, 3, 3), "b": floats(4)},
)
case(
    "conv1d-depthwise",
    "F.conv1d(x, w, groups=3)",
    x=floats(2, 3, 9),
    weights={"w": floats(3, 1, 3)},
)
case(
    "conv3d",
    "F.conv3d(x, w, b, padding=1)",
    x=floats(1, 2, 4, 5, 6),
    weights={"w": floats(3, 2, 3, 3, 3), "b": floats(3)},
)
case(
    "conv3d-groups",
    "F.conv3d(x, w, b, groups=2)",
    x=floats(1, 2, 4, 5, 6),
    weights={"w": floats(4, 1, 3, 3, 3), "b": floats(4)},
)
T = {"w": floats(3, 4, 3, 3), "b": floats(4)}
case("transposed2d", "F.conv_transpose2d(x, w, b)", x=X, weights=T)
case(
    "transposed2d-strided",
    "F.conv_transpose2d(x, w, b, stride=2, padding=1, output_padding=1)",
    x=X,
    weights=T,
)
case(
    "transposed2d-same",
    "F.conv_transpose2d(x, w, stride=2, padding=1)",
    x=X,
    weights={"w": floats(3, 4, 4, 4)},
    dynamic=True,
)
case(
    "transposed2d-dilated",
    "F.conv_transpose2d(x, w, stride=2, padding=1, dilation=2)",
    x=X,
    weights={"w": T["w"]},
)
case(
    "transposed2d-groups",
    "F.conv_transpose2d(x, w, b, groups=3)",
    x=X,
    weights={"w": floats(3, 2, 3, 3), "b": floats(6)},
)
case(
    "transposed1d",
    "F.conv_transpose1d(x, w, b, stride=2, padding=1)",
    x=floats(2, 3, 5),
    weights={"w": floats(3, 4, 3), "b": floats(4)},
)
case(
    "transposed3d",
    "F.conv_transpose3d(x, w, stride=2)",
    x=floats(1, 2, 3, 3, 3),
    weights={"w": floats(2, 3, 2, 2, 2)},
)
case(
    "conv-block",
    "F.relu(F.batch_norm(F.conv2d(x, w, padding=1), m, v, g, c))",
    x=X,
    weights={
        "w": K["w"],
        "m": floats(4),
        "v": floats(4, low=0.5),
        "g": floats(4, seed=1),
        "c": floats(4, seed=2),
    },
    dynamic=True,
)

case("max-pool2d", "F.max_pool2d(x, 2), F.max_pool2d(x, 3, stride=2, padding=1)", x=X)
case(
    "max-pool2d-ceil",
    "F.max_pool2d(x, 2, ceil_mode=True), F.max_pool2d(x, 3, 2, 1, ceil_mode=True)",
    x=X,
)
case("max-pool1d", "F.max_pool1d(x, 2)", x=floats(2, 3, 9))
case("max-pool3d", "F.max_pool3d(x, 2)", x=floats(1, 2, 4, 5, 6))
case("avg-pool2d", "F.avg_pool2d(x, 2), F.avg_pool2d(x, 3, stride=2, padding=1)", x=X)
case("avg-pool2d-without", "F.avg_pool2d(x, 3, 2, 1, count_include_pad=False)", x=X)
case(
    "avg-pool2d-ceil",
    "F.avg_pool2d(x, 3, 2, 1, ceil_mode=True), F.avg_pool2d(x, 2, ceil_mode=True)",
    x=X,
)
case("avg-pool2d-divisor", "F.avg_pool2d(x, 2, divisor_override=3)", x=X)
case("avg-pool1d", "F.avg_pool1d(x, 3, padding=1)", x=floats(2, 3, 9))
case("avg-pool3d", "F.avg_pool3d(x, 2)", x=floats(1, 2, 4, 5, 6))
case("adaptive-avg", "F.adaptive_avg_pool2d(x, 1), F.adaptive_avg_pool2d(x, (4, 3))", x=X)
case("adaptive-avg-uneven", "F.adaptive_avg_pool2d(x, (3, 5))", x=X)
case("adaptive-dynamic", "F.adaptive_avg_pool2d(x, 1).flatten(1)", x=X, dynamic=True)
case("adaptive-max", "F.adaptive_max_pool2d(x, (4, 2)), F.adaptive_max_pool1d(x[:, 0], 1)", x=X)
case("adaptive-avg1d", "F.adaptive_avg_pool1d(x, 3)", x=floats(2, 3, 9))

case("pad", "F.pad(x, (1, 2)), F.pad(x, (1, 0, 2, 1), value=3.0), F.pad(x, (-1, 2))", x=X)
case(
    "pad-modes",
    "F.pad(x, (1, 2, 2, 1), mode='reflect'), F.pad(x, (1, 2, 2, 1), mode='replicate')",
    x=X,
)
case("pad-circular", "F.pad(x, (1, 2), mode='circular')", x=floats(2, 3, 9))
case("pad-dynamic", "F.pad(x, (1, 1, 1, 1))", x=X, dynamic=True)

case("resize-nearest", "F.interpolate(x, scale_factor=2), F.interpolate(x, size=(5, 7))", x=X)
case("resize-nearest-factor", "F.interpolate(x, scale_factor=1.7)", x=X)
case("resize-nearest-exact", "F.interpolate(x, size=(5, 7), mode='nearest-exact')", x=X)
case("resize-nearest1d", "F.interpolate(x, scale_factor=2)", x=floats(2, 3, 5))
case("resize-nearest3d", "F.interpolate(x, scale_factor=2)", x=floats(1, 2, 2, 3, 4))
case("resize-bilinear", "F.interpolate(x, scale_factor=2, mode='bilinear')", x=X, dynamic=True)
case("resize-bilinear-down", "F.interpolate(x, size=(5, 4), mode='bilinear')", x=X)
case(
    "resize-bilinear-corners",
    "F.interpolate(x, size=(11, 5), mode='bilinear', align_corners=True)",
    x=X,
)
case("resize-bilinear-factor", "F.interpolate(x, scale_factor=1.3, mode='bilinear')", x=X)
case("resize-linear1d", "F.interpolate(x, size=7, mode='linear')", x=floats(2, 3, 5))
case("resize-bicubic", "F.interpolate(x, size=(12, 7), mode='bicubic')", x=X)
case(
    "resize-bicubic-corners",
    "F.interpolate(x, size=(12, 7), mode='bicubic', align_corners=True)",
    x=X,
)
case("resize-area", "F.interpolate(x, size=(4, 3), mode='area')", x=X)
case("pixel-shuffle", "F.pixel_shuffle(x, 2)", x=floats(2, 8, 3, 4), dynamic=True)
case("pixel-unshuffle", "F.pixel_unshuffle(x, 2)", x=floats(2, 3, 4, 6))
case("channel-shuffle", "F.channel_shuffle(x, 2)", x=floats(2, 6, 3, 4))
NET = {
    "w": floats(4, 3, 3, 3), "m": floats(4), "v": floats(4, low=0.5), "g": floats(4, seed=1),
    "c": floats(4, seed=2), "d": floats(4, 1, 3, 3), "p": floats(4, 4, 1, 1), "o": floats(5, 4),
    "q": floats(5),
}  # fmt: skip
case(
    "network",
    "h = F.relu(F.batch_norm(F.conv2d(x, w, padding=1), m, v, g, c))\n"
    "h = F.max_pool2d(h, 2)\n"
    "r = F.relu6(F.batch_norm(F.conv2d(h, d, padding=1, groups=4), m, v, g, c))\n"
    "r = F.batch_norm(F.conv2d(r, p), m, v, g, c)\n"
    "h = F.hardswish(h + r)\n"
    "return F.linear(F.adaptive_avg_pool2d(h, 1).flatten(1), o, q)",
    x=floats(2, 3, 8, 8), weights=NET, dynamic=True,
)  # fmt: skip
case(
    "network-excited",
    "h = F.silu(F.conv2d(x, w, padding=1, stride=2))\n"
    "s = torch.sigmoid(F.conv2d(h.mean((2, 3), keepdim=True), p))\n"
    "h = h * s\n"
    "h = F.interpolate(h, scale_factor=2, mode='nearest')\n"
    "return torch.cat([x, h], 1)",
    x=floats(2, 3, 8, 8), weights={"w": NET["w"], "p": NET["p"]},
)  # fmt: skip
