"""Custom operators in a shared library: `kernels/edgewise_op.h` seen from Python.

A library's code runs with everything this process may do: it is loaded because somebody names it,
never because of what a model file says. What it answers is checked all the same.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from edgewise.errors import InputError, ShapeError
from edgewise.ir.dim import Shape
from edgewise.ir.op import Operand, Quantized
from edgewise.ir.types import Quant, TensorType
from edgewise.runtime.library import add_kernel, library, structures
from edgewise.runtime.memory import aligned, allocate
from edgewise.values import dataclass

Decode = Callable[[bytes], Mapping[str, object]]

# libraries stay loaded: plans have addresses of their functions. Any: cffi has no types.
_loaded: list[Any] = []


@dataclass(frozen=True, slots=True)
class Tensor:
    """What `prepare` is told of one: its type, and the elements of a constant."""

    type: TensorType
    data: np.ndarray | None = None


@dataclass(frozen=True, slots=True)
class Prepared:
    """What `prepare` says of a call."""

    shapes: tuple[tuple[int, ...], ...]
    params: bytes
    n_tiles: int
    scratch_bytes: int


@dataclass(frozen=True, slots=True)
class NativeOp:
    """One operator of a library. `kernel` is its name in plans; `options` reads a node's."""

    name: str
    kernel: str
    options: Decode
    _op: Any  # ew_op *: cffi has no types

    def prepare(
        self, data: bytes, operands: Sequence[Tensor | None], results: Sequence[TensorType]
    ) -> Prepared:
        """Ask the library about a call with options `data`. Raises ShapeError: it refuses, or says
        what no kernel may."""
        ffi, lib = structures(), library()
        keep: list[Any] = []  # what `new` made and C has addresses of
        x = ffi.new("ew_op_tensor[]", [_tensor(t, keep) for t in operands])
        y = ffi.new("ew_op_tensor[]", [_tensor(Tensor(t), keep) for t in results])
        options = ffi.new("ew_op_option[]", list(_options(self.options(data), keep)))
        given = ffi.from_buffer("uint8_t[]", data or b"\0")
        call = ffi.new(
            "ew_op_call *",
            {
                "x": x,
                "y": y,
                "options": options,
                "bytes": given,
                "n_x": len(x),
                "n_y": len(y),
                "n_options": len(options),
                "n_bytes": len(data),
            },
        )
        if self._op.prepare(call):
            said = ffi.string(call.error).decode(errors="replace") if call.error else "no reason"
            raise ShapeError(f"its library refuses the call: {said}")
        shapes = []
        for tensor, type_ in zip(y, results, strict=True):
            if tensor.rank > lib.EW_OP_RANK:
                raise ShapeError(f"its library gives a result rank {tensor.rank}, above 8")
            if tensor.dtype != type_.dtype.code:
                raise ShapeError(f"its library must leave the result {type_.dtype.text}")
            shapes.append(tuple(tensor.dims[0 : tensor.rank]))
        if call.n_params > lib.EW_OP_PARAMS:
            raise ShapeError(f"its library gives {call.n_params} bytes of parameters, above 1024")
        params = bytes(ffi.buffer(call.params, call.n_params))
        return Prepared(tuple(shapes), params, call.n_tiles, call.scratch_bytes)

    def infer(
        self,
        data: bytes,
        operands: Sequence[Operand | None],
        declared: Sequence[TensorType | None],
    ) -> tuple[Shape | None, ...]:
        """Shapes of the results; None each where an operand's is not known yet."""
        results = [t for t in declared if t is not None]
        if len(results) < len(declared):
            return (None,) * len(declared)
        tensors: list[Tensor | None] = []
        for operand in operands:
            if operand is None:
                tensors.append(None)
                continue
            type_ = TensorType(operand.shape, operand.dtype, operand.quant)
            if not type_.is_static:
                return (None,) * len(results)
            tensors.append(Tensor(type_, operand.data))
        return self.prepare(data, tensors, results).shapes

    def compute(
        self, data: bytes, operands: Sequence[Quantized | None], results: Sequence[TensorType]
    ) -> tuple[np.ndarray, ...]:
        """Run the kernel on arrays, by itself: where no plan does."""
        arrays = [
            None if o is None else np.require(o.data, requirements=("C", "A")) for o in operands
        ]
        tensors = [
            None if a is None or o is None else Tensor(TensorType.of(a, o.quant), a)
            for a, o in zip(arrays, operands, strict=True)
        ]
        said = self.prepare(data, tensors, results)
        made = [np.zeros(s, t.dtype.numpy) for s, t in zip(said.shapes, results, strict=True)]
        ffi = structures()
        everything = [np.zeros(1) if a is None else a for a in arrays] + made
        buffers = [ffi.from_buffer(a.reshape(-1).view(np.uint8)) if a.size else ffi.NULL
                   for a in everything]  # fmt: skip
        scratch = allocate(aligned(said.scratch_bytes + 1))
        if said.n_tiles:
            self._op.kernel(
                ffi.from_buffer(np.frombuffer(said.params + bytes(8), np.uint8).copy()),
                ffi.new("void *[]", buffers),
                0,
                said.n_tiles,
                ffi.from_buffer(scratch),
            )
        return tuple(made)


