"""`tf.lite.Interpreter` and `ai_edge_litert.interpreter`: same names, arguments, dictionaries.

Source: the public names of tensorflow 2.21 and ai-edge-litert 2.3.
"""

from __future__ import annotations

import enum
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from edgewise.errors import InputError
from edgewise.format import load
from edgewise.ir.model import Model
from edgewise.lite.notice import ignored
from edgewise.lite.subgraph import Details, Subgraph


@enum.unique
class OpResolverType(enum.Enum):
    """Which kernels LiteRT would take. Edgewise has one set, so all mean the same here."""

    AUTO = 0
    BUILTIN = 1
    BUILTIN_REF = 2
    BUILTIN_WITHOUT_DEFAULT_DELEGATES = 3


class Delegate:
    """A delegate library. Edgewise does not load LiteRT's delegate binaries.

    Raises:
        ValueError: always, naming the library.
    """

    def __init__(self, library: str, options: Mapping[str, str] | None = None) -> None:
        raise InputError(
            f"delegate {library!r}: Edgewise cannot load LiteRT delegate libraries; "
            "leave experimental_delegates out, the CPU runs every operator"
        )


def load_delegate(library: str, options: Mapping[str, str] | None = None) -> Delegate:
    """Load a delegate; see `Delegate`."""
    return Delegate(library, options)


class Interpreter:
    """Drop-in for `tf.lite.Interpreter`: allocate_tensors, set_tensor, invoke, get_tensor.

    Tensors are addressed by their index in the file, names are the file's. Arguments that
    select LiteRT's kernels or delegates are accepted and change nothing.

    Raises:
        ValueError: neither path nor content, both, or not a model (FormatError).
    """

    def __init__(
        self,
        model_path: str | os.PathLike[str] | None = None,
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
    ) -> None:
        if (model_path is None) == (model_content is None):
            what = "both were given" if model_path is not None else "neither was given"
            raise InputError(f"`model_path` or `model_content` must be specified; {what}")
        if num_threads is not None and num_threads < 1:
            raise InputError(f"num_threads must be a positive integer; got {num_threads!r}")
        for name, given in (
            ("experimental_delegates", experimental_delegates),
            (
                "experimental_force_delegate_node_profiling",
                experimental_force_delegate_node_profiling,
            ),
        ):
            if given:
                ignored(name, "the CPU runs every operator")
        source = model_path if model_path is not None else model_content
        assert source is not None
        self._model: Model = load(source)
        self._keep_all = experimental_preserve_all_tensors
        self._compress = experimental_compress_quantization_zero_points
        self._subgraphs = [Subgraph(graph, self._keep_all) for graph in self._model.graphs.values()]

    # -- the usual four -------------------------------------------------------------------------

    def allocate_tensors(self) -> None:
        """Derive all shapes from the inputs' and make the inputs' arrays."""
        self._main.allocate()

    def set_tensor(self, tensor_index: int, value: np.typing.ArrayLike) -> None:
        """Copy `value` into an input tensor.

        Raises:
            ValueError: not an input, or another dtype or shape than the tensor's.
        """
        self._main.set(tensor_index, np.asarray(value))

    def invoke(self) -> None:
        """Run the main subgraph. Raises RuntimeError before `allocate_tensors`."""
        self._main.invoke()

    def get_tensor(self, tensor_index: int, subgraph_index: int = 0) -> np.ndarray:
        """A copy of a tensor: inputs, constants, outputs of the last run; intermediate ones
        with `experimental_preserve_all_tensors=True`. Raises ValueError for others."""
        return np.array(self._subgraph(subgraph_index).get(tensor_index))

    def tensor(self, tensor_index: int) -> Callable[[], np.ndarray]:
        """A function that returns the tensor's array itself (writable for inputs)."""
        subgraph = self._main
        subgraph.value(tensor_index)
        return lambda: subgraph.get(tensor_index)

    # -- descriptions ---------------------------------------------------------------------------

    def get_input_details(self) -> list[Details]:
        """Dictionaries of the inputs, in order."""
        return [self._main.details(v) for v in self._main.graph.inputs]

    def get_output_details(self) -> list[Details]:
        """Dictionaries of the outputs, in order."""
        return [self._main.details(v) for v in self._main.graph.outputs]

    def get_tensor_details(self, subgraph_index: int = 0) -> list[Details]:
        """Dictionaries of every tensor of a subgraph, in the file's order."""
        subgraph = self._subgraph(subgraph_index)
        return [subgraph.details(value) for value in subgraph.tensors]

    def num_subgraphs(self) -> int:
        """How many subgraphs the file has."""
        return len(self._subgraphs)

    def _get_ops_details(self) -> list[Details]:
        return self._main.ops_details()

    # -- shapes and state -----------------------------------------------------------------------

    def resize_tensor_input(
        self, input_index: int, tensor_size: Sequence[int], strict: bool = False
    ) -> None:
        """Give an input another shape; `allocate_tensors` must follow.

        Raises:
            ValueError: not an input, or (strict) a dimension the signature fixes.
        """
        self._main.resize(input_index, [int(d) for d in tensor_size], strict=strict)

    def reset_all_variables(self) -> None:
        """Variable tensors are zero again."""
        for subgraph in self._subgraphs:
            subgraph.session.reset_variables()

    # -- signatures -----------------------------------------------------------------------------

    def get_signature_list(self) -> dict[str, dict[str, list[str]]]:
        """Signature keys with the sorted names of their inputs and outputs."""
        return {
            s.key: {"inputs": sorted(s.inputs), "outputs": sorted(s.outputs)}
            for s in sorted(self._model.signatures, key=lambda s: s.key)
        }

    def get_signature_runner(self, signature_key: str | None = None) -> SignatureRunner:
        """A callable for one signature (None: the only one). Raises ValueError."""
        return SignatureRunner(self, signature_key)

    @property
    def experimental_compress_quantization_zero_points(self) -> bool:
        """As given to the constructor."""
        return self._compress

    @property
    def _main(self) -> Subgraph:
        if not self._subgraphs:
            raise InputError("the model has no subgraph; nothing can run")
        return self._subgraphs[0]

    def _subgraph(self, index: int) -> Subgraph:
        if not 0 <= index < len(self._subgraphs):
            raise InputError(f"subgraph {index} does not exist; there are {len(self._subgraphs)}")
        return self._subgraphs[index]


