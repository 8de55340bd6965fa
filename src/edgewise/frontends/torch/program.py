"""A PyTorch program as data: what the readers give and the lowering takes.

    Program
      inputs      names, element types, sizes: numbers, or names of unknown ones
      constants   parameters, buffers and lifted tensors, by the name that the graph calls them
      body        nodes in order, results

Arguments stand as the schema of the operation has them (`native_functions.yaml`), so a handler is
a function with the operation's own signature. The lowering needs no PyTorch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

import numpy as np

from edgewise.dtypes import DType
from edgewise.ir.graph import Location


class Ref(NamedTuple):
    """What a node gives, an input or a constant: a tensor, a number, or several."""

    node: str


@dataclass(frozen=True, slots=True)
class Body:
    """Nodes that run in order; also the graph that another operation runs."""

    arguments: tuple[str, ...]
    nodes: tuple[TorchNode, ...]
    results: tuple[Arg, ...]


# A type that we have none for is its name. Layouts, devices and memory formats are None.
Arg: TypeAlias = "Ref | Body | DType | bool | int | float | str | tuple[Arg, ...] | None"


@dataclass(frozen=True, slots=True)
class TorchNode:
    """One call. `op` is the operation without its namespace, with its overload: `add.Tensor`;
    Python's own operators are `operator.mul`."""

    name: str
    op: str
    args: tuple[Arg, ...] = ()
    kwargs: Mapping[str, Arg] = field(default_factory=dict)
    location: Location | None = None

    @property
    def base(self) -> str:
        """The operation without its overload."""
        return self.op if self.op.startswith("operator.") else self.op.partition(".")[0]


@dataclass(frozen=True, slots=True)
class Input:
    """A tensor that the program takes; sizes with one name are equal."""

    name: str
    dtype: DType
    shape: tuple[int | str, ...]


@dataclass(frozen=True, slots=True)
class Program:
    """What an exported program holds. `producer` is the version of PyTorch."""

    inputs: tuple[Input, ...]
    constants: Mapping[str, np.ndarray]
    body: Body
    outputs: tuple[str, ...] = ()
    file: str = "program"
    producer: str = ""
