"""Special functions.

Source: tensorflow/core/ops/math_ops.cc, TensorFlow 2.21.
"""

from __future__ import annotations

from collections.abc import Callable

from edgewise.frontends.decompose import special
from edgewise.frontends.tensorflow.context import Context, Handler
from edgewise.frontends.tensorflow.program import TFNode
from edgewise.ir.graph import Value


def _function(function: Callable[[Context, Value], Value], remark: str) -> Handler:
    def handler(c: Context, node: TFNode, x: Value) -> Value:
        return function(c, x)

    handler.__doc__ = remark
    return handler


HANDLERS: dict[str, Handler] = {
    "Lgamma": _function(special.lgamma, "Lanczos' sum; off by 4e-6"),
    "Digamma": _function(special.digamma, "Lanczos' sum; off by 2e-6"),
    "Erfinv": _function(special.erfinv, "a polynomial of log(1 - x**2)"),
    "Ndtri": _function(special.ndtri, "as Erfinv"),
}
