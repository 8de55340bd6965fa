"""Model: graphs by name, signatures, metadata. What every verb takes and returns."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, ClassVar

from edgewise.errors import ConversionError, InputError, OutputError
from edgewise.files import Chunk, as_bytes, write_atomically
from edgewise.ir.graph import Graph, Value
from edgewise.ir.nesting import reachable
from edgewise.values import dataclass, field

if TYPE_CHECKING:
    from edgewise.ir.report import Report


@dataclass(frozen=True, slots=True)
class Signature:
    """A named entry point: argument and result names to positions in the graph's lists."""

    key: str
    graph: str
    inputs: Mapping[str, int]
    outputs: Mapping[str, int]


DEFAULT_SIGNATURE = "serving_default"  # what is meant where none is named

# Metadata of a model whose variables start anew in every run: its source keeps no state between
# calls, while the operators that recurrent layers become in a `.tflite` file do.
STATELESS = "edgewise_stateless"


@dataclass
class Model:
    """A whole model. `graphs["main"]`-like first entry is the main graph; the rest are bodies."""

    graphs: dict[str, Graph] = field(default_factory=dict)
    signatures: list[Signature] = field(default_factory=list)
    description: str = ""
    metadata: dict[str, bytes] = field(default_factory=dict)
    # files that travel with the model, by name: labels, vocabularies (`edgewise.metadata`)
    files: dict[str, bytes] = field(default_factory=dict)
    file: str = ""
    # writers (of a model for a target) by file suffix; a format plugs itself in, the IR knows none
    formats: ClassVar[dict[str, Callable[[Model, str | None], Iterable[Chunk]]]] = {}
    # facts of the file format that only its writer understands, kept for the round trip
    extras: dict[str, object] = field(default_factory=dict)

    @property
    def main(self) -> Graph:
        """The first graph. Raises ConversionError where the model has none."""
        if not self.graphs:
            raise ConversionError(f"{self.file or 'model'}: holds no subgraph; nothing can run")
        return next(iter(self.graphs.values()))

    @property
    def is_stateless(self) -> bool:
        """Variables start anew in every run (see STATELESS)."""
        return STATELESS in self.metadata

    def add(self, graph: Graph) -> Graph:
        """Add a graph under its name; raises ValueError where the name is taken."""
        if graph.name in self.graphs:
            raise ValueError(f"the model has a graph named {graph.name!r} already")
        self.graphs[graph.name] = graph
        return graph

    def add_inner(self) -> None:
        """Add the graphs that operators of the model's graphs run, under names nobody has."""
        for graph in [inner for outer in self.graphs.values() for inner in reachable(outer)]:
            if self.graphs.get(graph.name) is graph:
                continue
            stem, count = graph.name, 0
            while graph.name in self.graphs:
                count += 1
                graph.name = f"{stem}_{count}"
            self.add(graph)

    def save(
        self, path: str | os.PathLike[str], *, target: str | None = None, overwrite: bool = False
    ) -> int:
        """Write the model in the format of the path's suffix (`.tflite`); returns the bytes.

        Args:
            target: the release that has to run the file, as in `edgewise.convert`.

        Raises:
            OutputError: the file exists and `overwrite` is False, or it cannot be written.
            UnsupportedOp: operators that the file or the target does not have; all are listed.
        """
        chunks = self._chunks(os.path.splitext(path)[1], path, target)
        return write_atomically(path, chunks, overwrite=overwrite)

    def to_bytes(self, suffix: str = ".tflite", *, target: str | None = None) -> bytes:
        """The file that `save` would write, in memory. Raises OutputError: an unknown suffix."""
        chunks = self._chunks(suffix, self.file or "model", target)
        return b"".join(as_bytes(chunk) for chunk in chunks)

    def _chunks(
        self, suffix: str, where: str | os.PathLike[str], target: str | None
    ) -> Iterable[Chunk]:
        if suffix not in self.formats:
            import_module("edgewise.api")  # formats add themselves when they are imported
        if suffix not in self.formats:
            known = ", ".join(sorted(self.formats)) or "none"
            raise OutputError(f"{where}: no format has the suffix {suffix!r}; known: {known}")
        return self.formats[suffix](self, target)

    def report(self) -> Report:
        """What is in the main graph: operators, tensors, sizes, work."""
        from edgewise.ir.report import describe  # needed by nobody who runs a model

        return describe(self.main)

    def summary(self) -> str:
        """The report as text, one line per operator."""
        return str(self.report())

    def signature(self, key: str | None = None) -> Signature:
        """The signature `key`; None: the only one, `serving_default`, or the main graph's lists.

        Raises:
            InputError: no such signature, or several and none is the default.
        """
        by_key = {s.key: s for s in self.signatures}
        if key is None and DEFAULT_SIGNATURE in by_key:
            key = DEFAULT_SIGNATURE
        if key is None:
            if len(by_key) > 1:
                raise InputError(f"the model has several signatures: {sorted(by_key)}; name one")
            return next(iter(by_key.values()), _positional(self.main))
        if key not in by_key:
            raise InputError(f"no signature {key!r}; the model has {sorted(by_key)}")
        return by_key[key]

    def copy(self) -> Model:
        """A copy whose graphs may be changed; constants and operators are shared."""
        graphs = {name: graph.copy() for name, graph in self.graphs.items()}
        copies = dict(zip(self.graphs.values(), graphs.values(), strict=True))
        for graph in graphs.values():
            for node in graph.nodes:
                if node.op.graph_fields:
                    is_as_read = node.extras.get("as_read") == node.op
                    node.op = node.op.with_graphs(copies)
                    if is_as_read:
                        node.extras["as_read"] = node.op
        return Model(
            graphs,
            list(self.signatures),
            self.description,
            dict(self.metadata),
            dict(self.files),
            self.file,
            dict(self.extras),
        )


def _positional(graph: Graph) -> Signature:
    return Signature(
        "",
        graph.name,
        _positions(graph.inputs),
        _positions(graph.outputs),
    )


def _positions(values: Iterable[Value]) -> dict[str, int]:
    """Names to positions. A value may be listed twice, and a file's names need not be unique: the
    later one is `name_1` then, counted by position."""
    places: dict[str, int] = {}
    for index, value in enumerate(values):
        name = value.name or str(index)
        places[f"{name}_{index}" if name in places else name] = index
    return places
