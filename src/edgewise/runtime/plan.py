"""What a plan is: everything about running a graph that can be decided before it runs.

A Plan is frozen data: kernel calls with their parameters as bytes, operands as places in regions,
constants packed for the kernels. `planner.plan` makes it, `executor.Executor` runs it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from edgewise.ir.graph import Node, Value
from edgewise.runtime.library import Isa


@dataclass(frozen=True, slots=True)
class Target:
    """What a plan is made for. Packing depends on it; integer results never do."""

    isa: Isa
    block_bytes: int = 128 * 1024  # of activations that a tile works on: a part of the L2 cache


class Region(IntEnum):
    """Where an operand lies."""

    CONST = 0  # packed weights and other constants: offset in `Plan.constants`
    ARENA = 1  # values that live during a run
    STATE = 2  # variables: offset is the index in `Plan.variables`; only Host steps use them
    IO = 3  # inputs and outputs of the graph: offset is the index of one, inputs first


@dataclass(frozen=True, slots=True)
class Operand:
    """An array: where it starts (bytes, or an index: see Region), its shape and dtype."""

    region: Region
    offset: int
    shape: tuple[int, ...]
    dtype: np.dtype[np.generic]

    @property
    def nbytes(self) -> int:
        """Bytes of the array."""
        return int(np.prod(self.shape, dtype=np.int64)) * self.dtype.itemsize


@dataclass(frozen=True, slots=True)
class Kernel:
    """A call of a C kernel on all its tiles. `node` is its operator's number in the graph."""

    name: str
    params: bytes
    operands: tuple[Operand, ...]
    n_tiles: int
    node: int


@dataclass(frozen=True, slots=True)
class Host:
    """An operator run by its reference, in Python."""

    op: Node
    operands: tuple[Operand | None, ...]
    results: tuple[Operand, ...]
    node: int


Step = Kernel | Host


@dataclass(frozen=True, slots=True)
class Placement:
    """Where an operator runs: `kernel` (named by `detail`), `host` (why not in a kernel),
    `alias` (nothing moves) or `constant` (computed while planning)."""

    node: str
    where: str
    detail: str


@dataclass(frozen=True, slots=True)
class Plan:
    """A graph for one target and one set of shapes.

    `io` gives shape and dtype of the inputs and then of the outputs that steps write; `outputs`
    says where each output of the graph is found. `kept` holds the place of every value that
    exists after a run.
    """

    target: Target
    steps: tuple[Step, ...]
    constants: np.ndarray
    arena_bytes: int
    arena_lower_bound: int
    scratch_bytes: int
    n_inputs: int
    io: tuple[Operand, ...]
    outputs: tuple[Operand, ...]
    variables: tuple[Value, ...]
    kept: Mapping[Value, Operand]
    placement: tuple[Placement, ...]
