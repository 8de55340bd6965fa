"""Steps of a plan <-> the flat arrays that the C executor walks (`ew_step` of params.h).

`decode(encode(steps)) == steps`. Ranges of IF and WHILE stand behind their step.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from edgewise.errors import InternalError
from edgewise.ir.graph import Node
from edgewise.runtime.library import kernel_name, kernel_number
from edgewise.runtime.plan import (
    Code,
    Delegate,
    Host,
    If,
    Kernel,
    Operand,
    Region,
    Step,
    While,
)
from edgewise.values import dataclass, field

STEP = np.dtype(
    [
        *((n, "<u4") for n in ("kind", "index", "n_tiles", "locked", "first_operand")),
        *((n, "<u4") for n in ("n_operands", "first", "second", "node", "work")),
        ("params", "<u8"),
    ]
)
OPERAND = np.dtype([("region", "<u4"), ("shape", "<u4"), ("offset", "<u8")])
KINDS = (Kernel, If, While, Host, Delegate)  # by EW_STEP_...
ABSENT = 0xFFFF  # EW_REGION_none
PARAMS_ALIGNMENT = 8


def encode(steps: Sequence[Step]) -> Code:
    """The arrays of these steps. Raises InternalError: an unknown kernel."""
    work = _Encoder()
    work.add(steps)
    return Code(
        np.array(work.steps, STEP),
        np.array(work.operands, OPERAND),
        np.frombuffer(b"".join(work.params) or b"\0", np.uint8),
        tuple(work.shapes),
        tuple(work.hosts),
    )


@dataclass
class _Encoder:
    steps: list[tuple[int, ...]] = field(default_factory=list)
    operands: list[tuple[int, int, int]] = field(default_factory=list)
    params: list[bytes] = field(default_factory=list)
    shapes: dict[tuple[tuple[int, ...], np.dtype[np.generic]], int] = field(default_factory=dict)
    hosts: list[Node] = field(default_factory=list)
    n_params: int = 0

    def add(self, steps: Sequence[Step]) -> None:
        for step in steps:
            kind, first = KINDS.index(type(step)), len(self.operands)
            if isinstance(step, Kernel):
                self._place(step.operands)
                self.steps.append(
                    (
                        *(kind, _index(step.name), step.n_tiles, step.locked),
                        *(first, len(step.operands), 0, 0, step.node, step.work),
                        self._param(step.params),
                    )
                )
            elif isinstance(step, Host | Delegate):
                self._place((*step.operands, *step.results))
                number = len(self.hosts) if isinstance(step, Host) else step.number
                if isinstance(step, Host):
                    self.hosts.append(step.op)
                total, reads = len(self.operands) - first, len(step.operands)
                self.steps.append((kind, number, 0, 0, first, total, reads, 0, step.node, 0, 0))
            else:
                self._add_ranges(kind, step)

    def _add_ranges(self, kind: int, step: If | While) -> None:
        ranges = (step.then, step.otherwise) if isinstance(step, If) else (step.test, step.body)
        first, place = len(self.operands), len(self.steps)
        self._place((step.condition,))
        self.steps.append(())  # its own size is known last
        ends = [len(self.steps)]
        for part in ranges:
            self.add(part)
            ends.append(len(self.steps))
        sizes = (ends[1] - ends[0], ends[2] - ends[1])
        self.steps[place] = (kind, 0, 0, 0, first, 1, *sizes, step.node, 0, 0)

    def _place(self, operands: Sequence[Operand | None]) -> None:
        for o in operands:
            if o is None:
                self.operands.append((ABSENT, 0, 0))
                continue
            shape = self.shapes.setdefault((o.shape, o.dtype), len(self.shapes))
            if o.region is Region.IO:
                self.operands.append((Region.IO + o.offset, shape, o.start))
            else:
                self.operands.append((o.region, shape, o.offset))

    def _param(self, params: bytes) -> int:
        place = self.n_params
        padded = params + bytes(-len(params) % PARAMS_ALIGNMENT)
        self.params.append(padded)
        self.n_params += len(padded)
        return place


def _index(kernel: str) -> int:
    try:
        return kernel_number(kernel)
    except KeyError:
        raise InternalError(f"there is no kernel {kernel!r}") from None


# -- back ---------------------------------------------------------------------------------------


def decode(code: Code) -> tuple[Step, ...]:
    """The steps that these arrays hold; parameters padded to PARAMS_ALIGNMENT."""
    return tuple(_range(code, 0, len(code.steps)))


def operands_of(code: Code, place: int) -> list[Operand | None]:
    """The operands of the step at `place`."""
    step = code.steps[place]
    first = int(step["first_operand"])
    return [_operand(code, i) for i in range(first, first + int(step["n_operands"]))]


def _range(code: Code, begin: int, end: int) -> Iterator[Step]:
    place = begin
    while place < end:
        step = code.steps[place]
        node, first, second = int(step["node"]), int(step["first"]), int(step["second"])
        operands = operands_of(code, place)
        present = tuple(o for o in operands if o is not None)
        kind = KINDS[step["kind"]]
        place += 1
        if kind is Kernel:
            yield Kernel(
                kernel_name(int(step["index"])),
                _params(code, place - 1),
                present,
                int(step["n_tiles"]),
                node,
                int(step["locked"]),
                int(step["work"]),
            )
        elif kind is Host:
            results = tuple(o for o in operands[first:] if o is not None)
            yield Host(code.hosts[step["index"]], tuple(operands[:first]), results, node)
        elif kind is Delegate:
            yield Delegate(int(step["index"]), present[:first], present[first:], node)
        else:
            ranges = (
                tuple(_range(code, place, place + first)),
                tuple(_range(code, place + first, place + first + second)),
            )
            place += first + second
            [condition] = present
            yield (If if kind is If else While)(condition, *ranges, node)


def _operand(code: Code, index: int) -> Operand | None:
    region, shape, offset = (int(n) for n in code.operands[index])
    if region == ABSENT:
        return None
    if region >= Region.IO:
        return Operand(Region.IO, region - Region.IO, *code.shapes[shape], offset)
    return Operand(Region(region), offset, *code.shapes[shape])


def _params(code: Code, place: int) -> bytes:
    """Up to where those of the next kernel begin."""
    start = int(code.steps[place]["params"])
    later = (int(s["params"]) for s in code.steps[place + 1 :] if s["kind"] == 0)
    return code.params[start : next(later, None)].tobytes()
