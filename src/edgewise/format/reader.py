"""A `.tflite` file to a Model, checked in every respect before anyone sees it.

Records become values and nodes; operators are made by their classes; then every node's types are
inferred with the operator's own checks, so a Model that `load` returns is well formed. Where a
declared shape of a result differs from the inferred one, the inferred one counts, as in LiteRT.

What the IR has no word for stays in `extras` of value, node and model; the writer uses it while
they are as they were read.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from edgewise.errors import EdgewiseError, FormatError, listing
from edgewise.files import read_model_file
from edgewise.format.calls import check_calls
from edgewise.format.container import read_model
from edgewise.format.locations import ENTRY as LOCATIONS
from edgewise.format.locations import read_locations
from edgewise.format.options import Code, read_code, read_op
from edgewise.format.package import read_files
from edgewise.format.record import Record
from edgewise.format.tensors import Constants, Symbols, TensorReader
from edgewise.ir.graph import Graph, Node, Value
from edgewise.ir.infer import infer_node
from edgewise.ir.model import Model, Signature

_VERSION = 3
_MOST_PROBLEMS = 20


def load(source: str | os.PathLike[str] | bytes | memoryview, *, file: str = "") -> Model:
    """The Model in a `.tflite` file.

    Args:
        source: a path, or the file's bytes. Constants are views of bytes and of a read-only view,
            whose memory must not change; of a writable one they are copies.
        file: the name used in errors; by default the path.

    Raises:
        FormatError: not a `.tflite` file, or one that breaks a rule; with the byte offset.
    """
    data: bytes | memoryview
    if isinstance(source, bytes | bytearray | memoryview):
        is_fixed = isinstance(source, memoryview) and source.readonly and source.c_contiguous
        data, name = source if is_fixed else bytes(source), file or "model"
    else:
        data, name = read_model_file(source), file or os.fspath(source)
    record = read_model(data, file=name)
    if record.version != _VERSION:
        rule = f"only schema version {_VERSION} is known; the file says {record.version}"
        raise FormatError(rule, file=name, offset=record.byte_offset)
    model = _ModelReader(record, name, len(data)).read()
    model.files = read_files(data, name)
    locations = model.metadata.pop(LOCATIONS, None)
    if locations is not None:
        read_locations(locations, list(model.graphs.values()), name)
    return model


class _ModelReader:
    """One model being read: its record, the file's name, operator codes and buffers."""

    def __init__(self, record: Record, file: str, file_bytes: int) -> None:
        self.record, self.file = record, file
        self.buffers: list[Record] = record.buffers or []
        self.constants = Constants(self.buffers, file_bytes)
        self.codes = [self._code(code) for code in record.operator_codes or []]
        self.symbols = Symbols()
        self.graphs: list[Graph] = []

    def read(self) -> Model:
        record = self.record
        model = Model(description=record.description or "", file=self.file)
        subgraphs: list[Record] = record.subgraphs or []
        order = check_calls(record, self.file)
        names = _unique_names([graph.name or "" for graph in subgraphs])
        self.graphs = [model.add(Graph(name)) for name in names]
        for index in order:  # an operator is checked with the graphs that it runs
            _GraphReader(self, subgraphs[index], index).read()
        model.extras["subgraph_names"] = dict(zip(names, (g.name for g in subgraphs), strict=True))
        graphs = list(model.graphs.values())
        for signature in record.signature_defs or []:
            model.signatures.append(self._signature(signature, graphs))
        model.extras["codes"] = frozenset(self.codes)
        model.extras["signature_tags"] = {
            s.signature_key or "": s.deprecated_tag for s in record.signature_defs or []
        }
        for entry in record.metadata or []:
            model.metadata[entry.name or ""] = self._buffer(entry.buffer, entry)
        if record.metadata_buffer is not None:
            places = record.metadata_buffer.tolist()
            model.extras["metadata_buffer"] = [self._buffer(i, record) for i in places]
        return model

    def error(self, rule: str, at: Record) -> FormatError:
        return FormatError(rule, file=self.file, offset=at.byte_offset)

    def _code(self, record: Record) -> Code:
        try:
            return read_code(record)
        except ValueError as problem:
            raise self.error(str(problem), record) from None

    def _buffer(self, index: int, owner: Record) -> bytes:
        if not 0 <= index < len(self.buffers):
            rule = f"metadata names buffer {index}; there are {len(self.buffers)}"
            raise self.error(rule, owner)
        data = self.buffers[index].data
        return b"" if data is None else data.tobytes()

    def _signature(self, record: Record, graphs: Sequence[Graph]) -> Signature:
        key, index = record.signature_key or "", record.subgraph_index
        if index >= len(graphs):
            rule = f"signature {key!r} names subgraph {index}; there are {len(graphs)}"
            raise self.error(rule, record)
        graph = graphs[index]
        inputs = self._positions(record, "input", graph, graph.inputs)
        outputs = self._positions(record, "output", graph, graph.outputs)
        return Signature(key, graph.name, inputs, outputs)

    def _positions(
        self, record: Record, what: str, graph: Graph, values: Sequence[Value]
    ) -> dict[str, int]:
        """Tensor names to positions in the graph's list; a listed tensor may have many names, and
        names take its places in turn where it is listed twice."""
        places: dict[int, list[int]] = {}
        for place, value in reversed(list(enumerate(values))):
            if value.source is not None:
                places.setdefault(value.source.tensor, []).append(place)
        found: dict[str, int] = {}
        for entry in getattr(record, f"{what}s") or []:
            name = entry.name or ""
            if entry.tensor_index not in places:
                raise self.error(
                    f"signature {record.signature_key!r}: {what} {name!r} is tensor "
                    f"{entry.tensor_index}, which is no {what} of subgraph {graph.name!r}",
                    entry,
                )
            left = places[entry.tensor_index]
            found[name] = left.pop() if len(left) > 1 else left[0]
        return found


