"""NodeDef -> TFNode: operands are `Ref`s to flat positions, attributes have their defaults.

In a graph an operand is `node` or `node:position`; in a function it is an argument's name or
`node:result:position`, where the position counts from the first tensor of that result. `^node` is
an order without data.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from edgewise.errors import FormatError, listing
from edgewise.frontends.tensorflow.attr_values import attributes
from edgewise.frontends.tensorflow.debug_info import Locations
from edgewise.frontends.tensorflow.messages import NodeDef
from edgewise.frontends.tensorflow.op_defs import OpInfo
from edgewise.frontends.tensorflow.program import Ref, TFNode
from edgewise.frontends.tensorflow.tensors import Budget

MAX_RESULTS = 1 << 16


def read_nodes(
    nodes: Sequence[NodeDef],
    function: str,
    budget: Budget,
    locations: Locations,
    *,
    called: Callable[[str], OpInfo],
    scope: Scope,
) -> dict[str, TFNode]:
    """The nodes by name, in the order of the file.

    Args:
        function: the name of the function that they are of, "" in the main graph.
        budget: of the file.
        locations: where in a program the nodes were made.
        called: what is known about an operation.
        scope: takes in the nodes, and the problems: its `check` raises them.
    """
    bare: dict[str, TFNode] = {}
    for node in nodes:
        info = called(node.op)
        attrs = attributes(node.attr, f"node '{node.name}' of {scope.where}", budget)
        for name, value in info.defaults.items():
            attrs.setdefault(name, value)
        bare[node.name] = TFNode(
            node.name, node.op, attrs=attrs, location=locations.of(node, function)
        )
        scope.add(node, info, bare[node.name])
    return {node.name: scope.connected(bare[node.name], node.input) for node in nodes}


class Scope:
    """The names that operands of one graph or function (`where`, in errors) may have."""

    def __init__(self, where: str, file: str, arguments: Iterable[str] = ()) -> None:
        self.where, self.file = where, file
        self.arguments = frozenset(arguments)
        self.infos: dict[str, OpInfo] = {}
        self.nodes: dict[str, TFNode] = {}
        self.places: dict[str, Mapping[str, range] | str] = {}
        self.only: dict[str, str] = {}  # of unknown operations: the result that is used
        self.problems: list[str] = []

    def add(self, node: NodeDef, info: OpInfo, bare: TFNode) -> None:
        """Take in a node."""
        if not node.name or not node.op:
            self.problems.append(f"node '{node.name}' (op '{node.op}') must have a name and an op")
        elif node.name in self.infos or node.name in self.arguments:
            self.problems.append(f"the name '{node.name}' must be given once")
        self.infos[node.name], self.nodes[node.name] = info, bare

    def connected(self, node: TFNode, operands: Sequence[str]) -> TFNode:
        """`node` with its operands."""
        refs, controls = [], []
        for text in operands:
            if text.startswith("^"):
                if text[1:] in self.infos:
                    controls.append(text[1:])
                elif text[1:] not in self.arguments:
                    self.problems.append(
                        f"node '{node.name}' waits for '{text[1:]}', which is no node"
                    )
                continue
            ref = self.ref(text)
            if isinstance(ref, str):
                self.problems.append(f"operand '{text}' of node '{node.name}': {ref}")
            else:
                refs.append(ref)
        return TFNode(node.name, node.op, tuple(refs), tuple(controls), node.attrs, node.location)

    def ref(self, text: str) -> Ref | str:
        """What an operand stands for, or a sentence why it stands for nothing."""
        name, *rest = text.split(":")
        if name in self.arguments:
            return Ref(name) if rest in ([], ["0"]) else "an argument is one tensor"
        info = self.infos.get(name)
        if info is None:
            return "no node or argument has this name"
        position = _number(rest[-1]) if rest else 0
        if position is None or len(rest) > 2:
            return "must be 'node', 'node:position' or 'node:result:position'"
        return self._placed(name, info, rest[0] if len(rest) == 2 else None, position)

    def _placed(self, name: str, info: OpInfo, result: str | None, position: int) -> Ref | str:
        if info.results is None:
            op, known = self.nodes[name].op, self.only.setdefault(name, result or "")
            if known != (result or ""):
                return f"{op} is not known, so '{known}' and '{result}' have no positions"
            return Ref(name, position)
        places = self.places.get(name)
        if places is None:
            places = self.places[name] = info.places(self.nodes[name].attrs)
        if isinstance(places, str):
            return places
        place = range(max((r.stop for r in places.values()), default=0))
        if result is not None:
            if result not in places:
                known = ", ".join(places) or "none"
                return f"{self.nodes[name].op} has no result '{result}'; it has {known}"
            place = places[result]
        if position >= len(place):
            return f"{self.nodes[name].op} has {len(place)} results there"
        return Ref(name, place[position])

    def check(self) -> None:
        """Raise FormatError where there were problems."""
        if self.problems:
            what = "nodes or operands that cannot be"
            raise FormatError(
                f"{self.where} has {listing(self.problems, what, most=20)}\n"
                "The file is damaged, or has operations that this version does not know.",
                file=self.file,
            )


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 6 else None
