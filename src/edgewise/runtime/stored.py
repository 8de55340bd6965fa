"""Plans and the interface of models <-> what a cache entry holds: JSON and arrays.

Stored are plans that C runs alone. Values of the graph are numbers in the order of
`Graph.values()`, so the graph is needed only where a plan has variables, or a graph of the model
that CALL_ONCE runs before it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from edgewise.dtypes import DType
from edgewise.ir.dim import Dim, Sym
from edgewise.ir.graph import Graph, Node, Value
from edgewise.ir.model import STATELESS, Model, Signature
from edgewise.ir.resources import Variable
from edgewise.ir.types import Quant, TensorType
from edgewise.runtime.code import OPERAND, STEP
from edgewise.runtime.library import Isa, kernel_index
from edgewise.runtime.plan import (
    Code,
    Named,
    Operand,
    Placement,
    Plan,
    Precision,
    Region,
    Target,
)
from edgewise.values import dataclass

Json = dict[str, Any]  # Any: what the json module reads and writes
Arrays = dict[str, np.ndarray]

_SIZES = ("arena_bytes", "arena_lower_bound", "state_bytes", "scratch_bytes", "n_inputs")


def is_storable(plan: Plan) -> bool:
    """C runs the plan alone and with kernels of ours, and nothing of it is kept."""
    steps = plan.code.steps
    kinds = {int(k) for k in steps["kind"]}
    is_ours = bool((steps["index"][steps["kind"] == 0] < len(kernel_index())).all())
    return is_ours and kinds <= {0, 1, 2} and not plan.kept


def write_plan(plan: Plan, numbers: Mapping[Value, int]) -> tuple[Json, Arrays]:
    """A storable plan; `numbers` are those of its variables."""
    code = plan.code
    fields: Json = {
        "target": [
            int(plan.target.isa),
            plan.target.threads,
            plan.target.block_bytes,
            plan.target.precision.value,
            plan.target.tiles_per_thread,
        ],
        "sizes": [getattr(plan, name) for name in _SIZES],
        "shapes": [[list(shape), dtype.name] for shape, dtype in code.shapes],
        "io": [_from_operand(o) for o in plan.io],
        "outputs": [_from_operand(o) for o in plan.outputs],
        "variables": [[numbers[v], _from_operand(o)] for v, o in plan.variables.items()],
        "named": [
            [name.container, name.shared_name, _from_operand(n.place), n.is_assigned_first]
            for name, n in plan.named.items()
        ],
        "once": [graph.name for node in plan.once for graph in node.op.graphs],
        "placement": [[p.node, p.where, p.detail, p.into] for p in plan.placement],
    }
    arrays = {"steps": code.steps, "operands": code.operands, "params": code.params}
    return fields, {**arrays, "constants": plan.constants}


def read_plan(
    fields: Json,
    arrays: Arrays,
    values: Callable[[], Sequence[Value]],
    inner: Callable[[str], Graph],
) -> Plan:
    """The plan of an entry; `values` gives those of the graph, `inner` the graph of a name that it
    runs."""
    isa, threads, block_bytes, precision, tiles = fields["target"]
    variables = fields["variables"]
    found = values() if variables else ()
    code = Code(
        arrays["steps"].view(STEP),
        arrays["operands"].view(OPERAND),
        arrays["params"],
        tuple((tuple(shape), DType.of(name).numpy) for shape, name in fields["shapes"]),
        (),
    )
    return Plan(
        target=Target(Isa(isa), threads, block_bytes, Precision(precision), tiles),
        code=code,
        constants=arrays["constants"],
        io=tuple(map(_to_operand, fields["io"])),
        outputs=tuple(map(_to_operand, fields["outputs"])),
        variables={found[number]: _to_operand(place) for number, place in variables},
        kept={},
        placement=tuple(Placement(*p) for p in fields["placement"]),
        named={
            Variable(container, shared_name): Named(_to_operand(place), is_first)
            for container, shared_name, place, is_first in fields["named"]
        },
        once=tuple(_call_once(inner(name)) for name in fields["once"]),
        **dict(zip(_SIZES, fields["sizes"], strict=True)),
    )


def _call_once(init: Graph) -> Node:
    from edgewise.ops.state import CallOnce  # all operators, which other plans do not need

    return Node(CallOnce(init=init), (), ())


def _from_operand(place: Operand) -> list[object]:
    region, shape = int(place.region), list(place.shape)
    return [region, place.offset, shape, place.dtype.name, place.start]


def _to_operand(fields: list[Any]) -> Operand:
    region, offset, shape, name, start = fields
    return Operand(Region(region), offset, tuple(shape), DType.of(name).numpy, start)


# -- interfaces -----------------------------------------------------------------------------------


def write_interface(model: Model) -> Json | None:
    """Signatures, inputs and outputs of a model; None where a shape has a word JSON has not."""
    graphs = {}
    for name, graph in model.graphs.items():
        ends = [_from_value(v) for v in (*graph.inputs, *graph.outputs)]
        if None in ends:
            return None
        tensors = _tensors(graph)
        graphs[name] = [ends[: len(graph.inputs)], ends[len(graph.inputs) :], tensors]
    signatures = [[s.key, s.graph, dict(s.inputs), dict(s.outputs)] for s in model.signatures]
    return {"graphs": graphs, "signatures": signatures, "is_stateless": model.is_stateless}


def read_interface(fields: Json, *, with_tensors: bool) -> Model | None:
    """A Model whose graphs have inputs and outputs, and nothing in between.

    With `with_tensors` these know what the file declares of them, as values that were read do, and
    their index (`index_of`): one that is both is one value. None where that is not known of all.
    """
    model = Model(metadata={STATELESS: b""} if fields["is_stateless"] else {})
    for name, (inputs, outputs, tensors) in fields["graphs"].items():
        if with_tensors and tensors is None:
            return None
        graph = model.add(Graph(name))
        values = [_to_value(v) for v in (*inputs, *outputs)]
        if with_tensors:
            values = _declare(values, tensors)
        graph.inputs = values[: len(inputs)]
        graph.set_outputs(values[len(inputs) :])
    model.signatures = [Signature(*s) for s in fields["signatures"]]
    return model


@dataclass(frozen=True, slots=True)
class _Declared:
    """Of a tensor's record, what may differ from the value's type."""

    type: DType
    quantization: _Quantization | None


@dataclass(frozen=True, slots=True)
class _Quantization:
    scale: np.ndarray | None
    zero_point: np.ndarray | None
    quantized_dimension: int


def index_of(value: Value) -> int:
    """The tensor index of an input or output of an interface."""
    index = value.extras["index"]
    assert isinstance(index, int)
    return index


def _tensors(graph: Graph) -> list[Json] | None:
    """What the file declares of a graph's inputs and outputs. None where that does not tell how
    the graph can be run: an end has a value of its own, a shape is open, or an operator is known
    to one process alone."""
    from edgewise.ops.opaque import Opaque

    ends = (*graph.inputs, *graph.outputs)
    if not graph.tensors or any(v.data is not None or v.is_variable for v in ends):
        return None
    if not all(v.type.is_static for v in graph.inputs):
        return None
    if any(isinstance(node.op, Opaque) for node in graph.nodes):
        return None
    index = {value: place for place, value in enumerate(graph.tensors)}
    if not all(v in index and "record" in v.extras for v in ends):
        return None
    return [{"index": index[v], **_from_record(v)} for v in ends]


def _from_record(value: Value) -> Json:
    record: Any = value.extras["record"]
    quant = record.quantization
    rows = quant and [
        None if array is None else np.asarray(array).tolist()
        for array in (quant.scale, quant.zero_point)
    ]
    return {
        "shape": value.extras.get("shape"),
        "shape_signature": value.extras.get("shape_signature"),
        "type": record.type.text,
        "quantization": quant and [*rows, int(quant.quantized_dimension)],
    }


def _declare(values: list[Value], tensors: list[Json]) -> list[Value]:
    """The values with what the file declares; those of one index are one."""
    found: dict[int, Value] = {}
    for value, fields in zip(values, tensors, strict=True):
        quant = fields["quantization"]
        if quant is not None:
            scale, zero_point, dimension = quant
            quant = _Quantization(
                None if scale is None else np.array(scale, np.float32),
                None if zero_point is None else np.array(zero_point, np.int64),
                dimension,
            )
        declared = _Declared(DType.of(fields["type"]), quant)
        value.extras.update({k: fields[k] for k in ("index", "shape", "shape_signature")})
        value.extras["record"] = declared
        found.setdefault(fields["index"], value)
    return [found[fields["index"]] for fields in tensors]


def _from_value(value: Value) -> Json | None:
    shape, quant = value.type.shape, value.quant
    if shape is not None and not all(isinstance(d, int | Sym) for d in shape):
        return None
    return {
        "name": value.name,
        "dtype": value.dtype.text,
        "shape": None if shape is None else [_from_dim(d) for d in shape],
        "quant": None
        if quant is None
        else [quant.scale.tolist(), quant.zero_point.tolist(), quant.axis, quant.block_size],
    }


def _to_value(fields: Json) -> Value:
    shape, quant = fields["shape"], fields["quant"]
    type_ = TensorType(
        None if shape is None else tuple(d if isinstance(d, int) else Sym(*d) for d in shape),
        DType.of(fields["dtype"]),
        None if quant is None else Quant(*quant),
    )
    return Value(type_, fields["name"])


def _from_dim(dim: Dim) -> object:
    return [dim.name, dim.min, dim.max] if isinstance(dim, Sym) else dim
