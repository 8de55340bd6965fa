"""One subgraph as LiteRT's interpreter shows it: tensors by index, arrays that stay."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgewise.errors import EdgewiseError, InputError, LimitError
from edgewise.ir.graph import Graph, Value
from edgewise.ir.resources import Resources
from edgewise.ir.types import MAX_SIZE
from edgewise.lite.details import Details, operator_details, stored_shape, tensor_details
from edgewise.runtime.limits import Limits
from edgewise.runtime.plan import Precision
from edgewise.runtime.session import Session
from edgewise.runtime.specialize import Stored


class RunError(EdgewiseError, RuntimeError):
    """What LiteRT reports as RuntimeError: `invoke` before `allocate_tensors`, shapes that do not
    go through the operators, a resize that is not allowed."""


class Subgraph:
    """One subgraph with its tensors by index, its input arrays and its last results."""

    def __init__(
        self,
        graph: Graph,
        *,
        keep_all: bool,
        compress: bool,
        stateless: bool,
        resources: Resources,
        num_threads: int,
        limits: Limits,
        precision: Precision,
        stored: Stored | None,
    ) -> None:
        self.graph = graph
        self.session = Session(
            graph,
            keep_all=keep_all,
            stateless=stateless,
            resources=resources,
            num_threads=num_threads,
            limits=limits,
            precision=precision,
            stored=stored,
        )
        self.tensors = graph.tensors or list(graph.values())
        self.ready = False
        self._compress = compress
        self._prepared = False  # allocated at least once, perhaps for other shapes
        self._indices = {value: index for index, value in enumerate(self.tensors)}
        self._inputs = {value: stored_shape(value) for value in graph.inputs}
        self._shapes: dict[Value, list[int]] = {}
        self._arrays: dict[Value, np.ndarray] = {}
        # made by `allocate` for all runs: inputs, outputs where shapes are known, and what the
        # last run returned
        self._feed: tuple[np.ndarray, ...] = ()
        self._into: tuple[np.ndarray, ...] | None = None
        self._shown: Sequence[np.ndarray] = ()
        self._updated = [value for value in graph.inputs if value.is_variable]

    # -- describing -----------------------------------------------------------------------------

    def index(self, value: Value) -> int:
        """The index of one of the subgraph's values in the file."""
        return self._indices[value]

    def value(self, index: int) -> Value:
        """The value with this index. Raises InputError."""
        if not 0 <= index < len(self.tensors):
            raise InputError(
                f"Invalid tensor index {index} exceeds max tensor index {len(self.tensors)}"
            )
        return self.tensors[index]

    def shape(self, value: Value) -> list[int]:
        """The shape that was asked for (inputs), that was found when tensors were allocated or
        computed last, or that of the file."""
        if value in self._inputs:
            return self._inputs[value]
        return self._shapes[value] if value in self._shapes else stored_shape(value)

    def details(self, value: Value) -> Details:
        """LiteRT's dictionary of one tensor."""
        return tensor_details(
            self.index(value),
            value,
            self.shape(value),
            ready=self._prepared,
            compress=self._compress,
        )

    def operators(self) -> list[Details]:
        """LiteRT's dictionaries of the operators."""
        nodes = enumerate(self.graph.nodes)
        return [operator_details(index, node, self._indices) for index, node in nodes]

    # -- running --------------------------------------------------------------------------------

    def resize(self, index: int, size: Sequence[int], *, strict: bool = False) -> None:
        """Ask for another shape of an input; nothing changes where it has that shape.

        Raises:
            InputError: not an input, or not a list of dimensions.
            RunError: a negative dimension, or (strict) one that the signature fixes.
        """
        value = self._input(index)
        try:
            dims = np.array(size).astype(np.int64)  # as LiteRT: fractions are cut off
        except (ValueError, OverflowError) as error:
            raise InputError(f"Shape should be a list of numbers instead of {size!r}") from error
        if dims.ndim != 1:
            raise InputError(f"Shape should be 1D instead of {dims.ndim}.")
        shape = dims.tolist()
        signature = value.extras.get("shape_signature") or stored_shape(value)
        assert isinstance(signature, list)
        if strict and len(signature) != len(shape):
            raise RunError(
                f"strict resize of input {value.name!r}: the rank stays {len(signature)}; "
                f"got {shape}"
            )
        if strict and any(s not in (-1, d) for s, d in zip(signature, shape, strict=True)):
            raise RunError(
                f"strict resize of input {value.name!r}: only dimensions that the signature "
                f"{signature} leaves open (-1) may change; got {shape}"
            )
        if any(d < 0 for d in shape):
            raise RunError(f"dimensions are not negative; got {shape} for input {value.name!r}")
        if any(d > MAX_SIZE for d in shape):
            raise RunError(f"sizes end at {MAX_SIZE}; got {shape} for input {value.name!r}")
        if shape != self._inputs[value]:
            self._inputs[value] = shape
            self.ready = False

    def allocate(self) -> None:
        """Derive all shapes from the inputs', make the inputs' arrays, and zero the variables;
        nothing happens where that is done already.

        Raises:
            RunError: an operator does not accept the shapes. LimitError: they take more memory
                than there is, or than any model should.
            UnsupportedOp: operators that cannot run.
        """
        if self.ready:
            return
        try:
            self.session.resize([self._inputs[v] for v in self.graph.inputs])
        except EdgewiseError as error:
            raise _as_runtime_error(error) from error
        self.reset_variables()
        self._shapes = {
            value: [d for d in value.shape if isinstance(d, int)]
            for value in self.graph.values()
            if value.type.is_static
        }
        outputs = self.graph.outputs
        are_known = all(v.type.is_static and v.dtype.bits for v in outputs)
        try:
            self._arrays = {v: _zeros(v, self._inputs[v]) for v in self.graph.inputs}
            self._into = tuple(_zeros(v, self.shape(v)) for v in outputs) if are_known else None
        except MemoryError as error:
            raise LimitError(f"inputs and outputs do not fit into memory: {error}") from error
        self._feed = tuple(self._arrays.values())
        self._shown = ()
        self.ready = self._prepared = True

    def reset_variables(self) -> None:
        """Variables, also those that are inputs, are zero again (or their zero point)."""
        self.session.reset_variables()
        for value in self._updated if self.ready else ():
            zero = 0 if value.quant is None else value.quant.zero_point.flat[0]
            self._arrays[value][...] = zero

    def set(self, index: int, array: np.ndarray) -> None:
        """Copy an array into an input or a variable. Raises InputError."""
        value = self.value(index)
        if not self.ready:
            raise InputError(
                "Cannot set tensor: Tensor is unallocated. Try calling allocate_tensors() first"
            )
        if value not in self._inputs and not value.is_variable:
            raise self._not_an_input(index)
        text = array.dtype.kind in "OSU"
        if text != (value.dtype.bits == 0) or not (text or array.dtype == value.dtype.numpy):
            got = "STRING" if text else array.dtype.name.upper()
            raise InputError(
                f"Cannot set tensor: Got value of type {got} but expected "
                f"type {value.dtype.name} for input {index}, name: {value.name} "
            )
        shape = self.shape(value)
        if array.ndim != len(shape):
            raise InputError(
                f"Cannot set tensor: Dimension mismatch. Got {array.ndim} but expected "
                f"{len(shape)} for input {index}."
            )
        for axis, (got, expected) in enumerate(zip(array.shape, shape, strict=True)):
            if got != expected:
                raise InputError(
                    f"Cannot set tensor: Dimension mismatch. Got {got} but expected {expected} "
                    f"for dimension {axis} of input {index}."
                )
        if value not in self._inputs:
            self.session.variables()[value] = array.copy()
        elif text:
            items = np.array([_as_bytes(s) for s in array.reshape(-1)] + [None], object)[:-1]
            self._arrays[value][...] = items.reshape(array.shape)
        else:
            self._arrays[value][...] = array

    def invoke(self) -> None:
        """Run once. Raises RunError before `allocate`, or where an operator fails."""
        if not self.ready:
            raise RunError(
                "Invoke called on model that is not ready. Call allocate_tensors() first"
            )
        try:
            outputs = self.session.run(self._feed, self._into)
        except EdgewiseError as error:
            raise _as_runtime_error(error) from error
        for value in self._updated:  # the next run goes on from there, as LiteRT's
            self._arrays[value][...] = self.session.variables()[value]
        if outputs is self._shown:
            return
        self._shown = () if self.session.kept else outputs
        found = {**self.session.kept, **dict(zip(self.graph.outputs, outputs, strict=True))}
        found = {v: a for v, a in found.items() if v not in self._inputs}
        self._arrays.update(found)
        self._shapes.update((v, list(a.shape)) for v, a in found.items())

    def get(self, index: int) -> np.ndarray:
        """The array of a tensor itself. Raises InputError where it has none."""
        value = self.value(index)
        if value.data is not None:
            return value.data
        if not self.ready:
            raise InputError("Tensor data is null. Run allocate_tensors() first")
        if value in self._arrays:
            return self._arrays[value]
        if value.is_variable and value in self.session.variables():
            return self.session.variables()[value]
        if value.is_variable or value in self.graph.outputs:
            return _zeros(value, self.shape(value))
        raise InputError(
            f"tensor {index} ({value.name!r}) is not kept after a run; make the interpreter with "
            "experimental_preserve_all_tensors=True"
        )

    def _input(self, index: int) -> Value:
        value = self.value(index)
        if value not in self._inputs:
            raise self._not_an_input(index)
        return value

    def _not_an_input(self, index: int) -> InputError:
        names = ", ".join(f"{self.index(v)} ({v.name})" for v in self.graph.inputs) or "none"
        return InputError(f"tensor {index} is not an input; inputs are {names}")


def _zeros(value: Value, shape: Sequence[int]) -> np.ndarray:
    if value.dtype.bits == 0:
        return np.full(shape, b"", object)
    return np.zeros(shape, value.dtype.numpy)


def _as_bytes(text: object) -> bytes:
    return text if isinstance(text, bytes) else str(text).encode()


def _as_runtime_error(error: EdgewiseError) -> EdgewiseError:
    """LiteRT's class for what goes wrong in operators."""
    return error if isinstance(error, RuntimeError) else RunError(str(error))
