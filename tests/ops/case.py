"""Operator cases: tables of one-operator models, and the quantized variants derived from them.

A family's table is `tests/ops/cases/FAMILY.py` with a list `CASES`. A float case becomes int8,
uint8 and int16 cases by the operator's own quantization rule (`Case.quantize` names the dtypes).
"""

from __future__ import annotations

import dataclasses
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pkgutil import iter_modules

import numpy as np

import edgewise.ops  # noqa: F401  (defines the operators)
from edgewise.dtypes import DType
from edgewise.ir import Builder, Model, Op, Quant, TensorType, Value
from edgewise.ir.evaluate import evaluate_op
from edgewise.ir.nesting import reachable
from edgewise.ir.op import FixedRange, NotQuantized, Role, SameScale


@dataclass(frozen=True)
class Arg:
    """An operand: random numbers in [low, high] from the case's seed, or given `values`."""

    shape: tuple[int, ...]
    dtype: DType = DType.FLOAT32
    const: bool = False
    low: float = -3.0
    high: float = 3.0
    values: np.ndarray | None = None
    quant: Quant | None = None
    variable: bool = False


def arg(shape: Sequence[int], dtype: str = "float32", **kwargs: object) -> Arg:
    """An operand fed at run time: `arg((1, 7, 5, 3))`, `arg((4,), "int32", low=0, high=3)`."""
    return Arg(tuple(shape), DType.of(dtype), **kwargs)  # type: ignore[arg-type]


def const(values: object, dtype: str | None = None, **kwargs: object) -> Arg:
    """A constant operand with these values (Python floats become float32, ints int32)."""
    array = np.asarray(values)
    if dtype is not None:
        array = array.astype(DType.of(dtype).numpy)
    elif array.dtype.kind in "if" and not isinstance(values, np.ndarray):
        array = array.astype({"f": np.float32, "i": np.int32}[array.dtype.kind])
    return Arg(array.shape, DType.of(array.dtype), True, values=array, **kwargs)  # type: ignore[arg-type]


def weights(shape: Sequence[int], dtype: str = "float32", **kwargs: object) -> Arg:
    """A constant operand with random values."""
    return Arg(tuple(shape), DType.of(dtype), True, **kwargs)  # type: ignore[arg-type]


Write = Callable[..., Sequence[Value]]  # of (builder, op, *operands)


@dataclass(frozen=True)
class Case:
    """One operator on operands. `error`: a part of the message it must be refused with."""

    op: Op
    args: tuple[Arg | None, ...]
    label: str = ""
    results: tuple[TensorType | None, ...] = ()
    quantize: tuple[str, ...] = ()
    error: str = ""
    # writes the operator among those that it needs, from the operands; returns the outputs
    write: Write | None = None
    # LiteRT cannot run the case (why); it is then checked against the reference alone
    no_litert: str = ""

    @property
    def id(self) -> str:
        """Unique name: operator, dtype of the first operand, label, attributes' checksum."""
        first = next((a.dtype.text for a in self.args if a is not None), "none")
        args = [(a.shape, a.dtype.text, a.const) if a else None for a in self.args]
        facts = repr((self.op, args))
        return f"{self.op.name}-{first}-{self.label or 'plain'}-{zlib.crc32(facts.encode()):08x}"

    @property
    def roles(self) -> list[Role]:
        """Of the operands, in order; PARAMETER of those of a case that writes its own model."""
        if self.write is not None:
            return [Role.PARAMETER] * len(self.args)
        return [self.op.declared(index).role for index in range(len(self.args))]

    @property
    def seed(self) -> int:
        """Seed of the case's data."""
        return zlib.crc32(self.id.encode())


def arrays(case: Case) -> list[np.ndarray | None]:
    """The operands' data, from the case's seed."""
    rng = np.random.default_rng(case.seed)
    return [None if a is None else _data(a, rng) for a in case.args]


def model_of(case: Case) -> Model:
    """The model of the operator, and of those that it needs. Raises what the builder raises for
    error cases."""
    b = Builder()
    operands = []
    for index, (a, data) in enumerate(zip(case.args, arrays(case), strict=True)):
        if a is None or data is None:
            operands.append(None)
        elif a.const:
            operands.append(b.constant(data, name=f"operand{index}", quant=a.quant))
        else:
            value = b.input(f"operand{index}", a.shape, a.dtype, a.quant)
            value.is_variable = a.variable
            if a.variable:
                b.graph.inputs.remove(value)
            operands.append(value)
    if case.write is None:
        outputs: Sequence[Value] = b.node(case.op, *operands, results=case.results).outputs
    else:
        outputs = case.write(b, case.op, *operands)
    model = Model()
    model.add(b.finish(*outputs))
    for graph in reachable(model.main):
        if graph is not model.main:
            model.add(graph)
    return model


def inputs_of(case: Case) -> list[np.ndarray]:
    """The arrays to feed the model's inputs, in order."""
    pairs = zip(case.args, arrays(case), strict=True)
    return [d for a, d in pairs if a is not None and d is not None and not (a.const or a.variable)]


@cache
def all_cases() -> tuple[Case, ...]:
    """Every case of every family, with the quantized variants; error cases included."""
    return tuple(_all_cases())


def _all_cases() -> Iterator[Case]:
    package = import_module("tests.ops.cases")
    for module in iter_modules(package.__path__):
        for case in import_module(f"{package.__name__}.{module.name}").CASES:
            yield case
            for dtype in case.quantize:
                yield quantized(case, DType.of(dtype))


