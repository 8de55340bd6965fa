"""`tf.lite.Interpreter` and `ai_edge_litert.interpreter`: same names, arguments, dictionaries.

Source: the public names of tensorflow 2.21 and ai-edge-litert 2.3.
"""

from __future__ import annotations

import enum
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import FunctionType, MethodType
from typing import Any

import numpy as np

from edgewise.dtypes import DType
from edgewise.errors import EdgewiseError, InputError
from edgewise.ir.model import Model
from edgewise.ir.resources import Resources
from edgewise.lite.details import Details
from edgewise.lite.nearest import NearestName, no_attribute
from edgewise.lite.notice import ignored
from edgewise.lite.signature import SignatureRunner
from edgewise.lite.subgraph import Subgraph
from edgewise.runtime.executor import DEFAULT_LIMITS
from edgewise.runtime.limits import Limits
from edgewise.runtime.plan import Precision
from edgewise.runtime.source import Source

__all__ = [
    "Delegate",
    "Interpreter",
    "InterpreterWithCustomOps",
    "OpResolverType",
    "SignatureRunner",
    "load_delegate",
]


@enum.unique
class OpResolverType(enum.Enum):
    """Which kernels LiteRT would take. Edgewise has one set, so all mean the same here."""

    AUTO = 0
    BUILTIN = 1
    BUILTIN_REF = 2
    BUILTIN_WITHOUT_DEFAULT_DELEGATES = 3


class DelegateError(EdgewiseError, OSError, ValueError):
    """A delegate library cannot be used. LiteRT raises OSError where the library is missing and
    ValueError where it refuses; code that falls back to the CPU catches either."""


class Delegate:
    """A delegate library. Edgewise does not load LiteRT's delegate binaries.

    Raises:
        DelegateError: always, naming the library.
    """

    def __init__(self, library: str, options: Mapping[str, str] | None = None) -> None:
        raise DelegateError(
            f"delegate {library!r}: Edgewise cannot load LiteRT delegate libraries; "
            "leave experimental_delegates out, the CPU runs every operator"
        )


def load_delegate(library: str, options: Mapping[str, str] | None = None) -> Delegate:
    """Load a delegate; see `Delegate`."""
    return Delegate(library, options)


