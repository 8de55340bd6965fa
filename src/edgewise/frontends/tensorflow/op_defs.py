"""What files leave out about TensorFlow's operations: defaults, and the order of their results.

`ops.json` has a line for each operation that needs one; `tools/tensorflow_ops.py` makes it. A
SavedModel describes operations of somebody else's that its main graph has. Any other operation has
no defaults and, as far as anybody knows, one result.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType

from edgewise.frontends.tensorflow.attr_values import attributes
from edgewise.frontends.tensorflow.messages import OpDef
from edgewise.frontends.tensorflow.program import Attr, TFShape
from edgewise.frontends.tensorflow.tensors import Budget
from edgewise.frontends.tensorflow.types import element_type


@dataclass(frozen=True, slots=True)
class Result:
    """A result by name: one tensor, or as many as the attribute `count` (a number, a list) says."""

    name: str
    count: str = ""


@dataclass(frozen=True, slots=True)
class OpInfo:
    """An operation. `results` None: unknown."""

    results: tuple[Result, ...] | None
    defaults: Mapping[str, Attr]

    def places(self, attrs: Mapping[str, Attr]) -> dict[str, range] | str:
        """The positions of each named result among all of them; a sentence where an attribute that
        counts them is missing."""
        found: dict[str, range] = {}
        end = 0
        for result in self.results or ():
            count = 1
            if result.count:
                value = attrs.get(result.count)
                if isinstance(value, tuple):
                    count = len(value)
                elif isinstance(value, int) and 0 <= value <= 1 << 16:
                    count = value
                else:
                    return f"attribute '{result.count}' must count its results; found {value!r}"
            found[result.name] = range(end, end + count)
            end += count
        return found


_UNKNOWN = OpInfo(None, MappingProxyType({}))


def op_info(op: str) -> OpInfo:
    """What is known about the operation `op`."""
    found = _decoded().get(op)
    if found is None:
        row = _table().get(op)
        if row is None:
            return _UNKNOWN
        results, defaults = row
        found = OpInfo(
            tuple(Result(*text.replace("@", "*").split("*")) for text in results),
            MappingProxyType({name: _attr(value) for name, value in defaults.items()}),
        )
        _decoded()[op] = found
    return found


def described(op: OpDef, budget: Budget) -> OpInfo:
    """What a file says about an operation of somebody else's, or about a function as one."""
    results = tuple(
        Result(arg.name, arg.number_attr or arg.type_list_attr) for arg in op.output_arg
    )
    given = {attr.name: attr.default_value for attr in op.attr if attr.default_value}
    defaults = attributes(given, f"operation '{op.name}'", budget)
    return OpInfo(results, MappingProxyType(defaults))


@cache
def _decoded() -> dict[str, OpInfo]:
    return {}


@cache
def _table() -> dict[str, tuple[list[str], dict[str, object]]]:
    text = (files("edgewise") / "frontends" / "tensorflow" / "ops.json").read_text("utf-8")
    rows = json.loads(text)
    del rows["version"]
    found: dict[str, tuple[list[str], dict[str, object]]] = rows
    return found


def _attr(value: object) -> Attr:
    match value:
        case str():
            return value.encode()
        case list():
            return tuple(_attr(item) for item in value)
        case {"type": int(code)}:
            return element_type(code)
        case {"shape": None}:
            return TFShape(None)
        case {"shape": list(dims)}:
            return TFShape(tuple(None if dim < 0 else dim for dim in dims))
        case bool() | int() | float():
            return value
    raise AssertionError(value)  # not what tools/tensorflow_ops.py writes
