"""Cases of ops/local_response.py."""

from edgewise.ops.local_response import LocalResponseNormalization
from tests.ops.case import Case, arg


def normalize(shape, *, label="", error="", **attributes):
    operator = LocalResponseNormalization(**attributes)
    return Case(operator, (arg(shape),), label=label, error=error)


CASES = [
    normalize((1, 3, 5, 17), radius=5, bias=1.0, alpha=1.0, beta=0.5),
    normalize((2, 2, 2, 7), radius=2, bias=2.0, alpha=1e-4, beta=0.75, label="alexnet"),
    normalize((1, 1, 1, 3), radius=20, bias=0.5, alpha=0.1, beta=1.0, label="wide"),
    normalize((1, 1, 1, 1), radius=0, bias=1.0, alpha=1.0, beta=1.0, label="ones"),
    normalize((1, 1, 3), radius=1, bias=1.0, error="x must be [N, H, W, C]"),
    normalize((1, 1, 1, 3), radius=-1, bias=1.0, error="radius must be at least 0"),
]