class Interpreter(NearestName):
    """Drop-in for `tf.lite.Interpreter`: allocate_tensors, set_tensor, invoke, get_tensor.

    Tensors are addressed by their index in the file, names are the file's. Arguments that
    select LiteRT's kernels or delegates are accepted and change nothing. What LiteRT does not have:
    `limits`, which a model from others may not exceed, `precision` (as `edgewise.Interpreter`), and
    `cancel`.

    Raises:
        LimitError: a shape or, later, an inference goes beyond `limits`; a RuntimeError, too.
        ValueError: neither path nor content, both, or not a model (FormatError).
    """

    def __init__(
        self,
        model_path: str | bytes | os.PathLike[str] | None = None,
        model_content: bytes | None = None,
        experimental_delegates: Sequence[Delegate] | None = None,
        num_threads: int | None = None,
        experimental_op_resolver_type: OpResolverType = OpResolverType.AUTO,
        experimental_preserve_all_tensors: bool = False,
        experimental_disable_delegate_clustering: bool = False,
        experimental_default_delegate_latest_features: bool = False,
        experimental_compress_quantization_zero_points: bool = False,
        experimental_disable_delegate_node_fusion: bool = False,
        experimental_force_delegate_node_profiling: bool = False,
        *,
        limits: Limits = DEFAULT_LIMITS,
        precision: str = Precision.FLOAT32.value,
    ) -> None:
        if getattr(experimental_op_resolver_type, "name", "") not in OpResolverType.__members__:
            raise InputError(
                f"Unrecognized passed in op resolver type: {experimental_op_resolver_type!r}; "
                f"known: {', '.join(OpResolverType.__members__)}"
            )
        _check_threads(num_threads)
        if experimental_delegates:
            ignored("experimental_delegates", "the CPU runs every operator")
        if experimental_force_delegate_node_profiling:
            ignored("experimental_force_delegate_node_profiling", "there are no delegates")
        self._source = _source(model_path, model_content)
        if not self._model.graphs:
            raise InputError("No subgraph in the model; nothing can run")
        self._compress = experimental_compress_quantization_zero_points
        resources = Resources()
        self._subgraphs = [
            Subgraph(
                self._source,
                name,
                keep_all=experimental_preserve_all_tensors,
                compress=self._compress,
                resources=resources,
                num_threads=num_threads or 1,
                limits=limits,
                precision=Precision.of(precision),
            )
            for name in self._model.graphs
        ]
        self._main = self._subgraphs[0]

    @property
    def _model(self) -> Model:
        """As far as it was read: signatures, and the inputs and outputs of all graphs."""
        return self._source.interface

    # -- the usual four -------------------------------------------------------------------------

    def allocate_tensors(self) -> None:
        """Derive all shapes from the inputs' and make the inputs' arrays. Raises RuntimeError."""
        self._main.allocate()

    def set_tensor(self, tensor_index: int, value: np.typing.ArrayLike) -> None:
        """Copy `value` into an input or variable tensor.

        Raises:
            ValueError: not an input, or another dtype or shape than the tensor's.
        """
        try:
            array = np.asarray(value)
        except ValueError as error:  # rows of different lengths
            raise InputError(f"Cannot set tensor {tensor_index}: {error}") from error
        self._main.set(tensor_index, array)

    def invoke(self) -> None:
        """Run the main subgraph. Raises RuntimeError before `allocate_tensors`."""
        self._main.invoke()

    def get_tensor(self, tensor_index: int, subgraph_index: int = 0) -> np.ndarray:
        """A copy of a tensor: inputs, constants, outputs of the last run; intermediate ones
        with `experimental_preserve_all_tensors=True`. Raises ValueError for others."""
        subgraph = self._subgraph(subgraph_index)
        array = np.array(subgraph.get(tensor_index))
        narrow = subgraph.value(tensor_index).dtype is DType.INT4
        return array.astype(np.int8) if narrow else array

    def tensor(self, tensor_index: int) -> Callable[[], np.ndarray]:
        """A function that returns the tensor's array itself (writable for inputs).

        Unlike in LiteRT, an array that is still held does not keep `invoke` from running.
        """
        subgraph = self._main
        subgraph.value(tensor_index)
        return lambda: subgraph.get(tensor_index)

    # -- descriptions ---------------------------------------------------------------------------

    def get_input_details(self) -> list[Details]:
        """Dictionaries of the inputs, in order."""
        return list(map(self._main.details, self._main.inputs))

    def get_output_details(self) -> list[Details]:
        """Dictionaries of the outputs, in order."""
        return list(map(self._main.details, self._main.outputs))

    def get_tensor_details(self, subgraph_index: int = 0) -> list[Details]:
        """Dictionaries of every tensor of a subgraph, in the file's order."""
        subgraph = self._subgraph(subgraph_index)
        return list(map(subgraph.details, subgraph.indices()))

    def num_subgraphs(self) -> int:
        """How many subgraphs the file has."""
        return len(self._subgraphs)

    def _get_ops_details(self) -> list[Details]:
        """Dictionaries of the operators; not public in LiteRT either, and widely used."""
        return self._main.operators()

    # -- shapes and state -----------------------------------------------------------------------

    def resize_tensor_input(
        self, input_index: int, tensor_size: Sequence[int], strict: bool = False
    ) -> None:
        """Give an input another shape; `allocate_tensors` must follow.

        Raises:
            ValueError: not an input, or not a list of dimensions.
            RuntimeError: a negative dimension, or (strict) one the signature fixes.
        """
        self._main.resize(input_index, tensor_size, strict=strict)

    def reset_all_variables(self) -> None:
        """Variable tensors are zero again. Variables and tables that operators name (VAR_HANDLE)
        keep what they hold, and CALL_ONCE does not run again, as in LiteRT 2.3."""
        for subgraph in self._subgraphs:
            subgraph.reset_variables()

    def cancel(self) -> None:
        """Stop the inference that is running in another thread, between two operators: its `invoke`
        raises CancelledError, a RuntimeError. Nothing happens where none is running."""
        for subgraph in self._subgraphs:
            subgraph.session.cancel()

    # -- signatures -----------------------------------------------------------------------------

    def get_signature_list(self) -> dict[str, dict[str, list[str]]]:
        """Signature keys with the sorted names of their inputs and outputs."""
        return {
            s.key: {"inputs": sorted(s.inputs), "outputs": sorted(s.outputs)}
            for s in sorted(self._model.signatures, key=lambda s: s.key)
        }

    def get_signature_runner(self, signature_key: str | None = None) -> SignatureRunner:
        """A callable for one signature (None: the only one). Raises ValueError."""
        if signature_key is None:
            keys = [s.key for s in self._model.signatures]
            if len(keys) != 1:
                raise InputError(
                    f"SignatureDef signature_key is None and model has {len(keys)} Signatures. "
                    "None is only allowed when the model has 1 SignatureDef; "
                    f"keys are: {', '.join(keys) or 'none'}"
                )
            [signature_key] = keys
        return SignatureRunner(self, signature_key)

    @property
    def experimental_compress_quantization_zero_points(self) -> bool:
        """As given to the constructor."""
        return self._compress

    def _subgraph(self, index: int) -> Subgraph:
        if not 0 <= index < len(self._subgraphs):
            raise InputError(
                f"subgraph_index is out of range: {index} for the model, which has "
                f"{len(self._subgraphs)} subgraphs."
            )
        return self._subgraphs[index]


