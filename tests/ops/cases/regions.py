"""Cases of ops/regions.py."""

from edgewise.ops.regions import StablehloCase, StablehloComposite
from tests.ops.case import Case, arg
from tests.ops.cases.control import ROW, graph


def doubled(b, x):
    return b.mul(x, b.constant(2.0))


def less(b, x):
    return b.sub(x, b.constant(0.5))


def both(b, x):
    return [doubled(b, x), less(b, x)]


def as_it_is(b, x):
    return x


def case(number, *writes, label="", error=""):
    branches = tuple(graph(f"branch{i}", [ROW], w) for i, w in enumerate(writes))
    args = (arg((), "int32", low=number, high=number), arg(ROW[0]))
    return Case(StablehloCase(branches=branches), args, label=label, error=error)


def composite(write, x=ROW, *, label="", error=""):
    op = StablehloComposite(
        decomposition=graph("what_it_is", [x], write),
        composite_name="example.name",
        composite_attributes=b"\x00\x24\x01",
        composite_version=3,
    )
    return Case(op, (arg(ROW[0]),), label=label, error=error)


CASES = [
    case(0, doubled, less, label="first"),
    case(1, doubled, less, label="second"),
    case(7, doubled, less, label="beyond"),
    case(-1, doubled, less, label="negative"),
    case(0, doubled, both, error="results of the same dtypes"),
    case(0, error="there must be a branch"),
    composite(doubled),
    composite(both, label="two"),
    composite(as_it_is, ((1, 4), "int32"), error="takes (int32); got (float32)"),
]
