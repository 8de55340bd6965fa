"""Where every operator of the original graph runs, and why: `Plan.placement`."""

from __future__ import annotations

from edgewise.ir.graph import Node
from edgewise.passes.lineage import Lineage
from edgewise.runtime.calls import Call
from edgewise.runtime.drafts import Drafts, Where
from edgewise.runtime.plan import Placement
from edgewise.runtime.storage import Storage


def placements(lineage: Lineage, drafts: Drafts, storage: Storage) -> tuple[Placement, ...]:
    """One line for each node that the graph had before it was rewritten, in order."""
    fates = {node: lineage.fate(node) for node in lineage.originals}
    carriers = _carriers(fates)
    shared = _shared(drafts, storage)
    found = []
    for node, (rules, heir) in fates.items():
        if heir is None:
            is_folded = bool(rules) and rules[-1].startswith("fold ")
            where = (
                Where("constant", "computed while planning")
                if is_folded
                else Where("removed", rules[-1] if rules else "nobody reads it")
            )
        elif carriers[heir] is node:
            where = shared.get(heir, drafts.where[heir])
            strips = [f"in {drafts.strips[heir]} strips"] if heir in drafts.strips else []
            if rules or strips:
                reasons = "; ".join(dict.fromkeys([where.detail, *strips, *rules]))
                where = Where(where.where, reasons, where.into)
        else:
            where = Where("fused", rules[0], lineage.numbers[carriers[heir]])
        found.append(Placement(str(node), where.where, where.detail, where.into))
    return tuple(found)


def _carriers(fates: dict[Node, tuple[list[str], Node | None]]) -> dict[Node, Node]:
    """Which of the nodes that became one is said to be it: itself, the last of its kind, or the
    last."""
    found: dict[Node, Node] = {}
    for node, (_, heir) in fates.items():
        if heir is None or found.get(heir) is heir:
            continue
        if node is heir:
            found[heir] = node
            continue
        other = found.get(heir)
        if other is None or type(node.op) is type(heir.op) or type(other.op) is not type(heir.op):
            found[heir] = node
    return found


def _shared(drafts: Drafts, storage: Storage) -> dict[Node, Where]:
    """Nodes none of whose copies is made, because values lie where they are needed."""
    left = {id(group) for group in storage.groups}
    by_node: dict[Node, list[bool]] = {}
    for group in drafts.groups:
        head = group.head
        if isinstance(head, Call) and head.moves is not None:
            result = head.operands[-1]
            producer = getattr(result, "producer", None)
            if producer is None or producer in drafts.strips:
                continue
            if not producer.op.graph_fields:
                by_node.setdefault(producer, []).append(id(group) in left)
    return {
        node: Where("alias", "parts lie where they are needed")
        for node, made in by_node.items()
        if not any(made)
    }