class InterpreterWithCustomOps(Interpreter):
    """An interpreter that is told custom operators first.

    Args:
        custom_op_registerers: Python functions, which are called with `edgewise.register_op`, and
            paths of what `edgewise run --ops` takes. LiteRT's are C++ functions, or their names;
            those cannot be called, and have no effect.
    """

    def __init__(
        self,
        custom_op_registerers: Iterable[Callable[..., object] | str | os.PathLike[str]]
        | None = None,
        **kwargs: Any,
    ) -> None:
        for registerer in custom_op_registerers or ():
            from edgewise import custom  # imports the operators, which others do not wait for

            if isinstance(registerer, FunctionType | MethodType):
                registerer(custom.register_op)
            elif isinstance(registerer, str | os.PathLike) and os.path.isfile(registerer):
                custom.load_ops(registerer)
            else:
                ignored("custom_op_registerers", "LiteRT's C++ operators cannot be loaded")
        super().__init__(**kwargs)


def __getattr__(name: str) -> object:
    raise no_attribute("edgewise.lite.interpreter", name, __all__)


def __dir__() -> list[str]:
    return __all__


def _check_threads(count: object) -> None:
    if count is None:
        return
    if not isinstance(count, int):
        raise InputError(f"type of num_threads should be int; got {count!r}")
    if count < 1:
        raise InputError(f"num_threads should >= 1; got {count}")


def _source(path: str | bytes | os.PathLike[str] | None, content: object) -> Source:
    if path and content:
        raise InputError("Can't both provide `model_path` and `model_content`; give one of them")
    if path:
        name = os.fsdecode(path)
        return Source(name, cache=True, with_tensors=True)
    if content is None:
        raise InputError("`model_path` or `model_content` must be specified.")
    if not isinstance(content, bytes | bytearray | memoryview):
        raise TypeError(
            f"model_content takes the bytes of a model; got {type(content).__name__}. "
            "Give a path as model_path"
        )
    return Source(bytes(content), cache=True, with_tensors=True)
