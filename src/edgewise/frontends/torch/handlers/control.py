"""Graphs within the graph: those that always run are written out in place.

Source: torch/_higher_order_ops/wrap.py, PyTorch 2.13.
"""

from __future__ import annotations

from edgewise.frontends.torch.context import Context, Handler, Result
from edgewise.frontends.torch.program import Body


def _inlined(c: Context, *args: Result | Body) -> Result:
    """A body among the arguments, on those that follow it: `torch.no_grad`, autocast."""
    at = next(i for i, arg in enumerate(args) if isinstance(arg, Body))
    body = args[at]
    assert isinstance(body, Body)
    return c.run(c, body, args[at + 1 :])  # type: ignore[arg-type]


HANDLERS: dict[str, Handler] = {
    "wrap_with_set_grad_enabled": _inlined,
    "wrap_with_autocast": _inlined,
    "wrap_activation_checkpoint": _inlined,
    "tag_activation_checkpoint": _inlined,
    "wrap": _inlined,
    "_set_grad_enabled": lambda c, enabled: None,
}
