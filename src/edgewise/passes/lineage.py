"""What became of a graph's nodes while passes rewrote it: for reports that speak of the original.

Nodes keep their number, the place among the nodes the graph had; one that a rule made has the
number of the last node it replaces, so numbers grow along the rewritten graph as well.
"""

from __future__ import annotations

from edgewise.ir.graph import Graph, Node
from edgewise.passes.rewrite import Change, Outcome
from edgewise.values import dataclass, field


@dataclass(slots=True)
class Lineage:
    """The nodes of a graph before passes ran, and the changes since."""

    originals: tuple[Node, ...]
    numbers: dict[Node, int]
    changes: dict[Node, Change] = field(default_factory=dict)

    @classmethod
    def of(cls, graph: Graph) -> Lineage:
        """Of a graph that no pass has touched."""
        nodes = tuple(graph.nodes)
        return cls(nodes, {node: number for number, node in enumerate(nodes)})

    def take(self, outcome: Outcome) -> None:
        """Note what a pass did."""
        for change in outcome.changes:
            number = max(self.numbers[node] for node in change.gone)
            for node in change.made:
                self.numbers[node] = number
            for node in change.gone:
                self.changes[node] = change

    def fate(self, node: Node) -> tuple[list[str], Node | None]:
        """The rules that replaced a node, in order, and the node that computes its result in the
        end: itself where no rule did; None where none does."""
        rules: list[str] = []
        heir: Node | None = node
        while heir is not None and heir in self.changes:
            change = self.changes[heir]
            rules.append(change.rule)
            heir = change.heir
        return rules, heir
