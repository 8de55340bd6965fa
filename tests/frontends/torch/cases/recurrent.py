"""Recurrent layers, loops and branches."""

import numpy as np

from tests.frontends.torch.case import case, floats, ints


def weights(gates: int, *, inputs: int = 3, units: int = 4, count: int = 1, projected: int = 0):
    """Of `count` layers and directions, each in PyTorch's order: w, r, b_w, b_r, projection."""
    out = projected or units
    found: dict[str, np.ndarray] = {}
    for i in range(count):
        size = inputs
        shapes = {"w": (gates * units, size), "r": (gates * units, out)}
        shapes |= {"v": (gates * units,), "u": (gates * units,)}
        shapes |= {"p": (projected, units)} if projected else {}
        for j, (name, shape) in enumerate(shapes.items()):
            found[f"{name}{i}"] = floats(*shape, low=-1, high=1, seed=10 * i + j)
    return found


def lists(given: dict[str, np.ndarray]) -> str:
    return "[" + ", ".join(given) + "]"


ZEROS = "torch.zeros({count}, x.shape[{batch}], 4)"
X = floats(2, 5, 3)
for kind, gates in (("lstm", 4), ("gru", 3), ("rnn_tanh", 1), ("rnn_relu", 1)):
    one, both = weights(gates), weights(gates, count=2)
    zeros = ZEROS.format(count=1, batch=0)
    state = f"({zeros}, {zeros})" if kind == "lstm" else zeros
    call = f"torch.{kind}(x, {state}, {lists(one)}, True, 1, 0.0, False, False, True)"
    case(kind.replace("_", "-"), f"{call}[0]", weights=one, dynamic=True, x=X)
    case(f"{kind.replace('_', '-')}-states", f"return {call}", weights=one, x=X)
    zeros = ZEROS.format(count=2, batch=1)
    state = f"({zeros}, {zeros})" if kind == "lstm" else zeros
    call = f"torch.{kind}(x, {state}, {lists(both)}, True, 1, 0.0, False, True, False)"
    case(f"{kind.replace('_', '-')}-both-ways", f"return {call}", weights=both, x=floats(5, 2, 3))

given = {name: a for name, a in weights(4).items() if name[0] in "wr"}
case(
    "lstm-begun",
    f"return torch.lstm(x, (h, h * 2), {lists(given)}, False, 1, 0.0, False, False, True)",
    weights=given,
    x=X,
    h=floats(1, 2, 4),
)
given = weights(4, projected=2)
case(
    "lstm-projected",
    "return torch.lstm(x, (torch.zeros(1, 2, 2), torch.zeros(1, 2, 4)), "
    f"{lists(given)}, True, 1, 0.0, False, False, True)",
    weights=given,
    x=X,
)
given = weights(3, count=2, inputs=4)
case(
    "gru-two-layers",
    "return torch.gru(x, torch.zeros(2, x.shape[0], 4), "
    f"{lists(given)}, True, 2, 0.0, False, False, True)",
    weights=given,
    x=floats(2, 5, 4),
    dynamic=True,
)
given = weights(4)
case("lstm-cell", f"return torch.lstm_cell(x, (h, c), {', '.join(given)})", weights=given,
     x=floats(2, 3), h=floats(2, 4), c=floats(2, 4, seed=1))  # fmt: skip
given = weights(3)
case("gru-cell", f"torch.gru_cell(x, h, {', '.join(given)})", weights=given,
     x=floats(2, 3), h=floats(2, 4))  # fmt: skip

case(
    "cond",
    "def double(a):\n    return a * 2 + w\ndef negated(a):\n    return -a\n"
    "return torch.cond(x.sum() > 0, double, negated, (x,))",
    weights={"w": floats(4)},
    x=floats(3, 4),
)
case(
    "cond-dynamic",
    "return torch.cond(x.mean() > 5, lambda a, b: (a + b, a * x.shape[0]), "
    "lambda a, b: (a - b, a * 1), (x, y))",
    x=floats(3, 4),
    y=floats(3, 4, seed=1),
    dynamic=True,
)
case(
    "while-loop",
    "from torch._higher_order_ops.while_loop import while_loop\n"
    "i, y = while_loop(lambda i, a: i < n, lambda i, a: (i + 1, a * w), (torch.tensor(0), x))\n"
    "return i, y",
    weights={"w": floats(4)},
    x=floats(3, 4),
    n=np.array(3),
)
case("where-count", "torch.where(n > 2, x, -x)", x=floats(3, 4), n=ints(1))
