"""Phrases of the text form: types, dimensions, quantization, constants, attribute values.

In a dimension `//` binds first: `2*(N + 1)//3` is twice `(N + 1)//3`.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from math import prod
from types import UnionType
from typing import Any, get_args, get_origin

import numpy as np

from edgewise.dtypes import DType
from edgewise.ir.dim import Dim, Sym, dim_max
from edgewise.ir.graph import Graph
from edgewise.ir.text import digest
from edgewise.ir.tokens import Tokens
from edgewise.ir.types import Quant, TensorType

_MAX_NESTING = 32


class _Word(str):
    """A bare word in an attribute: an enumeration member or a dtype."""

    __slots__ = ()


class PhraseReader(Tokens):
    """A cursor that reads phrases. `dims` holds the dimensions declared so far, `graphs` the graphs
    defined or referred to so far."""

    def __init__(self, text: str, constants: Mapping[str, np.ndarray], file: str) -> None:
        super().__init__(text, file)
        self.constants = constants
        self.dims: dict[str, Sym] = {}
        self.graphs: dict[str, Graph] = {}

    def graph_reference(self) -> Graph:
        """`@name`: a graph, which may be defined later."""
        name = self.name("@")
        return self.graphs.setdefault(name, Graph(name))

    # -- types --------------------------------------------------------------------------------

    def type_(self) -> TensorType:
        """`float32[N,7] q(0.1, 3)`."""
        dtype = self._dtype(self.word())
        self.take("[")
        shape: tuple[Dim, ...] | None = None
        if self.accept("?"):
            self.take("]")
        else:
            dims: list[Dim] = []
            while self.separated("]"):
                dims.append(self._sum(0))
            shape = tuple(dims)
        return TensorType(shape, dtype, self._quant() if self.accept("q") else None)

    def _quant(self) -> Quant:
        self.take("(")
        scale = self._numbers(DType.FLOAT32)
        self.take(",")
        point = self._numbers(DType.INT64)
        named: dict[str, int] = {}
        while self.separated(")"):
            key = self.word()
            if key not in ("axis", "block") or key in named:
                raise self.error(f"a quantization has axis and block; got {key}")
            self.take("=")
            named[key] = self.integer()
        if point.shape == (1,):  # one for all scales, whatever their shape
            point = np.full(scale.shape, point[0], np.int64)
        return self.checked(Quant, scale, point, named.get("axis"), named.get("block"))

    def _numbers(self, dtype: DType) -> np.ndarray:
        """Scales or zero points."""
        if not self.accept("array"):
            literal = self.literal()
            items = list(literal) if isinstance(literal, tuple) else [literal]
            return self._filled(items, TensorType((len(items),), dtype))
        self.take("[")
        sizes: list[Dim] = []
        while self.separated("]"):
            sizes.append(self.integer())
        return self.array(TensorType(tuple(sizes), dtype))

    def _sum(self, depth: int) -> Dim:
        if depth > _MAX_NESTING:
            raise self.error("a dimension is nested too deeply")
        total = self._product(depth)
        while True:
            if self.accept("+"):
                total = total + self._product(depth)
            elif self.accept("-"):
                total = total - self._product(depth)
            else:
                return total

    def _product(self, depth: int) -> Dim:
        total = self._quotient(depth)
        while self.accept("*"):
            total = total * self._quotient(depth)
        return total

    def _quotient(self, depth: int) -> Dim:
        total = self._factor(depth)
        while self.accept("//"):
            divisor = self.integer()
            if divisor <= 0:
                raise self.error(f"a dimension is divided by a positive integer; got {divisor}")
            total = total // divisor
        return total

    def _factor(self, depth: int) -> Dim:
        if self.peek()[0] == "number":
            return self.integer()
        if self.accept("("):
            inner = self._sum(depth + 1)
            self.take(")")
            return inner
        if self.accept("max"):
            self.take("(")
            inner = self._sum(depth + 1)
            self.take(",")
            floor = self.integer()
            self.take(")")
            return dim_max(inner, floor)
        symbol = self.word_or_string()
        if symbol not in self.dims:
            raise self.error(f"dimension {symbol!r} is not declared (dim {symbol} min 0)")
        return self.dims[symbol]

    # -- constants ----------------------------------------------------------------------------

    def array(self, type_: TensorType) -> np.ndarray:
        """The elements of a constant."""
        if self.accept("digest"):
            return self._named(self.string(), type_)
        stored = type_.dtype.numpy
        if stored.hasobject or not self.accept("base64"):
            literal = self.literal()
            return self._filled(list(literal) if isinstance(literal, tuple) else [literal], type_)
        data, sizes = self.base64(), self._sizes(type_)
        wanted = prod(sizes) * stored.itemsize
        if len(data) != wanted:
            raise self.error(f"{type_} takes {wanted} bytes; got {len(data)}")
        if type_.dtype is DType.BOOL and data.translate(None, b"\0\1"):
            raise self.error(f"{type_} takes bytes 0 and 1")
        return np.frombuffer(data, stored).reshape(sizes)

    def _filled(self, items: list[Any], type_: TensorType) -> np.ndarray:
        """An array from literals."""
        sizes, dtype = self._sizes(type_), type_.dtype
        if len(items) != prod(sizes):
            raise self.error(f"{type_} takes {prod(sizes)} elements; got {len(items)}")
        kind: type | UnionType
        if dtype.numpy.hasobject:
            kind, what = bytes, 'b"..." elements'
        elif dtype.is_integer:
            kind, what = int, f"integers in {list(dtype.range)}"
        else:
            kind, what = int | float, "numbers"
        fits = all(isinstance(i, kind) for i in items)
        if fits and dtype.is_integer:
            fits = all(dtype.range[0] <= i <= dtype.range[1] for i in items)
        if not fits:
            raise self.error(f"{type_} takes {what}")
        array = np.empty(len(items), dtype.numpy)
        for index, item in enumerate(items):
            with np.errstate(all="ignore"):
                array[index] = item
        return array.reshape(sizes)

    def _named(self, key: str, type_: TensorType) -> np.ndarray:
        array = self.constants.get(key)
        if array is None:
            raise self.error(f"constant {key} is elided; pass it in constants=")
        stored = type_.dtype.numpy
        if (
            array.shape != tuple(self._sizes(type_))
            or array.dtype != stored
            or digest(array) != key
        ):
            raise self.error(f"constant {key} is not the one the text was printed with")
        return array

    def _sizes(self, type_: TensorType) -> list[int]:
        dims = type_.shape
        sizes = [] if dims is None else [d for d in dims if isinstance(d, int) and d >= 0]
        if dims is None or len(sizes) != len(dims):
            raise self.error(f"a constant has a known shape; got {type_}")
        return sizes

    # -- literals -----------------------------------------------------------------------------

    def literal(self, depth: int = 0) -> Any:
        """A number, string, bytes, graph, word or tuple; see `typed` for what becomes of it."""
        kind, token = self.peek()
        if depth > _MAX_NESTING:
            raise self.error("a value is nested too deeply")
        if kind == "name":
            return self.graph_reference()
        if kind == "string":
            return self.bytes_() if token.startswith("b") else self.string()
        if kind == "number":
            if token.removeprefix("-").isdecimal():
                return self.integer()
            return float(self.take_kind("number", "a number"))
        if token == "base64":
            return self.bytes_()
        if self.accept("(") or self.accept("["):
            items = []
            while self.separated(")" if token == "(" else "]"):
                items.append(self.literal(depth + 1))
            return tuple(items)
        word = self.word()
        return {"true": True, "false": False, "none": None}.get(word, _Word(word))

    def typed(self, value: Any, hint: Any) -> Any:
        """A literal with bare words replaced by what the attribute's type makes of them."""
        if isinstance(value, tuple):
            rows = [get_args(h) for h in (hint, *get_args(hint)) if get_origin(h) is tuple]
            kinds = rows[0] if rows else (object, ...)
            if kinds[-1] is ... or len(kinds) != len(value):
                kinds = (kinds[0],) * len(value)
            return tuple(self.typed(v, k) for v, k in zip(value, kinds, strict=True))
        if not isinstance(value, _Word):
            return value
        for candidate in (hint, *get_args(hint)):
            if candidate in (DType, object):
                return self._dtype(value)
            is_enum = isinstance(candidate, type) and issubclass(candidate, Enum)
            if is_enum and value in candidate.__members__:
                return candidate[value]
        raise self.error(f"{str(value)!r} is no value of this attribute")

    def _dtype(self, word: str) -> DType:
        found = next((d for d in DType if d.text == word), None)
        if found is None:
            raise self.error(f"no dtype is named {word!r}")
        return found
