"""Cases of one TensorFlow operation as data, without TensorFlow.

    case("Conv2D", x(2, 5, 7, 3), k(3, 3, 3, 4), strides=[1, 2, 2, 1], padding="SAME")

`x` is an input, `k` a constant; both are drawn from a seed that the case's name gives, or given as
an array. Operands that the operation takes as a list are a list. `tools/oracle/store_tensorflow.py`
makes a graph of every case and stores it with TensorFlow's answer.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np


@dataclass(frozen=True, slots=True)
class Given:
    """An operand. `unknown` are axes whose size the graph does not say."""

    shape: tuple[int, ...]
    dtype: str = "float32"
    low: float = -2.0
    high: float = 2.0
    values: np.ndarray | None = None
    is_constant: bool = False
    unknown: tuple[int, ...] = ()

    def make(self, rng: np.random.Generator) -> np.ndarray:
        """Its elements."""
        if self.values is not None:
            return self.values
        if self.dtype == "bool":
            return rng.random(self.shape) < 0.5
        if self.dtype.startswith("complex"):
            parts = rng.uniform(self.low, self.high, (2, *self.shape))
            return (parts[0] + 1j * parts[1]).astype(self.dtype)
        if self.dtype.startswith(("int", "uint")):
            low = max(int(self.low), int(np.iinfo(self.dtype).min))
            return rng.integers(low, int(self.high) + 1, self.shape).astype(self.dtype)
        return rng.uniform(self.low, self.high, self.shape).astype(np.float32)


Operands: TypeAlias = "Given | Sequence[Given]"


@dataclass(frozen=True, slots=True)
class Case:
    """One operation. `more` says why we may need more operators than TensorFlow's converter.

    `refused` is part of the sentence that refuses it; `no_litert` why LiteRT is not asked.
    """

    op: str
    operands: tuple[Operands, ...]
    attrs: Mapping[str, object]
    label: str
    tolerance: float = 1e-5
    more: str = ""
    refused: str = ""
    no_litert: str = ""
    only_shape: bool = False  # random results
    outputs: int | None = None  # how many of the results are compared
    in_parts: bool = False  # complex results as their real and imaginary parts
    is_channels_first: bool = field(default=False)

    @property
    def id(self) -> str:
        """The name of the case."""
        return f"{self.op}-{self.label}"

    def flat(self) -> list[Given]:
        """The operands one after the other."""
        lists = [[o] if isinstance(o, Given) else list(o) for o in self.operands]
        return [given for part in lists for given in part]

    def arrays(self) -> list[np.ndarray]:
        """Elements of the operands, one after the other."""
        rng = np.random.default_rng(zlib.crc32(self.id.encode()))
        return [given.make(rng) for given in self.flat()]


def x(
    *shape: int | Sequence[object] | np.ndarray,
    dtype: str = "",
    low: float | None = None,
    high: float | None = None,
    unknown: Sequence[int] = (),
    constant: bool = False,
) -> Given:
    """An input of a shape, or with elements."""
    if len(shape) == 1 and not isinstance(shape[0], int):
        values = np.asarray(shape[0])
        if dtype:
            values = values.astype(dtype)
        elif values.dtype.kind == "i" and not isinstance(shape[0], np.ndarray):
            values = values.astype(np.int32)
        elif values.dtype.kind == "f" and not isinstance(shape[0], np.ndarray):
            values = values.astype(np.float32)
        return Given(
            values.shape, values.dtype.name, values=values, is_constant=constant,
            unknown=tuple(unknown),
        )  # fmt: skip
    kind = dtype or "float32"
    is_whole = kind.startswith(("int", "uint"))
    bottom = (-9 if is_whole else -2.0) if low is None else low
    top = (9 if is_whole else 2.0) if high is None else high
    sizes = tuple(d for d in shape if isinstance(d, int))
    return Given(sizes, kind, bottom, top, is_constant=constant, unknown=tuple(unknown))


def k(*shape: int | Sequence[object] | np.ndarray, **options: object) -> Given:
    """A constant."""
    return x(*shape, constant=True, **options)  # type: ignore[arg-type]


def s(value: object, dtype: str = "") -> Given:
    """A scalar constant."""
    array = np.asarray(value)
    kind = dtype or {"i": "int32", "f": "float32", "b": "bool"}[array.dtype.kind]
    return Given((), kind, values=array.astype(kind), is_constant=True)


CASES: list[Case] = []


def case(op: str, *operands: Operands, label: str = "", **options: object) -> None:
    """Declare a case; what is no field of a case is an attribute of the operation."""
    fields = set(Case.__dataclass_fields__) - {"op", "operands", "attrs", "label"}
    own = {key: value for key, value in options.items() if key in fields}
    attrs = {key: value for key, value in options.items() if key not in fields}
    count = sum(c.op == op for c in CASES)
    CASES.append(Case(op, operands, attrs, label or str(count), **own))  # type: ignore[arg-type]
