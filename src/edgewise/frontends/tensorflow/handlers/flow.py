"""What hands its operands on: identities, constants, calls of functions."""

from __future__ import annotations

from collections.abc import Sequence

from edgewise.dtypes import DType
from edgewise.frontends.tensorflow import attrs
from edgewise.frontends.tensorflow.context import Context, Handler, Operand, Unsupported
from edgewise.frontends.tensorflow.handlers.resources import read
from edgewise.frontends.tensorflow.program import TFNode, Variable
from edgewise.ir.graph import Value


def _same(c: Context, node: TFNode, *xs: Operand) -> Sequence[Operand]:
    """Every operand as it is; checks and gradients do not run at inference. A variable of TF1,
    whose type is that of its value, is read."""
    kind = node.attrs.get("T", DType.RESOURCE)
    if kind is DType.RESOURCE:
        return xs
    return [read(c, x) if isinstance(x, Variable) else x for x in xs]


def _nothing(c: Context, node: TFNode, *xs: Operand) -> Sequence[Operand]:
    """No results, and no effect that inference has."""
    return ()


def _constant(c: Context, node: TFNode) -> Value:
    return c.constant(attrs.array(node, "value"), node.name)


def _placeholder(c: Context, node: TFNode) -> Value:
    raise Unsupported("it is fed by nothing; name it among the inputs (inputs=)")


def _call(c: Context, node: TFNode, *xs: Operand) -> Sequence[Operand]:
    return c.call(attrs.function(node, "f"), xs)


# Operations whose results are their operands.
SAME = frozenset((
    "Identity", "IdentityN", "StopGradient", "PreventGradient", "CheckNumerics",
    "CheckNumericsV2", "Snapshot", "PlaceholderWithDefault", "RefIdentity", "_EagerConst",
))  # fmt: skip

# Operations that hand their operands on, whatever they are.
HANDED_ON = SAME | {"PartitionedCall", "StatefulPartitionedCall"}

HANDLERS: dict[str, Handler] = {
    "Const": _constant,
    "Placeholder": _placeholder,
    "Assert": _nothing,
    "Print": lambda c, node, x, *told: x,
    "PrintV2": _nothing,
}
OBJECTS: dict[str, Handler] = dict.fromkeys(SAME, _same)
OBJECTS |= dict.fromkeys(("NoOp", "ControlTrigger", "Abort"), _nothing)
OBJECTS |= dict.fromkeys(("PartitionedCall", "StatefulPartitionedCall"), _call)
