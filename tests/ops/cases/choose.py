"""Cases of ops/choose.py."""

from edgewise.ops.choose import Select, SelectV2
from tests.ops.case import Case, arg

ALL = ("int8", "uint8", "int16")


def choice(op, condition, x, y, dtype="float32", **kwargs):
    return Case(op, (arg(condition, "bool"), arg(x, dtype), arg(y, dtype)), **kwargs)


CASES = [
    choice(Select(), (3, 5), (3, 5), (3, 5), label="same", quantize=ALL),
    choice(Select(), (3,), (3, 5, 7), (3, 5, 7), label="first", quantize=("int8",)),
    choice(Select(), (), (3, 5), (3, 5), label="scalar"),
    choice(Select(), (0, 2), (0, 2), (0, 2), label="empty"),
    choice(Select(), (3, 5), (3, 5), (3, 5), "int32", label="same"),
    choice(Select(), (4,), (3, 5), (3, 5), error="the condition must have the shape of x"),
    choice(Select(), (3,), (3, 5), (3, 4), error="x and y must have one shape"),
    choice(SelectV2(), (3, 5), (3, 5), (3, 5), label="same", quantize=ALL),
    choice(SelectV2(), (3, 1, 7), (5, 1), (1,), label="broadcast", quantize=("int8",)),
    choice(SelectV2(), (), (3, 5), (3, 5), label="scalar"),
    choice(SelectV2(), (5,), (3, 5), (), "int64", label="mixed"),
    choice(SelectV2(), (0, 2), (2,), (0, 1), label="empty"),
    choice(SelectV2(), (3,), (4,), (4,), error="shapes must broadcast"),
    Case(SelectV2(), (arg((3,), "bool"), arg((3,)), arg((3,), "int32")), error="one dtype"),
    Case(Select(), (arg((3,)), arg((3,)), arg((3,))), error="operand 'condition' must be one of"),
]