class InterpreterWithCustomOps(Interpreter):
    """LiteRT's interpreter with C++ registerers of custom operators, which are ignored here."""

    def __init__(
        self, custom_op_registerers: Iterable[object] | None = None, **kwargs: Any
    ) -> None:
        if custom_op_registerers:
            ignored("custom_op_registerers", "LiteRT's C++ operators cannot be loaded")
        super().__init__(**kwargs)


class SignatureRunner:
    """Runs one signature: named arrays in, dict of named arrays out."""

    def __init__(
        self, interpreter: Interpreter | None = None, signature_key: str | None = None
    ) -> None:
        if interpreter is None:
            raise InputError("`interpreter` must be given; use Interpreter.get_signature_runner")
        model = interpreter._model
        if signature_key is None and len(model.signatures) != 1:
            known = ", ".join(s.key for s in model.signatures) or "none"
            raise InputError(f"signature_key must be given; the model has: {known}")
        self._signature = model.signature(signature_key)
        names = list(model.graphs)
        self._subgraph = interpreter._subgraph(names.index(self._signature.graph))

    def __call__(self, **kwargs: np.typing.ArrayLike) -> dict[str, np.ndarray]:
        """Resize where shapes differ, run, and return every output. Raises ValueError."""
        expected = self._signature.inputs
        if set(kwargs) != set(expected):
            raise InputError(
                f"signature {self._signature.key!r} takes {sorted(expected)}; got {sorted(kwargs)}"
            )
        subgraph = self._subgraph
        arrays = {name: np.asarray(value) for name, value in kwargs.items()}
        for name, array in arrays.items():
            value = subgraph.graph.inputs[expected[name]]
            if list(array.shape) != subgraph.shape(value):
                subgraph.resize(subgraph.index(value), list(array.shape))
        if not subgraph.ready:
            subgraph.allocate()
        for name, array in arrays.items():
            subgraph.set(subgraph.index(subgraph.graph.inputs[expected[name]]), array)
        subgraph.invoke()
        outputs = subgraph.graph.outputs
        return {
            name: np.array(subgraph.get(subgraph.index(outputs[i])))
            for name, i in sorted(self._signature.outputs.items())
        }

    def get_input_details(self) -> dict[str, Details]:
        """Dictionaries of the inputs by name."""
        values = self._subgraph.graph.inputs
        return {n: self._subgraph.details(values[i]) for n, i in self._signature.inputs.items()}

    def get_output_details(self) -> dict[str, Details]:
        """Dictionaries of the outputs by name."""
        values = self._subgraph.graph.outputs
        return {n: self._subgraph.details(values[i]) for n, i in self._signature.outputs.items()}
