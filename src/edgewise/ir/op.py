"""The operator base: what an operator is, written down once.

A concrete operator is a class whose body is its declaration::

    class Softmax(Op, builtin="SOFTMAX", options="SoftmaxOptions"):
        '''y = exp(beta*x) / sum(exp(beta*x)) over the last axis. ...'''
        beta: float = 1.0                         # attribute = .tflite option field
        operands = (In("x", FLOATS | {INT8}),)
        results = (Out("y"),)
        ...

The subclass becomes an immutable value with keyword arguments and enters the registry (what a
frozen dataclass would be, without the half millisecond that making one takes). Everything else in
Edgewise asks the class: shapes (`infer`), meaning (`reference`), integer arithmetic (`integer`),
quantization rule, file encoding, version and cost.

Long because it is the contract of all operators: what a class may declare is read in one place.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from enum import Enum, auto
from inspect import get_annotations
from typing import Any, ClassVar, NamedTuple, Protocol, Self, dataclass_transform, get_type_hints

import numpy as np

from edgewise.dtypes import DType
from edgewise.errors import ShapeError
from edgewise.ir.dim import Dim, Shape
from edgewise.ir.enums import Activation
from edgewise.ir.graph import Graph
from edgewise.ir.registry import Registry
from edgewise.ir.resources import Resources
from edgewise.ir.types import Quant, TensorType
from edgewise.values import dataclass


class Role(Enum):
    """What an operand is for; quantization and hybrid execution depend on it."""

    DATA = auto()
    WEIGHT = auto()  # symmetric; per channel along `In.channel_axis`
    BIAS = auto()  # scale = scale of DATA * scale of WEIGHT, zero point 0, int32 (int64 for 16x8)
    PARAMETER = auto()  # shapes, axes, paddings, indices: never quantized
    STATE = auto()  # a variable tensor: read, and updated by the inference


class Arithmetic(Enum):
    """How an operator computes on quantized tensors (docs/numerics.md)."""

    NONE = "moves elements; the integers are not interpreted"
    ZERO_POINT = "moves elements; new ones are the zero point"
    F32 = "int32 accumulation, one float32 multiplication, round half to even"
    FIXED = "LiteRT's 32-bit multiplier and shift"
    TABLE = "table over every input, filled by the reference"
    LITERT_16X8 = "int64 accumulation, 15-bit reduced multiplier, as LiteRT's reference"
    FLOAT = "dequantize, compute in float, quantize"


@dataclass(frozen=True, slots=True)
class SameScale:
    """All data operands and results have one scale and zero point."""


@dataclass(frozen=True, slots=True)
class FreeScale:
    """Every operand and result has its own scale."""


@dataclass(frozen=True, slots=True)
class FixedRange:
    """The result has this (scale, zero_point) per dtype, whatever the data."""

    ranges: tuple[tuple[DType, float, int], ...]

    def of(self, dtype: DType) -> Quant | None:
        """The prescribed parameters for a dtype, None where it is not prescribed."""
        return next((Quant(s, z) for d, s, z in self.ranges if d is dtype), None)


@dataclass(frozen=True, slots=True)
class NotQuantized:
    """The operator has no quantized form; it stays in float."""


QuantRule = SameScale | FreeScale | FixedRange | NotQuantized


ANY_AXIS = -1


@dataclass(frozen=True, slots=True)
class In:
    """An operand: name, element types allowed (empty: any), role, and the axis along which it may
    have a scale per channel (ANY_AXIS: whichever; None: it has one scale)."""

    name: str
    dtypes: Collection[DType] = ()
    role: Role = Role.DATA
    optional: bool = False
    variadic: bool = False
    channel_axis: int | None = None


@dataclass(frozen=True, slots=True)
class Out:
    """A result. Its dtype is a fixed `dtype`, else the attribute `attr`, else that of operand
    `like`. With `free` that is only the default: whoever makes the node may declare another."""

    name: str
    like: str | None = "x"
    dtype: DType | None = None
    attr: str | None = None
    free: bool = False
    variadic: bool = False


class Operand(Protocol):
    """What `infer` may look at: a Value, or anything with these."""

    @property
    def shape(self) -> Shape: ...
    @property
    def dtype(self) -> DType: ...
    @property
    def quant(self) -> Quant | None: ...

    data: np.ndarray | None


class Quantized(NamedTuple):
    """An operand of `integer`: the stored integers and how to read them.

    `quant` is None for operands that are not quantized (shapes, axes)."""

    data: np.ndarray
    quant: Quant | None

    @property
    def scale(self) -> np.float32:
        """The only scale. For per-tensor operands."""
        assert self.quant is not None
        return np.float32(self.quant.scale.flat[0])

    @property
    def zero_point(self) -> int:
        """The only zero point. For per-tensor operands."""
        assert self.quant is not None
        return int(self.quant.zero_point.flat[0])


# by number of an operand the type and scale in which it is stored
IntegerForm = dict[int, tuple[DType, Quant]]


class Runner(Protocol):
    """What runs the graphs of an operator that has some (`Op.run`), and has the variables and
    tables that operators name."""

    @property
    def resources(self) -> Resources: ...

    def __call__(self, graph: Graph, inputs: Sequence[np.ndarray], /) -> list[np.ndarray]: ...

    def begin_iteration(self) -> None:
        """A loop goes on; raises where it must not."""


def require(rule: bool, sentence: str) -> None:
    """Raise ShapeError(sentence) unless the rule holds; callers prefix the node."""
    if not rule:
        raise ShapeError(sentence)


@dataclass_transform(frozen_default=True, kw_only_default=True)
class Op:
    """Base of all operators. Instances are immutable attribute sets; see the module docstring."""

    name: ClassVar[str]  # snake_case, as in IR text: "conv_2d"
    builtin: ClassVar[str] = ""  # BuiltinOperator name in the .tflite schema, "" if it has none
    options: ClassVar[str] = ""  # options table in the .tflite schema, "" if it has none
    custom: ClassVar[str] = ""  # custom operator name, where builtin is CUSTOM
    # attributes that the options of a custom operator are, an int32 each in this order; empty: the
    # options are a FlexBuffer map
    packed_options: ClassVar[tuple[str, ...]] = ()

    operands: ClassVar[tuple[In, ...]] = ()
    results: ClassVar[tuple[Out, ...]] = (Out("y"),)
    updates: ClassVar[tuple[str, ...]] = ()  # STATE operands whose new values follow the results
    arithmetic: ClassVar[Arithmetic | dict[DType, Arithmetic]] = Arithmetic.NONE
    quantization: ClassVar[QuantRule] = SameScale()
    tolerance: ClassVar[float] = 0.0  # of a float kernel or LiteRT, relative to the output range
    # .tflite operator versions: {dtype of the first operand: version}; others are version 1
    versions: ClassVar[dict[DType, int]] = {}
    is_pure: ClassVar[bool] = True  # same inputs, same outputs, no effect: may be folded
    # reads or writes what survives the inference (`Runner.resources`): `run` is its meaning
    is_stateful: ClassVar[bool] = False
    is_bounded: ClassVar[bool] = False  # results have at most as many elements as the operands
    needs_scales: ClassVar[bool] = True  # integers beside quantized data have a scale, too
    needs_types: ClassVar[bool] = False  # `integer` computes always, and `reference` never
    needs_all_operands: ClassVar[bool] = False  # a file lists absent optional ones at the end, too
    # values inside, of which an integer form has scales, by name (`seen_inside`)
    inside: ClassVar[Mapping[str, DType]] = {}
    # option fields of attributes that cannot have their names
    option_fields: ClassVar[dict[str, str]] = {}
    # option fields of the file that number subgraphs, by the attribute that holds the Graph, or a
    # tuple of them
    graph_fields: ClassVar[dict[str, str]] = {}
    # `reference` also works on object arrays of Dims: the operator occurs in shape arithmetic
    carries_dims: ClassVar[bool] = False

    registry: ClassVar[Registry[type[Op]]] = Registry()
    names: ClassVar[tuple[str, ...]] = ()  # of the attributes, in order
    _attributes: ClassVar[dict[str, Any]]  # filled on first use: resolving hints is slow

    def __init_subclass__(
        cls, builtin: str = "", options: str = "", custom: str = "", abstract: bool = False
    ) -> None:
        """Collect the attributes and register the class (`abstract`: a shared base)."""
        own = get_annotations(cls)
        named = [name for name, kind in own.items() if not str(kind).startswith("ClassVar")]
        cls.names = tuple(dict.fromkeys((*cls.names, *named)))
        if abstract:
            return
        cls.builtin, cls.options, cls.custom = builtin or ("CUSTOM" * bool(custom)), options, custom
        cls.name = custom.lower() if custom else (builtin or _snake(cls.__name__)).lower()
        if cls.name in Op.registry:
            raise TypeError(f"operator {cls.name!r} is defined twice")
        Op.registry[cls.name] = cls

    def __init__(self, **attributes: Any) -> None:
        """Set the attributes; those not given have the class's defaults. Raises TypeError."""
        fields = self.names
        for name in attributes:
            if name not in fields:
                raise TypeError(f"{self.name} has no attribute {name!r}; it has {list(fields)}")
        for name in fields:
            if name not in attributes and not hasattr(type(self), name):
                raise TypeError(f"{self.name} needs the attribute {name!r}")
        self.__dict__.update(attributes)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"operators are immutable; use replace({name}=...)")

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self._values() == other._values()

    def __hash__(self) -> int:
        return hash((type(self), self._values()))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in self.items())})"

    # -- to be defined by operators -----------------------------------------------------------

    def infer(self, *operands: Any) -> Shape | tuple[Shape | None, ...] | None:
        """Result shape (a tuple of shapes for several results; None: rank unknown).

        Operands are `Operand`s, None where absent. Raises ShapeError through `require`.
        """
        raise NotImplementedError

    def infer_for(
        self, operands: Sequence[Any], declared: Sequence[TensorType | None]
    ) -> Shape | tuple[Shape | None, ...] | None:
        """`infer`, for who has to know what is declared of the results."""
        return self.infer(*operands)

    def reference(self, *operands: Any) -> np.ndarray | tuple[np.ndarray, ...]:
        """The meaning, on NumPy arrays: constant folder and test oracle."""
        raise NotImplementedError

    def run(self, operands: Sequence[Any], runner: Runner) -> tuple[np.ndarray, ...]:
        """`reference` of an operator that runs graphs (`graphs`) or `is_stateful`, by means of
        `runner`."""
        raise NotImplementedError

    def integer(
        self, operands: Sequence[Quantized | None], results: Sequence[TensorType]
    ) -> np.ndarray | tuple[np.ndarray, ...]:
        """The quantized arithmetic: stored integers in, stored integers out. Types that need
        no interpretation (`Arithmetic.NONE`) go through `reference` instead."""
        raise NotImplementedError

    def seen_inside(self, operands: Sequence[np.ndarray | None]) -> Mapping[str, np.ndarray]:
        """The values in `inside` that `reference` computes of these operands, all of them."""
        return {}

    def integer_form(
        self, quants: Mapping[str, Quant], operands: Sequence[Operand | None]
    ) -> tuple[Self, IntegerForm] | None:
        """Where roles do not tell how operands but the data are stored (None: they do): the
        operator with the scales that are attributes, and their types. `quants` are those of `x`,
        `y` and what is `inside`."""
        return None

    def version(self, operands: Sequence[TensorType | None], results: Sequence[TensorType]) -> int:
        """The .tflite operator version LiteRT expects for these types."""
        first = next((t for t in operands if t is not None), None)
        return 1 if first is None else self.versions.get(first.dtype, 1)

    def integer_steps(self, dtype: DType) -> float:
        """How many output steps `integer` may lie from the real value rounded (tests)."""
        return 1.5

    def macs(self, operands: Sequence[Shape | None], results: Sequence[Shape]) -> Dim:
        """Multiply-accumulates (0 for operators that are not linear algebra)."""
        return 0

    def result_count(self) -> int:
        """How many results; an operator with a variadic result says how many there are."""
        return len(self.results)

    def contents(
        self, operands: Sequence[Any], known: Sequence[np.ndarray | None]
    ) -> np.ndarray | None:
        """The result's elements as an object array of Dims, where they are known before the
        model runs; `known` holds the same for the operands. For shape arithmetic
        (`ir/contents.py`)."""
        if not self.carries_dims or any(k is None for k in known):
            return None
        result = self.reference(*known, *[None] * (len(self.operands) - len(known)))
        # an index into an array of Dims gives a bare Dim, not an array
        return None if isinstance(result, tuple) else np.asarray(result, object)

    @classmethod
    def declared_attributes(cls, results: Sequence[TensorType]) -> Mapping[str, Any]:
        """The attributes of which a file tells only by what it declares of the results."""
        return {}

    def result_dtype(self, index: int) -> DType | None:
        """The dtype of a result that neither an operand nor an attribute tells."""
        return None

    # -- derived ------------------------------------------------------------------------------

    @property
    def activation(self) -> Activation:
        """What the operator does to its result at last, by an attribute that many have."""
        found: Activation = getattr(self, "fused_activation_function", Activation.NONE)
        return found

    @property
    def graphs(self) -> tuple[Graph, ...]:
        """The graphs that the operator runs: the attributes named in `graph_fields`."""
        held = [getattr(self, name) for name in self.graph_fields]
        return tuple([g for h in held for g in (h if isinstance(h, tuple) else (h,))])

    def with_graphs(self, copies: Mapping[Graph, Graph]) -> Self:
        """The same operator on copies of its graphs; those without a copy stay."""
        if not self.graph_fields:
            return self
        changed: dict[str, Any] = {}
        for name in self.graph_fields:
            held = getattr(self, name)
            is_one = isinstance(held, Graph)
            changed[name] = (
                copies.get(held, held) if is_one else tuple(copies.get(g, g) for g in held)
            )
        return self.replace(**changed)

    def arithmetic_for(self, dtype: DType) -> Arithmetic:
        """The arithmetic on tensors of this integer type."""
        if isinstance(self.arithmetic, Arithmetic):
            return self.arithmetic
        return self.arithmetic.get(dtype, Arithmetic.FLOAT)

    def declared(self, index: int) -> In:
        """The declaration of operand `index`; the last one repeats where it is variadic.

        Raises:
            ShapeError: the operator has no such operand.
        """
        if index >= len(self.operands) and not (self.operands and self.operands[-1].variadic):
            raise ShapeError(f"takes at most {len(self.operands)} operands; got {index + 1}")
        return self.operands[min(index, len(self.operands) - 1)]

    def replace(self, **changes: Any) -> Self:
        """The same operator with other attributes."""
        return type(self)(**{**self.__dict__, **changes})

    @classmethod
    def attributes(cls) -> dict[str, Any]:
        """Attribute names and their types, in order."""
        if "_attributes" not in cls.__dict__:
            hints = get_type_hints(cls)
            cls._attributes = {name: hints[name] for name in cls.names}
        return cls._attributes

    @classmethod
    def defaults(cls) -> dict[str, Any]:
        """The attributes that have a default, with it."""
        return {name: getattr(cls, name) for name in cls.names if hasattr(cls, name)}

    def items(self) -> Iterator[tuple[str, Any]]:
        """Attribute names and values, in order."""
        return ((name, getattr(self, name)) for name in self.names)

    def _values(self) -> tuple[Any, ...]:
        return tuple([getattr(self, name) for name in self.names])


def operator(name: str) -> type[Op]:
    """The operator class named `name` (snake_case). Raises KeyError."""
    return Op.registry[name]


def by_builtin(name: str) -> type[Op] | None:
    """The class of a BuiltinOperator, by its name."""
    cls = Op.registry.get(name.lower())
    return cls if cls is not None and cls.builtin == name and not cls.custom else None


def by_custom(name: str) -> type[Op] | None:
    """The class of a custom operator, by its name in a file."""
    cls = Op.registry.get(name.lower())
    return cls if cls is not None and cls.custom == name else None


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)
