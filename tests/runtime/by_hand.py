"""Plans written by hand: float32 vectors and bytes in the arena, two kernels to move them."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np

from edgewise.dtypes import DType
from edgewise.ir import Builder
from edgewise.ir.graph import Graph, Node
from edgewise.ops.arithmetic import Add
from edgewise.ops.slice import Slice
from edgewise.runtime.calls import Site
from edgewise.runtime.code import encode
from edgewise.runtime.executor import Executor
from edgewise.runtime.library import host_isa, kernel_index, structures
from edgewise.runtime.memory import allocate
from edgewise.runtime.plan import Kernel, Operand, Plan, Region, Step, Target
from edgewise.runtime.select import select

TARGET = Target(host_isa())


def sums(count: int, shape: tuple[int, ...] = (64, 1024)) -> Graph:
    """x + x + ... + x: a chain of additions, long enough to be interrupted."""
    b = Builder()
    y = x = b.input("x", shape, DType.FLOAT32)
    for _ in range(count):
        y = b.node(Add(), y, x).output
    return b.finish(y)


def floats(offset: int, count: int = 4, region: Region = Region.ARENA) -> Operand:
    """A vector at a byte of the arena, or an input or output."""
    return Operand(region, offset, (count,), np.dtype(np.float32))


def flags(offset: int, count: int = 1) -> Operand:
    """Booleans in the arena."""
    return Operand(Region.ARENA, offset, (count,), np.dtype(np.bool_))


def add(a: Operand, b: Operand, y: Operand) -> Kernel:
    """y = a + b."""
    builder = Builder()
    left, right = (builder.input(name, a.shape, DType.FLOAT32) for name in "ab")
    return selected(builder.node(Add(), left, right), (a, b, y))


def copy(x: Operand, y: Operand) -> Kernel:
    """The elements of the vector x to y, which does not overlap it."""
    b = Builder()
    whole = (b.constant(np.array(n, np.int32)) for n in ([0], x.shape))
    return selected(b.node(Slice(), b.input("x", x.shape, DType.of(x.dtype)), *whole), (x, y))


def selected(node: Node, operands: tuple[Operand, ...]) -> Kernel:
    """The one kernel that the planner takes for a node, on these operands."""
    selection = select(Site(node, TARGET, lambda value: value.data))
    assert isinstance(selection, list | tuple)
    [call] = selection
    return Kernel(call.kernel, call.params, operands, call.n_tiles, 0)


def plan_of(*steps: Step, constants: np.ndarray | None = None, count: int = 4) -> Plan:
    """Input 0 and output 1 are vectors of `count`; the arena has room for 64 KB."""
    held = np.zeros(0, np.uint8) if constants is None else constants.view(np.uint8)
    memory = allocate(held.size)
    memory[...] = held
    return Plan(
        target=TARGET,
        code=encode(steps),
        constants=memory,
        arena_bytes=1 << 16,
        arena_lower_bound=0,
        state_bytes=0,
        scratch_bytes=0,
        n_inputs=1,
        io=(floats(0, count, Region.IO), floats(1, count, Region.IO)),
        outputs=(floats(1, count, Region.IO),),
        variables={},
        kept={},
        placement=(),
    )


class Recorder:
    """Stands in for all kernels of an executor: notes (tag, begin, end, thread) of every call.
    `tags` are names of steps by the place in the arena of their first operand. The first calls of a
    step wait until `meet` threads have made theirs: so many take part, however busy the machine."""

    def __init__(self, executor: Executor, tags: dict[int, str], meet: int = 1) -> None:
        ffi = structures()
        self.calls: list[tuple[str, int, int, int]] = []
        arena = int(ffi.cast("uintptr_t", executor._regions[Region.ARENA]))
        scratch_of_caller = int(ffi.cast("uintptr_t", executor._run.scratch))
        everybody = threading.Barrier(meet, timeout=60)
        met = self._met = set[tuple[str, int]]()

        def note(params: object, operand: Any, begin: int, end: int, scratch: object) -> None:
            tag = tags[int(ffi.cast("uintptr_t", operand[0])) - arena]
            thread = (int(ffi.cast("uintptr_t", scratch)) - scratch_of_caller) // 64
            if (tag, thread) not in met:
                met.add((tag, thread))
                everybody.wait()
            self.calls.append((tag, begin, end, thread))

        self._callback = ffi.callback("ew_kernel *", note)
        self._table = ffi.new("ew_kernel *[]", [self._callback] * len(kernel_index()))
        executor._run.kernels = self._table
        executor._run.scratch_stride = 64

    def clear(self) -> None:
        """Forgets all calls; the first ones of each step wait for each other again."""
        self.calls.clear()
        self._met.clear()
