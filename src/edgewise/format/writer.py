"""A Model to a `.tflite` file.

Here is what a whole file has: operator codes, buffers, signatures, metadata; `subgraph_writer` does
the graphs. Operators of one code and one version share an entry. Constants with equal bytes share
a buffer; buffer 0 is the empty one of all other tensors.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

import numpy as np

from edgewise.errors import ConversionError, listing
from edgewise.format.container import model_chunks
from edgewise.format.locations import ENTRY as LOCATIONS
from edgewise.format.locations import write_locations
from edgewise.format.options import Code
from edgewise.format.package import pack_files
from edgewise.format.record import Record, record_type
from edgewise.format.runtime_version import METADATA_NAME, newest, runtime_version
from edgewise.format.schema_enums import BUILTIN_OPERATORS
from edgewise.format.subgraph_writer import GraphWriter
from edgewise.ir.graph import Graph
from edgewise.ir.model import Model

_LAST_BYTE_CODE = 127  # codes beyond stand in the newer field only
_SAMPLE = 64  # bytes compared at both ends before whole constants are
_MOST_ALIKE = 8  # constants with equal ends that are compared as a whole


def write(model: Model) -> list[memoryview]:
    """The bytes of a `.tflite` file in chunks; constants are among them, uncopied.

    Raises:
        ConversionError: operators that `.tflite` has no code for; all are named.
    """
    chunks = model_chunks(model_record(model), file=model.file or "model")
    if model.files:
        size = sum(chunk.nbytes for chunk in chunks)
        chunks.append(memoryview(pack_files(model.files, size)))
    return chunks


def model_record(model: Model) -> Record:
    """The Model record of a file that holds the model. Raises ConversionError."""
    _check_operators(model)
    return _ModelWriter(model).record()


def _check_operators(model: Model) -> None:
    problems = [
        f"{node} has no .tflite operator"
        for graph in model.graphs.values()
        for node in graph.nodes
        if not node.op.builtin
    ]
    if problems:
        raise ConversionError(listing(problems, "operators cannot be written; lower them first"))


class _ModelWriter:
    """Operator codes and buffers of one file, as they are needed."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.buffers: list[Record] = [record_type("Buffer")()]
        self.codes: dict[Code, int] = {}
        self._places: dict[tuple[int, int], int] = {}  # by address and size
        self._alike: dict[tuple[int, bytes], deque[int]] = {}
        self._kept: list[np.ndarray] = []  # so that no address is used twice

    def record(self) -> Record:
        model = self.model
        graphs = [GraphWriter(self, graph) for graph in model.graphs.values()]
        by_name = dict(zip(model.graphs, graphs, strict=True))
        names = self._names()
        subgraphs = [writer.record(names[name]) for name, writer in by_name.items()]
        fields: dict[str, object] = {
            "version": 3,
            "operator_codes": [_code_record(code) for code in self.codes],
            "subgraphs": subgraphs,
            "buffers": self.buffers,
        }
        if model.description:
            fields["description"] = model.description
        metadata = self._metadata()
        if metadata:
            fields["metadata"] = [
                record_type("Metadata")(name=name, buffer=self._metadata_buffer(data))
                for name, data in metadata.items()
            ]
        kept = model.extras.get("metadata_buffer")
        if isinstance(kept, list):
            places = [self._metadata_buffer(data) for data in kept]
            fields["metadata_buffer"] = np.array(places, np.int32)
        if model.signatures:
            order = list(model.graphs)
            tags = model.extras.get("signature_tags")
            tags = tags if isinstance(tags, dict) else {}
            fields["signature_defs"] = [
                by_name[s.graph].signature(s, order.index(s.graph), tags.get(s.key))
                for s in model.signatures
            ]
        return record_type("Model")(**fields)

    def code(self, code: Code) -> int:
        """The index of an operator code."""
        return self.codes.setdefault(code, len(self.codes))

    def number(self, graph: Graph) -> int:
        """The index of a graph. Raises ConversionError where the model does not have it."""
        for index, known in enumerate(self.model.graphs.values()):
            if known is graph:
                return index
        raise ConversionError(f"@{graph.name} is run by an operator; the model has no such graph")

    def buffer(self, data: np.ndarray) -> int:
        """The index of a buffer with these bytes (uint8 [bytes]); equal ones are shared."""
        where = (data.ctypes.data, data.size)
        place = self._places.get(where)
        if place is not None:
            return place
        self._kept.append(data)
        key = (data.size, data[:_SAMPLE].tobytes() + data[-_SAMPLE:].tobytes())
        alike = self._alike.setdefault(key, deque(maxlen=_MOST_ALIKE))
        place = next((i for i in alike if np.array_equal(self.buffers[i].data, data)), None)
        if place is None:
            place = len(self.buffers)
            self.buffers.append(record_type("Buffer")(data=data))
            alike.append(place)
        self._places[where] = place
        return place

    def _metadata(self) -> dict[str, bytes]:
        """The model's entries and the runtime version; a file that has none stays without.

        A file's entry stays while its operators do: converters note a version of their own.
        """
        entries, read = dict(self.model.metadata), self.model.extras.get("codes")
        locations = write_locations(list(self.model.graphs.values()))
        if locations is not None:
            entries[LOCATIONS] = locations
        if isinstance(read, frozenset) and read.issuperset(self.codes):
            return entries
        needed = runtime_version((code.builtin, code.version) for code in self.codes)
        entries[METADATA_NAME] = newest(entries.get(METADATA_NAME, needed), needed)
        return entries

    def _metadata_buffer(self, data: bytes) -> int:
        self.buffers.append(record_type("Buffer")(data=np.frombuffer(data, np.uint8)))
        return len(self.buffers) - 1

    def _names(self) -> Mapping[str, str | None]:
        """Names of the subgraphs; those of a file need not be unique, or may be absent."""
        kept = self.model.extras.get("subgraph_names")
        names: dict[str, str | None] = {name: name for name in self.model.graphs}
        if isinstance(kept, dict):
            names.update({name: old for name, old in kept.items() if name in names})
        return names


def _code_record(code: Code) -> Record:
    number = BUILTIN_OPERATORS.index(code.builtin)
    fields: dict[str, object] = {
        "deprecated_builtin_code": min(number, _LAST_BYTE_CODE),
        "builtin_code": number,
        "version": code.version,
    }
    if code.custom:
        fields["custom_code"] = code.custom
    return record_type("OperatorCode")(**fields)
