"""Changes of operators and subgraphs: options, codes, what reads what, ends, control flow."""

from __future__ import annotations

import random
from collections import defaultdict
from functools import cache

import numpy as np

from edgewise.format.record import Record, record_type
from edgewise.format.schema import UNIONS, Kind
from edgewise.format.schema_enums import ENUMS
from edgewise.ir.op import Op
from tests.format.codes import BuiltinOperator

from .mutants import mutate
from .record_picks import (
    FLOATS,
    changed_vector,
    fit,
    near,
    options_of,
    some_graph,
    some_operator,
)


def option(model: Record, generator: random.Random) -> bool:
    """A field of an operator's options."""
    op = some_operator(model, generator)
    options = None if op is None else options_of(op)
    fields = () if options is None else options.table.fields
    if not fields:
        return False
    field = generator.choice(fields)
    value = getattr(options, field.name)
    if field.kind is Kind.ENUM:
        changed: object = generator.choice(list(ENUMS[field.type].members.values()))
    elif field.kind is Kind.SCALAR and field.type == "bool":
        changed = not value
    elif field.kind is Kind.SCALAR and field.type in ("float", "double"):
        changed = generator.choice(FLOATS)
    elif field.kind is Kind.SCALAR:
        changed = fit(field, near(value, generator))
    elif field.kind is Kind.VECTOR and value is not None:
        changed = changed_vector(value, generator)
    elif field.kind is Kind.STRING:
        changed = generator.choice(("", "x", (value or "") + "y", None))
    else:
        return False
    setattr(options, field.name, changed)
    return True


def option_table(model: Record, generator: random.Random) -> bool:
    """An operator's options are gone, or another operator's."""
    op = some_operator(model, generator)
    if op is None:
        return False
    names = UNIONS["BuiltinOptions"]
    op.builtin_options = (
        record_type(generator.choice(names))() if generator.random() < 0.4 else None
    )
    return True


def rewire(model: Record, generator: random.Random) -> bool:
    """An operator reads or writes another tensor, mostly of the same type."""
    graph = some_graph(model, generator)
    if graph is None:
        return False
    op = generator.choice(graph.operators)
    name = "inputs" if generator.random() < 0.85 else "outputs"
    indices = getattr(op, name)
    if indices is None or not indices.size:
        return False
    indices = indices.copy()
    at = generator.randrange(indices.size)
    chance = generator.random()
    alike = [
        i
        for i, t in enumerate(graph.tensors)
        if 0 <= indices[at] < len(graph.tensors) and t.type is graph.tensors[indices[at]].type
    ]
    if chance < 0.65 and alike:
        indices[at] = generator.choice(alike)
    elif chance < 0.75:
        indices[at] = -1
    elif chance < 0.82:
        indices = indices[:-1]
    elif chance < 0.9:
        indices = np.append(indices, generator.choice(indices)).astype(np.int32)
    else:
        indices[at] = generator.choice((*range(len(graph.tensors)), len(graph.tensors), -2))
    setattr(op, name, indices)
    return True


def operator_code(model: Record, generator: random.Random) -> bool:
    """An operator is another one: mostly of the file, or with the same table of options."""
    codes = model.operator_codes or []
    op = some_operator(model, generator)
    if op is None or not codes:
        return False
    chance = generator.random()
    if chance < 0.25 and len(codes) > 1:
        op.opcode_index = generator.randrange(len(codes))
    elif 0.25 <= chance < 0.27:
        op.opcode_index = generator.choice((len(codes), 1 << 20, (1 << 32) - 1))
    elif 0.27 <= chance < 0.35:
        generator.choice(codes).version = near(1, generator)
    else:
        op.opcode_index = _add_code(model, generator.choice(_alike(op, generator)))
    return True


@cache
def _by_operands() -> dict[int, tuple[BuiltinOperator, ...]]:
    """The operators there are, by the number of operands that they need."""
    found: dict[int, list[BuiltinOperator]] = defaultdict(list)
    for cls in Op.registry.values():
        if not cls.builtin or cls.custom:
            continue
        needed = sum(not (o.optional or o.variadic) for o in cls.operands)
        found[max(needed, 1)].append(BuiltinOperator[cls.builtin])
    return {count: tuple(codes) for count, codes in found.items()}


def _alike(op: Record, generator: random.Random) -> tuple[BuiltinOperator, ...]:
    """Operators that take as many operands."""
    count = 0 if op.inputs is None else op.inputs.size
    if generator.random() < 0.1 or not count:
        return tuple(BuiltinOperator)
    return _by_operands()[min(count, 3)]


