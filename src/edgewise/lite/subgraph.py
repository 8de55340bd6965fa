"""One subgraph as LiteRT's interpreter shows it: tensors by index, arrays that stay."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from edgewise.errors import EdgewiseError, InputError
from edgewise.ir.graph import Graph, Value
from edgewise.lite.details import stored_shape, tensor_details
from edgewise.runtime.session import Session

Details = dict[str, Any]


class NotReadyError(EdgewiseError, RuntimeError):
    """`invoke` before `allocate_tensors`."""


class Subgraph:
    """One subgraph with its tensors by index, its input arrays and its last results."""

    def __init__(self, graph: Graph, keep_all: bool) -> None:
        self.graph = graph
        self.session = Session(graph, keep_all=keep_all)
        self.tensors = graph.tensors or list(graph.values())
        self.ready = False
        self._indices = {value: index for index, value in enumerate(self.tensors)}
        self._shapes = {value: stored_shape(value) for value in graph.inputs}
        self._arrays: dict[Value, np.ndarray] = {}

    def index(self, value: Value) -> int:
        return self._indices[value]

    def value(self, index: int) -> Value:
        if not 0 <= index < len(self.tensors):
            raise InputError(
                f"Invalid tensor index {index} exceeds max tensor index {len(self.tensors)}"
            )
        return self.tensors[index]

    def shape(self, value: Value) -> list[int]:
        """The current shape: of the array that is there, else inferred, else the file's."""
        if value in self._shapes:
            return self._shapes[value]
        if value in self._arrays:
            return list(self._arrays[value].shape)
        if self.ready and value.type.is_static:
            return [d for d in value.shape if isinstance(d, int)]
        return stored_shape(value)

    def details(self, value: Value) -> Details:
        return tensor_details(self.index(value), value, self.shape(value))

    def resize(self, index: int, size: list[int], strict: bool = False) -> None:
        value = self._input(index)
        signature = value.extras.get("shape_signature") or stored_shape(value)
        if strict and [s for s, d in zip(signature, size, strict=False) if s not in (-1, d)]:  # type: ignore[call-overload]
            raise InputError(
                f"strict resize of input {value.name!r}: only dimensions that the signature "
                f"{signature} leaves open (-1) may change; got {size}"
            )
        if any(d < 0 for d in size):
            raise InputError(f"dimensions are not negative; got {size} for {value.name!r}")
        self._shapes[value] = size
        self.ready = False

    def allocate(self) -> None:
        self.session.resize([self._shapes[v] for v in self.graph.inputs])
        self._arrays = {
            v: np.zeros(self._shapes[v], v.dtype.numpy)
            if v.dtype.bits
            else np.full(self._shapes[v], b"", object)
            for v in self.graph.inputs
        }
        self.ready = True

    def set(self, index: int, array: np.ndarray) -> None:
        value = self._input(index)
        if value not in self._arrays:
            raise InputError(
                "Cannot set tensor: Tensor is unallocated. Try calling allocate_tensors() first"
            )
        buffer = self._arrays[value]
        if array.dtype.kind in "SU" and value.dtype.bits == 0:
            array = np.array([_as_bytes(s) for s in array.reshape(-1)], object).reshape(array.shape)
        if array.dtype != buffer.dtype:
            raise InputError(
                f"Cannot set tensor: Got value of type {array.dtype.name.upper()} but expected "
                f"type {value.dtype.name} for input {index}, name: {value.name} "
            )
        if array.ndim != buffer.ndim:
            raise InputError(
                f"Cannot set tensor: Dimension mismatch. Got {array.ndim} but expected "
                f"{buffer.ndim} for input {index}."
            )
        for axis, (got, expected) in enumerate(zip(array.shape, buffer.shape, strict=True)):
            if got != expected:
                raise InputError(
                    f"Cannot set tensor: Dimension mismatch. Got {got} but expected {expected} "
                    f"for dimension {axis} of input {index}."
                )
        buffer[...] = array

    def invoke(self) -> None:
        if not self.ready:
            raise NotReadyError(
                "Invoke called on model that is not ready. Call allocate_tensors() first"
            )
        outputs = self.session.run([self._arrays[v] for v in self.graph.inputs])
        self._arrays.update(self.session.kept)
        self._arrays.update(zip(self.graph.outputs, outputs, strict=True))

    def get(self, index: int) -> np.ndarray:
        value = self.value(index)
        if value.data is not None:
            return value.data
        if value.is_variable and value in self.session.variables():
            return self.session.variables()[value]
        if value in self._arrays:
            return self._arrays[value]
        if not self.ready:
            raise InputError("Tensor data is null. Run allocate_tensors() first")
        if value.is_variable or value in self.graph.outputs:
            return np.zeros(self.shape(value), value.dtype.numpy)
        raise InputError(
            f"tensor {index} ({value.name!r}) is not kept after a run; make the interpreter with "
            "experimental_preserve_all_tensors=True"
        )

    def ops_details(self) -> list[Details]:
        def row(values: Iterable[Value | None]) -> tuple[np.ndarray, list[type]]:
            present = [v for v in values if v is not None]
            return (
                np.array([-1 if v is None else self.index(v) for v in values], np.int32),
                [v.dtype.numpy.type for v in present],
            )

        details = []
        for index, node in enumerate(self.graph.nodes):
            (ins, in_types), (outs, out_types) = row(node.inputs), row(node.outputs)
            details.append(
                {
                    "index": index,
                    "op_name": node.op.custom or node.op.builtin or node.op.name,
                    "inputs": ins,
                    "outputs": outs,
                    "operand_types": in_types,
                    "result_types": out_types,
                }
            )
        return details

    def _input(self, index: int) -> Value:
        value = self.value(index)
        if value not in self._shapes:
            names = ", ".join(f"{self.index(v)} ({v.name})" for v in self.graph.inputs)
            raise InputError(f"tensor {index} is not an input; inputs are {names}")
        return value


def _as_bytes(text: object) -> bytes:
    return text if isinstance(text, bytes) else str(text).encode()
