"""What an integer LSTM multiplies by and adds, as its kernel reads it: packed while planning, or
by calls before each run where the model computes it. Multipliers follow from scales alone.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from edgewise.dtypes import DType
from edgewise.ir.graph import Value
from edgewise.ir.op import Quantized
from edgewise.ir.types import TensorType
from edgewise.ops.lstm import FullLSTM
from edgewise.ops.lstm_integer import Cell
from edgewise.ops.lstm_operands import CELL_STATE, OUTPUT_STATE
from edgewise.runtime.calls import Call, Site, require, zero_point
from edgewise.runtime.library import constant
from edgewise.runtime.select.computed import in_one, in_panels_b8
from edgewise.runtime.select.convert import as_type
from edgewise.runtime.select.copy import constant_view, copy, filled, view
from edgewise.values import dataclass

Array = np.ndarray
Numbers = Array | Value  # known while planning, or computed by the model
Laid = tuple[Numbers, Numbers, Sequence[Call]]  # a packed matrix, its biases, and what makes them

ACTIVATIONS = (0, OUTPUT_STATE, CELL_STATE)
# operands of the input, forget, cell and output gates, and of the projection
_INPUT, _RECURRENT, _BIAS, _NORM = range(1, 5), range(5, 9), range(12, 16), range(20, 24)
_PEEPHOLE, _PROJECTION, _PROJECTION_BIAS = range(9, 12), range(16, 17), range(17, 18)
_BIASES = (*_BIAS, *_PROJECTION_BIAS)
_PLAIN = {"flip": 0, "w_zero": 0}  # weights are what they are


@dataclass(frozen=True, slots=True, eq=False)
class _Product:
    """Places of matrices and of their biases among the operands, both as the cell has them, and
    the zero point of what is multiplied."""

    operands: Sequence[int]
    added: Sequence[int]
    parts: Sequence[tuple[Array, Array]]
    zero: int


@dataclass(frozen=True, slots=True, eq=False)
class Operands:
    """The operands of an integer LSTM. In `cell`, what the model computes is 0, and so is every
    matrix of a product of which it computes anything: those are in `moving`."""

    site: Site
    values: Sequence[Value | None]
    moving: Collection[int]
    cell: Cell

    @classmethod
    def of(cls, site: Site) -> Operands:
        """Read and check them. Raises NotNative."""
        op, node = site.node.op, site.node
        assert isinstance(op, FullLSTM)
        values = [node.optional(i) for i in range(len(op.operands))]
        for index, value in enumerate(values):
            if value is None:
                continue
            require(value.quant is not None or index in _BIASES, "an operand has no scale")
            if index not in ACTIVATIONS:
                most = 32 if index in _BIASES else 16
                is_fit = value.dtype.is_integer and value.dtype.bits <= most
                require(is_fit, f"no kernel for {value.dtype.text} weights or biases")
        require(node.output.quant is not None, "the result has no scale")
        moving: set[int] = set()
        for matrices, added in _products(values):
            found = [values[i] for i in (*matrices, *added)]
            if any(v is not None and site.known(v) is None for v in found):
                moving |= {*matrices}
        given = [_quantized(site, i, v, moving) for i, v in enumerate(values)]
        return cls(site, values, moving, op.integer_cell(given, node.output.type))

    def laid_out(self) -> tuple[Sequence[Numbers], Sequence[Call]]:
        """The seven operands between x and h of the kernel, and the calls that make them."""
        cell, panel = self.cell, constant("EW_RECURRENT_PANEL")
        gates = [gate for gate in cell.gates if gate is not None]
        x_zero, h_zero = (zero_point(v.type) for v in map(self._present, ACTIVATIONS[:2]))
        into, back, out = _products(self.values)
        parts = [(g.w, g.w_bias) for g in gates]
        w, bias, calls = self._laid(_Product(*into, parts, x_zero))
        parts = [(g.recurrent, g.recurrent_bias) for g in gates]
        recurrent, h_bias, more = self._laid(_Product(*back, parts, h_zero))
        vectors, rows = self._vectors(-(-len(gates[0].recurrent) // panel) * panel)
        last: Laid = np.zeros(0, np.int8), np.zeros(0, np.int32), []
        if cell.projection is not None:
            parts = [(cell.projection.w, cell.projection.bias)]
            last = self._laid(_Product(*out, parts, -cell.hidden_point))
        return (w, recurrent, bias, h_bias, vectors, *last[:2]), [*calls, *more, *rows, *last[2]]

    def _present(self, index: int) -> Value:
        value = self.values[index]
        assert value is not None
        return value

    def _is_computed(self, index: int) -> bool:
        value = self.values[index]
        return value is not None and self.site.known(value) is None

    def _laid(self, product: _Product) -> Laid:
        """Matrices [N, K] as [N / panel rounded up, K / 2 rounded up, panel, 2] s8, joined, and
        biases in as many panels: less `zero` times the sums of weights, which those of the cell
        are already where nothing is computed."""
        if product.operands[0] in self.moving:
            return self._moved(product)
        panel = constant("EW_RECURRENT_PANEL")
        found, rows = [], []
        for matrix, bias in product.parts:
            n, k = matrix.shape
            padded = np.zeros((-(-n // panel) * panel, -(-k // 2) * 2), np.int8)
            is_narrow = bool(np.all(np.abs(matrix + 0.5) < 128))
            require(is_narrow, "weights are wider than 8 bits with sign")
            padded[:n, :k] = matrix
            found.append(padded.reshape(-1, panel, padded.shape[1] // 2, 2).transpose(0, 2, 1, 3))
            rows.append(np.pad(bias, (0, len(padded) - n)).astype(np.int32))
        return np.concatenate(found).reshape(-1), np.concatenate(rows), []

    def _moved(self, product: _Product) -> Laid:
        """The same by a kernel, before each run."""
        operands, added, parts = product.operands, product.added, product.parts
        present = [self._present(i) for i in operands if self.values[i] is not None]
        is_narrow = all(v.dtype is DType.INT8 for v in present)
        require(is_narrow, "computed weights are wider than 8 bits, or without sign")
        arrays = [self.site.known(v) for v in present]
        matrices = [v if a is None else a for v, a in zip(present, arrays, strict=True)]
        n, k = parts[0][0].shape
        whole, calls = in_one(matrices, TensorType((len(parts) * n, k), DType.INT8))
        found: list[Numbers] = [bias.astype(np.int32) for _, bias in parts]
        gates = [i for i, j in zip(added, operands, strict=False) if self.values[j] is not None]
        for place, index in enumerate(gates):
            if self._is_computed(index):
                found[place], more = as_type(self.site, self._present(index), DType.INT32)
                calls += more
        biases, more = in_one(found, TensorType((len(parts) * n,), DType.INT32))
        size, numbers = (constant("EW_RECURRENT_PANEL"), 2), {"x_zero": product.zero, **_PLAIN}
        y, z, last = in_panels_b8(view(whole), biases, (len(parts), 1), size, numbers)
        return y, z, [*calls, *more, *last]

    def _vectors(self, padded: int) -> tuple[Numbers, Sequence[Call]]:
        """Peepholes, and what normalises: rows of `padded` numbers s32, modulo 2**32."""
        gates = self.cell.gates
        rows: list[tuple[int, Array | None]] = []
        if gates[-1] is not None and gates[-1].peephole is not None:
            shown = zip(_PEEPHOLE, (gates[0], gates[1], gates[3]), strict=True)
            rows += [(i, None if gate is None else gate.peephole) for i, gate in shown]
        if gates[-1] is not None and gates[-1].norm is not None:
            present = [(i, gate) for i, gate in enumerate(gates) if gate is not None]
            rows += [(_NORM[i], gate.norm) for i, gate in present]
            rows += [(_BIAS[i], gate.norm_bias) for i, gate in present]
        table = np.zeros((len(rows), padded), np.int32)
        for row, (_, known) in zip(table, rows, strict=True):
            if known is not None:
                row[: len(known)] = known.astype(np.int32)
        if not any(self._is_computed(i) for i, _ in rows):
            return table.reshape(-1), []
        y = Value(TensorType(table.shape, DType.INT32), "vectors")
        target, calls = view(y), list[Call]()
        for row, (index, _), to in zip(table, rows, target.elements, strict=True):
            if not self._is_computed(index):
                calls += copy(constant_view(row.view(np.uint32)), target.of(to))
                continue
            numbers, more = as_type(self.site, self._present(index), DType.INT32)
            source = view(numbers)
            cells = source.elements.size
            calls += [*more, *copy(source, target.of(to[:cells]))]
            calls += filled(target.of(to[cells:]), constant_view(np.zeros(1, np.uint32)))
        return y, calls


def _products(values: Sequence[Value | None]) -> Sequence[tuple[Sequence[int], Sequence[int]]]:
    """Of the inputs, the last output and the hidden values: matrices and biases. The biases of
    gates that are normalised come later."""
    has_norm = values[_NORM[-1]] is not None
    into = (_INPUT, range(0) if has_norm else _BIAS)
    return into, (_RECURRENT, range(0)), (_PROJECTION, _PROJECTION_BIAS)


def _quantized(
    site: Site, index: int, value: Value | None, moving: Collection[int]
) -> Quantized | None:
    """A constant, or zeros; of activations and states nothing but the scale."""
    if value is None:
        return None
    array = np.zeros(0, np.int8) if index in ACTIVATIONS else site.known(value)
    if array is None or index in moving:
        array = np.zeros([d for d in value.shape if isinstance(d, int)], value.dtype.numpy)
    return Quantized(array, value.quant)
