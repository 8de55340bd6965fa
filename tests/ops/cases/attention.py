"""Cases of ops/attention.py."""

from edgewise.ops.attention import Attention
from tests.ops.case import Case, arg


def attention(q, k, v, *, mask=None, label="", error="", scale=0.3, **perms):
    args = (arg(q), arg(k), arg(v), None if mask is None else arg(mask))
    return Case(Attention(scale=scale, **perms), args, label=label, error=error)


HEADS = dict.fromkeys(("q_perm", "k_perm", "v_perm", "y_perm"), (0, 2, 1, 3))

CASES = [
    attention((2, 3, 7, 5), (2, 3, 9, 5), (2, 3, 9, 4)),
    attention((1, 1), (1, 1), (1, 1), label="ones"),
    attention((35, 24), (41, 24), (41, 17), label="odd"),
    attention((2, 13, 3, 8), (2, 37, 3, 8), (2, 37, 3, 16), label="heads", **HEADS),
    attention(
        (2, 13, 8), (2, 8, 37), (2, 16, 37), k_perm=(0, 2, 1), v_perm=(0, 2, 1), label="turned"
    ),
    attention((2, 3, 7, 5), (1, 3, 9, 5), (2, 1, 9, 4), label="broadcast"),
    attention((2, 3, 7, 5), (2, 3, 9, 5), (2, 3, 9, 4), mask=(2, 1, 1, 9), label="mask"),
    attention((2, 3, 7, 5), (2, 3, 9, 5), (2, 3, 9, 4), mask=(7, 9), label="mask-rows"),
    attention((2, 3, 7, 5), (2, 3, 9, 5), (2, 3, 9, 4), mask=(3, 7, 1), label="mask-columns"),
    attention((2, 150, 16), (2, 70, 16), (2, 70, 33), label="long"),
    attention((0, 7, 5), (0, 9, 5), (0, 9, 4), label="empty"),
    attention((7, 5), (9, 4), (9, 4), error="q and k must agree in their last dimension"),
    attention((7, 5), (9, 5), (8, 4), error="k and v must have as many rows"),
    attention((7, 5), (9, 5), (9, 4), mask=(7, 8), error="mask must broadcast to [7, 9]"),
    attention((7, 5), (9, 5), (9, 4), scale=0.0, error="scale must be positive"),
    attention((7, 5), (9, 5), (9, 4), q_perm=(0, 0), error="q_perm must be a permutation"),
    attention((7, 5), (9, 5), (9, 4), y_perm=(0, 2), error="y_perm must be a permutation"),
]
