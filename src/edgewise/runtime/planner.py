"""Graph -> Plan: choose kernels, fold constants, assign memory. Done once per graph and shapes.

Every node becomes kernel calls, an alias, a constant, or a Host step with the reason. Values that
kernels produce live in one arena, inputs and outputs in the caller's arrays.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from edgewise.errors import EdgewiseError, InternalError
from edgewise.ir.evaluate import evaluate_node, updated
from edgewise.ir.graph import Graph, Node, Value
from edgewise.ir.infer import result_types
from edgewise.ir.report import macs_of
from edgewise.runtime.calls import Alias, Call, NotNative, Site, require
from edgewise.runtime.code import encode
from edgewise.runtime.memory import Buffer, aligned, allocate, arrange, lower_bound
from edgewise.runtime.plan import Host, Kernel, Operand, Placement, Plan, Region, Step, Target
from edgewise.runtime.select import select


class NotPlannable(Exception):
    """The graph runs on its references as a whole; the message says why."""


def plan(graph: Graph, target: Target, *, keep: bool = False) -> Plan:
    """The plan of a graph whose shapes are all known. `keep`: every value survives the run.

    Raises:
        NotPlannable: a shape is unknown until the model runs, or a tensor holds strings.
    """
    _require_plannable(graph)
    work = _Work(graph, target, keep)
    for number, node in enumerate(graph.nodes):
        work.add(number, node)
    return work.finish()


def _require_plannable(graph: Graph) -> None:
    for value in graph.values():
        if not value.type.is_static:
            raise NotPlannable(f"the shape of {value.name!r} is unknown until the model runs")
        if value.dtype.bits == 0:
            raise NotPlannable(f"{value.name!r} holds {value.dtype.text}")


@dataclass
class _Work:
    """A plan being made. `roots` maps aliases to the value whose bytes they are."""

    graph: Graph
    target: Target
    keep: bool
    drafts: list[tuple[int, Call | Node]] = field(default_factory=list)
    roots: dict[Value, Value] = field(default_factory=dict)
    folded: dict[Value, np.ndarray] = field(default_factory=dict)
    placement: list[Placement] = field(default_factory=list)
    macs: list[int] = field(default_factory=list)  # of every node

    def known(self, value: Value) -> np.ndarray | None:
        """The array of a constant, or of what was computed from constants."""
        return value.data if value.data is not None else self.folded.get(value)

    def add(self, number: int, node: Node) -> None:
        """Decide where a node runs. Raises NotPlannable where its results are not as declared."""
        self._check_shapes(node)
        self.macs.append(macs_of(node) or 0)
        if self._fold(node):
            self.placement.append(Placement(str(node), "constant", "computed while planning"))
            return
        try:
            selection = select(Site(node, self.target, self.known))
            if isinstance(selection, Alias):
                # the variable may change before the result is read
                require(not _is_variable(node.operand(0)), "it is a view of a variable")
        except InternalError:
            raise
        except (NotNative, EdgewiseError, ArithmeticError, ValueError) as reason:
            self.drafts.append((number, node))
            self.placement.append(Placement(str(node), "host", str(reason)))
            return
        if isinstance(selection, Alias):
            self.roots[node.output] = self.root(node.operand(0))
            self.placement.append(Placement(str(node), "alias", "the same bytes"))
            return
        self.drafts += [(number, call) for call in selection]
        kernels = ", ".join(dict.fromkeys(call.kernel for call in selection))
        self.placement.append(Placement(str(node), "kernel", kernels))

    def root(self, value: Value) -> Value:
        """The value whose bytes these are."""
        return self.roots.get(value, value)

    def _fold(self, node: Node) -> bool:
        arrays = [None if v is None else self.known(v) for v in node.inputs]
        is_known = all(a is not None or v is None for a, v in zip(arrays, node.inputs, strict=True))
        if not is_known or not node.op.is_pure or node.op.updates or not node.inputs:
            return False
        try:
            results = evaluate_node(node, arrays)
        except (EdgewiseError, MemoryError):
            return False  # it fails again, and is reported, when the model runs
        if any(r.shape != v.shape for v, r in zip(node.outputs, results, strict=True)):
            return False
        self.folded.update(zip(node.outputs, results, strict=True))
        return True

    def _check_shapes(self, node: Node) -> None:
        """Kernels trust shapes; a declared one that does not follow from the operands is none."""
        declared = [v.type for v in node.outputs]
        inferred = result_types(node.op, node.inputs, declared)
        for value, type_ in zip(node.outputs, inferred, strict=True):
            if value.type.shape != type_.shape or value.dtype is not type_.dtype:
                raise NotPlannable(f"{node}: declares {value.type}; its operands give {type_}")

    # -- memory -----------------------------------------------------------------------------

    def finish(self) -> Plan:
        """Assign memory and write the steps."""
        places = _Places(self)
        steps: list[Step] = []
        for number, draft in self.drafts:
            if isinstance(draft, Node):
                operands = tuple(None if v is None else places.of(v) for v in draft.inputs)
                results = [places.of(v) for v in (*draft.outputs, *updated(draft))]
                steps.append(Host(draft, operands, tuple(results), number))
            else:
                found = tuple(places.of(o) for o in draft.operands)
                work = self._work(number, found)
                steps.append(
                    Kernel(draft.kernel, draft.params, found, draft.n_tiles, number, work=work)
                )
        calls = [d for _, d in self.drafts if isinstance(d, Call)]
        outputs = tuple(places.of(v) for v in self.graph.outputs)
        produced = [v for node in self.graph.nodes for v in node.outputs]
        return Plan(
            target=self.target,
            code=encode(steps),
            arena_bytes=places.arena_bytes,
            arena_lower_bound=places.arena_lower_bound,
            state_bytes=places.state_bytes,
            scratch_bytes=max((c.scratch for c in calls), default=0),
            n_inputs=len(self.graph.inputs),
            io=tuple(places.io),
            outputs=outputs,
            variables=places.variables,
            kept={v: places.of(v) for v in produced} if self.keep else {},
            placement=tuple(self.placement),
            constants=places.constants(),
        )

    def _work(self, number: int, operands: Sequence[Operand]) -> int:
        """Roughly the ns that one thread needs for a call, from multiply-accumulates and bytes;
        right within a factor of 3, which is enough to leave small steps to one thread."""
        macs_per_ns, bytes_per_ns = 3 * self.target.isa.lanes, 8
        moved = sum(o.nbytes for o in operands)
        return 1 + min(self.macs[number] // macs_per_ns + moved // bytes_per_ns, 2**31)


class _Places:
    """Where every value of the drafts lies."""

    def __init__(self, work: _Work) -> None:
        self._work = work
        self._found: dict[Value, Operand] = {}
        self._arrays: dict[int, tuple[np.ndarray, Operand]] = {}
        self._chunks: list[np.ndarray] = []
        self._constant_bytes = 0
        self.io: list[Operand] = []
        self.variables: dict[Value, Operand] = {}
        self.state_bytes = 0
        for value in work.graph.inputs:
            self._found[value] = self._add_io(value)
        for value in work.graph.outputs:
            root = work.root(value)
            is_new = root not in self._found and work.known(root) is None
            if is_new and not _is_variable(root):
                self._found[root] = self._add_io(root)
        self._arrange()

    def of(self, what: Value | np.ndarray) -> Operand:
        """The place of a value or packed array."""
        if isinstance(what, np.ndarray):
            return self._constant(what)
        array = self._work.known(what)
        if array is not None:
            return self._constant(array)
        root = self._work.root(what)
        array = self._work.known(root)
        if array is not None:
            place = self._constant(array)
        elif root in self._found:
            place = self._found[root]
        else:
            place = _operand(root, Region.STATE, self.state_bytes)
            self.state_bytes += aligned(place.nbytes)
            self._found[root] = self.variables[root] = place
        return Operand(place.region, place.offset, _shape(what), what.dtype.numpy)

    def constants(self) -> np.ndarray:
        """All constants in one array of bytes, as their operands say."""
        buffer = allocate(self._constant_bytes)
        for array, place in self._arrays.values():
            flat = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
            buffer[place.offset : place.offset + flat.size] = flat
        return buffer

    def _add_io(self, value: Value) -> Operand:
        place = _operand(value, Region.IO, len(self.io))
        self.io.append(place)
        return place

    def _constant(self, array: np.ndarray) -> Operand:
        if id(array) not in self._arrays:
            place = Operand(Region.CONST, self._constant_bytes, array.shape, array.dtype)
            self._arrays[id(array)] = (array, place)
            self._constant_bytes += aligned(array.nbytes)
        return self._arrays[id(array)][1]

    def _arrange(self) -> None:
        """Lifetimes of the values that are neither constants nor inputs, outputs or variables."""
        first: dict[Value, int] = {}
        last: dict[Value, int] = {}
        for step, (_, draft) in enumerate(self._work.drafts):
            for value in _touched(draft):
                root = self._work.root(value)
                if root in self._found or self._work.known(root) is not None or _is_variable(root):
                    continue
                first.setdefault(root, step)
                last[root] = step
        end = len(self._work.drafts)
        roots = list(first)
        buffers = [
            Buffer(
                _operand(v, Region.ARENA, 0).nbytes, first[v], end if self._work.keep else last[v]
            )
            for v in roots
        ]
        offsets, self.arena_bytes = arrange(buffers)
        self.arena_lower_bound = lower_bound(buffers)
        for value, offset in zip(roots, offsets, strict=True):
            self._found[value] = _operand(value, Region.ARENA, offset)


def _touched(draft: Call | Node) -> Sequence[Value]:
    if isinstance(draft, Node):
        return [v for v in (*draft.inputs, *draft.outputs) if v is not None]
    return [v for v in draft.operands if isinstance(v, Value)]


def _is_variable(value: Value) -> bool:
    return value.is_variable and value.producer is None


def _shape(value: Value) -> tuple[int, ...]:
    return tuple(int(d) for d in value.shape if isinstance(d, int))


def _operand(value: Value, region: Region, offset: int) -> Operand:
    return Operand(region, offset, _shape(value), value.dtype.numpy)
