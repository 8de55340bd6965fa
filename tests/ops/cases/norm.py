"""Cases of ops/norm.py."""

from edgewise.ops.norm import BatchNorm, LayerNorm
from tests.ops.case import Case, arg, weights

LOWERED = "not a TFLite operator; tests/passes compares what it is lowered to"


def batch_norm(x, channels, *, gamma=True, beta=True, label="", error="", **attributes):
    return Case(
        BatchNorm(**attributes),
        (
            arg(x),
            weights((channels,)) if gamma else None,
            weights((channels,)) if beta else None,
            weights((channels,)),
            weights((channels,), low=0.1, high=4.0),
        ),
        label=label,
        error=error,
        no_litert=LOWERED,
    )


def layer_norm(x, parameter, *, gamma=True, beta=True, label="", error="", **attributes):
    return Case(
        LayerNorm(**attributes),
        (
            arg(x),
            weights(parameter) if gamma else None,
            weights(parameter) if beta else None,
        ),
        label=label,
        error=error,
        no_litert=LOWERED,
    )


CASES = [
    batch_norm((2, 5, 3, 7), 7),
    batch_norm((1, 1), 1, label="ones"),
    batch_norm((2, 3, 5), 3, axis=1, label="axis"),
    batch_norm((3, 4), 4, gamma=False, label="no-gamma"),
    batch_norm((3, 4), 4, beta=False, epsilon=0.5, label="no-beta"),
    batch_norm((0, 4), 4, label="empty"),
    batch_norm((3, 4), 3, error="gamma must be [4]"),
    batch_norm((3, 4), 4, axis=2, error="axis must be in [-2, 1]; got 2"),
    batch_norm((3, 4), 4, epsilon=-1.0, error="epsilon must not be negative"),
    layer_norm((2, 3, 17), (17,)),
    layer_norm((1, 1), (1,), label="ones"),
    layer_norm((2, 3, 5, 7), (3, 5), axes=(1, 2), label="inner"),
    layer_norm((2, 3, 5), (3, 5), axes=(-2, -1), label="two"),
    layer_norm((4, 6), (6,), gamma=False, beta=False, label="plain-parameters"),
    layer_norm((0, 6), (6,), label="empty"),
    layer_norm((4, 6), (5,), error="gamma must be [6]"),
    layer_norm((4, 6), (4, 6), axes=(1, 0), error="ascending order"),
    layer_norm((4, 6), (6,), axes=(2,), error="axes must be in [-2, 1]; got 2"),
]
