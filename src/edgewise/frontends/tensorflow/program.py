"""A TensorFlow program as data: what the readers give and the lowering takes.

    Program
      functions   by name: the function library
      entries     signatures: a Function, what its captured arguments and nodes stand for, names

The readers (`.pb`, SavedModel, a live concrete function) resolve names: every operand is a `Ref` to
one output of one node or to an argument, attributes have their defaults, variables and tables are
found with their values. The lowering sees no protocol buffer and opens no file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

import numpy as np

from edgewise.dtypes import DType
from edgewise.ir.graph import Location


class Ref(NamedTuple):
    """One output of the node `node`; an argument of the function is `Ref(argument)`."""

    node: str
    output: int = 0

    def __str__(self) -> str:
        return self.node if self.output == 0 else f"{self.node}:{self.output}"


@dataclass(frozen=True, slots=True)
class TFShape:
    """A shape attribute: None where a dimension, or (`dims` None) the rank, is unknown."""

    dims: tuple[int | None, ...] | None


@dataclass(frozen=True, slots=True)
class FunctionName:
    """An attribute that names a function of the library (`body` of a While)."""

    name: str
    attrs: Mapping[str, Attr] = field(default_factory=dict)


# `type` attributes are DType, or the name of the TensorFlow type where we have none ("DT_QINT8");
# `tensor` attributes are arrays, or the name of the type likewise; STRING arrays hold `bytes`; a
# fill of one value has strides of zero. `string` attributes are `bytes`.
Attr: TypeAlias = (
    "int | float | bool | bytes | DType | str | TFShape | np.ndarray | FunctionName"
    " | tuple[Attr, ...]"
)


@dataclass(frozen=True, slots=True)
class TFNode:
    """One operation. `attrs` has every attribute that the file gives or TensorFlow defaults."""

    name: str
    op: str
    inputs: tuple[Ref, ...] = ()
    controls: tuple[str, ...] = ()
    attrs: Mapping[str, Attr] = field(default_factory=dict)
    location: Location | None = None


@dataclass(frozen=True, slots=True)
class Argument:
    """An input of a function; `dtype` None: one we have no type for."""

    name: str
    dtype: DType | None
    shape: TFShape = TFShape(None)


@dataclass(frozen=True, slots=True)
class Function:
    """A body: arguments, nodes by name in the order of the file (not sorted), results.

    `controls` are nodes that run for their effects although no result needs them.
    """

    name: str
    arguments: tuple[Argument, ...]
    nodes: Mapping[str, TFNode]
    results: tuple[Ref, ...]
    controls: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Variable:
    """A resource variable, one object per variable however many signatures use it.

    `value` is what the checkpoint or the live program holds; None: never initialised.
    """

    name: str
    dtype: DType
    shape: TFShape
    value: np.ndarray | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """A lookup table with its contents; `keys` and `values` are vectors of one length."""

    name: str
    key_dtype: DType
    value_dtype: DType
    keys: np.ndarray
    values: np.ndarray


Resource: TypeAlias = "Variable | Table"


@dataclass(frozen=True, slots=True)
class Entry:
    """A signature: a function and what its names mean outside.

    `key` is the signature's name, "" for a frozen graph, which has none. `inputs` and `outputs` map
    names to positions among the function's arguments and results.
    `bound` says what captured arguments, or nodes that make resources (`VarHandleOp`,
    `VariableV2`, `HashTableV2`), stand for; arguments that are bound are no inputs.
    """

    key: str
    function: Function
    inputs: Mapping[str, int]
    outputs: Mapping[str, int]
    bound: Mapping[str, Resource | np.ndarray] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Program:
    """What a file or a live object holds. `producer` is the TensorFlow version that wrote it."""

    entries: tuple[Entry, ...]
    functions: Mapping[str, Function] = field(default_factory=dict)
    file: str = ""
    producer: str = ""
