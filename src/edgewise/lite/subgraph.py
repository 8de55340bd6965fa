"""One subgraph as LiteRT's interpreter shows it: tensors by index, arrays that stay.

Its inputs and outputs may be all that was read of the file; the others are read when one of them is
asked for.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from edgewise.errors import EdgewiseError, InputError, LimitError
from edgewise.ir.graph import Value
from edgewise.ir.resources import Resources
from edgewise.ir.types import MAX_SIZE
from edgewise.lite.details import Details, operator_details, stored_shape, tensor_details
from edgewise.runtime.executor import DEFAULT_LIMITS
from edgewise.runtime.limits import Limits
from edgewise.runtime.memory import allocate
from edgewise.runtime.plan import Precision
from edgewise.runtime.session import Session
from edgewise.runtime.source import Source
from edgewise.runtime.stored import index_of


class RunError(EdgewiseError, RuntimeError):
    """What LiteRT reports as RuntimeError: `invoke` before `allocate_tensors`, shapes that do not
    go through the operators, a resize that is not allowed."""


class Subgraph:
    """One subgraph, by its name, with its tensors by index, its input arrays and its last
    results. `inputs` and `outputs` are indices."""

    def __init__(
        self,
        source: Source,
        name: str,
        *,
        keep_all: bool,
        compress: bool,
        resources: Resources,
        num_threads: int,
        limits: Limits,
        precision: Precision,
    ) -> None:
        self._source, self._name = source, name
        ends = source.interface.graphs[name]
        self.session = Session(
            lambda: source.graph(name),
            inputs=ends.inputs,
            keep_all=keep_all,
            stateless=source.interface.is_stateless,
            resources=resources,
            num_threads=num_threads,
            limits=limits,
            precision=precision,
            stored=source.stored(name),
        )
        self.ready = False
        self._compress = compress
        self._prepared = False  # allocated at least once, perhaps for other shapes
        # what was read so far, by index, and its inverse
        self._values: dict[int, Value] = {}
        self._indices: dict[Value, int] = {}
        self._has_all = False
        if source.is_read or limits is not DEFAULT_LIMITS:
            self._read()
            ends = source.graph(name)
        else:
            self._know({index_of(v): v for v in (*ends.inputs, *ends.outputs)})
        self.inputs = [self._indices[v] for v in ends.inputs]
        self.outputs = [self._indices[v] for v in ends.outputs]
        # state is kept by index: reading all replaces the values
        self._inputs = {index: stored_shape(self._values[index]) for index in self.inputs}
        self._shapes: dict[int, list[int]] = {}
        self._arrays: dict[int, np.ndarray] = {}
        # made by `allocate` for all runs: inputs, outputs where shapes are known, and what the
        # last run returned
        self._feed: tuple[np.ndarray, ...] = ()
        self._into: tuple[np.ndarray, ...] | None = None
        self._shown: Sequence[np.ndarray] = ()
        self._updated = [index for index in self.inputs if self._values[index].is_variable]

    # -- describing -----------------------------------------------------------------------------

    def _read(self) -> None:
        graph = self._source.graph(self._name)
        self._know(dict(enumerate(graph.tensors or graph.values())))
        self._has_all = True

    def _know(self, values: dict[int, Value]) -> None:
        self._values = values
        self._indices = {value: index for index, value in values.items()}

    def indices(self) -> range:
        """Of all tensors."""
        if not self._has_all:
            self._read()
        return range(len(self._values))

    def value(self, index: int) -> Value:
        """The value with this index. Raises InputError."""
        if not self._has_all and (self._source.is_read or index not in self._values):
            self._read()
        if index not in self._values:
            raise InputError(
                f"Invalid tensor index {index} exceeds max tensor index {len(self._values)}"
            )
        return self._values[index]

    def shape(self, index: int) -> list[int]:
        """The shape that was asked for (inputs), that was computed last or found when tensors were
        allocated, or that of the file."""
        for known in (self._inputs, self._shapes):
            if index in known:
                return known[index]
        value = self.value(index)
        if self._prepared and value.type.is_static:
            return [d for d in value.shape if isinstance(d, int)]
        return stored_shape(value)

    def details(self, index: int) -> Details:
        """LiteRT's dictionary of one tensor."""
        return tensor_details(
            index,
            self.value(index),
            self.shape(index),
            ready=self._prepared,
            compress=self._compress,
        )

    def operators(self) -> list[Details]:
        """LiteRT's dictionaries of the operators."""
        self.indices()
        nodes = enumerate(self._source.graph(self._name).nodes)
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
        if shape != self._inputs[index]:
            self.indices()
            self._inputs[index] = shape
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
        if self._has_all or self._source.is_read:  # else they are those of the file, and known
            try:
                self.session.resize([self._inputs[index] for index in self.inputs])
            except EdgewiseError as error:
                raise _as_runtime_error(error) from error
        self.reset_variables()
        self._shapes, self._prepared = {}, True
        outputs = [self.value(index) for index in self.outputs]
        are_known = all(v.type.is_static and v.dtype.bits for v in outputs)
        try:
            self._arrays = {index: self._zeros(index) for index in self.inputs}
            self._into = tuple(map(self._zeros, self.outputs)) if are_known else None
        except MemoryError as error:
            raise LimitError(f"inputs and outputs do not fit into memory: {error}") from error
        self._feed = tuple([self._arrays[index] for index in self.inputs])
        self._shown = ()
        self.ready = True

    def reset_variables(self) -> None:
        """Variables, also those that are inputs, are zero again (or their zero point)."""
        self.session.reset_variables()
        for index in self._updated if self.ready else ():
            quant = self.value(index).quant
            self._arrays[index][...] = 0 if quant is None else quant.zero_point.flat[0]

    def set(self, index: int, array: np.ndarray) -> None:
        """Copy an array into an input or a variable. Raises InputError."""
        value = self.value(index)
        if not self.ready:
            raise InputError(
                "Cannot set tensor: Tensor is unallocated. Try calling allocate_tensors() first"
            )
        if index not in self._inputs and not value.is_variable:
            raise self._not_an_input(index)
        text = array.dtype.kind in "OSU"
        if text != (value.dtype.bits == 0) or not (text or array.dtype == value.dtype.numpy):
            got = "STRING" if text else array.dtype.name.upper()
            raise InputError(
                f"Cannot set tensor: Got value of type {got} but expected "
                f"type {value.dtype.name} for input {index}, name: {value.name} "
            )
        shape = self.shape(index)
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
        if index not in self._inputs:
            self.session.variables()[value] = array.copy()
        elif text:
            items = np.array([_as_bytes(s) for s in array.reshape(-1)] + [None], object)[:-1]
            self._arrays[index][...] = items.reshape(array.shape)
        else:
            self._arrays[index][...] = array

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
        if self._updated:
            for index in self._updated:  # the next run goes on from there, as LiteRT's
                self._arrays[index][...] = self.session.variables()[self.value(index)]
        if outputs is self._shown:
            return
        kept = self.session.kept
        self._shown = () if kept else outputs
        if kept:
            self.indices()
        found = {self._indices[v]: a for v, a in kept.items()}
        found.update(zip(self.outputs, outputs, strict=True))
        found = {index: a for index, a in found.items() if index not in self._inputs}
        self._arrays.update(found)
        self._shapes.update((index, list(a.shape)) for index, a in found.items())

    def get(self, index: int) -> np.ndarray:
        """The array of a tensor itself. Raises InputError where it has none."""
        value = self.value(index)
        if value.data is not None:
            return value.data
        if not self.ready:
            raise InputError("Tensor data is null. Run allocate_tensors() first")
        if index in self._arrays:
            return self._arrays[index]
        if value.is_variable and value in self.session.variables():
            return self.session.variables()[value]
        if value.is_variable or index in self.outputs:
            return self._zeros(index)
        raise InputError(
            f"tensor {index} ({value.name!r}) is not kept after a run; make the interpreter with "
            "experimental_preserve_all_tensors=True"
        )

    def _input(self, index: int) -> Value:
        value = self.value(index)
        if index not in self._inputs:
            raise self._not_an_input(index)
        return value

    def _not_an_input(self, index: int) -> InputError:
        names = ", ".join(f"{i} ({self.value(i).name})" for i in self.inputs) or "none"
        return InputError(f"tensor {index} is not an input; inputs are {names}")

    def _zeros(self, index: int) -> np.ndarray:
        dtype, shape = self.value(index).dtype, self.shape(index)
        if not dtype.bits:
            return np.full(shape, b"", object)
        # NumPy's own begin between two cache lines, of which each vector takes parts then
        count = math.prod(shape) * dtype.numpy.itemsize
        return allocate(count).view(dtype.numpy).reshape(shape)


def _as_bytes(text: object) -> bytes:
    return text if isinstance(text, bytes) else str(text).encode()


def _as_runtime_error(error: EdgewiseError) -> EdgewiseError:
    """LiteRT's class for what goes wrong in operators."""
    return error if isinstance(error, RuntimeError) else RunError(str(error))
