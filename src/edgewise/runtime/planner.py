"""Graph -> Plan: fuse, choose kernels, share memory, write the steps. Once per graph and shapes.

The stages are functions of their own: `passes/runtime.py` rewrites a copy of the graph, drafts.py
chooses what runs each node, storage.py lets values share memory, places.py gives everything an
address.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from edgewise.ir.evaluate import updated
from edgewise.ir.graph import Graph, Node, Value
from edgewise.ir.infer import result_types
from edgewise.passes.lineage import Lineage
from edgewise.passes.runtime import to_runtime
from edgewise.runtime.calls import Call
from edgewise.runtime.code import encode
from edgewise.runtime.drafts import Drafts, Group
from edgewise.runtime.places import Places
from edgewise.runtime.plan import Host, Kernel, Operand, Plan, Step, Target
from edgewise.runtime.report import placements
from edgewise.runtime.storage import Storage


class NotPlannable(Exception):
    """The graph runs on its references as a whole; the message says why."""


def plan(graph: Graph, target: Target, *, keep: bool = False) -> Plan:
    """The plan of a graph whose shapes are all known. `keep`: every value survives the run, so
    that nothing is fused away.

    Raises:
        NotPlannable: a shape is unknown until the model runs, or a tensor holds strings.
    """
    require_plannable(graph)
    if keep:
        return _plan(graph, target, Lineage.of(graph), keep=True)
    copy = graph.copy()
    originals = dict(zip(copy.values(), graph.values(), strict=True))
    return _plan(copy, target, to_runtime(copy), originals=originals)


def require_plannable(graph: Graph) -> None:
    """Raise NotPlannable unless kernels can trust what the graph declares."""
    for value in graph.values():
        if not value.type.is_static:
            raise NotPlannable(f"the shape of {value.name!r} is unknown until the model runs")
        if value.dtype.bits == 0:
            raise NotPlannable(f"{value.name!r} holds {value.dtype.text}")
    for node in graph.nodes:
        declared = [v.type for v in node.outputs]
        inferred = result_types(node.op, node.inputs, declared)
        for type_, found in zip(declared, inferred, strict=True):
            if type_.shape != found.shape or type_.dtype is not found.dtype:
                raise NotPlannable(f"{node}: declares {type_}; its operands give {found}")


def _plan(
    graph: Graph,
    target: Target,
    lineage: Lineage,
    *,
    keep: bool = False,
    originals: Mapping[Value, Value] | None = None,
) -> Plan:
    """`originals`: the caller's value for each that the graph had before it was rewritten."""
    drafts = Drafts(target)
    for node in graph.nodes:
        drafts.add(lineage.numbers[node], node)
    storage = Storage.of(drafts, graph.inputs, graph.outputs, keep=keep)
    places = Places.of(graph, drafts, storage, keep=keep)
    steps = [step for group in storage.groups for step in _steps(group, drafts, places)]
    calls = [s for group in storage.groups for _, s in group.steps if isinstance(s, Call)]
    produced = [v for node in graph.nodes for v in node.outputs]
    outputs = tuple(places.at(v) for v in graph.outputs)
    named = originals or {}
    return Plan(
        target=target,
        code=encode(steps),
        arena_bytes=places.arena_bytes,
        arena_lower_bound=places.arena_lower_bound,
        state_bytes=places.state_bytes,
        scratch_bytes=max((c.scratch for c in calls), default=0),
        n_inputs=len(graph.inputs),
        io=tuple(places.io),
        outputs=outputs,
        variables={named.get(v, v): place for v, place in places.variables.items()},
        kept={v: places.at(v) for v in produced} if keep else {},
        placement=placements(lineage, drafts, storage),
        constants=places.constants(),
    )


def _steps(group: Group, drafts: Drafts, places: Places) -> list[Step]:
    steps: list[Step] = []
    for index, (number, draft) in enumerate(group.steps):
        if isinstance(draft, Node):
            operands = tuple(None if v is None else places.at(v) for v in draft.inputs)
            results = [places.at(v) for v in (*draft.outputs, *updated(draft))]
            steps.append(Host(draft, operands, tuple(results), number))
            continue
        found: tuple[Operand, ...] = tuple(places.at(o) for o in draft.operands)
        locked = 0 if index else len(group.steps) - 1
        work = _work(drafts.macs[number], drafts.target, found)
        steps.append(Kernel(draft.kernel, draft.params, found, draft.n_tiles, number, locked, work))
    return steps


def _work(macs: int, target: Target, operands: Sequence[Operand]) -> int:
    """Roughly the ns that one thread needs for a call, from multiply-accumulates and bytes; right
    within a factor of 3, which is enough to leave small steps to one thread. Products read their
    operands at the cache's rate; what has no products computes something of each element."""
    is_8_bit = operands[0].dtype.itemsize == 1
    macs_per_ns, bytes_per_ns = (7 if is_8_bit else 4) * target.isa.lanes, 32 if macs else 8
    moved = sum(o.nbytes for o in operands)
    return 1 + min(max(macs // macs_per_ns, moved // bytes_per_ns), 2**31)
