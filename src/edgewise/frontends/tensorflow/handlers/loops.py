"""While as WHILE.

A loop is written with the shapes that its values come with. Where the body then gives a value
another shape, that dimension varies, and the loop is written again with what is known; so it is,
too, when the body writes the first element into a list whose elements had no known shape.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from edgewise.frontends.tensorflow import attrs
from edgewise.frontends.tensorflow.context import (
    Context,
    Handler,
    Operand,
    Reserved,
    TensorList,
    Unsupported,
)
from edgewise.frontends.tensorflow.handlers.bodies import (
    entered_as,
    kind,
    stem,
    tensors,
    truth,
    with_tensor,
)
from edgewise.frontends.tensorflow.handlers.flow import SAME
from edgewise.frontends.tensorflow.handlers.tensor_lists import allocated
from edgewise.frontends.tensorflow.order import passed_argument
from edgewise.frontends.tensorflow.program import FunctionName, TFNode, TFShape
from edgewise.ir.dim import Dim, Shape, same_dim, unknown_dim
from edgewise.ir.graph import Value
from edgewise.ir.types import TensorType
from edgewise.ops.control import While


@dataclass(slots=True)
class _Loop:
    """A loop in the making. `xs` are its values at the beginning, `fixed` those that stay.

    `types` are those of the tensors it carries, `varying` the dimensions that change; `told` is
    what the node says of the shapes of its results, if anything.
    """

    cond: FunctionName
    body: FunctionName
    xs: list[Operand]
    fixed: list[bool]
    types: list[TensorType]
    told: Sequence[TFShape] = ()
    varying: set[Dim] = field(default_factory=set)

    def values(self) -> list[Value]:
        """The tensors that the loop begins with."""
        pairs = zip(self.xs, self.fixed, strict=True)
        return [v for x, fixed in pairs for v in tensors(x, constants=not fixed)]

    def stay(self) -> Iterator[Sequence[int | None] | None]:
        """What the node says of the shapes of the tensors that the loop carries."""
        for place, (x, fixed) in enumerate(zip(self.xs, self.fixed, strict=True)):
            said = self.told[place].dims if len(self.told) == len(self.xs) else None
            for _ in tensors(x, constants=not fixed):
                yield said if isinstance(x, Value) else None

    def enter(self, inner: Context) -> list[Operand]:
        """The values inside the body or the condition."""
        types = iter(self.types)
        return [
            entered_as(inner, x, types, constants=not fixed)
            for x, fixed in zip(self.xs, self.fixed, strict=True)
        ]


def _while(c: Context, node: TFNode, *xs: Operand) -> Sequence[Operand]:
    cond, body = attrs.function(node, "cond"), attrs.function(node, "body")
    function = c.function(body)
    fixed = [passed_argument(function, r, SAME) == i for i, r in enumerate(function.results)]
    if len(fixed) != len(xs):
        raise Unsupported(f"its body returns {len(fixed)} values for {len(xs)} that it takes")
    loop = _Loop(cond, body, list(xs), fixed, [], attrs.shapes(node, "output_shapes"))
    loop.types = [v.type for v in loop.values()]
    inner = _body(c, loop)
    test = c.body(f"{stem(c)}_cond")
    answer = test.call(cond, loop.enter(test))
    if len(answer) != 1:
        raise Unsupported(f"its condition returns {len(answer)} values; it must return one")
    condition = truth(test, answer[0])
    known = test.known(condition)
    if known is not None and not known.reshape(-1)[0]:
        return loop.xs
    test.b.finish(condition)
    made = iter(c.b.node(While(cond=test.b.graph, body=inner.b.graph), *loop.values()).outputs)
    c.reads.clear()  # the body may have assigned variables
    results = []
    for x, is_fixed in zip(loop.xs, fixed, strict=True):
        outputs = [next(made) for _ in tensors(x, constants=not is_fixed)]
        results.append(x if is_fixed or not outputs else with_tensor(x, outputs[0]))
    return results


def _body(c: Context, loop: _Loop) -> Context:
    """The body, for values as they are in every iteration; `loop` then says which."""
    while True:
        inner = c.body(f"{stem(c)}_body")
        entered = loop.enter(inner)
        results = inner.call(loop.body, entered)
        if _written(c, loop, results):
            loop.types = [v.type for v in loop.values()]
            continue
        outputs: list[Value] = []
        for before, after, fixed in zip(entered, results, loop.fixed, strict=True):
            if kind(before) != kind(after):
                raise Unsupported(f"a value of its loop is a {kind(before)}, then {kind(after)}")
            inside = tensors(before if fixed else after, constants=not fixed)
            if len(inside) != len(tensors(before, constants=not fixed)):
                raise Unsupported(
                    "a value of its loop changes from one table or variable to another"
                )
            outputs += inside
        found = zip(loop.types, outputs, loop.stay(), strict=True)
        shapes = [_kept(t.shape, v.type.shape, told, loop.varying) for t, v, told in found]
        if shapes == [t.shape for t in loop.types]:
            inner.b.finish(*outputs)
            return inner
        loop.types = [t.with_shape(s) for t, s in zip(loop.types, shapes, strict=True)]


def _written(c: Context, loop: _Loop, results: Sequence[Operand]) -> bool:
    """Lists that the body writes first are allocated before the loop; whether there are any.

    What an element has of its sizes from nothing but the body (a sum over two unknown batches) is
    what a carried value of that size begins with.
    """
    found = False
    begins: dict[Dim, Dim] = {}
    for x, y, fixed in zip(loop.xs, results, loop.fixed, strict=True):
        pair = [v.type.shape or () for end in (x, y) for v in tensors(end, constants=not fixed)]
        if len(pair) == 2 and len(pair[0]) == len(pair[1]):
            begins |= {n: m for m, n in zip(*pair, strict=True) if not isinstance(n, int)}
    for i, (x, after) in enumerate(zip(loop.xs, results, strict=True)):
        if isinstance(x, Reserved) and isinstance(after, TensorList):
            loop.xs[i] = allocated(c, x, [begins.get(d, d) for d in after.element])
            found = True
    return found


def _kept(
    a: Shape | None, b: Shape | None, told: Sequence[int | None] | None, varying: set[Dim]
) -> Shape | None:
    """The shape of a value that begins as `a` and is `b` after an iteration. A number that is not
    known to stay varies, unless `told` says it; a symbol stays unless it is known to vary."""
    if a is None or b is None or len(a) != len(b) or (told and len(told) != len(a)):
        return None
    dims = []
    for m, n, said in zip(a, b, told or [None] * len(a), strict=True):
        same = same_dim(m, n)
        may_vary = same is None and isinstance(m, int) and m != said
        if m not in varying and (same is False or may_vary):
            m = unknown_dim()
            varying.add(m)
        dims.append(m)
    return tuple(dims)


OBJECTS: dict[str, Handler] = dict.fromkeys(("While", "StatelessWhile"), _while)
