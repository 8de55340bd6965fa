"""An operator case in other element types, without asking the operator whether it takes them.

`slots` names what can have a type of its own: `data` (with weights, biases and states), each
parameter, all `parameters`, the weights alone (`hybrid`), a result that nothing determines. The
model of `unchecked_model` has the types it is told, so that LiteRT can be asked about any; `Case`
and the builder say what we take.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from edgewise.dtypes import DType
from edgewise.ir import Builder, Model, Quant, TensorType, Value
from edgewise.ir.infer import result_declaration
from edgewise.ir.op import FixedRange, Out, Role
from tests.ops.case import Arg, Case, arrays, model_of

DTYPES = (
    *(DType.FLOAT32, DType.FLOAT16, DType.BFLOAT16, DType.FLOAT64, DType.BOOL, DType.STRING),
    *(DType.INT4, DType.INT8, DType.UINT8, DType.INT16, DType.UINT16, DType.INT32, DType.UINT32),
    *(DType.INT64, DType.UINT64, DType.COMPLEX64),
)
SCALED = (DType.INT4, DType.INT8, DType.UINT8, DType.INT16)
PARAMETERS = tuple(d for d in DTYPES if d.is_integer or d is DType.BOOL)
CONVERSIONS = ("cast", "quantize")  # the type of the result is what they are about
_COMPUTED = (Role.DATA, Role.WEIGHT, Role.BIAS, Role.STATE)


@dataclass(frozen=True, slots=True)
class Kind:
    """An element type, `q` with a scale: `int8`, `int8/q`."""

    dtype: DType
    scaled: bool = False

    @property
    def text(self) -> str:
        return self.dtype.text + ("/q" if self.scaled else "")

    @classmethod
    def of(cls, text: str) -> Kind:
        """The kind that `text` names."""
        name, _, mark = text.partition("/")
        return cls(DType.of(name), mark == "q")


ALL_KINDS = (*map(Kind, DTYPES), *(Kind(d, True) for d in SCALED))


def is_base(case: Case) -> bool:
    """A case that others can be made from."""
    plain = not (case.error or case.no_litert or case.write or case.op.graph_fields)
    is_builtin = bool(case.op.builtin) and not case.op.custom
    return plain and is_builtin and all(a is None or a.quant is None for a in case.args)


def slots(case: Case) -> dict[str, tuple[Kind, ...]]:
    """What of a case can be retyped, and the types to try."""
    found: dict[str, tuple[Kind, ...]] = {}
    if first_type(case) is not None:
        found["data"] = ALL_KINDS
    for index, a in enumerate(case.args):
        declared = case.op.declared(index)
        role = _roles(case)[index]
        if a is not None and role is Role.PARAMETER and case.write is None:
            found[declared.name] = tuple(map(Kind, PARAMETERS))
        if a is not None and role is Role.WEIGHT and case.write is None:
            found["hybrid"] = tuple(Kind(d, True) for d in SCALED)
    if _roles(case).count(Role.PARAMETER) > 1 and case.write is None:
        found["parameters"] = (Kind(DType.FLOAT32), *map(Kind, PARAMETERS))
    for index in range(len(case.op.results) if case.write is None else 0):
        declared_result = result_declaration(case.op, index)
        name = f"result {declared_result.name}"
        if _converts(case):
            found |= {f"{name} of {kind.text}": ALL_KINDS for kind in ALL_KINDS}
        elif declared_result.attr:
            found[name] = ALL_KINDS
    return found


def retyped(case: Case, changes: Mapping[str, Kind]) -> tuple[Case, tuple[TensorType, ...]]:
    """The case with slots of these kinds, and the types that its results are then said to have."""
    outputs = list(_outputs(case))
    old, args, op, label = first_type(case), list(case.args), case.op, case.label or "plain"
    for slot, kind in changes.items():
        label += f"-{slot.replace(' ', '-')}-{kind.text}"
        for index, (a, role) in enumerate(zip(args, _roles(case), strict=True)):
            if a is None:
                continue
            if slot == "data" and a.dtype is old and role in _COMPUTED:
                args[index] = _typed(a, _of_role(kind, role), _quant(kind, role))
            elif slot == "hybrid" and role is Role.WEIGHT:
                args[index] = _typed(a, kind.dtype, Quant(1 / kind.dtype.range[1]))
            elif role is Role.PARAMETER and slot in (case.op.declared(index).name, "parameters"):
                args[index] = _typed(a, kind.dtype, None)
        for index, t in enumerate(outputs):
            out = result_declaration(op, index)
            follows = slot == "data" and t.dtype is old and out.dtype is None
            follows = follows or _is_like(case, out, slot)
            if (follows and not _converts(case)) or slot == f"result {out.name}":
                outputs[index] = TensorType(t.shape, kind.dtype, _result_quant(case, kind))
                op = op.replace(**{out.attr: kind.dtype}) if out.attr else op
        if slot == "data":
            named = {n: kind.dtype for n, v in op.items() if v is old and n.startswith("in_")}
            op = op.replace(**named)
    declared = tuple(TensorType(None, t.dtype, t.quant) if t.quant else t for t in outputs)
    changed = dataclasses.replace(
        case, op=op, args=tuple(args), quantize=(), label=label, results=declared
    )
    return changed, tuple(outputs)


def unchecked_model(case: Case, results: Sequence[TensorType]) -> Model:
    """The model of a case whose results have these types, whatever the operator says."""
    b = Builder()
    operands: list[Value | None] = []
    for index, (a, data) in enumerate(zip(case.args, arrays(case), strict=True)):
        if a is None or data is None:
            operands.append(None)
            continue
        type_ = TensorType(a.shape, a.dtype, a.quant)
        if a.const:
            operands.append(Value(type_, f"operand{index}", data))
        elif a.variable:
            operands.append(Value(type_, f"operand{index}", is_variable=True))
        else:
            operands.append(b.graph.add_input(type_, f"operand{index}"))
    outputs = [Value(t, f"result{i}") for i, t in enumerate(results)]
    b.graph.insert(case.op, operands, outputs)
    model = Model()
    model.add(b.finish(*outputs))
    return model


def changes_of(slot: str, kind: Kind) -> dict[str, Kind]:
    """What a slot of the stored table stands for: `result y of int8` is a pair of types."""
    name, _, source = slot.partition(" of ")
    return {**({"data": Kind.of(source)} if source else {}), name: kind}


def _converts(case: Case) -> bool:
    return case.op.name in CONVERSIONS


def _is_like(case: Case, out: Out, slot: str) -> bool:
    """The result has the type of a parameter that changes."""
    names = [case.op.declared(i).name for i, r in enumerate(_roles(case)) if r is Role.PARAMETER]
    derived = out.dtype is None and out.attr is None and out.like in names
    return derived and slot in (out.like, "parameters")


_KNOWN: dict[str, list[TensorType]] = {}


def _outputs(case: Case) -> list[TensorType]:
    """The types of the case's results, found once."""
    if case.id not in _KNOWN:
        _KNOWN[case.id] = [v.type for v in model_of(case).main.outputs]
    return _KNOWN[case.id]


