"""Operators to and from their code and options table, driven by the operator classes.

An option field and the attribute of the same name are one thing: enumerations and element types
are members on both sides, vectors are tuples in the operator and arrays in the record. Operators
without a class become `Opaque`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from edgewise.format.record import Record, record_type
from edgewise.format.schema import UNIONS, table
from edgewise.format.schema_enums import BUILTIN_OPERATORS
from edgewise.ir.graph import Graph
from edgewise.ir.op import Op, by_builtin, by_custom
from edgewise.ir.types import Quant, TensorType
from edgewise.ops.opaque import Opaque
from edgewise.values import dataclass

_NO_QUANT = Quant(1.0)


@dataclass(frozen=True, slots=True)
class Code:
    """What an operator code says: BuiltinOperator name, custom name, version."""

    builtin: str
    custom: str
    version: int


def read_code(record: Record) -> Code:
    """The meaning of an OperatorCode record. Raises ValueError.

    Codes above 126 do not fit the old byte field, which then holds 127; files older than the new
    field leave it 0. So the code is the larger of the two.
    """
    number = max(record.deprecated_builtin_code, record.builtin_code)
    if record.deprecated_builtin_code < 0 or number >= len(BUILTIN_OPERATORS):
        raise ValueError(f"unknown operator code {number}")
    builtin, custom = BUILTIN_OPERATORS[number], record.custom_code or ""
    if builtin == "CUSTOM" and not custom:
        raise ValueError("a custom operator must have a name (custom_code)")
    return Code(builtin, custom if builtin == "CUSTOM" else "", record.version)


def read_op(
    code: Code,
    record: Record,
    intermediates: tuple[TensorType, ...] = (),
    graphs: Sequence[Graph] = (),
    results: Sequence[TensorType] = (),
) -> Op:
    """The operator that an Operator record describes; it may run some of `graphs`, and declares
    its results so. Raises ValueError."""
    options = record.builtin_options
    if options is None:
        options = record.builtin_options_2
    if code.custom:
        custom = by_custom(code.custom)
        if custom is None:
            return _opaque(code, record, options)
        from edgewise.format.custom_options import read_custom  # few models have one

        return read_custom(custom, record)
    cls = by_builtin(code.builtin)
    if cls is None:
        return _opaque(code, record, options)
    attributes: dict[str, Any] = {}
    if options is not None and options.table.name == cls.options:
        # A field left out of a table has the schema's default, not the attribute's; a table left
        # out, or another operator's, means the attributes' defaults.
        for name, field in _option_fields(cls).items():
            value = getattr(options, field)
            if value is not None:
                attributes[name] = _attribute(value)
    if cls.graph_fields and (options is None or options.table.name != cls.options):
        raise ValueError(f"{code.builtin} must have {cls.options}: they say which graphs it runs")
    for name, field in cls.graph_fields.items():
        called = getattr(options, field)
        if isinstance(cls.defaults().get(name), tuple):
            numbers = [] if called is None else called.tolist()
            attributes[name] = tuple(graphs[number] for number in numbers)
        else:
            attributes[name] = graphs[called or 0]
    attributes.update(cls.declared_attributes(results))
    if intermediates and "intermediate_scales" in cls.names:
        attributes.update(_intermediates([t.quant for t in intermediates]))
    return cls(**attributes)


def write_options(op: Op, number: Callable[[Graph], int]) -> Record | None:
    """The options record of an operator; None where it has no options table. `number` gives those
    of graphs in the file."""
    if not op.options:
        return None
    if isinstance(op, Opaque):
        return record_type(op.options)(**{name: _stored(value) for name, value in op.fields})
    own = _option_fields(type(op))
    fields = {field: _stored(getattr(op, name)) for name, field in own.items()}
    for name, field in op.graph_fields.items():
        held = getattr(op, name)
        is_one = isinstance(held, Graph)
        fields[field] = number(held) if is_one else np.array([number(g) for g in held], np.int32)
    return record_type(op.options)(**fields)


def is_options_2(record: Record) -> bool:
    """The record belongs in the second union of options."""
    return record.table.name in UNIONS["BuiltinOptions2"]


def _opaque(code: Code, record: Record, options: Record | None) -> Opaque:
    fields = {} if options is None else {**vars(options)}
    fields.pop("byte_offset", None)
    custom = record.custom_options
    return Opaque(
        code=code.builtin,
        custom_code=code.custom,
        table="" if options is None else options.table.name,
        fields=tuple((name, _attribute(value)) for name, value in fields.items()),
        custom_options=b"" if custom is None else custom.tobytes(),
        result_total=0 if record.outputs is None else len(record.outputs),
    )


def _intermediates(quants: Sequence[Quant | None]) -> dict[str, object]:
    """The attributes of an LSTM that a file keeps as tensors; empty where none has a scale.

    Without layer normalisation only the last one has; a scale nobody reads is then 1.
    """
    if all(quant is None for quant in quants):
        return {}
    known = [_NO_QUANT if quant is None else quant for quant in quants]
    return {
        "intermediate_scales": tuple(float(q.scale.flat[0]) for q in known),
        "intermediate_zero_points": tuple(int(q.zero_point.flat[0]) for q in known),
    }


_known_fields: dict[type[Op], Mapping[str, str]] = {}


def _option_fields(cls: type[Op]) -> Mapping[str, str]:
    """Attributes that are fields of the options table, and those fields."""
    found = _known_fields.get(cls)
    if found is None:
        known = table(cls.options).by_name if cls.options else {}
        fields = {name: cls.option_fields.get(name, name) for name in cls.names}
        found = {name: field for name, field in fields.items() if field in known}
        _known_fields[cls] = found
    return found


def _attribute(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.tobytes() if value.dtype == np.uint8 else tuple(value.tolist())
    return value


def _stored(value: Any) -> Any:
    return np.array(value) if isinstance(value, tuple) and value else value
