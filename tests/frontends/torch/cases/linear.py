"""Products of matrices, sums of products, attention, normalizations, softmax."""

import numpy as np

from tests.frontends.torch.case import bools, case, floats

W = {"w": floats(4, 6), "b": floats(4)}
case("linear", "F.linear(x, w, b)", x=floats(3, 6), weights=W, dynamic=True)
case("linear-no-bias", "F.linear(x, w)", x=floats(2, 3, 6), weights={"w": W["w"]})
case("linear-vector", "F.linear(x, w, b)", x=floats(6), weights=W)
case("linear-turned", "F.linear(x, w.T)", x=floats(3, 4), weights={"w": W["w"]})
case("linear-computed", "F.linear(x, y, b)", x=floats(3, 6), y=floats(4, 6), weights={"b": W["b"]})
case("matmul", "x @ y", x=floats(2, 3, 4), y=floats(2, 4, 5))
case("matmul-weights", "x @ w", x=floats(2, 3, 4), weights={"w": floats(4, 5)})
case("matmul-broadcast", "torch.matmul(x, y)", x=floats(3, 4), y=floats(2, 4, 5))
case(
    "matmul-vectors",
    "x @ y, y @ x, torch.mv(z, x)",
    x=floats(4),
    y=floats(4, seed=1),
    z=floats(3, 4),
)
case("matmul-vector", "x @ y", x=floats(2, 3, 4), y=floats(4))
case("mm", "torch.mm(x, y)", x=floats(3, 4), y=floats(4, 5))
case("bmm", "torch.bmm(x, y.transpose(1, 2))", x=floats(2, 3, 4), y=floats(2, 5, 4))
case("addmm", "torch.addmm(b, x, w)", x=floats(3, 4), weights={"w": floats(4, 5), "b": floats(5)})
case(
    "addmm-scaled",
    "torch.addmm(y, x, x, beta=0.5, alpha=2)",
    x=floats(3, 3),
    y=floats(3, 3, seed=2),
)
case("baddbmm", "torch.baddbmm(z, x, y)", x=floats(2, 3, 4), y=floats(2, 4, 5), z=floats(2, 3, 5))
case("outer", "torch.outer(x, y)", x=floats(3), y=floats(4))
case("einsum", "torch.einsum('bij,bjk->bik', x, y)", x=floats(2, 3, 4), y=floats(2, 4, 5))
case(
    "einsum-heads",
    "torch.einsum('bqhd,bkhd->bhqk', x, y)",
    x=floats(2, 3, 2, 4),
    y=floats(2, 5, 2, 4),
)
case(
    "einsum-weights",
    "torch.einsum('...i,io->...o', x, w)",
    x=floats(2, 3, 4),
    weights={"w": floats(4, 5)},
)
case("einsum-one", "torch.einsum('ijk->ki', x)", x=floats(2, 3, 4))
case(
    "bilinear",
    "F.bilinear(x, y, w, b)",
    x=floats(3, 2),
    y=floats(3, 4),
    weights={"w": floats(5, 2, 4), "b": floats(5)},
)
case("cosine", "F.cosine_similarity(x, y, dim=1)", x=floats(3, 4), y=floats(3, 4, seed=1))

Q, K, V = floats(2, 2, 5, 4), floats(2, 2, 5, 4, seed=1), floats(2, 2, 5, 4, seed=2)
case("sdpa", "F.scaled_dot_product_attention(x, y, z)", x=Q, y=K, z=V, dynamic=True)
case("sdpa-causal", "F.scaled_dot_product_attention(x, y, z, is_causal=True)", x=Q, y=K, z=V)
case(
    "sdpa-mask",
    "F.scaled_dot_product_attention(x, y, z, attn_mask=m)",
    x=Q,
    y=K,
    z=V,
    m=np.tril(np.ones((5, 5), np.bool_)),
)
case(
    "sdpa-bias",
    "F.scaled_dot_product_attention(x, y, z, attn_mask=m, scale=0.3)",
    x=Q,
    y=K,
    z=V,
    m=floats(5, 5),
)
case(
    "sdpa-groups",
    "F.scaled_dot_product_attention(x, y, z, enable_gqa=True)",
    x=floats(2, 4, 5, 4),
    y=K,
    z=V,
)

case("softmax", "F.softmax(x, -1)", x=floats(2, 3, 4), dynamic=True)
case("softmax-axis", "torch.softmax(x, 1)", x=floats(2, 3, 4))
case("softmin", "F.softmin(x, 1)", x=floats(2, 3, 4))
case("log-softmax", "F.log_softmax(x, 1)", x=floats(2, 3))

N = {"w": floats(3), "b": floats(3), "m": floats(3, seed=1), "v": floats(3, low=0.5, seed=2)}
case("batch-norm", "F.batch_norm(x, m, v, w, b)", x=floats(2, 3, 4, 5), weights=N)
case(
    "batch-norm-rows",
    "F.batch_norm(x, m, v, eps=1e-3)",
    x=floats(2, 3),
    weights={"m": N["m"], "v": N["v"]},
)
case(
    "layer-norm",
    "F.layer_norm(x, (3,), w, b)",
    x=floats(2, 4, 3),
    weights={"w": N["w"], "b": N["b"]},
)
case("layer-norm-two", "F.layer_norm(x, (4, 3))", x=floats(2, 4, 3))
case(
    "group-norm",
    "F.group_norm(x, 2, w, b)",
    x=floats(2, 4, 3, 5),
    weights={"w": floats(4), "b": floats(4)},
    dynamic=True,
)
case(
    "instance-norm",
    "F.instance_norm(x, weight=w, bias=b)",
    x=floats(2, 3, 4, 5),
    weights={"w": N["w"], "b": N["b"]},
)
case("rms-norm", "F.rms_norm(x, (3,), w)", x=floats(2, 4, 3), weights={"w": N["w"]})
case(
    "attention-mask-where",
    "F.softmax(torch.where(m, x, torch.tensor(-1e9)), -1)",
    x=floats(2, 4, 4),
    m=bools(4, 4),
)
