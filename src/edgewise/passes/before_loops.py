"""Products that a loop computes of one step of a sequence after the other: of all steps before it.

    while t < T: .. W x[t] + b ..    ->    p = W x + b;  while t < T: .. p[t] ..

So TensorFlow writes GRU and other cells of Keras; from a Keras file the product stands before the
loop anyway (`frontends/keras/handlers/recurrent_loop.py`). One product of all steps reads the
weights once. Only where it computes nothing more: the loop has as many steps as the sequence, which
it reads for nothing else and hands on unchanged.

For our kernels, not in files: GRU(64) on [1, 600, 16] as TensorFlow writes it takes 0.91 ms so and
1.00 as it was, but LiteRT 2.3 32.2 and 29.4, because it copies what a loop carries in every step
(medians of 60 and 40 rounds by turns, one thread of an AMD EPYC).
"""

from __future__ import annotations

from edgewise.ir.build import Builder
from edgewise.ir.graph import Graph, Node, Value
from edgewise.ir.model import Model
from edgewise.ops.control import While
from edgewise.ops.fully_connected import FullyConnected
from edgewise.ops.gather import Gather
from edgewise.passes.counted import Differs, is_counted, steps_of
from edgewise.passes.flow import is_shared
from edgewise.passes.rewrite import Change, Outcome

RULE = "product before a loop"
PHRASE = "product[s] of all steps computed once, before the loop"


def move_products(model: Model) -> Outcome:
    """Move such products of all loops, in place."""
    outcome = Outcome()
    for graph in list(model.graphs.values()):
        for node in list(graph.nodes):
            if not isinstance(node.op, While) or is_shared(model, node):
                continue
            moved = node
            for place in range(len(node.op.body.inputs)):
                product = _product(moved, node.op, place)
                if product is not None:
                    moved = _move(graph, moved, node.op, place, product, outcome)
    return outcome


def _product(node: Node, op: While, place: int) -> Node | None:
    """The product that alone reads the carried sequence, one step of it at a time."""
    x = op.body.inputs[place]
    is_kept = op.body.outputs[place] is x and len(x.uses) == 2
    if not is_kept or node.outputs[place].uses or op.cond.inputs[place].uses:
        return None
    gather = _reader(x, Gather)
    product = None if gather is None else _reader(gather.output, FullyConnected)
    if gather is None or product is None or len(product.outputs) != 1:
        return None
    sequence, index = node.operand(place), gather.operand(1)
    rest = [value for value in product.inputs[1:] if value is not None]
    is_plain = gather.operand(0) is x and product.operand(0) is gather.output
    if not is_plain or any(value.data is None for value in rest) or index.type.shape != ():
        return None
    assert isinstance(gather.op, Gather)
    if len(sequence.type.shape or ()) != 3 or gather.op.axis not in (0, 1) or gather.op.batch_dims:
        return None
    carried, results = op.body.inputs, op.body.outputs
    counters = [i for i in range(len(carried)) if is_counted(results[i], carried[i])]
    try:
        steps = steps_of(node, op.cond, counters)
    except Differs:
        return None
    return product if sequence.shape[gather.op.axis] == steps else None


def _reader(value: Value, kind: type) -> Node | None:
    """The node of this kind that is the only one to read the value."""
    readers = value.consumers
    return readers[0] if len(readers) == 1 and isinstance(readers[0].op, kind) else None


def _move(graph: Graph, node: Node, op: While, place: int, product: Node, outcome: Outcome) -> Node:
    """The new loop, which carries the product of all steps in place of the sequence."""
    b = Builder(graph, before=node)
    b.location = product.location
    constants = [None if v is None else Value(v.type, v.name, v.data) for v in product.inputs[1:]]
    assert isinstance(product.op, FullyConnected)
    whole = b.node(product.op.replace(keep_num_dims=True), node.operand(place), *constants)
    whole.output.name = product.output.name
    for inner in op.graphs:
        old = inner.inputs[place]  # stays what the file says of it
        inner.inputs[place] = Value(whole.output.type, old.name)
        inner.replace_uses(old, inner.inputs[place])
    gather = product.operand(0).producer
    assert gather is not None
    inside = Builder(op.body, before=product)
    row = inside.node(gather.op, op.body.inputs[place], gather.operand(1)).output
    row.name = product.output.name
    op.body.replace(product, [row])
    op.body.erase(gather)
    b.location = node.location
    operands = [whole.output if i == place else v for i, v in enumerate(node.inputs)]
    types = [v.type for v in node.outputs]
    types[place] = whole.output.type
    new = b.node(op, *operands, results=types, names=[v.name for v in node.outputs])
    for old, value in zip(node.outputs, new.outputs, strict=True):
        value.source = old.source
        graph.replace_uses(old, value)
    graph.erase(node)
    outcome.counts[RULE] += 1
    outcome.phrases[RULE] = PHRASE
    outcome.changes.append(Change(RULE, (product, node), (whole, new), whole))
    return new
