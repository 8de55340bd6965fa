"""Operator codes as members of an enumeration, by which tests name them."""

from __future__ import annotations

from enum import IntEnum

from edgewise.format.schema_enums import BUILTIN_OPERATORS

BuiltinOperator = IntEnum("BuiltinOperator", BUILTIN_OPERATORS, start=0)
