"""The tensors of one subgraph: records to values, with their constants and quantization."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from math import prod

import numpy as np

from edgewise.dtypes import DType
from edgewise.errors import FormatError
from edgewise.format.constants import decode_elements
from edgewise.format.quantization import blockwise_tensors, read_quant
from edgewise.format.record import Record
from edgewise.ir.dim import Dim, Shape, Sym
from edgewise.ir.graph import Source, Value
from edgewise.ir.types import Quant, TensorType
from edgewise.values import replace

_MAX_ELEMENTS = 1 << 56  # sizes in bytes stay in 63 bits
# Memory for constants that are no views of the file; sparse models have a hundredth of their
# values at least.
_BUDGET_BASE = 1 << 26
_BUDGET_PER_BYTE = 256


_BATCH = Sym("batch")


class Symbols:
    """Names for the unknown dimensions of one model: `batch` once, then `d1`, `d2`, ..."""

    def __init__(self) -> None:
        self._serial: Iterator[int] = itertools.count(1)
        self._batch_is_free = True

    def batch(self) -> Sym:
        """The batch of one more subgraph."""
        if self._batch_is_free:
            self._batch_is_free = False
            return _BATCH
        return self.fresh()

    def fresh(self) -> Sym:
        """An unknown that no other one equals."""
        return Sym(f"d{next(self._serial)}")


class Constants:
    """The constants of one model: arrays from buffers.

    Most are views of the file. What must be unpacked is charged to a budget, because many tensors
    can name one buffer, and a small sparse one can stand for a huge array.
    """

    def __init__(self, buffers: Sequence[Record], file_bytes: int) -> None:
        self.buffers = buffers
        self.budget = _BUDGET_BASE + _BUDGET_PER_BYTE * file_bytes
        self._unpacked: dict[tuple[int, DType, tuple[int, ...]], np.ndarray] = {}

    def read(self, record: Record) -> np.ndarray | None:
        """The array a tensor holds; None where it is not a constant. Raises ValueError."""
        if record.external_buffer:
            raise ValueError("keeps its constant in another file, which is not supported")
        if record.buffer >= len(self.buffers):
            raise ValueError(f"names buffer {record.buffer}; there are {len(self.buffers)}")
        raw = self.buffers[record.buffer].data
        if raw is None or record.buffer == 0:
            return None
        shape = _stored_shape(record)
        if raw.size == 0 and (prod(shape) or not shape):
            return None  # some writers give every tensor an empty buffer
        if min(shape, default=0) < 0:
            raise ValueError(f"dimensions are not negative; got {shape}")
        if record.sparsity is not None:
            from edgewise.format import sparsity  # few tensors are

            self._charge(record.type.nbytes(prod(shape)))
            return sparsity.expand(raw, record.type, shape, record.sparsity)
        if record.type.bits >= 8 and record.type is not DType.BOOL:
            return decode_elements(raw, record.type, shape)
        key = (record.buffer, record.type, tuple(shape))
        if key not in self._unpacked:
            self._charge(raw.size * (16 if record.type is DType.STRING else 4))
            self._unpacked[key] = decode_elements(raw, record.type, shape)
        return self._unpacked[key]

    def _charge(self, cost: int) -> None:
        self.budget -= cost
        if self.budget < 0:
            raise ValueError("constants unpack to more memory than any honest file's do")


class TensorReader:
    """Makes the values of one subgraph.

    `values` are in the order of the file. A result of an operator has no shape yet: inference
    gives it, and `complete` what the file says where inference does not know.
    """

    def __init__(
        self, graph: Record, index: int, constants: Constants, symbols: Symbols, file: str
    ) -> None:
        self.records: list[Record] = graph.tensors or []
        self.index, self.constants, self.symbols, self.file = index, constants, symbols, file
        self.values: list[Value] = []
        self._batch: Sym | None = None
        self._input_has_batch = False

    def read(self, inputs: set[int], produced: set[int], used: set[int]) -> list[Value]:
        """All values; `inputs` and `produced` say how tensors get their contents, `used` which
        ones anything refers to.

        Raises:
            FormatError: what a tensor says of itself cannot be true.
        """
        for index, record in enumerate(self.records):
            try:
                shape = _stored_shape(record)
                if index in used and min(shape, default=0) < 0:
                    raise ValueError(f"dimensions are not negative; got {shape}")
                value = self._value(record, shape, index in inputs, index in produced)
                value.source = Source(self.index, index, value.name)
                self.values.append(value)
            except ValueError as problem:
                raise self.error(index, str(problem)) from None
        for value, record in zip(self.values, self.records, strict=True):
            tensors = blockwise_tensors(record.quantization)
            if tensors is not None and value.quant is not None:
                scales, points = tensors
                zero = self.values[points] if points > 0 else None
                value.extras["blockwise"] = (self.values[scales], zero)
        return self.values

    def declared(self, index: int) -> TensorType:
        """What the file says of a tensor's shape and dtype."""
        record = self.records[index]
        return TensorType(tuple(_stored_shape(record)), record.type)

    def complete(self, value: Value) -> None:
        """Fill in what inference leaves open of a result from what the file declares of it.

        Raises:
            FormatError: what the file declares cannot be true.
        """
        assert value.source is not None
        record, type_ = self.records[value.source.tensor], value.type
        stored = _stored_shape(record)
        try:
            if type_.dtype is not record.type and record.quantization is not None:
                type_ = replace(type_, quant=self._quant(record, type_.dtype, stored))
            # Without `has_rank`, [] is said of scalars and of unknown ranks alike.
            if type_.shape is None and (record.has_rank or stored):
                type_ = type_.with_shape(self._shape(record, stored, is_input=False))
        except ValueError as problem:
            raise self.error(value.source.tensor, str(problem)) from None
        value.type = value.extras["as_read"] = type_

    def error(self, index: int, rule: str) -> FormatError:
        """The error for a tensor that breaks a rule."""
        record = self.records[index]
        where = f"tensor {index} {record.name or ''!r} of subgraph {self.index}"
        return FormatError(f"{where}: {rule}", file=self.file, offset=record.byte_offset)

    def _value(self, record: Record, stored: list[int], is_input: bool, is_result: bool) -> Value:
        dtype: DType = record.type
        data = self.constants.read(record)
        if data is not None and is_result:
            raise ValueError("is the result of an operator, yet has a constant buffer")
        if data is not None and record.is_variable:
            raise ValueError("is a variable, yet has a constant buffer")
        if prod(stored) > _MAX_ELEMENTS:
            raise ValueError(f"a tensor has at most {_MAX_ELEMENTS} elements; got {stored}")
        shape: Shape | None = None
        if data is not None:
            shape = tuple(stored)
        elif is_input and record.shape is None and not record.has_rank:
            shape = None  # scalars have one that is empty
        elif not is_result and min(stored, default=0) >= 0:
            shape = self._shape(record, stored, is_input)
        value = Value(
            TensorType(shape, dtype, self._quant(record, dtype, stored)),
            record.name or "",
            data,
            is_variable=record.is_variable,
        )
        extras = value.extras
        extras["record"] = record
        extras["as_read"] = value.type
        if record.sparsity is not None and data is not None:
            extras["sparse"] = (data, self.constants.buffers[record.buffer].data)
        extras["shape"] = stored
        if record.shape_signature is not None and record.shape_signature.size:
            extras["shape_signature"] = record.shape_signature.tolist()
        if record.sparsity is not None:
            from edgewise.format import sparsity

            extras["sparsity_parameters"] = sparsity.details(record.sparsity)
        return value

    def _quant(self, record: Record, dtype: DType, stored: list[int]) -> Quant | None:
        if record.quantization is None:
            return None
        return read_quant(record.quantization, dtype, stored, self._constant_by_index)

    def _constant_by_index(self, index: int) -> np.ndarray | None:
        return self.constants.read(self.records[index]) if 0 <= index < len(self.records) else None

    def _shape(self, record: Record, stored: list[int], is_input: bool) -> Shape:
        signature = record.shape_signature
        if signature is None or signature.size == 0:
            return tuple(stored)
        if signature.size != len(stored):
            raise ValueError(f"shape {stored} and shape_signature differ in rank: {signature}")
        dims: list[Dim] = []
        for axis, (size, declared) in enumerate(zip(stored, signature.tolist(), strict=True)):
            if declared >= 0:
                dims.append(size)
            else:
                dims.append(self._unknown(axis, is_input, record.is_variable))
        return tuple(dims)

    def _unknown(self, axis: int, is_input: bool, is_variable: bool) -> Sym:
        """An unknown dimension. The batch of a subgraph is the first leading one of its inputs, and
        every leading one of its variables, which that input binds."""
        if axis > 0 or not (is_input or is_variable) or (is_input and self._input_has_batch):
            return self.symbols.fresh()
        self._input_has_batch |= is_input
        if self._batch is None:
            self._batch = self.symbols.batch()
        return self._batch


def _stored_shape(record: Record) -> list[int]:
    return [] if record.shape is None else record.shape.tolist()
