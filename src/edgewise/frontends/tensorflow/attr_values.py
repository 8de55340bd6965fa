"""AttrValue -> what `program.Attr` says."""

from __future__ import annotations

from collections.abc import Mapping

from edgewise.frontends.tensorflow.messages import AttrValue, ListValue, NameAttrList
from edgewise.frontends.tensorflow.program import Attr, FunctionName
from edgewise.frontends.tensorflow.tensors import Budget, array_of, shape_of
from edgewise.frontends.tensorflow.types import element_type


def attributes(values: Mapping[str, AttrValue], what: str, budget: Budget) -> dict[str, Attr]:
    """All attributes of the node or function called `what`; those without a value are left out.

    Raises:
        FormatError: a tensor whose values do not fit its shape.
    """
    found = {}
    for name, value in values.items():
        attr = attribute(value, f"attribute '{name}' of {what}", budget)
        if attr is not None:
            found[name] = attr
    return found


def attribute(value: AttrValue, what: str, budget: Budget) -> Attr | None:
    """One attribute; None where the file gives it no value, or a name to be filled in."""
    given = vars(value)
    for kind in ("i", "f", "b"):
        if kind in given:
            scalar: Attr = given[kind]
            return scalar
    if "type" in given:
        return element_type(value.type)
    if "s" in given:
        return bytes(value.s)
    if value.shape is not None:
        return shape_of(value.shape)
    if value.tensor is not None:
        return array_of(value.tensor, what, budget)
    if value.func is not None:
        return _function(value.func, budget)
    return None if value.list is None else _list(value.list, what, budget)


def _function(func: NameAttrList, budget: Budget) -> FunctionName:
    return FunctionName(func.name, attributes(func.attr, f"function '{func.name}'", budget))


def _list(values: ListValue, what: str, budget: Budget) -> tuple[Attr, ...]:
    given = vars(values)
    for kind in ("i", "f"):
        if kind in given:
            return tuple(given[kind].tolist())
    if "b" in given:
        return tuple(bool(flag) for flag in values.b)
    if "type" in given:
        return tuple(element_type(int(code)) for code in values.type)
    if "s" in given:
        return tuple(bytes(text) for text in values.s)
    if "shape" in given:
        return tuple(shape_of(shape) for shape in values.shape)
    if "tensor" in given:
        return tuple(array_of(tensor, what, budget) for tensor in values.tensor)
    return tuple(_function(func, budget) for func in values.func)