def _add_code(model: Record, code: BuiltinOperator) -> int:
    """The place of an operator code in the file, which gets it."""
    made = record_type("OperatorCode")(
        builtin_code=code, deprecated_builtin_code=min(int(code), 127), version=1
    )
    model.operator_codes = [*(model.operator_codes or []), made]
    return len(model.operator_codes) - 1


def operators(model: Record, generator: random.Random) -> bool:
    """An operator is gone, stands elsewhere, or another is put behind the last."""
    graph = some_graph(model, generator)
    if graph is None:
        return False
    found = list(graph.operators)
    at = generator.randrange(len(found))
    match generator.randrange(8):
        case 0 | 1:
            _remove(graph, found.pop(at))
        case 2:
            found.insert(generator.randrange(len(found)), found.pop(at))
        case _:
            _append(model, graph, found, generator)
    graph.operators = found
    return True


def _remove(graph: Record, gone: Record) -> None:
    """Who read the operator's results reads its first operand."""
    results = set(() if gone.outputs is None else gone.outputs.tolist())
    if gone.inputs is None or not gone.inputs.size:
        return
    first = int(gone.inputs[0])
    for owner, name in [*((op, "inputs") for op in graph.operators), (graph, "outputs")]:
        indices = getattr(owner, name)
        if indices is not None:
            moved = [first if i in results else i for i in indices.tolist()]
            setattr(owner, name, np.array(moved, np.int32))


def _append(model: Record, graph: Record, found: list[Record], generator: random.Random) -> None:
    """An operator on tensors that there are, whose result is a new output."""
    count = generator.choice((1, 1, 2, 3))
    index = _add_code(model, generator.choice(_by_operands()[count]))
    outputs = [] if graph.outputs is None else graph.outputs.tolist()
    first = generator.choice(outputs) if outputs else 0
    others = [generator.randrange(len(graph.tensors)) for _ in range(count - 1)]
    source = graph.tensors[first] if 0 <= first < len(graph.tensors) else graph.tensors[0]
    made = record_type("Tensor")(
        shape=source.shape, type=source.type, name="made", quantization=source.quantization
    )
    graph.tensors = [*graph.tensors, made]
    inputs = np.array([first, *others], np.int32)
    results = np.array([len(graph.tensors) - 1], np.int32)
    found.append(record_type("Operator")(opcode_index=index, inputs=inputs, outputs=results))
    graph.outputs = np.append(outputs, results).astype(np.int32)


def ends(model: Record, generator: random.Random) -> bool:
    """Inputs and outputs of a subgraph."""
    graph = some_graph(model, generator)
    if graph is None:
        return False
    name = "outputs" if generator.random() < 0.7 else "inputs"
    indices = getattr(graph, name)
    indices = [] if indices is None else indices.tolist()
    chance = generator.random()
    if chance < 0.2 and indices:
        indices.pop()
    elif chance < 0.95:
        indices.append(generator.randrange(len(graph.tensors)))
    else:
        indices.append(generator.choice((-1, 1 << 30)))
    setattr(graph, name, np.array(indices, np.int32))
    return True


def called_graph(model: Record, generator: random.Random) -> bool:
    """Which subgraph control flow runs; whose a signature is."""
    count = len(model.subgraphs or ())
    found = []
    for graph in model.subgraphs or ():
        for op in graph.operators or ():
            options = options_of(op)
            names = () if options is None else options.table.by_name
            found += [(options, name) for name in names if name.endswith("subgraph_index")]
    found += [(s, "subgraph_index") for s in model.signature_defs or ()]
    if not found:
        return False
    owner, name = generator.choice(found)
    setattr(owner, name, generator.choice((*range(count), count)))
    return True


def signature(model: Record, generator: random.Random) -> bool:
    """What a signature calls its tensors, and which they are."""
    entries = [
        entry
        for s in model.signature_defs or ()
        for entry in [*(s.inputs or ()), *(s.outputs or ())]
    ]
    if not entries:
        return False
    entry = generator.choice(entries)
    if generator.random() < 0.5:
        entry.name = generator.choice((None, "", "x", entries[0].name))
    else:
        entry.tensor_index = max(0, near(entry.tensor_index, generator))
    return True


def custom(model: Record, generator: random.Random) -> bool:
    """Bytes of custom options."""
    found = [
        op for g in model.subgraphs or () for op in g.operators or ()
        if op.custom_options is not None and op.custom_options.size
    ]  # fmt: skip
    if not found:
        return False
    op = generator.choice(found)
    op.custom_options = np.frombuffer(mutate(op.custom_options.tobytes(), generator), np.uint8)
    return True