def load_library(path: str | os.PathLike[str], options: Decode) -> list[NativeOp]:
    """The operators of a shared library. Raises InputError: it cannot be loaded, or is none of
    operators."""
    ffi, lib = structures(), library()
    file = os.path.abspath(path)  # noqa: PTH100  (a name without a folder is searched elsewhere)
    try:
        found = ffi.dlopen(file)
        count = ffi.new("uint32_t *")
        ops = found.edgewise_ops(lib.EW_OP_VERSION, count)
    except OSError as problem:
        raise InputError(f"{path}: cannot be loaded: {problem}") from None
    except (AttributeError, ffi.error):
        raise InputError(
            f"{path}: exports no edgewise_ops; see edgewise_op.h in edgewise.get_include()"
        ) from None
    if ops == ffi.NULL:
        raise InputError(
            f"{path}: was made for another edgewise_op.h than version {lib.EW_OP_VERSION}; "
            "compile it again"
        )
    _loaded.append(found)
    return [_native(ffi, path, ops[i], options) for i in range(count[0])]


def _native(ffi: Any, path: str | os.PathLike[str], op: Any, options: Decode) -> NativeOp:
    if not (op.name and op.prepare and op.kernel):
        raise InputError(f"{path}: an operator must have a name, prepare and a kernel")
    name = ffi.string(op.name).decode(errors="replace")
    return NativeOp(name, add_kernel(name, op.kernel), options, op)


def _tensor(tensor: Tensor | None, keep: list[Any]) -> dict[str, Any]:
    ffi, lib = structures(), library()
    if tensor is None:
        return {"dtype": lib.EW_OP_absent}
    type_, data = tensor.type, ffi.NULL
    shape = [d for d in type_.shape or () if isinstance(d, int)]
    if len(shape) > lib.EW_OP_RANK:
        raise ShapeError(f"operators in libraries take 8 dimensions at most; got {len(shape)}")
    if max(shape, default=0) >= 1 << 32:
        raise ShapeError(f"operators in libraries take 32-bit dimensions; got {shape}")
    if tensor.data is not None and tensor.data.size:
        array = np.require(tensor.data, requirements=("C", "A")).reshape(-1).view(np.uint8)
        keep.append(ffi.from_buffer(array))
        data = ffi.cast("void *", keep[-1])
    scale, zero = _quant(type_.quant)
    return {
        "dtype": type_.dtype.code,
        "rank": len(shape),
        "dims": shape,
        "scale": scale,
        "zero_point": zero,
        "data": data,
    }


def _quant(quant: Quant | None) -> tuple[float, int]:
    if quant is None or quant.scale.size != 1:
        return 0.0, 0
    return float(quant.scale[0]), int(quant.zero_point[0])


def _options(entries: Mapping[str, object], keep: list[Any]) -> list[dict[str, Any]]:
    """Entries that are numbers or texts; the others stand in the bytes."""
    ffi, found = structures(), []
    for name, entry in entries.items():
        if not isinstance(entry, bool | int | float | str):
            continue
        keep.append(ffi.new("char[]", name.encode(errors="surrogateescape")))
        option = {"name": keep[-1]}
        if isinstance(entry, str):
            keep.append(ffi.new("char[]", entry.encode(errors="surrogateescape")))
            option["text"] = keep[-1]
        else:
            option["number"] = float(entry)
        found.append(option)
    return found
