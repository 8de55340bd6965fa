"""Control flow that is known before the model runs: branches that are always or never taken, loops
that never run, and values that loops carry for nothing.

    if(true, x) -> the branch                       while(cond false at first) -> its operands
    carried and unchanged -> read from outside      carried, read by nobody -> not carried

A graph that several operators run is not changed. Graphs that nothing runs any more are dropped.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from edgewise.errors import EdgewiseError
from edgewise.ir.build import Builder
from edgewise.ir.evaluate import evaluate
from edgewise.ir.graph import Graph, Node, Value
from edgewise.ir.model import Model
from edgewise.ir.nesting import reachable
from edgewise.ops.control import If, While
from edgewise.passes.conditions import same_type
from edgewise.passes.redundant import has_effect
from edgewise.passes.rewrite import Change, Miss, Outcome

# Nodes of a loop's condition that are evaluated to see whether the loop ever runs.
MOST = 200


def fold_flow(model: Model) -> Outcome:
    """Put in place what is known of the control flow of all graphs of a model."""
    outcome = Outcome()
    for graph in list(model.graphs.values()):
        for node in graph.nodes:
            if isinstance(node.op, If):
                _branch(graph, node, node.op, outcome)
            elif isinstance(node.op, While) and not _never_runs(graph, node, node.op, outcome):
                _lighten(model, graph, node, node.op, outcome)
    drop_graphs(model, outcome)
    return outcome


# -- branches -----------------------------------------------------------------------------------


def _branch(graph: Graph, node: Node, op: If, outcome: Outcome) -> None:
    condition = node.operand(0).data
    if condition is None or condition.size != 1:
        return
    chosen = op.then if bool(condition.reshape(-1)[0]) else op.otherwise
    x = [value for value in node.inputs[1:] if value is not None]
    phrase = "branch[es] whose condition is known put in place"
    put_in_place(graph, node, chosen, x, outcome, "branch", phrase)


def put_in_place(
    graph: Graph,
    node: Node,
    inner: Graph,
    x: Sequence[Value],
    outcome: Outcome,
    rule: str,
    phrase: str,
) -> Sequence[Node]:
    """Replace a node that runs one graph by the nodes of that graph, which are returned."""
    made: list[Node] = []
    try:
        results = _inserted(graph, node, inner, x, made)
    except EdgewiseError as error:
        outcome.misses.append(Miss(rule, str(node), str(error)))
        return ()
    for old, new in zip(node.outputs, results, strict=True):
        if new.producer in made and not new.is_output:
            new.name, new.source = old.name, old.source
    graph.replace(node, results)
    outcome.replaced(rule, node, results[0] if results else None, made, phrase)
    return made


def _inserted(
    graph: Graph, node: Node, inner: Graph, x: Sequence[Value], made: list[Node]
) -> list[Value]:
    """The results of a graph on operands, its nodes copied before `node`."""
    values = dict(zip(inner.inputs, x, strict=True))
    b = Builder(graph, before=node)

    def outer(value: Value) -> Value:
        if value.data is not None and value not in values:
            values[value] = Value(value.type, value.name, value.data, source=value.source)
        return values[value]

    for step in inner.nodes:
        b.location = step.location or node.location
        operands = [None if v is None else outer(v) for v in step.inputs]
        types = [v.type.with_shape(None) for v in step.outputs]
        copied = b.node(step.op, *operands, results=types, names=[v.name for v in step.outputs])
        made.append(copied)
        values.update(zip(step.outputs, copied.outputs, strict=True))
    return [outer(value) for value in inner.outputs]


# -- loops that never run -----------------------------------------------------------------------


def _never_runs(graph: Graph, node: Node, op: While, outcome: Outcome) -> bool:
    """Whether the condition is false at the beginning; then the operands stand for the results."""
    if _first_answer(node, op.cond) is not False:
        return False
    x = [value for value in node.inputs if value is not None]
    for old, new in zip(node.outputs, x, strict=True):
        if same_type(new, old) is not True:
            return False
    graph.replace(node, x)
    outcome.replaced("loop that never runs", node, None, phrase="loop[s] that never run removed")
    return True


def _first_answer(node: Node, cond: Graph) -> bool | None:
    """What the condition says before the first iteration; None where that is not known."""
    if len(cond) > MOST or any(has_effect(step) for step in cond.nodes):
        return None
    needed = _inputs_of(cond, cond.outputs)
    arrays = [None if v is None else v.data for v in node.inputs]
    if any(arrays[i] is None for i in needed):
        return None
    given = [
        np.zeros([0], v.dtype.numpy) if a is None else a
        for a, v in zip(arrays, cond.inputs, strict=True)
    ]
    try:
        return bool(np.asarray(evaluate(_part(cond, needed), [given[i] for i in needed])[0]).all())
    except (EdgewiseError, ArithmeticError, ValueError):
        return None


def _part(cond: Graph, needed: Sequence[int]) -> Graph:
    """A copy of the condition that takes only these inputs."""
    copy = cond.copy()
    copy.inputs = [copy.inputs[i] for i in needed]
    return copy


def _inputs_of(graph: Graph, values: Sequence[Value]) -> list[int]:
    """Positions of the inputs that these values depend on."""
    seen: set[Value] = set()
    waiting = list(values)
    while waiting:
        value = waiting.pop()
        if value in seen:
            continue
        seen.add(value)
        if value.producer is not None:
            waiting += [v for v in value.producer.inputs if v is not None]
    return [i for i, value in enumerate(graph.inputs) if value in seen]


# -- what loops carry ---------------------------------------------------------------------------


def _lighten(model: Model, graph: Graph, node: Node, op: While, outcome: Outcome) -> None:
    """Carry neither what the body hands on unchanged and is a constant, nor what nobody reads."""
    if is_shared(model, node):
        return
    unchanged = [i for i, v in enumerate(op.body.inputs) if op.body.outputs[i] is v]
    for i in unchanged:
        value = node.operand(i)
        if node.outputs[i].uses and same_type(value, node.outputs[i]) is True:
            graph.replace_uses(node.outputs[i], value)
        if value.data is not None:
            for inner in op.graphs:
                constant = Value(value.type, value.name, value.data)
                _reread(inner, inner.inputs[i], constant)
    kept = _carried(node, op)
    if len(kept) == len(node.inputs):
        return
    for inner, outputs in ((op.cond, None), (op.body, op.body.outputs)):
        if outputs is not None:
            inner.set_outputs([outputs[i] for i in kept])
            _erase_unread(inner)
        inner.inputs = [inner.inputs[i] for i in kept]
    b = Builder(graph, before=node)
    operands = [node.operand(i) for i in kept]
    types = [node.outputs[i].type.with_shape(None) for i in kept]
    new = b.node(op, *operands, results=types, names=[node.outputs[i].name for i in kept])
    for i, value in zip(kept, new.outputs, strict=True):
        value.source = node.outputs[i].source
        graph.replace_uses(node.outputs[i], value)
    graph.erase(node)
    rule = "values of a loop"
    outcome.counts[rule] += len(node.outputs) - len(kept)
    outcome.phrases[rule] = "value[s] that loops carried for nothing kept out of them"
    heir = new if new.outputs else None
    outcome.changes.append(Change(rule, (node,), (new,), heir))


def _reread(graph: Graph, old: Value, new: Value) -> None:
    """Nodes read `new`; outputs of the graph, which hand `old` on, stay."""
    for user, index in list(old.uses):
        if isinstance(user, Node):
            graph.set_input(user, index, new)


def _carried(node: Node, op: While) -> list[int]:
    """Positions of the values that the results or the condition need; all where none is."""
    needed = {i for i, value in enumerate(node.outputs) if value.uses}
    needed |= set(_inputs_of(op.cond, op.cond.outputs))
    effects = [v for step in op.body.nodes if has_effect(step) for v in step.outputs]
    needed |= set(_inputs_of(op.body, effects))
    while True:
        more = needed | set(_inputs_of(op.body, [op.body.outputs[i] for i in sorted(needed)]))
        if more == needed:
            return sorted(needed) or list(range(len(node.inputs)))
        needed = more


def _erase_unread(graph: Graph) -> None:
    """Nodes that computed what is not carried any more hold on to the inputs that go."""
    for step in reversed(list(graph.nodes)):
        if not has_effect(step) and not any(value.uses for value in step.outputs):
            graph.erase(step)


def is_shared(model: Model, node: Node) -> bool:
    """Another operator or a signature runs a graph of the node."""
    own = set(node.op.graphs)
    runs = Counter(
        inner for graph in model.graphs.values() for n in graph.nodes for inner in n.op.graphs
    )
    named = {signature.graph for signature in model.signatures}
    return any(runs[inner] > 1 or inner.name in named for inner in own)


def drop_graphs(model: Model, outcome: Outcome) -> None:
    """Forget the graphs that only operators ran which are gone."""
    rule = next(iter(outcome.counts), "")
    ran = {inner for change in outcome.changes for node in change.gone for inner in node.op.graphs}
    idle = {graph for inner in ran for graph in reachable(inner)}
    named = {signature.graph for signature in model.signatures}
    roots = [g for name, g in model.graphs.items() if g not in idle or name in named]
    idle -= {graph for root in roots for graph in reachable(root)}
    for name, graph in list(model.graphs.items()):
        if graph in idle:
            del model.graphs[name]
            outcome.changes.append(Change(rule, tuple(graph.nodes), (), None))