def quantized(case: Case, dtype: DType) -> Case:
    """The case in `dtype`: scales from the data's ranges, obeying the operator's rule."""
    rng = np.random.default_rng(case.seed + dtype.code)
    data = arrays(case)
    args: list[Arg | None] = []
    shared: Quant | None = None
    for index, (a, values) in enumerate(zip(case.args, data, strict=True)):
        role = case.op.declared(index).role
        if a is None or values is None or not a.dtype.is_float:
            args.append(a)
            continue
        if role is Role.BIAS:
            x = _first(case.op, args, Role.DATA)
            args.append(_quantized_bias(a, values, x, _first(case.op, args, Role.WEIGHT), dtype))
            continue
        if role is Role.WEIGHT:
            axis = case.op.declared(index).channel_axis
            quant = _weight_quant(values, dtype, axis)
            stored = DType.UINT8 if dtype is DType.UINT8 else DType.INT8
        else:
            stored, quant = dtype, _range_quant(values, dtype, rng)
            if isinstance(case.op.quantization, SameScale):
                shared = quant = shared or quant
        args.append(_stored(a, values, stored, quant))
    return dataclasses.replace(
        case,
        args=tuple(args),
        quantize=(),
        label=f"{case.label or 'plain'}-q",
        results=tuple(_results(case, data, dtype, shared, rng)),
    )


def _results(
    case: Case,
    data: list[np.ndarray | None],
    dtype: DType,
    shared: Quant | None,
    rng: np.random.Generator,
) -> Iterator[TensorType | None]:
    types = [None if d is None else TensorType.of(d) for d in data]
    graph = model_of(case).main
    declared = [v.type for v in graph.outputs]
    outputs = evaluate_op(case.op, data, types, declared)
    for value, array in zip(graph.outputs, outputs, strict=False):
        rule = case.op.quantization
        assert not isinstance(rule, NotQuantized), f"{case.op.name} is not quantized"
        if not value.dtype.is_float:
            yield None
        elif isinstance(rule, FixedRange):
            yield TensorType(None, dtype, rule.of(dtype))
        elif isinstance(rule, SameScale):
            yield TensorType(None, dtype, shared)
        else:
            yield TensorType(None, dtype, _range_quant(array, dtype, rng))


def _data(a: Arg, rng: np.random.Generator) -> np.ndarray:
    if a.values is not None:
        return a.values
    if a.quant is not None or a.dtype.is_integer:
        low, high = a.dtype.range if a.quant is not None else (int(a.low), int(a.high))
        return rng.integers(low, high, a.shape, endpoint=True).astype(a.dtype.numpy)
    if a.dtype is DType.STRING:
        texts = rng.choice([b"", b"a", b"ab", b"\xff\x01z", b"a longer text"], a.shape)
        return texts.astype(object)
    if a.dtype is DType.BOOL:
        return rng.integers(0, 2, a.shape).astype(bool)
    if a.dtype is DType.COMPLEX64:
        parts = rng.uniform(a.low, a.high, (*a.shape, 2))
        return (parts[..., 0] + 1j * parts[..., 1]).astype(np.complex64)
    with np.errstate(over="ignore"):  # a range of integers may be beyond that of float16
        return rng.uniform(a.low, a.high, a.shape).astype(a.dtype.numpy)


def _first(op: Op, args: Sequence[Arg | None], role: Role) -> Arg | None:
    """The first operand of this role."""
    return next(a for i, a in enumerate(args) if op.declared(i).role is role)


def _range_quant(values: np.ndarray, dtype: DType, rng: np.random.Generator) -> Quant:
    low, high = min(float(values.min(initial=0)), 0.0), max(float(values.max(initial=0)), 0.0)
    high = high if high > low else 1.0
    shrink = rng.uniform(0.7, 1.0)  # some values saturate
    if dtype is DType.INT16:
        return Quant(_short(max(-low, high) * shrink / 32767))
    q_low, q_high = dtype.range
    scale = _short((high - low) * shrink / 255)
    return Quant(scale, int(np.clip(round(q_low - low * shrink / scale), q_low, q_high)))


def _short(scale: float) -> float:
    """Four digits: the same scale on machines whose float references differ in the last bits."""
    return float(f"{scale:.4g}")


def _weight_quant(values: np.ndarray, dtype: DType, axis: int | None) -> Quant:
    if dtype is DType.UINT8:
        low = float(values.min(initial=0))
        span = max(float(values.max(initial=0)) - low, 1e-3)
        return Quant(span / 255, int(np.clip(round(-low / span * 255), 0, 255)))
    if axis is None:
        return Quant(max(float(np.abs(values).max(initial=0)), 1e-3) / 127)
    others = tuple(i for i in range(values.ndim) if i != axis)
    return Quant(np.maximum(np.abs(values).max(others, initial=0), 1e-3) / 127, axis=axis)


def _quantized_bias(a: Arg, values: np.ndarray, x: Arg | None, w: Arg | None, dtype: DType) -> Arg:
    assert x is not None
    assert x.quant is not None
    assert w is not None
    assert w.quant is not None
    scale = (x.quant.scale.astype(np.float64) * w.quant.scale).astype(np.float32)
    stored = DType.INT64 if dtype is DType.INT16 else DType.INT32
    ints = np.clip(np.rint(values / scale), -(1 << 30), 1 << 30).astype(stored.numpy)
    quant = Quant(scale, axis=0 if scale.size > 1 else None)
    return dataclasses.replace(a, dtype=stored, values=ints, quant=quant)


def _stored(a: Arg, values: np.ndarray, dtype: DType, quant: Quant) -> Arg:
    low, high = dtype.range
    scale, point = quant.broadcast(values.shape)
    ints = np.clip(np.rint(values / scale) + point, low, high).astype(dtype.numpy)
    return dataclasses.replace(a, dtype=dtype, values=ints, quant=quant)
