"""Text to Model: the reader of what `ir/text.py` prints. Untrusted, like every file.

In: the text, and the arrays that an elided text names by digest. Out: the Model, not verified.
Errors are FormatError with the line.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from edgewise.ir.dim import Sym, reserve
from edgewise.ir.graph import Graph, Location, Source, Value
from edgewise.ir.model import Model, Signature
from edgewise.ir.op import Op
from edgewise.ir.phrases import PhraseReader
from edgewise.ir.text import HEADER
from edgewise.values import replace

Values = dict[str, Value]


def parse_model(
    text: str, constants: Mapping[str, np.ndarray] | None = None, *, file: str = "text"
) -> Model:
    """The model that a text describes.

    `constants`: arrays by digest (`constant_table`), for a text with elided constants.

    Raises:
        FormatError: naming the line, the rule and what was found.
    """
    return _Parser(text, constants or {}, file).model()


class _Parser(PhraseReader):
    """Recursive descent, one method per phrase."""

    def model(self) -> Model:
        if not self.next_line() or self.lines[self.number - 1].strip() != HEADER:
            raise self.error(f"a model begins with the line {HEADER!r}")
        model = Model()
        while self.next_line():
            match keyword := self.word():
                case "graph":
                    self.checked(model.add, self._graph(model))
                case "signature":
                    model.signatures.append(self._signature())
                case "metadata":
                    key = self.string()
                    model.metadata[key] = self.bytes_()
                case "file" | "description":
                    setattr(model, keyword, self.string())
                case "dim":
                    self._dim_line()
                case _:
                    raise self.error(f"no statement begins with {keyword!r}")
            self.end()
        for name in self.graphs:
            if name not in model.graphs:
                raise self.error(f"an operator runs the graph @{name}, which is not defined")
        return model

    # -- statements ---------------------------------------------------------------------------

    def _graph(self, model: Model) -> Graph:
        graph, values = self.graph_reference(), Values()
        if graph.name in model.graphs:
            raise self.error(f"the model has a graph named {graph.name!r} already")
        self.take("{")
        self.end()
        while self.next_line():
            if self.accept("}"):
                return graph
            self._statement(graph, values)
            self.end()
        raise self.error(f"graph @{graph.name} does not end")

    def _statement(self, graph: Graph, values: Values) -> None:
        if self.accept("return"):
            graph.set_outputs(self._references(values))
        elif self.accept("tensors"):
            graph.tensors = self._references(values)
        elif self.accept("input"):
            graph.inputs.append(self._declaration(values))
        elif self.accept("value"):
            self._declaration(values)
        elif self.accept("const"):
            value = self._declaration(values)
            self.take("=")
            value.data = self.array(value.type)
        else:
            self._node(graph, values)

    def _node(self, graph: Graph, values: Values) -> None:
        declared = Values()
        while self.peek()[0] == "name":
            self._declaration(declared)
            if not self.accept(","):
                self.take("=")
                break
        name = self.word_or_string()
        kind = Op.registry.get(name) or _named_by_instance(name)
        if kind is None:
            raise self.error(f"no operator is named {name!r}")
        inputs = self._operands(values)
        attributes = self._attributes(kind) if self.accept("{") else {}
        op = self.checked(lambda: kind(**attributes))
        label = self.string() if self.accept("name") else ""
        location = None
        if self.accept("loc"):
            location = Location(self.string())
            if self.peek()[0] == "string":
                location = Location(location.layer, self.string(), self.integer())
            fused = []
            while self.accept("with"):
                fused.append(self.string())
            location = replace(location, fused=tuple(fused))
        for symbol in declared:
            self._check_new(symbol, values)
        values.update(declared)
        graph.insert(op, inputs, list(declared.values()), name=label, location=location)

    def _operands(self, values: Values) -> list[Value | None]:
        self.take("(")
        inputs: list[Value | None] = []
        while self.separated(")"):
            inputs.append(None if self.accept("_") else self._reference(values))
        return inputs

    def _attributes(self, cls: type[Op]) -> dict[str, Any]:
        known = cls.attributes()
        found: dict[str, Any] = {}
        while self.separated("}"):
            name = self.word()
            if name not in known or name in found:
                raise self.error(f"{cls.name} has no attribute {name!r}, or has it twice")
            self.take("=")
            found[name] = self.typed(self.literal(), known[name])
        return found

    def _declaration(self, values: Values) -> Value:
        symbol = self.name("%")
        self._check_new(symbol, values)
        name = self.string() if self.accept("as") else symbol
        self.take(":")
        value = values[symbol] = Value(self.type_(), name)
        value.is_variable = self.accept("variable")
        if self.accept("source"):
            value.source = Source(self.integer(), self.integer(), self.string())
        return value

    def _check_new(self, symbol: str, values: Values) -> None:
        if symbol in values:
            raise self.error(f"%{symbol} is declared twice")

    def _references(self, values: Values) -> list[Value]:
        found: list[Value] = []
        while self.peek()[0] == "name":
            found.append(self._reference(values))
            if not self.accept(","):
                break
        return found

    def _reference(self, values: Values) -> Value:
        symbol = self.name("%")
        if symbol not in values:
            raise self.error(f"%{symbol} is not declared before this line")
        return values[symbol]

    def _signature(self) -> Signature:
        key, graph, inputs = self.string(), self.name("@"), self._positions()
        self.take("->")
        return Signature(key, graph, inputs, self._positions())

    def _positions(self) -> dict[str, int]:
        self.take("(")
        found: dict[str, int] = {}
        while self.separated(")"):
            name = self.string()
            self.take(":")
            found[name] = self.integer()
        return found

    def _dim_line(self) -> None:
        symbol = self.word_or_string()
        if symbol in self.dims:
            raise self.error(f"dim {symbol} is declared twice")
        name = self.string() if self.accept("as") else symbol
        low = self.integer() if self.accept("min") else 0
        self.dims[symbol] = Sym(name, low, self.integer() if self.accept("max") else None)
        reserve(self.dims[symbol])


def _named_by_instance(name: str) -> type[Op] | None:
    """A class outside the registry whose instances each have a name (an opaque operator)."""
    kinds = (k for k in Op.__subclasses__() if isinstance(k.__dict__.get("name"), property))
    return next((k for k in kinds if k.__name__ == name), None)