def _roles(case: Case) -> list[Role]:
    """Of the operands; what a conversion converts is data."""
    return [Role.DATA] if _converts(case) else case.roles


def first_type(case: Case) -> DType | None:
    """The type of the first operand that is data."""
    data = (a for a, r in zip(case.args, _roles(case), strict=True) if a and r in _COMPUTED)
    return next((a.dtype for a in data), None)


def _of_role(kind: Kind, role: Role) -> DType:
    if kind.scaled and role is Role.BIAS:
        return DType.INT64 if kind.dtype is DType.INT16 else DType.INT32
    return (
        DType.INT8
        if kind.scaled and role is Role.WEIGHT and kind.dtype is DType.INT16
        else (kind.dtype)
    )


def _quant(kind: Kind, role: Role) -> Quant | None:
    return Quant(0.25 if role is Role.BIAS else 0.5) if kind.scaled else None


def _result_quant(case: Case, kind: Kind) -> Quant | None:
    if not kind.scaled:
        return None
    rule = case.op.quantization
    fixed = rule.of(kind.dtype) if isinstance(rule, FixedRange) else None
    return fixed or Quant(0.5)


def _typed(a: Arg, dtype: DType, quant: Quant | None) -> Arg:
    values = None if a.values is None else converted(np.asarray(a.values), dtype)
    low, high = a.low, a.high
    if dtype.is_integer and quant is None:
        low, high = (float(np.clip(v, *dtype.range)) for v in (a.low, a.high))
    return dataclasses.replace(a, dtype=dtype, values=values, low=low, high=high, quant=quant)


def converted(values: np.ndarray, dtype: DType) -> np.ndarray:
    """The values in another type, within its range; as text for strings."""
    if dtype is DType.STRING:
        if values.dtype == object:
            return values
        flat = [f"s{v:g}".encode() if v else b"" for v in values.real.astype(float).ravel()]
        return np.array(flat, object).reshape(values.shape)
    if values.dtype == object:
        values = np.array([len(v) for v in values.ravel()]).reshape(values.shape)
    if values.dtype.kind == "c" and dtype is not DType.COMPLEX64:
        values = values.real
    with np.errstate(all="ignore"):
        if dtype.is_integer:
            low, high = (max(min(v, 1 << 53), -1 << 53) for v in dtype.range)  # exact as float64
            values = np.clip(np.nan_to_num(values.astype(np.float64)), low, high)
        return values.astype(dtype.numpy)
