"""What a plan is: everything about running a graph that can be decided before it runs.

A Plan is frozen data: kernel calls with their parameters as bytes, operands as places in regions,
constants packed for the kernels. `planner.plan` makes it, `executor.Executor` runs it. Its steps
are kept as the flat arrays that C walks (`code.Code`): they can be stored, mapped, and printed as
they are.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from enum import Enum, IntEnum

import numpy as np

from edgewise.errors import InputError
from edgewise.ir.graph import Node, Value
from edgewise.ir.resources import Variable
from edgewise.runtime.library import Isa
from edgewise.values import dataclass, field


class Precision(Enum):
    """What weights of float32 are multiplied in, and with instructions for it (AMX, AVX512-BF16,
    bfmmla) what lies between such products; all else is float32."""

    FLOAT32 = "f32"
    BFLOAT16 = "bf16"  # rounded to it, half the bytes; sums are float32

    @classmethod
    def of(cls, text: str) -> Precision:
        """The member of this value. Raises InputError."""
        found = next((p for p in cls if p.value == text), None)
        if found is None:
            known = ", ".join(repr(p.value) for p in cls)
            raise InputError(f"precision must be one of {known}; got {text!r}")
        return found


@dataclass(frozen=True, slots=True)
class Target:
    """What a plan is made for. Packing depends on it; integer results never do.

    `block_bytes` is the same for all models: of 16 KB to 1 MB none made tiny_resnet8, tiny_vww or
    mobilenet_v3_small with dynamic range faster by more than 0.3 % (Zen 3); 16 KB costs 2 %."""

    isa: Isa
    threads: int = 1  # that share the tiles of a step
    block_bytes: int = 128 * 1024  # of activations that a tile works on: a part of the L2 cache
    precision: Precision = Precision.FLOAT32
    # at least, so that one can help another; 4 cost 8-bit networks 4 to 20 % (Xeon)
    tiles_per_thread: int = 2

    @property
    def multiplies_bf16(self) -> bool:
        """Bfloat16 is asked for, and there are instructions for its products."""
        has_them = self.isa in (Isa.AVX512_BF16, Isa.AMX, Isa.NEON_BF16)
        return self.precision is Precision.BFLOAT16 and has_them


class Region(IntEnum):
    """Where an operand lies (EW_REGION_... of params.h)."""

    CONST = 0  # packed weights and other constants: offset in `Plan.constants`
    ARENA = 1  # values that live during a run
    STATE = 2  # variables: offset in a block that belongs to the session
    SCRATCH = 3  # of the thread that computes a tile
    IO = 4  # inputs and outputs of the graph: offset is the index of one, inputs first


@dataclass(frozen=True, slots=True)
class Operand:
    """An array: where it starts (bytes, or an index: see Region), its shape and dtype. `start`:
    of inputs and outputs, which `offset` numbers, the byte at which it starts."""

    region: Region
    offset: int
    shape: tuple[int, ...]
    dtype: np.dtype[np.generic]
    start: int = 0

    @property
    def nbytes(self) -> int:
        """Bytes of the array."""
        return math.prod(self.shape) * self.dtype.itemsize


@dataclass(frozen=True, slots=True)
class Kernel:
    """A call of a C kernel on all its tiles. `node` is its operator's number in the graph.

    The `locked` steps that follow are kernels with as many tiles, each of which reads of the
    others no more than its own tile has: they run with this one tile by tile, each tile by one
    thread. `work` is roughly the time of one thread in ns (0: unknown).
    """

    name: str
    params: bytes
    operands: tuple[Operand, ...]
    n_tiles: int
    node: int
    locked: int = 0
    work: int = 0


@dataclass(frozen=True, slots=True)
class If:
    """Runs one of two ranges. What they compute is moved to common places by steps in them."""

    condition: Operand  # bool
    then: tuple[Step, ...]
    otherwise: tuple[Step, ...]
    node: int


@dataclass(frozen=True, slots=True)
class While:
    """Runs `test`, which computes the condition, then `body`, until the condition is false.
    Carried values are moved by steps in the ranges."""

    condition: Operand  # bool
    test: tuple[Step, ...]
    body: tuple[Step, ...]
    node: int


@dataclass(frozen=True, slots=True)
class Host:
    """An operator run by its reference, in Python."""

    op: Node
    operands: tuple[Operand | None, ...]
    results: tuple[Operand, ...]
    node: int


@dataclass(frozen=True, slots=True)
class Delegate:
    """A part of the graph that the delegate with this number runs."""

    number: int
    operands: tuple[Operand, ...]
    results: tuple[Operand, ...]
    node: int


Step = Kernel | If | While | Host | Delegate


@dataclass(frozen=True, slots=True)
class Placement:
    """Where an operator runs: `kernel` (named by `detail`), `host` (why not in a kernel),
    `alias` (nothing moves), `constant` (computed while planning), `fused` (into another operator,
    by the rule in `detail`) or `removed`. `into` is the number of that operator, or of the one
    whose kernel this one's follows tile by tile."""

    node: str
    where: str
    detail: str
    into: int | None = None


@dataclass(frozen=True, slots=True)
class Named:
    """Where a variable that operators name lies, and whether the plan assigns it before it reads
    it."""

    place: Operand
    is_assigned_first: bool


@dataclass(frozen=True, slots=True)
class Code:
    """Steps as C reads them: arrays of EW_STEP and EW_OPERAND records (`code.py`) and bytes."""

    steps: np.ndarray
    operands: np.ndarray
    params: np.ndarray
    shapes: tuple[tuple[tuple[int, ...], np.dtype[np.generic]], ...]  # of operands, by number
    hosts: tuple[Node, ...]  # operators of Host steps, by number


@dataclass(frozen=True, slots=True)
class Plan:
    """A graph for one target and one set of shapes.

    `io` gives shape and dtype of the inputs and then of the outputs that steps write; `outputs`
    says where each output of the graph is found, `variables` where each variable lies. `kept`
    holds the place of every value that exists after a run. `named` has the variables that operators
    name; `once` the CALL_ONCE that run before the steps.
    """

    target: Target
    code: Code
    constants: np.ndarray
    arena_bytes: int
    arena_lower_bound: int
    state_bytes: int
    scratch_bytes: int  # of one thread
    n_inputs: int
    io: tuple[Operand, ...]
    outputs: tuple[Operand, ...]
    variables: Mapping[Value, Operand]
    kept: Mapping[Value, Operand]
    placement: tuple[Placement, ...]
    named: Mapping[Variable, Named] = field(default_factory=dict)
    once: tuple[Node, ...] = ()

    @property
    def steps(self) -> tuple[Step, ...]:
        """The steps to look at, decoded anew."""
        from edgewise.runtime.code import decode

        return decode(self.code)
