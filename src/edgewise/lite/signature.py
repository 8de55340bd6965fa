"""`SignatureRunner`: a model as a function with named arguments and results."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edgewise.errors import InputError
from edgewise.lite.details import Details
from edgewise.lite.nearest import NearestName

if TYPE_CHECKING:
    from edgewise.lite.interpreter import Interpreter


class SignatureRunner(NearestName):
    """Runs one signature: named arrays in, dict of named arrays out.

    Runners of one interpreter that name the same subgraph share its tensors and variables.
    """

    def __init__(
        self, interpreter: Interpreter | None = None, signature_key: str | None = None
    ) -> None:
        if interpreter is None:
            raise InputError("None interpreter provided; use Interpreter.get_signature_runner")
        if not signature_key:
            raise InputError("None signature_key provided; use Interpreter.get_signature_runner")
        model = interpreter._model
        keys = [s.key for s in model.signatures]
        if signature_key not in keys:
            raise InputError(
                f'Invalid signature_key provided: "{signature_key}". '
                f"The model has: {', '.join(keys) or 'none'}"
            )
        self._signature = model.signature(signature_key)
        self._subgraph = interpreter._subgraphs[list(model.graphs).index(self._signature.graph)]
        inputs, outputs = self._subgraph.inputs, self._subgraph.outputs
        self._inputs = {n: inputs[i] for n, i in sorted(self._signature.inputs.items())}
        self._outputs = {n: outputs[i] for n, i in sorted(self._signature.outputs.items())}

    def __call__(self, **kwargs: np.typing.ArrayLike) -> dict[str, np.ndarray]:
        """Resize where shapes differ, run, and return every output.

        Raises:
            ValueError: missing or unknown names, another dtype than the input's.
            RuntimeError: shapes that the operators do not accept.
        """
        if len(kwargs) != len(self._inputs):
            raise InputError(
                "Invalid number of inputs provided for running a SignatureDef, expected "
                f"{len(self._inputs)} vs provided {len(kwargs)}; inputs are "
                f"{', '.join(self._inputs)}"
            )
        for name in kwargs:
            if name not in self._inputs:
                raise InputError(
                    f"Invalid Input name ({name}) for SignatureDef; inputs are "
                    f"{', '.join(self._inputs)}"
                )
        subgraph = self._subgraph
        arrays = {name: np.asarray(value) for name, value in kwargs.items()}
        for name, array in arrays.items():
            subgraph.resize(self._inputs[name], array.shape)
        subgraph.allocate()
        for name, array in arrays.items():
            subgraph.set(self._inputs[name], array)
        subgraph.invoke()
        return {name: np.array(subgraph.get(i)) for name, i in self._outputs.items()}

    def get_input_details(self) -> dict[str, Details]:
        """Dictionaries of the inputs by name."""
        return self._details(self._inputs)

    def get_output_details(self) -> dict[str, Details]:
        """Dictionaries of the outputs by name."""
        return self._details(self._outputs)

    def _details(self, indices: dict[str, int]) -> dict[str, Details]:
        return {name: self._subgraph.details(index) for name, index in indices.items()}
