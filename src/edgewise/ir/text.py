"""A Model as text: what people read, diff and keep as golden files. `ir/parse.py` reads it back.

    edgewise model 1
    dim N min 1
    signature "serving_default" @main ("image": 0) -> ("scores": 0)
    graph @main {
      input %image: float32[N,7,7,3]
      const %shape: int32[2] = [-1, 147]
      %flat: float32[N,147] = reshape(%image, %shape) loc "flatten"
      return %flat
    }

One statement per line. `%name: dtype[dims] q(scale, zero_point)` declares a value, `_` is an absent
operand, `[?]` an unknown rank. Attributes at their defaults are left out. Names that are no words
are quoted; where two things have one name, the second is called `%name.1 as "name"`.

The complete form (`elide=False`) reads back to an equal model; large constants are base64. The
readable form names them by digest, leaves out where values stood in their file, and reads back
given the arrays (`constant_table`). What a file format keeps in `extras` for itself is not text.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from enum import Enum
from itertools import count

import numpy as np

from edgewise.dtypes import DType
from edgewise.ir.dim import Dim, Expr, FloorDiv, Max, Sym, symbols
from edgewise.ir.graph import Graph, Node, Value
from edgewise.ir.model import Model, Signature
from edgewise.ir.op import Op
from edgewise.ir.types import Quant, TensorType

HEADER = "edgewise model 1"
_INLINE = 16  # elements that are written as numbers
_WORD = re.compile(r"[A-Za-z_0-9](?:[A-Za-z_0-9./$-]|:(?=[A-Za-z_0-9]))*")
_DIM_WORD = re.compile(r"(?!(?:max|inf|nan)$)[A-Za-z_][A-Za-z_0-9]*")


def print_model(model: Model, *, elide: bool = False) -> str:
    """The text of a model; see the module.

    Raises:
        TypeError: an attribute or constant of a type that has no text (a Python object).
    """
    dims = _Names(_DIM_WORD)
    bodies = [line for g in model.graphs.values() for line in _Printer(g, dims, elide).lines()]
    head = [HEADER]
    if model.file:
        head.append(f"file {json.dumps(model.file)}")
    if model.description:
        head.append(f"description {json.dumps(model.description)}")
    head += [f"metadata {json.dumps(k)} {show(v)}" for k, v in model.metadata.items()]
    head += [_dim_line(sym, name) for sym, name in dims.items() if isinstance(sym, Sym)]
    head += [_signature(s) for s in model.signatures]
    return "\n".join(head + bodies) + "\n"


def constant_table(model: Model) -> dict[str, np.ndarray]:
    """Arrays by digest: what `parse_model` needs to read the readable form of this model."""
    table = {}
    for graph in model.graphs.values():
        for value in (*graph.values(), *graph.tensors):
            quant = value.quant
            arrays = [value.data] if quant is None else [value.data, quant.scale, quant.zero_point]
            table.update({digest(a): a for a in arrays if a is not None})
    return table


def digest(array: np.ndarray) -> str:
    """16 hexadecimal digits of the SHA-256 of dtype, shape and elements."""
    head = f"{DType.of(array.dtype).text}{list(array.shape)}".encode()
    body = array.tobytes()
    if array.dtype == object:
        body = b"".join(len(s).to_bytes(8, "little") + s for s in array.reshape(-1))
    return hashlib.sha256(head + body).hexdigest()[:16]


def show(value: object) -> str:
    """An attribute. Floats are exact; bytes are a literal where printable, else base64.

    Raises:
        TypeError: a type without text.
    """
    match value:
        case bool() | None:
            return str(value).lower()
        case DType():
            return value.text
        case Enum():
            return value.name
        case int() | float():
            return repr(value)
        case str():
            return json.dumps(value)
        case Graph():
            return f"@{_word(value.name)}"
        case bytes():
            printable = value.isascii() and value.decode("ascii").isprintable()
            return f"b{json.dumps(value.decode('ascii'))}" if printable else _base64(value)
        case tuple():
            return f"({', '.join(map(show, value))})"
    raise TypeError(f"an attribute of type {type(value).__name__} has no text")


class _Names:
    """Unique words for things, in order of first use; equal things have one word."""

    def __init__(self, word: re.Pattern[str]) -> None:
        self._word = word
        self._names: dict[object, str] = {}
        self._taken: set[str] = set()

    def of(self, thing: object, wanted: str) -> str:
        """The word for a thing, without quotes; `wanted` unless that is taken."""
        if thing not in self._names:
            name = wanted or "_0"
            if name in self._taken or name == "_":
                stem = wanted or "_"
                name = next(n for i in count(1) if (n := f"{stem}.{i}") not in self._taken)
            self._taken.add(name)
            self._names[thing] = name
        return self._names[thing]

    def quoted(self, thing: object, wanted: str) -> str:
        """The word as text has it."""
        return self.quote(self.of(thing, wanted))

    def quote(self, name: str) -> str:
        """Quoted unless it is a word."""
        return name if self._word.fullmatch(name) else json.dumps(name)

    def items(self) -> Iterable[tuple[object, str]]:
        """Things and their words."""
        return self._names.items()


class _Printer:
    """One graph."""

    def __init__(self, graph: Graph, dims: _Names, elide: bool) -> None:
        self.graph, self.dims, self.elide = graph, dims, elide
        self.values = _Names(_WORD)
        self.declared: set[Value] = set()

    def lines(self) -> Iterator[str]:
        yield f"graph @{_word(self.graph.name)} {{"
        for value in self.graph.inputs:
            self.declared.add(value)
            yield f"  input {self._declaration(value)}"
        for node in self.graph.nodes:
            yield from self._free(node.inputs)
            self.declared.update(node.outputs)
            yield f"  {self._node(node)}"
        yield from self._free(self.graph.outputs)
        if self.graph.tensors and not self.elide:
            yield from self._free(self.graph.tensors)
            yield f"  tensors {', '.join(map(self._name, self.graph.tensors))}"
        outputs = ", ".join(map(self._name, self.graph.outputs))
        yield f"  return {outputs}".rstrip()
        yield "}"

    def _free(self, values: Iterable[Value | None]) -> Iterator[str]:
        """Constants, variables and values that nothing computes, before their first reader."""
        for value in values:
            if value is None or value in self.declared or value.producer is not None:
                continue
            self.declared.add(value)
            if value.data is None:
                yield f"  value {self._declaration(value)}"
            else:
                data = array_text(value.data, elide=self.elide)
                yield f"  const {self._declaration(value)} = {data}"

    def _node(self, node: Node) -> str:
        results = ", ".join(map(self._declaration, node.outputs))
        operands = ", ".join("_" if v is None else self._name(v) for v in node.inputs)
        own: object = type(node.op).name  # no string where every instance has its own
        name = own if isinstance(own, str) else type(node.op).__name__
        name = name if _DIM_WORD.fullmatch(name) else json.dumps(name)
        parts = [f"{results}{' = ' if results else ''}{name}({operands})"]
        changed = _changed(node.op)
        if changed:
            parts.append(f"{{{', '.join(f'{k}={v}' for k, v in changed.items())}}}")
        if node.name:
            parts.append(f"name {json.dumps(node.name)}")
        if node.location is not None:
            where = node.location
            file = f" {json.dumps(where.file)} {where.line}" if where.file or where.line else ""
            parts.append(f"loc {json.dumps(where.layer)}{file}")
            parts += [f"with {json.dumps(layer)}" for layer in where.fused]
        return " ".join(parts)

    def _declaration(self, value: Value) -> str:
        symbol = self.values.of(value, value.name)
        alias = "" if symbol == value.name else f" as {json.dumps(value.name)}"
        text = f"{self._name(value)}{alias}: {self._type(value.type)}"
        if value.is_variable:
            text += " variable"
        if value.source is not None and not self.elide:
            at = value.source
            text += f" source {at.subgraph} {at.tensor} {json.dumps(at.name)}"
        return text

    def _name(self, value: Value) -> str:
        return f"%{self.values.quoted(value, value.name)}"

    def _type(self, type_: TensorType) -> str:
        shape = "?" if type_.shape is None else ",".join(map(self._dim, type_.shape))
        quant = "" if type_.quant is None else f" {self._quant(type_.quant)}"
        return f"{type_.dtype.text}[{shape}]{quant}"

    def _quant(self, quant: Quant) -> str:
        points = quant.zero_point
        same = points.size > 0 and bool((points == points.flat[0]).all())
        parts = [
            _numbers(quant.scale, self.elide),
            str(points.flat[0]) if same else _numbers(points, self.elide),
        ]
        if quant.axis is not None:
            parts.append(f"axis={quant.axis}")
        if quant.block_size is not None:
            parts.append(f"block={quant.block_size}")
        return f"q({', '.join(parts)})"

    def _dim(self, dim: Dim) -> str:
        if isinstance(dim, int):
            return str(dim)
        if isinstance(dim, Sym):
            return self.dims.quoted(dim, dim.name)
        assert isinstance(dim, Expr)
        for sym in sorted(symbols([dim]), key=lambda s: s.name):
            self.dims.of(sym, sym.name)
        terms = [
            "*".join([str(c)] * (c != 1 or not atoms) + [self._atom(a) for a in atoms])
            for atoms, c in dim.terms
        ]
        return " + ".join(terms).replace("+ -", "- ")

    def _atom(self, atom: Sym | FloorDiv | Max) -> str:
        if isinstance(atom, Sym):
            return self._dim(atom)
        if isinstance(atom, Max):
            return f"max({self._dim(atom.value)}, {atom.floor})"
        return f"({self._dim(atom.value)})//{atom.divisor}"


def array_text(array: np.ndarray, *, elide: bool = False) -> str:
    """The elements of a constant: numbers, base64 of the bytes in memory, or a digest.

    Raises:
        TypeError: an array of Python objects other than bytes.
    """
    if elide and array.size > _INLINE:
        return f"digest {json.dumps(digest(array))}"
    if array.dtype == object:
        items = list(array.reshape(-1))
        if not all(isinstance(item, bytes) for item in items):
            raise TypeError("a constant of Python objects has no text")
        texts = list(map(show, items))
    elif array.size > _INLINE or array.dtype.kind == "c" or _has_nan(array):
        return _base64(array.tobytes())
    else:
        texts = [number_text(item) for item in array.reshape(-1)]
    return texts[0] if array.ndim == 0 else f"[{', '.join(texts)}]"


def number_text(number: np.generic) -> str:
    """The shortest decimal that reads back to the same number in its own type."""
    if number.dtype == bool:
        return str(bool(number)).lower()
    if DType.of(number.dtype).is_integer:
        return str(int(number))
    if number.dtype == np.float32:
        text = str(number)
        # a decimal is read as float64 first; that rounds twice
        return text if np.float32(float(text)) == number else repr(float(number))
    return repr(float(number))


def _numbers(array: np.ndarray, elide: bool) -> str:
    """Scales or zero points: a number, a list, or shape and base64 (or digest)."""
    if array.shape == (1,):
        return number_text(array[0])
    if array.ndim == 1 and array.size <= _INLINE:
        return array_text(array)
    shape = ",".join(map(str, array.shape))
    body = f"digest {json.dumps(digest(array))}" if elide else _base64(array.tobytes())
    return f"array[{shape}] {body}"


def _changed(op: Op) -> dict[str, str]:
    """Attributes that differ from the class's defaults, as text."""
    missing = object()
    changed = {}
    for name, value in op.items():
        text, default = show(value), getattr(type(op), name, missing)
        if default is missing or text != show(default):
            changed[name] = text
    return changed


def _signature(signature: Signature) -> str:
    sides = [
        ", ".join(f"{json.dumps(name)}: {index}" for name, index in names.items())
        for names in (signature.inputs, signature.outputs)
    ]
    graph = _word(signature.graph)
    return f"signature {json.dumps(signature.key)} @{graph} ({sides[0]}) -> ({sides[1]})"


def _dim_line(sym: Sym, name: str) -> str:
    alias = "" if name == sym.name else f" as {json.dumps(sym.name)}"
    upper = "" if sym.max is None else f" max {sym.max}"
    quoted = name if _DIM_WORD.fullmatch(name) else json.dumps(name)
    return f"dim {quoted}{alias} min {sym.min}{upper}"


def _word(name: str) -> str:
    return name if _WORD.fullmatch(name) else json.dumps(name)


def _base64(data: bytes) -> str:
    return f'base64 "{base64.b64encode(data).decode()}"'


def _has_nan(array: np.ndarray) -> bool:
    with np.errstate(invalid="ignore"):  # a signalling NaN is one too
        return array.dtype.kind not in "biu" and bool(np.isnan(array.astype(np.float64)).any())
