"""Graph -> Plan: fuse, choose kernels, share memory, write the steps. Once per graph and shapes.

The stages are functions of their own: `passes/runtime.py` rewrites a copy of the graph, drafts.py
chooses what runs each node, strips.py what runs by turns, storage.py lets values share memory,
places.py gives everything an address.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from edgewise.ir.evaluate import updated
from edgewise.ir.graph import Graph, Node, Value
from edgewise.passes.lineage import Lineage
from edgewise.passes.runtime import settle_shapes, to_runtime
from edgewise.runtime.calls import Call
from edgewise.runtime.choices import AS_PLANNED, Choices
from edgewise.runtime.code import encode
from edgewise.runtime.drafts import Drafts
from edgewise.runtime.groups import Bound, Group, Mark
from edgewise.runtime.named import Names, NotSettled, require_unread
from edgewise.runtime.places import Places
from edgewise.runtime.plan import Host, If, Kernel, Named, Operand, Plan, Step, Target, While
from edgewise.runtime.plannable import NotPlannable, require_plannable
from edgewise.runtime.report import placements
from edgewise.runtime.storage import Storage
from edgewise.runtime.strips import cut_into_strips
from edgewise.runtime.work import work_of


def plan(
    graph: Graph,
    target: Target,
    *,
    keep: bool = False,
    choices: Choices | None = None,
    is_inferred: bool = False,
) -> Plan:
    """The plan of a graph whose shapes are all known, or are when what is constant is computed.
    `keep`: every value survives the run, so that nothing is fused away. `choices`: how operators
    run that shall not run as the target says. `is_inferred`: all types have just been derived from
    the operands', which need not be done again.

    Raises:
        NotPlannable: a shape is unknown until the model runs, or a tensor holds strings.
    """
    if keep:
        require_plannable(graph, is_inferred=is_inferred)
        drafts = Drafts(target, unsettled="every value is kept")
        return _plan(graph, drafts, Lineage.of(graph), keep=True)
    try:
        return _plan_copy(graph, target, choices or {}, is_inferred)
    except NotSettled as reason:
        return _plan_copy(graph, target, choices or {}, is_inferred, unsettled=str(reason))


def _plan_copy(
    graph: Graph, target: Target, choices: Choices, is_inferred: bool, *, unsettled: str = ""
) -> Plan:
    copy = graph.copy()
    originals = dict(zip(copy.values(), graph.values(), strict=True))
    names = None if unsettled else Names(copy)
    lineage = Lineage.of(copy)
    try:
        require_plannable(copy, is_inferred=is_inferred)
    except NotPlannable:
        for outcome in settle_shapes(copy):
            lineage.take(outcome)
        require_plannable(copy)
    to_runtime(copy, lineage)
    if target.multiplies_bf16:
        from edgewise.runtime.narrow import narrow_values

        narrow_values(copy, target)
    if target.isa.multiplies_unsigned:
        from edgewise.runtime.unsigned import invert_signs

        invert_signs(copy)
    drafts = Drafts(target, names, unsettled, choices)
    return _plan(copy, drafts, lineage, originals=originals)


def _plan(
    graph: Graph,
    drafts: Drafts,
    lineage: Lineage,
    *,
    keep: bool = False,
    originals: Mapping[Value, Value] | None = None,
) -> Plan:
    """`drafts`: without any yet. `originals`: the caller's value for each that the graph had before
    it was rewritten."""
    names = drafts.names
    drafts.inputs, drafts.outputs = graph.inputs, graph.outputs
    for node in graph.nodes:
        drafts.add(lineage.numbers[node], node)
    if names is not None:
        require_unread(names, drafts.groups, [drafts.root(v) for v in graph.outputs])
    if not keep:
        cut_into_strips(drafts, graph.outputs)
    storage = Storage.of(drafts, graph.inputs, graph.outputs, keep=keep)
    places = Places.of(graph, drafts, storage, keep=keep)
    steps, _ = _range(iter(storage.groups), drafts, places)
    calls = [s for group in storage.groups for _, s in group.steps if isinstance(s, Call)]
    produced = [v for node in graph.nodes for v in node.outputs]
    outputs = tuple(places.at(v) for v in graph.outputs)
    found = {} if names is None else names.found(storage.groups)
    of_operators = {value for value, _ in found.values()}
    given = originals or {}
    return Plan(
        target=drafts.target,
        code=encode(steps),
        arena_bytes=places.arena_bytes,
        arena_lower_bound=places.arena_lower_bound,
        state_bytes=places.state_bytes,
        scratch_bytes=max((c.scratch for c in calls), default=0),
        n_inputs=len(graph.inputs),
        io=tuple(places.io),
        outputs=outputs,
        variables={
            given.get(v, v): place for v, place in places.variables.items() if v not in of_operators
        },
        kept={v: places.at(v) for v in produced} if keep else {},
        placement=placements(lineage, drafts, storage),
        constants=places.constants(),
        named={name: Named(places.at(v), is_first) for name, (v, is_first) in found.items()},
        once=() if names is None else tuple(names.once),
    )


def _range(
    groups: Iterator[Group], drafts: Drafts, places: Places
) -> tuple[list[Step], Mark | None]:
    """The steps of the groups up to the end of a range, and the mark that ends it."""
    steps: list[Step] = []
    for group in groups:
        number, head = group.steps[0]
        if not isinstance(head, Mark):
            steps += _steps(group, drafts, places)
            continue
        if head.bound is not Bound.BEGIN:
            return steps, head
        first, middle = _range(groups, drafts, places)
        second, _ = _range(groups, drafts, places)
        condition = middle.condition if middle and head.is_loop else head.condition
        assert condition is not None
        kind = While if head.is_loop else If
        steps.append(kind(places.at(condition), tuple(first), tuple(second), number))
    return steps, None


def _steps(group: Group, drafts: Drafts, places: Places) -> list[Step]:
    steps: list[Step] = []
    for index, (number, draft) in enumerate(group.steps):
        if isinstance(draft, Node):
            operands = tuple(None if v is None else places.at(v) for v in draft.inputs)
            results = [places.at(v) for v in (*draft.outputs, *updated(draft))]
            steps.append(Host(draft, operands, tuple(results), number))
            continue
        assert isinstance(draft, Call)
        found: tuple[Operand, ...] = tuple(places.at(o) for o in draft.operands)
        locked = 0 if index else len(group.steps) - 1
        work = work_of(drafts.macs[number], drafts.target, [(o.dtype, o.nbytes) for o in found])
        work = drafts.choices.get(number, AS_PLANNED).work(work) if group.is_shared else 1
        steps.append(Kernel(draft.kernel, draft.params, found, draft.n_tiles, number, locked, work))
    return steps
