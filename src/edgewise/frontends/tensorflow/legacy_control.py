"""Control flow of TensorFlow 1 as If and While nodes with functions.

A loop is a frame: Enter brings values in, Merge joins the first with those of NextIteration, Switch
parts them by LoopCond into Exit and the body. A condition is Switches that part values by one
predicate, and Merges that join the branches (false first). Nodes belong to a function if the values
that it returns need them; they are found by following edges back to where values come in.

Loops go before conditions, inner loops before outer ones; what stands inside of a function is
rewritten when that is walked. What is neither stays and is refused by name.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace

from edgewise.errors import FormatError, LimitError
from edgewise.frontends.tensorflow.program import (
    Argument,
    Attr,
    Function,
    FunctionName,
    Ref,
    TFNode,
)

# Nodes looked at, all searches together: each Merge is a search.
MAX_VISITED = 10_000_000
_FRAME = ("Enter", "Exit", "NextIteration")
_OPS = frozenset(("Switch", "Merge", "LoopCond", *_FRAME))


def is_legacy(function: Function) -> bool:
    """The function has such nodes."""
    return any(_op(node) in _OPS for node in function.nodes.values())


def structured(function: Function, known: Collection[str]) -> tuple[Function, dict[str, Function]]:
    """The function with If and While in their place, and the functions that these run. `known` are
    nodes that stand for something outside (variables): functions get them as arguments.

    Raises:
        FormatError: a node without the operands that it must have.
        LimitError: very many conditions in a very large graph.
    """
    graph = _Graph(function, frozenset(known))
    try:
        while any(graph.replace_loop(frame) for frame in graph.frames()):
            pass
        while graph.replace_condition():
            pass
    except (IndexError, KeyError) as error:
        raise FormatError(
            f"function '{function.name}': nodes of its control flow lack operands"
        ) from error
    return replace(function, nodes=graph.nodes), graph.made


def _op(node: TFNode) -> str:
    """The operation; those on references of TensorFlow 1 are the same."""
    return node.op.removeprefix("Ref")


@dataclass
class _Graph:
    """The nodes of a function in the making, and the functions made of them."""

    function: Function
    known: frozenset[str]
    nodes: dict[str, TFNode] = field(init=False)
    made: dict[str, Function] = field(default_factory=dict)
    visited: int = 0

    def __post_init__(self) -> None:
        self.nodes = dict(self.function.nodes)

    # -- loops --------------------------------------------------------------------------------

    def frames(self) -> list[str]:
        """The names of the loops that there still are."""
        entries = (n for n in self.nodes.values() if _op(n) == "Enter")
        return list(dict.fromkeys(_frame(n) for n in entries))

    def replace_loop(self, frame: str) -> bool:
        """Put a While in the place of a frame, unless another one lies in it."""
        enters = [n for n in self.nodes.values() if _op(n) == "Enter" and _frame(n) == frame]
        inside = {n.name: n for n in enters}
        merges = [
            n
            for n in self.nodes.values()
            if _op(n) == "Merge" and n.inputs and n.inputs[0].node in inside
        ]
        switches = self._reading(merges, "Switch")
        conditions = {s.inputs[1].node for s in switches.values() if len(s.inputs) == 2}
        if len(conditions) != 1:
            return False
        test = self.nodes[conditions.pop()]
        follow = [self.nodes.get(m.inputs[1].node) for m in merges]
        if _op(test) != "LoopCond" or any(n is None or _op(n) != "NextIteration" for n in follow):
            return False
        varying = {inside[m.inputs[0].node].name for m in merges}
        fixed = [n for n in enters if n.name not in varying]
        next_values = [n.inputs[0] for n in follow if n is not None]
        stop = {*inside, *(m.name for m in merges), *(s.name for s in switches.values())}
        if self._holds_frame([*next_values, *test.inputs], stop):
            return False

        begin = {Ref(m.name): i for i, m in enumerate(merges)}
        body = {Ref(s.name, 1): begin[s.inputs[0]] for s in switches.values()}
        for i, node in enumerate(fixed):
            begin[Ref(node.name)] = len(merges) + i
        extra = self._known_in([*next_values, *test.inputs], stop)
        begin |= {Ref(name): len(merges) + len(fixed) + i for i, name in enumerate(extra)}
        count = len(merges) + len(fixed) + len(extra)
        stay = [Ref(f"argument_{i}") for i in range(len(merges), count)]
        name = self._unused(frame.rpartition("/")[2] or "while")
        cond = self._function(f"{name}/cond", count, begin, test.inputs, [])
        run = self._function(f"{name}/body", count, begin | body, next_values, stay)
        attrs: dict[str, Attr] = {"cond": FunctionName(cond), "body": FunctionName(run)}
        first = [inside[m.inputs[0].node].inputs[0] for m in merges]
        inputs = (*first, *(n.inputs[0] for n in fixed), *(Ref(e) for e in extra))
        controls = tuple(c for n in enters for c in n.controls)
        self.nodes[name] = TFNode(name, "While", inputs, controls, attrs, test.location)
        for node in list(self.nodes.values()):
            if _op(node) == "Exit" and node.inputs[0].node in switches:
                place = begin[switches[node.inputs[0].node].inputs[0]]
                self.nodes[node.name] = replace(node, op="Identity", inputs=(Ref(name, place),))
        for gone in (*inside, *(m.name for m in merges), *switches):
            del self.nodes[gone]
        return True

    def _reading(self, sources: Iterable[TFNode], op: str) -> dict[str, TFNode]:
        """Nodes of an operation whose first operand is one of the sources."""
        names = {node.name for node in sources}
        found = (n for n in self.nodes.values() if _op(n) == op and n.inputs)
        return {n.name: n for n in found if n.inputs[0].node in names}

    def _holds_frame(self, roots: Iterable[Ref], stop: Collection[str]) -> bool:
        return any(_op(node) in _FRAME for node in self._needed(roots, stop).values())

    # -- conditions ---------------------------------------------------------------------------

    def replace_condition(self) -> bool:
        """Put an If in the place of a Merge, and of those of the same condition, in whose branches
        there is no other; False where there is none."""
        switches = {
            n.name for n in self.nodes.values() if _op(n) == "Switch" and len(n.inputs) == 2
        }
        ready: dict[tuple[Ref, str], list[TFNode]] = {}
        for node in self.nodes.values():
            if _op(node) != "Merge" or len(node.inputs) != 2:
                continue
            needed = self._needed(node.inputs, switches)
            predicate = self._predicate(node, needed, switches)
            if predicate is not None and not any(_op(n) == "Merge" for n in needed.values()):
                ready.setdefault((predicate, node.name.rpartition("/")[0]), []).append(node)
        for (predicate, scope), merges in ready.items():
            self._replace_merges(predicate, scope, merges, switches)
        return bool(ready)

    def _predicate(
        self, merge: TFNode, needed: Mapping[str, TFNode], switches: Collection[str]
    ) -> Ref | None:
        """What a Merge's branches are parted by: the predicate of the Switches that they reach."""
        reached = [merge, *needed.values()]
        for node in reached:
            for name in (*(ref.node for ref in node.inputs), *node.controls):
                if name in switches:
                    return self.nodes[name].inputs[1]
        return None

    def _replace_merges(
        self, predicate: Ref, scope: str, merges: Iterable[TFNode], switches: Collection[str]
    ) -> None:
        given: dict[Ref, int] = {}
        places: dict[Ref, int] = {}
        roots = [ref for merge in merges for ref in merge.inputs]
        inside = [*merges, *self._needed(roots, switches).values()]
        for ref in (ref for node in inside for ref in node.inputs):
            if ref.node in switches:
                source = self.nodes[ref.node].inputs[0]
                places[ref] = given.setdefault(source, len(given))
        for name in self._known_in(roots, switches):
            places[Ref(name)] = given.setdefault(Ref(name), len(given))
        name = self._unused(scope.rpartition("/")[2] or "cond")
        made = [
            self._function(f"{name}/{side}", len(given), places, [m.inputs[i] for m in merges], [])
            for i, side in enumerate(("else", "then"))
        ]
        attrs: dict[str, Attr] = {
            "else_branch": FunctionName(made[0]),
            "then_branch": FunctionName(made[1]),
        }
        self.nodes[name] = TFNode(name, "If", (predicate, *given), (), attrs)
        for i, merge in enumerate(merges):
            self.nodes[merge.name] = replace(merge, op="Identity", inputs=(Ref(name, i),))

    # -- functions ----------------------------------------------------------------------------

    def _needed(self, roots: Iterable[Ref], stop: Collection[str]) -> dict[str, TFNode]:
        """The nodes that values need, back to those of `stop` and what is known."""
        found: dict[str, TFNode] = {}
        waiting = [ref.node for ref in roots]
        while waiting:
            name = waiting.pop()
            node = self.nodes.get(name)
            if node is None or name in found or name in stop or name in self.known:
                continue
            found[name] = node
            self.visited += 1
            if self.visited > MAX_VISITED:
                raise LimitError(f"MAX_VISITED: its control flow takes over {MAX_VISITED} steps")
            waiting += [*(ref.node for ref in node.inputs), *node.controls]
        return found

    def _known_in(self, roots: Iterable[Ref], stop: Collection[str]) -> list[str]:
        """What is known outside and read by the nodes that values need."""
        read = [*roots]
        read += [ref for node in self._needed(roots, stop).values() for ref in node.inputs]
        return list(dict.fromkeys(ref.node for ref in read if ref.node in self.known))

    def _function(
        self,
        name: str,
        count: int,
        places: Mapping[Ref, int],
        results: Iterable[Ref],
        more: Iterable[Ref],
    ) -> str:
        """Make a function of what `results` need. `places` says which argument stands in the place
        of a value that comes in; `more` are further results."""

        def moved(ref: Ref) -> Ref:
            return Ref(f"argument_{places[ref]}") if ref in places else ref

        results = list(results)
        inner = self._needed(results, {ref.node for ref in places})
        nodes = {
            node.name: replace(
                node,
                inputs=tuple(map(moved, node.inputs)),
                controls=tuple(c for c in node.controls if c in inner),
            )
            for node in inner.values()
        }
        arguments = tuple(Argument(f"argument_{i}", None) for i in range(count))
        name = f"{self.function.name}/{name}"
        self.made[name] = Function(name, arguments, nodes, (*map(moved, results), *more))
        return name

    def _unused(self, name: str) -> str:
        found, count = name, 0
        while found in self.nodes:
            count += 1
            found = f"{name}_{count}"
        return found


def _frame(node: TFNode) -> str:
    name = node.attrs.get("frame_name")
    return name.decode("utf-8", "backslashreplace") if isinstance(name, bytes) else str(name)