class _GraphReader:
    """One subgraph being read."""

    def __init__(self, model: _ModelReader, record: Record, index: int) -> None:
        self.model, self.record, self.index = model, record, index
        self.tensors = TensorReader(record, index, model.constants, model.symbols, model.file)
        self.problems: list[FormatError] = []
        self.produced: set[int] = set()  # tensors that operators compute

    def read(self) -> None:
        record, graph = self.record, self.model.graphs[self.index]
        inputs = self._indices(record.inputs, record, "input")
        self.produced, used = self._produced()
        values = graph.tensors = self.tensors.read(set(inputs), self.produced, used)
        graph.inputs = [values[i] for i in inputs]
        ready = set(inputs)
        for position, operator in enumerate(record.operators or []):
            self._operator(graph, position, operator, ready)
        if self.problems:
            self._raise_problems()
        outputs = self._indices(record.outputs, record, "output")
        for index in outputs:
            self._require_ready(index, ready, record, f"subgraph {self.index} returns")
        graph.set_outputs(values[i] for i in outputs)
        read = set(graph.values())
        for value in values:
            if value not in read:
                value.extras["unread"] = True

    def _produced(self) -> tuple[set[int], set[int]]:
        """Tensors that operators compute, each by one operator; and all that are referred to."""
        inputs = set(self._indices(self.record.inputs, self.record, "input"))
        produced: set[int] = set()
        used = inputs | set(self._indices(self.record.outputs, self.record, "output"))
        for position, operator in enumerate(self.record.operators or []):
            what = f"operator {position}"
            used.update(self._indices(operator.inputs, operator, f"{what} operand", optional=True))
            for index in self._indices(operator.outputs, operator, f"{what} result"):
                if index in produced or index in inputs:
                    rule = f"{what} computes tensor {index}, which has a value already"
                    raise self.model.error(rule, operator)
                produced.add(index)
        return produced, (used | produced) - {-1}

    def _operator(self, graph: Graph, position: int, record: Record, ready: set[int]) -> None:
        model, values = self.model, self.tensors.values
        if record.opcode_index >= len(model.codes):
            rule = f"operator {position} names operator code {record.opcode_index}"
            raise model.error(f"{rule}; there are {len(model.codes)}", record)
        what = f"operator {position}"
        code = model.codes[record.opcode_index]
        operands = self._indices(record.inputs, record, f"{what} operand", optional=True)
        results = self._indices(record.outputs, record, f"{what} result")
        between = self._indices(record.intermediates, record, f"{what} intermediate", optional=True)
        for index in operands:
            if index >= 0:
                self._require_ready(index, ready, record, f"{what} ({code.builtin}) reads")
        types = tuple(values[i].type for i in between if i >= 0)
        declared = [self.tensors.declared(i) for i in results]
        try:
            op = read_op(code, record, types, model.graphs, declared)
        except ValueError as problem:
            raise model.error(f"{what}: {problem}", record) from None
        node = graph.insert(
            op,
            [values[i] if i >= 0 else None for i in operands],
            [values[i] for i in results],
        )
        node.extras.update(record=record, as_read=node.op, version=code.version)
        if between:
            node.extras["intermediates"] = tuple(values[i] if i >= 0 else None for i in between)
        ready.update(results)
        self._infer(node, position, record)

    def _infer(self, node: Node, position: int, record: Record) -> None:
        """Give the results their types: inferred, or as declared where inference cannot know."""
        try:
            infer_node(node)
        except EdgewiseError as problem:
            self._note(f"operator {position} of subgraph {self.index}, {problem}", record)
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as problem:
            # Whatever a file makes an operator's checks stumble over, the answer is the same.
            rule = f"{node} cannot be checked: {type(problem).__name__}: {problem}"
            self._note(f"operator {position} of subgraph {self.index}, {rule}", record)
        for value in node.outputs:
            self.tensors.complete(value)

    def _note(self, rule: str, record: Record) -> None:
        self.problems.append(self.model.error(rule, record))
        if len(self.problems) >= _MOST_PROBLEMS:
            self._raise_problems()

    def _raise_problems(self) -> None:
        first, *others = self.problems
        if not others:
            raise first
        text = listing((p.rule for p in self.problems), "operators are not valid")
        raise FormatError(text, file=self.model.file, offset=first.offset)

    def _require_ready(self, index: int, ready: set[int], at: Record, reads: str) -> None:
        value = self.tensors.values[index]
        is_state = value.is_variable and index not in self.produced
        if index not in ready and not value.is_constant and not is_state:
            rule = f"{reads} tensor {index} ({value.name!r}), which has no value at that point"
            raise self.model.error(f"subgraph {self.index}: {rule}", at)

    def _indices(
        self, vector: Sequence[int] | None, at: Record, what: str, *, optional: bool = False
    ) -> list[int]:
        """The tensor indices of a vector; -1 is an absent tensor where `optional`."""
        if vector is None:
            return []
        indices: list[int] = vector.tolist()  # type: ignore[attr-defined]  # an array
        count, least = len(self.tensors.records), -1 if optional else 0
        for index in indices:
            if not least <= index < count:
                rule = f"{what} names tensor {index}; subgraph {self.index} has {count}"
                raise self.model.error(rule, at)
        return indices


def _unique_names(names: Sequence[str]) -> list[str]:
    """Names of graphs: the file's where they are given, numbered where they are not unique."""
    found: dict[str, None] = {}
    for index, name in enumerate(names):
        unique = stem = name or ("main" if index == 0 else "subgraph")
        serial = 0
        while unique in found or (unique in names and unique != name):
            serial += 1
            unique = f"{stem}_{serial}"
        found[unique] = None
    return list(found)
